// A list of messages from many channels: search results and mentions.

import { lineOf } from "./attachments.js";
import { avatar } from "./avatar.js";
import { findChannel } from "./channels.js";
import { errorState, skeleton } from "./dialog.js";
import { fill, make } from "./dom.js";
import { render } from "./markup.js";
import { mentionsOf } from "./message.js";
import { messagePath } from "./router.js";
import { channelName, learn, state } from "./store.js";
import { agoElement } from "./time.js";

/** `load(cursor)` answers a page; `words` are marked; `none` is shown when there is nothing. */
export function createResults({ load, words = [], none, onFirst = () => {} }) {
  const list = make("div", { class: "results", role: "list" });
  const foot = make("div", { class: "results-foot" });
  const node = make("div", { class: "results-scroll" }, make("div", { class: "results-column" }, list, foot));
  let gone = false;
  let count = 0;

  async function page(cursor) {
    fill(foot, skeleton(cursor ? 2 : 6));
    try {
      const answer = await load(cursor);
      if (gone) return;
      await Promise.allSettled([...new Set(answer.items.map((message) => message.channel_id))].map(findChannel));
      if (gone) return;
      if (!cursor) onFirst(answer.items);
      list.append(...answer.items.map(entry));
      count += answer.items.length;
      fill(foot, count ? null : none, answer.next ? make("button", { type: "button", class: "button", onclick: () => page(answer.next) }, "Show older") : null);
    } catch (error) {
      if (!gone) fill(foot, errorState(error, () => page(cursor)));
    }
  }

  function entry(message) {
    learn(message.author, message.mentions);
    const channel = state.channels.get(message.channel_id);
    const where = !channel ? "A channel" : channel.kind === "direct" ? channelName(channel) : `#${channelName(channel)}`;
    return make("div", { role: "listitem" }, make("a", { class: "result", href: messagePath(message), "data-inside": true, "data-test": "search-result", "data-id": message.id },
      avatar(message.author), make("div", { class: "message-main" },
        make("div", { class: "message-head" }, make("strong", { class: "message-author" }, message.author.display_name), make("span", { class: "tag" }, where), message.thread_id ? make("span", { class: "tag" }, "in thread") : null, make("span", { class: "message-time" }, agoElement(message.posted_at))),
        make("div", { class: "message-text clamp", dir: "auto" }, withoutLinks(render(lineOf(message), { mentions: mentionsOf(message), me: state.me.id, words }))))));
  }

  node.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const links = [...list.querySelectorAll(".result")];
    const at = links.indexOf(document.activeElement);
    event.preventDefault();
    links[Math.max(0, at + (event.key === "ArrowDown" ? 1 : -1))]?.focus();
  });

  page();
  return { node, focusFirst: () => list.querySelector(".result")?.focus(), destroy: () => (gone = true) };
}

/** A result is a link itself, so links inside it become plain text. */
function withoutLinks(nodes) {
  const host = make("div", {}, nodes);
  for (const link of host.querySelectorAll("a")) link.replaceWith(make("span", { class: "was-link" }, ...link.childNodes));
  for (const block of host.querySelectorAll("pre")) block.removeAttribute("tabindex");
  return [...host.childNodes];
}
