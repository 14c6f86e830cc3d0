// The view of a channel: its head, its history, the composer, and a thread beside it.

import { showDetails } from "./channel-dialogs.js";
import { findChannel, joinChannel } from "./channels.js";
import { complain, emptyState, errorState, skeleton, toast } from "./dialog.js";
import { fill, make } from "./dom.js";
import { createComposer } from "./composer.js";
import { acceptDrops } from "./dropping.js";
import { createHistory } from "./history.js";
import { icon } from "./icons.js";
import { send } from "./posting.js";
import { channelPath, navigate, rename } from "./router.js";
import { channelName, on, state } from "./store.js";
import { createThread } from "./thread.js";
import { createTyping } from "./typing.js";

/** Makes the view of a channel; `setHead(nodes, title)` fills the top bar. */
export function createChannelView(channelId, { setHead }) {
  const main = make("section", { class: "channel", "aria-label": "Channel" }, skeleton(8));
  const side = make("div", { class: "side" });
  const node = make("div", { class: "channel-frame" }, main, side);
  let channel = null;
  let history = null;
  let composer = null;
  let thread = null;
  let typing = null;
  let gone = false;

  const stop = on("channels", () => {
    const now = state.channels.get(channelId);
    if (!channel || !now || now === channel) return;
    const joinedNow = now.joined !== channel.joined;
    const headNow = ["name", "topic", "kind", "member_count"].some((key) => now[key] !== channel[key]) || channelName(now) !== channelName(channel);
    channel = now;
    if (headNow) head();
    if (joinedNow) foot();
  });

  async function open() {
    try {
      channel = await findChannel(channelId);
    } catch (error) {
      if (gone) return;
      setHead([make("h1", {}, "Channel")], "Channel");
      const missing = error.status === 404 || error.status === 403 || error.status === 400;
      return void fill(main, missing ? emptyState({ picture: "lock", title: "This channel is not here", text: "It may be private, or the link is wrong.", actions: [make("a", { class: "button", href: "/", "data-inside": true }, "Back to my channels")] }) : errorState(error, open));
    }
    if (gone) return;
    head();
    history = createHistory(channel);
    fill(main, history.node, make("div", { class: "foot" }));
    foot();
    follow();
  }

  function head() {
    const name = channelName(channel);
    const direct = channel.kind === "direct";
    setHead([
      make("button", { type: "button", class: "bare head-name", "data-test": "channel-details", title: "About this channel", onclick: () => showDetails(channel) },
        direct ? null : icon(channel.kind === "private" ? "lock" : "hash"), make("h1", { "data-test": "channel-name" }, name)),
      channel.topic ? make("span", { class: "head-topic", title: channel.topic }, channel.topic) : null,
      make("button", { type: "button", class: "head-count", "aria-label": `${channel.member_count} members`, title: "Members", onclick: () => showDetails(channel) }, icon("people"), String(channel.member_count)),
    ], direct ? name : `#${name}`);
  }

  function foot() {
    const place = main.querySelector(".foot");
    if (!place) return;
    if (!channel.joined) return void fill(place, joinBar());
    const name = channelName(channel);
    typing ??= createTyping(channel.id);
    composer = createComposer({
      key: channel.id, channelId: channel.id, placeholder: channel.kind === "direct" ? `Message ${name}` : `Message #${name}`, test: "composer", sendTest: "send",
      onSend: (text, files) => { send(channel.id, text, { files }); history.toNewest(); },
      onUp: () => history.editLast(), onType: (text) => typing.typed(text),
    });
    fill(place, typing.node, composer.node);
    if (!main.querySelector(".drop-veil")) acceptDrops(main, `Drop files to send them to ${channel.kind === "direct" ? name : `#${name}`}`, (files) => composer.attach(files));
    if (matchMedia("(min-width: 800px)").matches && !state.route.messageId && !document.querySelector("dialog[open]")) composer.focus();
  }

  function joinBar() {
    return make("div", { class: "join-bar" }, make("span", {}, "You are reading ", make("strong", {}, `#${channelName(channel)}`), ". Join to take part."),
      make("button", { type: "button", class: "button button-primary", "data-test": "join-channel", onclick: async (event) => {
        event.currentTarget.disabled = true;
        await joinChannel(channel.id).then(() => toast(`You joined #${channelName(channel)}.`), complain);
      } }, "Join channel"));
  }

  /** Follows the address: a thread to open, a message to point out. */
  async function follow() {
    if (!channel) return;
    const { threadId, replyId, messageId } = state.route;
    if (thread && (thread.rootId !== threadId || replyId)) {
      thread.destroy();
      thread = null;
      fill(side);
      if (!threadId && channel.joined) composer?.focus();
    }
    if (threadId && !thread) {
      thread = createThread(channel, threadId, { replyId, canPost: channel.joined });
      fill(side, thread.node);
    }
    node.classList.toggle("with-thread", Boolean(thread));
    if (messageId) {
      const found = await history.reveal(messageId);
      if (gone) return;
      if (!found) toast("That message is not here any more.", "error");
      if (state.route.messageId === messageId) rename(channelPath(channelId));
    }
  }

  open();
  return {
    node, channelId, follow,
    focusComposer: () => composer?.focus(),
    focusHistory: () => history?.focusLast(),
    read: () => history?.read(),
    /** Closes the thread; false when there is none. */
    escape: () => (thread ? (navigate(channelPath(channelId)), true) : false),
    destroy: () => { gone = true; stop(); history?.destroy(); thread?.destroy(); typing?.destroy(); },
  };
}
