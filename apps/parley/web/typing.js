// Who is typing in a channel: said while one types, and forgotten soon after.

import { make } from "./dom.js";
import { hear } from "./live.js";
import { on, state } from "./store.js";

const SAY_EVERY_MS = 3000;
const FORGET_MS = 5000;

/** The line that says who types; call `typed` while I do. */
export function createTyping(channelId) {
  const node = make("div", { class: "typing", role: "status", "data-test": "typing" });
  const typists = new Map();
  let saidAt = 0;
  const topic = hear(`typing:${channelId}`, { onMessage: (data, { by }) => by !== state.me?.id && heard(by, data) });
  const stop = on("fresh", ({ messages }) => messages.forEach((message) => forget(message.author.id)));

  function heard(by, { typing }) {
    clearTimeout(typists.get(by));
    if (!typing) return forget(by);
    typists.set(by, setTimeout(() => forget(by), FORGET_MS));
    draw();
  }

  function forget(by) {
    clearTimeout(typists.get(by));
    if (typists.delete(by)) draw();
  }

  function draw() {
    const names = [...typists.keys()].map((id) => state.users.get(id)?.display_name || "Somebody");
    node.textContent = names.length === 0 ? "" : names.length === 1 ? `${names[0]} is typing…` : names.length === 2 ? `${names[0]} and ${names[1]} are typing…` : "Several people are typing…";
  }

  return {
    node,
    typed(text) {
      const now = Date.now();
      if (!text) saidAt = 0;
      else if (now - saidAt < SAY_EVERY_MS) return;
      else saidAt = now;
      topic.publish({ typing: Boolean(text) });
    },
    destroy() {
      stop();
      topic.close();
      for (const timer of typists.values()) clearTimeout(timer);
    },
  };
}
