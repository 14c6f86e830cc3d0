// One message as a row: author, text, reactions, thread summary and what one can do with it.

import { attachments, lineOf } from "./attachments.js";
import { avatar } from "./avatar.js";
import { make } from "./dom.js";
import { emojiName, favourites } from "./emoji.js";
import { icon } from "./icons.js";
import { onlyEmoji, render } from "./markup.js";
import { isBot, state } from "./store.js";
import { agoElement, clockTime, fullTime, shortTime } from "./time.js";

/** Draws a message. `actions` are the verbs of rows.js; `place` is "history" or "thread". */
export function messageRow(message, { grouped, editing, actions, place }) {
  const author = message.author;
  const echo = message.state;
  const row = make("article", {
    class: ["message", grouped && "message-grouped", echo && `message-${echo}`, message.deleted && "message-deleted", editing && "message-editing", mentionsMe(message) && "message-to-me"].filter(Boolean).join(" "),
    "data-test": echo ? "message-echo" : "message", "data-id": message.id, tabindex: "-1", "aria-label": `${author.display_name}, ${clockTime(message.posted_at)}: ${message.deleted ? "deleted" : lineOf(message).slice(0, 200)}`,
  });
  row.append(
    grouped ? time(message, "message-aside") : make("button", { type: "button", class: "bare message-avatar", tabindex: "-1", "aria-label": `Profile of ${author.display_name}`, onclick: () => actions.profile(author) }, avatar(author)),
    make("div", { class: "message-main" }, grouped ? null : head(message, actions), editing ? editBox(message, actions) : body(message), attachments(message), echo === "failed" ? failure(message, actions) : null, reactions(message, actions), summary(message, actions, place)),
  );
  if (!echo && !message.deleted && !editing) row.append(toolbar(message, actions, place));
  return row;
}

const mentionsMe = (message) => !message.deleted && message.mentions.some((person) => person.id === state.me?.id);

function time(message, style) {
  return make("time", { class: style, datetime: message.posted_at, title: fullTime(message.posted_at) }, style === "message-aside" ? shortTime(message.posted_at) : clockTime(message.posted_at));
}

function head(message, actions) {
  return make("header", { class: "message-head" },
    make("button", { type: "button", class: "bare message-author", tabindex: "-1", onclick: () => actions.profile(message.author) }, message.author.display_name || message.author.username),
    isBot(message.author) ? make("span", { class: "tag" }, "bot") : null,
    time(message, "message-time"));
}

/** The people a text may mention, by lowercase username; an echo's are those already known. */
export function mentionsOf(message) {
  const people = message.state ? state.users.values() : message.mentions;
  return new Map([...people].map((person) => [person.username.toLowerCase(), person]));
}

function body(message) {
  if (message.deleted) return make("div", { class: "message-text", "data-test": "message-text" }, "This message was deleted.");
  if (!message.text && message.files.length) return null;
  const node = make("div", { class: onlyEmoji(message.text) ? "message-text message-jumbo" : "message-text", "data-test": "message-text", dir: "auto" }, render(message.text, { mentions: mentionsOf(message), me: state.me?.id }));
  if (message.edited_at) node.append(make("span", { class: "edited", title: `Edited ${fullTime(message.edited_at)}` }, " (edited)"));
  return node;
}

function failure(message, actions) {
  return make("div", { class: "failure", role: "alert" }, icon("alert"), make("span", {}, message.problem || "Not sent."),
    make("button", { type: "button", class: "link", "data-test": "retry", onclick: () => actions.retry(message) }, "Retry"),
    make("button", { type: "button", class: "link link-quiet", "data-test": "discard", onclick: () => actions.discard(message) }, "Discard"));
}

function reactions(message, actions) {
  if (message.deleted || !message.reactions.length) return null;
  return make("div", { class: "reactions" },
    message.reactions.map(({ emoji, count, mine }) => make("button", {
      type: "button", class: "reaction", tabindex: "-1", "aria-pressed": String(mine), "data-test": "reaction", "data-emoji": emoji, "data-focus": `reaction ${emoji}`,
      title: `${emojiName(emoji)}${mine ? ": you" : ""}`, "aria-label": `${emojiName(emoji)}, ${count}`, onclick: () => actions.toggle(message, emoji),
    }, make("span", { class: "emoji" }, emoji), make("span", { class: "reaction-count" }, String(count)))),
    make("button", { type: "button", class: "reaction reaction-add", tabindex: "-1", "aria-label": "Add a reaction", title: "Add a reaction", onclick: (event) => actions.react(message, event.currentTarget) }, icon("smile")));
}

function summary(message, actions, place) {
  if (place === "thread" || !message.reply_count) return null;
  return make("button", { type: "button", class: "thread-summary", tabindex: "-1", "data-test": "thread-summary", onclick: () => actions.thread(message) },
    icon("reply"), make("strong", {}, message.reply_count === 1 ? "1 reply" : `${message.reply_count} replies`), message.last_reply_at ? make("span", {}, "last reply ", agoElement(message.last_reply_at)) : null);
}

function toolbar(message, actions, place) {
  const mine = message.author.id === state.me?.id;
  const button = (test, name, label, run) => make("button", { type: "button", class: "icon-button", tabindex: "-1", "data-test": test, "data-focus": test, "aria-label": label, title: label, onclick: run }, icon(name));
  return make("div", { class: "message-tools", role: "toolbar", "aria-label": "Message actions" },
    favourites().map((emoji) => make("button", { type: "button", class: "icon-button quick-emoji", tabindex: "-1", "aria-label": `React with ${emojiName(emoji)}`, title: emojiName(emoji), onclick: () => actions.toggle(message, emoji) }, emoji)),
    button("message-react", "smile", "Add a reaction", (event) => actions.react(message, event.currentTarget)),
    place === "thread" ? null : button("message-thread", "reply", "Reply in thread", () => actions.thread(message)),
    mine ? button("message-edit", "pencil", "Edit", () => actions.edit(message)) : null,
    mine ? button("message-delete", "trash", "Delete", () => actions.erase(message)) : null);
}

function editBox(message, actions) {
  const box = make("textarea", { class: "edit-box", "data-test": "edit-box", "aria-label": "Edit message", rows: "1", maxlength: "8000", value: message.text });
  const fit = () => {
    box.style.setProperty("height", "auto");
    box.style.setProperty("height", `${box.scrollHeight + 2}px`);
  };
  const save = make("button", { type: "button", class: "button button-primary button-small", "data-test": "edit-save", onclick: () => actions.save(message, box.value.trim(), save) }, "Save");
  box.addEventListener("input", fit);
  box.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") actions.cancel(message);
    else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) save.click();
    else return;
    event.preventDefault();
  });
  requestAnimationFrame(() => {
    fit();
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  });
  return make("div", { class: "edit" }, box, make("div", { class: "row" }, save, make("button", { type: "button", class: "button button-small", "data-test": "edit-cancel", onclick: () => actions.cancel(message) }, "Cancel"), make("span", { class: "faint hide-phone" }, "Enter to save, Escape to cancel")));
}
