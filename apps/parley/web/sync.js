// Keeps the client up to date where it does not hear of things while they happen: polls the open channel's changes, the
// channel list and mentions. While it hears of them, it only looks now and then.

import { get, query } from "./api.js";
import { loadChannels } from "./channels.js";
import { remembered } from "./dom.js";
import { emit, state } from "./store.js";
import { apply } from "./timeline.js";

const VISIBLE_MS = 2000;
const HIDDEN_MS = 15000;
const LIVE_MS = 60000;
const CHANNELS_EVERY_MS = 10000;
const LONGEST_WAIT_MS = 30000;
const PAGES_PER_POLL = 20;

let timer = 0;
let failures = 0;
let listedAt = 0;
let running = false;
let started = false;
let live = false;

/** Says whether changes are heard of while they happen. */
export function setLive(now) {
  live = now;
  if (!live) pollNow();
}

/** Starts polling; safe to call again. */
export function startSync() {
  listedAt = Date.now();
  failures = 0;
  if (!started) {
    started = true;
    addEventListener("online", pollNow);
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && pollNow());
  }
  schedule(VISIBLE_MS);
}

export function stopSync() {
  clearTimeout(timer);
  setOnline(true);
}

/** Polls without waiting for the next turn. */
export function pollNow() {
  if (state.me && !running) schedule(0);
}

function schedule(wait) {
  clearTimeout(timer);
  timer = setTimeout(turn, wait);
}

async function turn() {
  if (!state.me || running) return;
  running = true;
  let wait = live ? LIVE_MS : document.visibilityState === "visible" ? VISIBLE_MS : HIDDEN_MS;
  try {
    await changes();
    if (Date.now() - listedAt > CHANNELS_EVERY_MS) {
      listedAt = Date.now();
      await loadChannels();
      await countMentions();
    }
    failures = 0;
    setOnline(true);
  } catch (error) {
    failures += 1;
    wait = Math.max(Math.min(LONGEST_WAIT_MS, 1000 * 2 ** Math.min(failures, 6)) * (0.75 + Math.random() / 2), (error.retryAfter || 0) * 1000);
    if (error.temporary) setOnline(false);
  }
  running = false;
  if (state.me) schedule(wait);
}

async function changes() {
  const { channelId } = state.route;
  if (state.route.name !== "channel") return void (await heartbeat());
  await catchUp(channelId);
}

/** Asks for what changed in a channel since what is loaded of it. */
export async function catchUp(channelId) {
  const timeline = state.timelines.get(channelId);
  if (!timeline || timeline.revision === null) return;
  for (let page = 0; page < PAGES_PER_POLL; page += 1) {
    const answer = await get(query(`/v1/channels/${channelId}/changes`, { since: timeline.revision, limit: 100 }));
    timeline.revision = Math.max(timeline.revision, answer.revision);
    if (answer.items.length) {
      const fresh = apply(channelId, answer.items);
      if (fresh.length) emit("fresh", { channelId, messages: fresh });
    }
    if (!answer.more) break;
  }
}

/** While the server is away and no channel is open, finds out when it is back. */
async function heartbeat() {
  if (!state.online) await get("/v1/session");
}

const mentionKey = () => `parley.mentions.${state.me.id}`;

/** Counts the mentions since the mentions page was last open. */
export async function countMentions() {
  const { items } = await get(query("/v1/me/mentions", { limit: 20 }));
  if (!state.me) return;
  let since = remembered.get(mentionKey(), null);
  if (since === null) remembered.set(mentionKey(), (since = items[0]?.posted_at || ""));
  const count = items.filter((message) => message.posted_at > since && message.author.id !== state.me.id).length;
  if (count !== state.mentionCount) {
    state.mentionCount = count;
    emit("channels");
  }
}

export function markMentionsSeen(time) {
  remembered.set(mentionKey(), time || new Date().toISOString());
  state.mentionCount = 0;
  emit("channels");
}

function setOnline(online) {
  if (state.online === online) return;
  state.online = online;
  emit("connection");
}
