// The sidebar: my channels and conversations, the ways to more, and me.

import { avatar, crowd } from "./avatar.js";
import { showBrowse, showCreateChannel } from "./channel-dialogs.js";
import { make, fill } from "./dom.js";
import { icon } from "./icons.js";
import { showNewDirect } from "./people.js";
import { channelPath } from "./router.js";
import { showSettings } from "./settings.js";
import { channelName, joined, on, state, unread, unreadCount } from "./store.js";
import { showSwitcher } from "./switcher.js";
import { themeToggle } from "./theme-toggle.js";

const mac = /Mac|iPhone|iPad/.test(navigator.platform);

export function createSidebar() {
  const list = make("div", { class: "side-list", "data-test": "channel-list" });
  const mentions = make("a", { class: "side-link", href: "/mentions", "data-inside": true, "data-test": "mentions" });
  const reports = make("a", { class: "side-link", href: "/reports", "data-inside": true, "data-test": "reports" }, icon("chart"), "Reports");
  const me = make("div", { class: "side-me" });
  const node = make("nav", { class: "sidebar", id: "sidebar", "aria-label": "Channels" },
    make("div", { class: "side-head" }, make("a", { class: "brand", href: "/", "data-inside": true }, make("span", { class: "brand-mark", "aria-hidden": "true" }, icon("reply")), "Parley")),
    make("div", { class: "side-top" },
      make("button", { type: "button", class: "side-jump", "data-test": "open-switcher", onclick: showSwitcher }, icon("search"), "Jump to…", make("kbd", {}, mac ? "⌘K" : "Ctrl K")),
      mentions,
      make("button", { type: "button", class: "side-link", "data-test": "browse-channels", onclick: showBrowse }, icon("compass"), "Browse channels"),
      reports),
    list, me);
  const nodes = new Map();
  const roomsHead = section("Channels", "create-channel", "Create a channel", () => showCreateChannel());
  const directsHead = section("Direct messages", "new-direct", "New conversation", showNewDirect);
  const noRooms = make("p", { class: "side-note" }, "You are in no channel yet.");
  const noDirects = make("p", { class: "side-note" }, "Talk to somebody with +.");
  const ghosts = Array.from({ length: 6 }, (_, index) => make("div", { class: "side-ghost", style: { width: `${50 + ((index * 23) % 40)}%` } }));

  function draw() {
    if (!state.me) return;
    fill(mentions, icon("at"), "Mentions", state.mentionCount ? make("span", { class: "badge" }, state.mentionCount > 19 ? "20+" : String(state.mentionCount)) : null);
    current(mentions, state.route.name === "mentions");
    current(reports, state.route.name === "reports");
    const { rooms, directs } = joined();
    const loaded = state.channelsLoaded;
    arrange([roomsHead, loaded ? rooms.map(entry) : ghosts, loaded && !rooms.length ? noRooms : [], directsHead, directs.map(entry), loaded && !directs.length ? noDirects : []].flat());
  }

  /** Puts the entries in order; when they already are, nothing moves, so the focus and the place stay. */
  function arrange(wanted) {
    if (wanted.length === list.children.length && wanted.every((child, index) => child === list.children[index])) return;
    const { scrollTop } = list;
    const focused = document.activeElement;
    list.replaceChildren(...wanted);
    list.scrollTop = scrollTop;
    if (list.contains(focused)) focused.focus({ preventScroll: true });
  }

  function drawMe() {
    if (!state.me) return;
    fill(me, make("button", { type: "button", class: "me", title: "Profile and settings", onclick: () => showSettings() }, avatar(state.me, "small"), make("span", { class: "me-name" }, make("strong", {}, state.me.display_name || state.me.username), make("span", { class: "faint small" }, `@${state.me.username}`))),
      themeToggle(), make("button", { type: "button", class: "icon-button", "aria-label": "Settings", title: "Settings", "data-test": "settings-open", onclick: () => showSettings() }, icon("gear")));
  }

  function section(title, test, label, run) {
    return make("div", { class: "side-section" }, make("h2", {}, title), make("button", { type: "button", class: "icon-button", "aria-label": label, title: label, "data-test": test, onclick: run }, icon("plus")));
  }

  function entry(channel) {
    const name = channelName(channel);
    const others = channel.members.filter((member) => member.id !== state.me.id);
    const isUnread = unread(channel) && state.route.channelId !== channel.id;
    const link = nodes.get(channel.id) || make("a", { href: channelPath(channel.id), "data-inside": true, "data-test": "channel-item", "data-id": channel.id });
    nodes.set(channel.id, link);
    link.className = isUnread ? "side-link channel-item unread" : "side-link channel-item";
    link.dataset.name = name;
    current(link, state.route.channelId === channel.id);
    const mark = channel.kind === "direct" ? presence(channel, others) : icon(channel.kind === "private" ? "lock" : "hash");
    return fill(link, mark, make("span", { class: "cut" }, name), isUnread ? badge(channel) : null);
  }

  /** Who one talks to, with a dot while they are there. */
  function presence(channel, others) {
    const picture = crowd(channel, others.length ? others : [state.me], "tiny");
    if (others.length !== 1 || !state.present.has(others[0].id)) return picture;
    return make("span", { class: "with-dot" }, picture, make("span", { class: "dot", role: "img", "aria-label": "online", "data-test": "online" }));
  }

  /** How much is unread; louder where somebody talks to me alone. */
  function badge(channel) {
    const count = unreadCount(channel);
    return make("span", { class: channel.kind === "direct" ? "badge" : "badge badge-quiet", role: "img", "aria-label": `${count} unread`, "data-test": "unread" }, count);
  }

  node.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const links = [...node.querySelectorAll(".side-jump, .side-link")];
    const at = links.indexOf(document.activeElement);
    if (at < 0) return;
    event.preventDefault();
    links[at + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  });

  const stops = [on("channels", draw), on("route", draw), on("presence", draw), on("session", drawMe)];
  draw();
  drawMe();
  return { node, destroy: () => stops.forEach((stop) => stop()) };
}

function current(link, is) {
  if (is) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
}
