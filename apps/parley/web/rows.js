// Keeps the rows of a history or a thread: reuses nodes by id, moves between them by keyboard, and acts on them.

import { keepPlaying, lineOf } from "./attachments.js";
import { complain, confirm } from "./dialog.js";
import { pickEmoji, countUse } from "./emoji.js";
import { messageRow } from "./message.js";
import { showProfile } from "./people.js";
import { discard, edit, erase, retry, toggleReaction } from "./posting.js";
import { navigate, threadPath } from "./router.js";
import { state } from "./store.js";

/** Rows inside `container`. `changed` is called when a row must be drawn again. */
export function createRows(container, { place, changed }) {
  const nodes = new Map();
  let editing = null;

  const attempt = (work) => work.catch(complain);
  const actions = {
    profile: showProfile,
    retry,
    discard,
    react: (message, anchor) => pickEmoji(anchor, (emoji) => actions.toggle(message, emoji)),
    toggle: (message, emoji) => {
      if (!message.reactions.some((reaction) => reaction.emoji === emoji && reaction.mine)) countUse(emoji);
      attempt(toggleReaction(message, emoji));
    },
    thread: (message) => navigate(threadPath(message.channel_id, message.id)),
    edit: (message) => {
      editing = message.id;
      changed();
      nodes.get(message.id)?.node.scrollIntoView({ block: "nearest" });
    },
    cancel: (message) => {
      editing = null;
      changed();
      back(message);
    },
    save: async (message, text, button) => {
      if (!text) return actions.erase(message);
      button.disabled = true;
      try {
        if (text !== message.text) await edit(message, text);
        actions.cancel(message);
      } catch (error) {
        button.disabled = false;
        complain(error);
      }
    },
    erase: async (message) => {
      if (!(await confirm({ title: "Delete message?", text: "Everybody in the channel will see that a message was deleted. This cannot be undone.", detail: lineOf(message).slice(0, 300), action: "Delete" }))) return;
      editing = null;
      await attempt(erase(message));
      changed();
    },
  };

  /** Puts the focus where it was useful: the composer after an edit. */
  function back() {
    const composer = (place === "thread" ? container.closest(".thread") : container.closest(".channel"))?.querySelector(".composer textarea");
    composer?.focus({ preventScroll: true });
  }

  /** The node of a message, drawn again only when something about it changed. */
  function rowOf(message, grouped) {
    const known = nodes.get(message.id);
    const isEditing = editing === message.id;
    if (known && known.isEditing && isEditing) return known.node;
    if (known && known.message === message && known.grouped === grouped && known.isEditing === isEditing) return known.node;
    const found = known?.node.classList.contains("message-found");
    const node = keepPlaying(known?.node, messageRow(message, { grouped, editing: isEditing, actions, place }));
    if (found) node.classList.add("message-found");
    nodes.set(message.id, { node, message, grouped, isEditing });
    if (known?.node.contains(document.activeElement)) requestAnimationFrame(() => refocus(node, known.focus));
    return node;
  }

  function refocus(node, key) {
    if (document.activeElement !== document.body || node.querySelector("textarea")) return;
    const same = key && [...node.querySelectorAll("[data-focus]")].find((other) => other.dataset.focus === key);
    (same || node).focus({ preventScroll: true });
  }

  /** Makes the container's children exactly `wanted`, moving as little as possible, and forgets other rows. */
  function reconcile(wanted, messages) {
    let at = container.firstChild;
    const keep = new Set(wanted);
    for (const node of wanted) {
      while (at && !keep.has(at)) {
        const next = at.nextSibling;
        at.remove();
        at = next;
      }
      if (at === node) at = at.nextSibling;
      else container.insertBefore(node, at);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
    const ids = new Set(messages.map((message) => message.id));
    for (const id of nodes.keys()) if (!ids.has(id)) nodes.delete(id);
  }

  container.addEventListener("focusin", (event) => {
    const row = event.target.closest(".message");
    if (!row) return;
    const entry = nodes.get(row.dataset.id);
    if (entry) entry.focus = event.target.dataset.focus;
    for (const button of row.querySelectorAll("button[tabindex], a[tabindex]")) button.tabIndex = 0;
  });
  container.addEventListener("focusout", (event) => {
    const row = event.target.closest(".message");
    if (row && !row.contains(event.relatedTarget)) for (const button of row.querySelectorAll("button[tabindex], a[tabindex]")) button.tabIndex = -1;
  });
  container.addEventListener("click", (event) => {
    const person = event.target.closest?.(".mention")?.dataset.user;
    if (person && state.users.has(person)) showProfile(state.users.get(person));
  });
  container.addEventListener("keydown", (event) => keyboard(event));

  function keyboard(event) {
    const row = event.target;
    if (!row.classList?.contains("message") || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = [...container.querySelectorAll(".message")];
    const at = rows.indexOf(row);
    const message = nodes.get(row.dataset.id)?.message;
    const mine = message && message.author.id === state.me?.id && !message.deleted && !message.state;
    const act = {
      ArrowUp: () => rows[at - 1]?.focus(),
      ArrowDown: () => (rows[at + 1] ? rows[at + 1].focus() : back()),
      Home: () => rows[0].focus(),
      End: () => rows.at(-1).focus(),
      Enter: () => place === "history" && !message.state && actions.thread(message),
      t: () => place === "history" && !message.state && actions.thread(message),
      r: () => !message.deleted && !message.state && actions.react(message, row.querySelector("[data-test=message-react]")),
      e: () => mine && actions.edit(message),
      Delete: () => mine && actions.erase(message),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  return { rowOf, reconcile, actions, nodeOf: (id) => nodes.get(id)?.node, isEditing: () => editing !== null };
}
