// The frame around every view once signed in: sidebar, top bar, and the view of the route.

import { lineOf } from "./attachments.js";
import { showBrowse, showCreateChannel } from "./channel-dialogs.js";
import { loadChannels } from "./channels.js";
import { createChannelView } from "./channel.js";
import { emptyState, errorState } from "./dialog.js";
import { fill, make, remembered } from "./dom.js";
import { icon } from "./icons.js";
import { createReportView } from "./report.js";
import { createReportsView } from "./reports.js";
import { channelPath, navigate } from "./router.js";
import { createMentionsView, createSearchView } from "./search.js";
import { listen, showShortcuts } from "./shortcuts.js";
import { startLive, stopLive } from "./live.js";
import { startNotices } from "./notices.js";
import { createSidebar } from "./sidebar.js";
import { channelName, joined, on, state, unread } from "./store.js";
import { countMentions, startSync, stopSync } from "./sync.js";

const LAST = "parley.last";

export function createShell() {
  const sidebar = createSidebar();
  const menu = make("button", { type: "button", class: "icon-button menu-toggle", "aria-label": "Channels", "aria-controls": "sidebar", "aria-expanded": "false", "data-test": "menu-toggle", onclick: () => drawer(!node.classList.contains("drawer-open")) }, icon("menu"));
  const title = make("div", { class: "head-title" });
  const input = make("input", { type: "search", name: "q", placeholder: "Search messages", "aria-label": "Search messages", autocomplete: "off", enterkeyhint: "search", "data-test": "search-input" });
  const search = make("form", { class: "search-form", role: "search" }, icon("search"), input, make("kbd", { "aria-hidden": "true" }, "/"));
  const finder = make("button", { type: "button", class: "icon-button search-open", "aria-label": "Search", onclick: () => focusSearch() }, icon("search"));
  const help = make("button", { type: "button", class: "icon-button hide-phone", "aria-label": "Keyboard shortcuts", title: "Keyboard shortcuts (?)", "data-test": "shortcuts-open", onclick: showShortcuts }, icon("keyboard"));
  const offline = make("div", { class: "offline", role: "status", hidden: true, "data-test": "offline" }, make("span", { class: "spinner" }), "Reconnecting…");
  const view = make("main", { class: "view", id: "view" });
  const veil = make("div", { class: "veil", onclick: () => drawer(false) });
  const node = make("div", { class: "shell" }, sidebar.node, veil, make("div", { class: "main" }, make("header", { class: "head" }, menu, title, search, finder, help), offline, view));
  let current = null;
  let pageTitle = "";

  search.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim()) navigate(`/search?q=${encodeURIComponent(input.value.trim())}`);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && current?.focusFirst) {
      event.preventDefault();
      current.focusFirst();
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (state.route.name === "search") history.back();
      else current?.focusComposer?.();
      input.blur();
    }
  });

  function drawer(open) {
    node.classList.toggle("drawer-open", open);
    menu.setAttribute("aria-expanded", String(open));
    if (open) sidebar.node.querySelector("[aria-current], .side-link")?.focus();
    else if (sidebar.node.contains(document.activeElement)) menu.focus();
  }

  function setHead(parts, name) {
    fill(title, parts);
    pageTitle = name;
    titled();
  }

  /** The page's title: a dot when something elsewhere is unread. */
  function titled() {
    if (!state.me) return;
    const waiting = [...state.channels.values()].some((channel) => channel.joined && channel.id !== state.route.channelId && unread(channel));
    document.title = `${state.mentionCount ? `(${state.mentionCount}) ` : waiting ? "• " : ""}${pageTitle ? `${pageTitle} · ` : ""}Parley`;
  }

  function follow() {
    const { route } = state;
    drawer(false);
    node.classList.toggle("searching", route.name === "search");
    if (route.name === "channel" && current?.channelId === route.channelId) return current.follow();
    current?.destroy?.();
    current = null;
    if (route.name !== "search") input.value = "";
    if (route.name === "channel") {
      remembered.set(`${LAST}.${state.me.id}`, route.channelId);
      current = createChannelView(route.channelId, { setHead });
    } else if (route.name === "search") {
      if (input.value.trim() !== route.query) input.value = route.query;
      current = createSearchView({ setHead });
    } else if (route.name === "mentions") current = createMentionsView({ setHead });
    else if (route.name === "reports") current = route.reportId ? createReportView({ setHead }) : createReportsView({ setHead });
    else return home();
    fill(view, current.node);
    if (route.name === "search" && !route.query) input.focus();
  }

  /** Without a place to be: the last channel, the first one, or a welcome. */
  function home() {
    if (!state.channelsLoaded) return;
    const { rooms, directs } = joined();
    const last = state.channels.get(remembered.get(`${LAST}.${state.me.id}`, ""));
    const target = last?.joined ? last : rooms.find((channel) => channelName(channel) === "general") || rooms[0] || directs[0];
    if (target) return navigate(channelPath(target.id), { replace: true });
    setHead([make("h1", {}, "Welcome")], "Welcome");
    fill(view, make("section", { class: "page" }, emptyState({
      picture: "compass", title: `Welcome, ${state.me.display_name || state.me.username}`, text: "Join a channel to see what people talk about, or start one of your own.",
      actions: [make("button", { type: "button", class: "button button-primary", onclick: showBrowse }, "Browse channels"), make("button", { type: "button", class: "button", onclick: () => showCreateChannel() }, "Create a channel")],
    })));
  }

  function focusSearch() {
    if (getComputedStyle(search).display === "none") return navigate("/search");
    input.focus();
    input.select();
  }

  function step(by) {
    const { rooms, directs } = joined();
    const all = [...rooms, ...directs];
    const at = all.findIndex((channel) => channel.id === state.route.channelId);
    const next = all[(at + by + all.length) % all.length];
    if (next) navigate(channelPath(next.id));
  }

  function escape() {
    if (node.classList.contains("drawer-open")) return drawer(false), true;
    return current?.escape?.() || false;
  }

  /** Says new messages of others for screen readers, a few at most. */
  function say({ messages }) {
    const live = document.getElementById("live");
    for (const message of messages.filter((other) => other.author.id !== state.me.id).slice(-3)) live.append(make("p", {}, `${message.author.display_name}: ${lineOf(message).slice(0, 200)}`));
    while (live.children.length > 20) live.firstChild.remove();
  }

  async function load() {
    try {
      await loadChannels();
      if (state.route.name === "home") home();
      await countMentions();
    } catch (error) {
      if (state.me && state.route.name === "home" && !state.channelsLoaded) fill(view, make("section", { class: "page" }, errorState(error, load)));
    }
  }

  const onVisible = () => document.visibilityState === "visible" && current?.read?.();
  document.addEventListener("visibilitychange", onVisible);
  const stops = [
    on("route", follow), on("channels", titled), on("fresh", say), on("connection", () => (offline.hidden = state.online)),
    listen({ focusSearch, escape, step, focusHistory: () => current?.focusHistory?.() }),
    startNotices(), () => document.removeEventListener("visibilitychange", onVisible),
  ];
  load();
  startSync();
  startLive();
  follow();

  return { node, destroy: () => { stops.forEach((stop) => stop()); stopSync(); stopLive(); current?.destroy?.(); sidebar.destroy(); } };
}
