// The scrolling history of a channel: a bounded window of rows over however many messages are loaded.

import { calm, make } from "./dom.js";
import { emptyState, errorState, skeleton } from "./dialog.js";
import { icon } from "./icons.js";
import { markRead } from "./reading.js";
import { createRows } from "./rows.js";
import { channelName, on, state } from "./store.js";
import { dayLabel, dayOf } from "./time.js";
import { findMessage, loadOlder, openTimeline, timelineOf } from "./timeline.js";

const FIRST_ROWS = 80;
const MORE_ROWS = 80;
const MOST_ROWS = 280;
const NEAR_PX = 900;
const BOTTOM_PX = 60;
const GROUP_MS = 5 * 60 * 1000;

/** Makes the history of a channel. Rows outside the window are taken out of the page, and the place is kept to the pixel. */
export function createHistory(channel) {
  const timeline = timelineOf(channel.id);
  const list = make("div", { class: "history-list", role: "feed", "aria-label": `Messages in ${channelName(channel)}` });
  const scroller = make("div", { class: "history", "data-test": "history", tabindex: "-1" }, list);
  const jump = make("button", { type: "button", class: "jump", "data-test": "jump-newest", hidden: true, onclick: toNewest }, icon("down"), make("span", {}, "Jump to newest"));
  const node = make("div", { class: "history-frame" }, scroller, jump);
  const rows = createRows(list, { place: "history", changed: draw });
  const separators = new Map();
  // Who is no member has nothing that is new.
  const readUntil = channel.read_until || new Date().toISOString();
  let newFrom = null;
  let start = 0;
  let end = 0;
  let stick = true;
  let waiting = 0;
  let known = 0;
  let finding = false;

  const stops = [
    on("timeline", (id) => id === channel.id && changed()),
    on("fresh", ({ channelId, messages }) => channelId === channel.id && count(messages)),
  ];
  let place = null;
  let width = 0;
  const observer = new ResizeObserver(() => {
    if (stick) toBottom();
    else if (width && width !== scroller.clientWidth && place?.row.isConnected) scroller.scrollTop += place.row.getBoundingClientRect().top - scroller.getBoundingClientRect().top - place.top;
    width = scroller.clientWidth;
  });
  observer.observe(scroller);
  observer.observe(list);
  scroller.addEventListener("scroll", onScroll, { passive: true });

  /** Follows the timeline: older messages shift the window, newer ones extend it when the end is in view. */
  function changed() {
    const older = firstShown ? timeline.list.findIndex((message) => message.id === firstShown.id) - start : 0;
    if (older > 0) {
      start += older;
      end += older;
    }
    if (!known && timeline.list.length) start = Math.max(0, timeline.list.length - FIRST_ROWS);
    const atEnd = end >= known + Math.max(0, older);
    known = timeline.list.length;
    if (stick || (atEnd && known - start <= MOST_ROWS)) end = known;
    if (stick) start = Math.max(start, end - MOST_ROWS);
    end = Math.min(end, known);
    if (!finding) draw();
  }

  let firstShown = null;

  function draw() {
    const anchor = stick ? null : visibleRow();
    const before = anchor?.getBoundingClientRect().top;
    const shown = timeline.list.slice(start, end);
    const echoes = end === timeline.list.length ? timeline.pending : [];
    firstShown = shown[0] || null;
    rows.reconcile([...beginning(), ...withSeparators(shown, echoes)], [...shown, ...echoes]);
    if (stick) toBottom();
    else if (anchor) {
      const now = anchor.isConnected ? anchor : rows.nodeOf(anchor.dataset.id);
      if (now?.isConnected) scroller.scrollTop += now.getBoundingClientRect().top - before;
    }
    if (!stick && !rows.isEditing()) stick = atBottom();
    showJump();
    roving();
    requestAnimationFrame(more);
  }

  /** The rows and, between them, the days and where the unread messages start. */
  function withSeparators(shown, echoes) {
    const wanted = [];
    let last = timeline.list[start - 1];
    for (const message of [...shown, ...echoes]) {
      const day = dayOf(message.posted_at);
      const newDay = !last || dayOf(last.posted_at) !== day;
      if (newDay) wanted.push(separator(`day ${day}`, dayLabel(message.posted_at), "day"));
      if (newFrom === null && !isOld(message) && last && isOld(last)) newFrom = message.id;
      const isNew = newFrom === message.id;
      if (isNew) wanted.push(separator("new", "New", "day day-new"));
      const grouped = Boolean(last) && !newDay && !isNew && last.author.id === message.author.id && !last.deleted && new Date(message.posted_at) - new Date(last.posted_at) < GROUP_MS;
      wanted.push(rows.rowOf(message, grouped));
      last = message;
    }
    return wanted;
  }

  /** What I had read when I came, and what I wrote myself. */
  const isOld = (message) => message.posted_at <= readUntil || message.author.id === state.me.id;

  function separator(key, text, style) {
    if (!separators.has(key)) separators.set(key, make("div", { class: style, role: "separator" }, make("span", {}, text)));
    const known = separators.get(key);
    if (known.textContent !== text) known.firstChild.textContent = text;
    return known;
  }

  const cached = {};
  const once = (key, build) => (cached[key] ??= build());

  /** What lies above the first row: a spinner, an error, or how the channel began. */
  function beginning() {
    if (start > 0) return [];
    if (timeline.error) return [errorState(timeline.error, () => (timeline.next ? loadOlder(timeline) : openTimeline(channel.id)))];
    if (timeline.revision === null) return [once("skeleton", () => skeleton(9))];
    if (timeline.next) return [once("older", () => make("div", { class: "older", role: "status" }, make("span", { class: "spinner" }), "Loading earlier messages"))];
    return [intro()];
  }

  function intro() {
    const now = state.channels.get(channel.id) || channel;
    const name = channelName(now);
    const direct = now.kind === "direct";
    const quiet = !timeline.list.length && !timeline.pending.length;
    return once(`intro ${name} ${now.topic} ${now.joined} ${quiet}`, () => emptyState({
      picture: direct ? "person" : now.kind === "private" ? "lock" : "hash",
      title: direct ? name : `Welcome to #${name}`,
      text: quiet ? (now.joined ? "Nothing here yet. Say hello and get things going." : "Nothing here yet. Join and be the first.") : direct ? "This is the beginning of your conversation." : now.topic ? `This is where it began. ${now.topic}` : "This is the very beginning of the channel.",
    }));
  }

  function visibleRow() {
    const top = scroller.getBoundingClientRect().top;
    for (const row of list.querySelectorAll(".message")) if (row.getBoundingClientRect().bottom > top && row.dataset.id !== undefined) return row;
    return null;
  }

  function onScroll() {
    const wasAtBottom = stick;
    stick = atBottom();
    if (stick && !wasAtBottom) waiting = 0;
    if (stick) read();
    showJump();
    more();
    const row = stick ? null : visibleRow();
    if (width === scroller.clientWidth) place = row && { row, top: row.getBoundingClientRect().top - scroller.getBoundingClientRect().top };
  }

  /** Brings further rows in when an end of the window comes near. */
  function more() {
    if (finding || !scroller.isConnected) return;
    const below = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    if (scroller.scrollTop < NEAR_PX && start > 0) {
      start = Math.max(0, start - MORE_ROWS);
      end = Math.min(end, start + MOST_ROWS);
      stick = stick && end >= timeline.list.length;
      draw();
    } else if (scroller.scrollTop < NEAR_PX && timeline.next && !timeline.loading && !timeline.error && timeline.revision !== null) loadOlder(timeline);
    else if (below < NEAR_PX && end < timeline.list.length) {
      end = Math.min(timeline.list.length, end + MORE_ROWS);
      start = Math.max(start, end - MOST_ROWS);
      draw();
    }
  }

  const atBottom = () => end >= timeline.list.length && scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < BOTTOM_PX;

  function toBottom() {
    scroller.scrollTop = scroller.scrollHeight;
  }

  function toNewest() {
    const jumped = end < timeline.list.length;
    end = timeline.list.length;
    start = Math.max(0, end - FIRST_ROWS);
    waiting = 0;
    if (!jumped && !calm() && scroller.scrollHeight - scroller.scrollTop < 4000) scroller.scrollTo({ top: scroller.scrollHeight, behavior: "smooth" });
    else {
      stick = true;
      draw();
    }
    read();
  }

  function count(messages) {
    const others = messages.filter((message) => !message.thread_id && message.author.id !== state.me.id);
    if (!stick) waiting += others.length;
    if (stick) read();
    showJump();
  }

  function showJump() {
    jump.hidden = stick || timeline.revision === null || !timeline.list.length;
    jump.lastChild.textContent = waiting ? `${waiting} new message${waiting === 1 ? "" : "s"}` : "Jump to newest";
    jump.classList.toggle("jump-new", waiting > 0);
  }

  function read() {
    const newest = timeline.list.at(-1);
    if (newest && document.visibilityState === "visible") markRead(channel.id, newest);
  }

  /** Exactly one row can be reached with Tab: the newest, unless another has the focus. */
  function roving() {
    const all = list.querySelectorAll(".message");
    for (const row of all) if (row.tabIndex === 0) row.tabIndex = -1;
    if (all.length) all[all.length - 1].tabIndex = 0;
  }

  /** Shows a message wherever it is, loading back to it, and points it out. */
  async function reveal(messageId) {
    finding = true;
    node.classList.add("history-finding");
    const found = await findMessage(timeline, messageId);
    finding = false;
    node.classList.remove("history-finding");
    const at = timeline.list.findIndex((message) => message.id === messageId);
    if (!found || at < 0) {
      draw();
      return false;
    }
    stick = false;
    known = timeline.list.length;
    start = Math.max(0, at - MORE_ROWS);
    end = Math.min(known, at + MORE_ROWS);
    draw();
    const row = rows.nodeOf(messageId);
    row.scrollIntoView({ block: "center" });
    row.classList.add("message-found");
    row.focus({ preventScroll: true });
    setTimeout(() => rows.nodeOf(messageId)?.classList.remove("message-found"), 3000);
    return true;
  }

  /** Edits my last message, as Up does in an empty composer. */
  function editLast() {
    const last = timeline.list.findLast((message) => message.author.id === state.me.id && !message.deleted);
    if (!last) return;
    if (timeline.list.indexOf(last) < start || timeline.list.indexOf(last) >= end) {
      start = Math.max(0, timeline.list.indexOf(last) - MORE_ROWS);
      end = Math.min(known, start + MOST_ROWS);
    }
    stick = false;
    rows.actions.edit(last);
  }

  const focusLast = () => [...list.querySelectorAll(".message")].at(-1)?.focus();

  const opened = openTimeline(channel.id).then(() => {
    changed();
    if (stick) read();
  });
  changed();

  return { node, reveal: (id) => opened.then(() => reveal(id)), editLast, focusLast, toNewest, read: () => stick && read(), destroy: () => { stops.forEach((stop) => stop()); observer.disconnect(); } };
}
