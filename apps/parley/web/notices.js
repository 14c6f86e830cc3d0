// Notices in the page: somebody talks to me where I am not looking.

import { lineOf } from "./attachments.js";
import { avatar } from "./avatar.js";
import { make } from "./dom.js";
import { messagePath, navigate } from "./router.js";
import { channelName, on, state } from "./store.js";
import { countMentions } from "./sync.js";

const SHOWN_MS = 8000;
const MOST = 3;

/** Shows what is addressed to me: a mention, or a message in a direct conversation. */
export function startNotices() {
  return on("noticed", ({ channel, message }) => {
    const mentioned = message.mentions.some((person) => person.id === state.me?.id);
    if (!mentioned && channel.kind !== "direct") return;
    if (mentioned) countMentions().catch(() => {});
    if (state.route.channelId === channel.id && document.visibilityState === "visible") return;
    show(channel, message);
  });
}

function show(channel, message) {
  const host = document.getElementById("notices") || document.body.appendChild(make("div", { id: "notices", class: "notices", role: "status", "aria-live": "polite" }));
  const where = channel.kind === "direct" ? "" : ` in #${channelName(channel)}`;
  const node = make("button", { type: "button", class: "notice", "data-test": "notice", onclick: () => { node.remove(); navigate(messagePath(message)); } },
    avatar(message.author, "small"),
    make("span", { class: "notice-text" }, make("strong", {}, `${message.author.display_name}${where}`), make("span", {}, lineOf(message).slice(0, 120))));
  host.append(node);
  while (host.children.length > MOST) host.firstChild.remove();
  setTimeout(() => node.remove(), SHOWN_MS);
}
