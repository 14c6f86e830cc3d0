// The search page and the mentions page.

import { get, query } from "./api.js";
import { emptyState } from "./dialog.js";
import { make } from "./dom.js";
import { createResults } from "./results.js";
import { state } from "./store.js";
import { markMentionsSeen } from "./sync.js";

/** What was searched for, newest first. */
export function createSearchView({ setHead }) {
  const { query: text, channelId } = state.route;
  setHead([make("h1", {}, text ? "Results" : "Search"), text ? make("span", { class: "head-topic" }, `for “${text}”`) : null], text ? `Search: ${text}` : "Search");
  if (!text) return { node: page(emptyState({ picture: "search", title: "Find anything that was said", text: "Type a few words above. All of them must occur; the newest messages come first." })), destroy: () => {} };
  const results = createResults({
    load: (cursor) => get(query("/v1/search", { q: text, channel: channelId, cursor, limit: 30 })),
    words: text.split(/\s+/),
    none: emptyState({ picture: "search", title: "Nothing found", text: `No message has “${text}”. Try fewer or other words.` }),
  });
  return { node: page(results.node), focusFirst: results.focusFirst, destroy: results.destroy };
}

/** Messages that mention me, newest first. */
export function createMentionsView({ setHead }) {
  setHead([make("h1", {}, "Mentions"), make("span", { class: "head-topic" }, "Messages with your name in them")], "Mentions");
  const results = createResults({
    load: (cursor) => get(query("/v1/me/mentions", { cursor, limit: 30 })),
    none: emptyState({ picture: "at", title: "All quiet", text: `When somebody writes @${state.me.username}, it shows up here.` }),
    onFirst: (items) => markMentionsSeen(items[0]?.posted_at),
  });
  return { node: page(results.node), focusFirst: results.focusFirst, destroy: results.destroy };
}

const page = (content) => make("section", { class: "page" }, content);
