// The panel of a thread: its root, the replies and a composer.

import { closeButton, emptyState, errorState, skeleton, toast } from "./dialog.js";
import { fill, make } from "./dom.js";
import { createComposer } from "./composer.js";
import { acceptDrops } from "./dropping.js";
import { send } from "./posting.js";
import { channelPath, navigate } from "./router.js";
import { createRows } from "./rows.js";
import { channelName, on, state } from "./store.js";
import { openThread, threadOf } from "./timeline.js";

const GROUP_MS = 5 * 60 * 1000;

/** Makes the panel of the thread under `rootId`; `replyId` is pointed out when given. */
export function createThread(channel, rootId, { replyId = null, canPost }) {
  const close = () => navigate(channelPath(channel.id));
  const list = make("div", { class: "thread-list", role: "feed", "aria-label": "Thread" });
  const status = make("div", { class: "thread-status" });
  const scroller = make("div", { class: "thread-scroll", "data-test": "thread-history" }, list, status);
  const where = channel.kind === "direct" ? channelName(channel) : `#${channelName(channel)}`;
  const rows = createRows(list, { place: "thread", changed: draw });
  const divider = make("div", { class: "thread-count", role: "separator" }, make("span", {}));
  const composer = createComposer({
    key: rootId, channelId: channel.id, placeholder: "Reply…", test: "thread-composer", sendTest: "thread-send",
    onSend: (text, files) => { stick = true; send(channel.id, text, { threadId: rootId, files }); },
    onUp: () => {
      const last = threadOf(rootId)?.list.findLast((message) => message.author.id === state.me.id && !message.deleted);
      if (last) rows.actions.edit(last);
    },
  });
  const node = make("aside", { class: "thread", "data-test": "thread", "aria-label": "Thread" },
    make("header", { class: "thread-head" }, make("div", {}, make("h2", {}, "Thread"), make("span", { class: "faint" }, where)), closeButton(close, "Close thread")),
    scroller, canPost ? composer.node : null);
  if (canPost) acceptDrops(node, "Drop files to send them to this thread", (files) => composer.attach(files));
  let stick = false;
  let shown = false;

  const stop = on("thread", (id) => id === rootId && draw());

  function draw() {
    const thread = threadOf(rootId);
    if (!thread) return;
    const wanted = [];
    const messages = [thread.root, ...thread.list, ...thread.pending].filter(Boolean);
    if (thread.root) wanted.push(rows.rowOf(thread.root, false), divider);
    const count = thread.list.filter((message) => !message.deleted).length;
    divider.firstChild.textContent = thread.loading ? "Replies" : count === 0 ? "No replies yet" : count === 1 ? "1 reply" : `${count} replies`;
    let last = null;
    for (const message of [...thread.list, ...thread.pending]) {
      const grouped = Boolean(last) && last.author.id === message.author.id && !last.deleted && new Date(message.posted_at) - new Date(last.posted_at) < GROUP_MS;
      wanted.push(rows.rowOf(message, grouped));
      last = message;
    }
    rows.reconcile(wanted, messages);
    for (const row of list.children) if (row.classList.contains("message")) row.tabIndex = row === list.lastChild ? 0 : -1;
    fill(status, thread.loading && !thread.list.length ? skeleton(2) : null, thread.error ? problem(thread.error) : null);
    if (stick) scroller.scrollTop = scroller.scrollHeight;
    stick = false;
    if (!thread.loading && !shown) point();
  }

  function problem(error) {
    if (error.status === 404) return emptyState({ picture: "reply", title: "This thread is not here", text: "It may have been in a channel you cannot see." });
    return errorState(error, () => openThread(channel.id, rootId));
  }

  /** Once loaded: shows the reply that was asked for, else the newest. */
  function point() {
    shown = true;
    const row = replyId && rows.nodeOf(replyId);
    if (replyId && !row) toast("That reply is not here any more.", "error");
    if (!row) return void (scroller.scrollTop = scroller.scrollHeight);
    row.scrollIntoView({ block: "center" });
    row.classList.add("message-found");
    setTimeout(() => row.classList.remove("message-found"), 3000);
  }

  const stopFresh = on("fresh", ({ messages }) => {
    if (messages.some((message) => message.thread_id === rootId) && scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 200) scroller.scrollTop = scroller.scrollHeight;
  });

  openThread(channel.id, rootId);
  if (canPost && matchMedia("(hover: hover)").matches) requestAnimationFrame(() => composer.focus());
  return { node, rootId, close, destroy: () => { stop(); stopFresh(); } };
}
