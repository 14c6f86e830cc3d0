// Turns the address into a route and back, so that a reload keeps the place.

import { emit, state } from "./store.js";

/** Reads a path such as `/c/ID/t/THREAD` into a route. */
export function parse(path, search = "") {
  const [first, channelId, kind, id] = path.split("/").filter(Boolean);
  if (first === "c" && channelId) return { name: "channel", channelId, threadId: kind === "t" ? id : null, messageId: kind === "m" ? id : null, replyId: new URLSearchParams(search).get("reply") };
  if (first === "search") return { name: "search", query: new URLSearchParams(search).get("q") || "", channelId: new URLSearchParams(search).get("channel") };
  if (first === "mentions") return { name: "mentions" };
  if (first === "reports") return { name: "reports", reportId: channelId };
  if (first === "signin") return { name: "signin" };
  return { name: "home" };
}

export const channelPath = (channelId) => `/c/${channelId}`;
export const reportPath = (reportId) => `/reports/${reportId}`;
export const threadPath = (channelId, rootId, replyId) => `/c/${channelId}/t/${rootId}${replyId ? `?reply=${replyId}` : ""}`;

/** The address of a message: the thread of a reply, the channel of any other. */
export function messagePath(message) {
  return message.thread_id ? threadPath(message.channel_id, message.thread_id, message.id) : `/c/${message.channel_id}/m/${message.id}`;
}

/** Goes to a path of this application. */
export function navigate(path, { replace = false } = {}) {
  if (path !== location.pathname + location.search) history[replace ? "replaceState" : "pushState"](null, "", path);
  follow();
}

/** Changes the address without telling anybody. */
export function rename(path) {
  history.replaceState(null, "", path);
  state.route = parse(location.pathname, location.search);
}

function follow() {
  const before = state.route;
  state.route = parse(location.pathname, location.search);
  emit("route", before);
}

/** Starts following the address and clicks on links inside the application. */
export function startRouter() {
  addEventListener("popstate", follow);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || link.target || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const to = new URL(link.href);
    if (to.origin !== location.origin || !link.hasAttribute("data-inside")) return;
    event.preventDefault();
    navigate(to.pathname + to.search);
  });
  follow();
}
