// The messages of a channel as far as they are loaded: paging back, applying changes, opening threads.

import { get, query } from "./api.js";
import { emit, learn, state } from "./store.js";

const PAGE = 60;
const FIND_PAGES = 60;
const THREAD_PAGES = 20;
const KEPT_CHANNELS = 12;

/** What is loaded of a channel; `list` is oldest first and `next` leads further back. */
export function timelineOf(channelId) {
  if (!state.timelines.has(channelId)) state.timelines.set(channelId, { channelId, list: [], byId: new Map(), pending: [], next: null, revision: null, loading: false, error: null });
  return state.timelines.get(channelId);
}

export const threadOf = (rootId) => state.threads.get(rootId);

const order = (a, b) => (a.posted_at === b.posted_at ? (a.id < b.id ? -1 : 1) : a.posted_at < b.posted_at ? -1 : 1);

/** Loads the newest page, unless the channel is loaded already. */
export async function openTimeline(channelId) {
  const timeline = timelineOf(channelId);
  state.timelines.delete(channelId);
  state.timelines.set(channelId, timeline);
  for (const id of state.timelines.keys()) if (state.timelines.size > KEPT_CHANNELS && id !== channelId && !state.timelines.get(id).pending.length) state.timelines.delete(id);
  if (timeline.revision !== null || timeline.loading) return;
  await page(timeline, undefined);
}

/** Loads the page before the oldest loaded message. */
export async function loadOlder(timeline) {
  if (!timeline.next || timeline.loading) return;
  await page(timeline, timeline.next);
}

async function page(timeline, cursor, limit = PAGE) {
  timeline.loading = true;
  timeline.error = null;
  emit("timeline", timeline.channelId);
  try {
    const answer = await get(query(`/v1/channels/${timeline.channelId}/messages`, { cursor, limit }));
    for (const message of answer.items) put(timeline, message);
    timeline.list.sort(order);
    timeline.next = answer.next;
    timeline.revision ??= answer.revision;
  } catch (error) {
    timeline.error = error;
  }
  timeline.loading = false;
  emit("timeline", timeline.channelId);
}

/** Pages back until a message is loaded; false when it is not there or too far back. */
export async function findMessage(timeline, messageId) {
  for (let count = 0; count < FIND_PAGES && !timeline.byId.has(messageId) && timeline.next && !timeline.error; count += 1) {
    if (timeline.loading) await new Promise((resume) => setTimeout(resume, 50));
    else await page(timeline, timeline.next, 100);
  }
  return timeline.byId.has(messageId);
}

/** Puts a message in place by id; an older revision never replaces a newer one. */
function put(timeline, message) {
  learn(message.author, message.mentions);
  const known = timeline.byId.get(message.id);
  if (known && known.revision > message.revision) return false;
  timeline.byId.set(message.id, message);
  if (known) timeline.list[timeline.list.indexOf(known)] = message;
  else timeline.list.push(message);
  return !known;
}

/** Applies messages that are new or changed, from an answer or from `/changes`. Returns those that were not known. */
export function apply(channelId, messages) {
  const timeline = timelineOf(channelId);
  const fresh = [];
  const stale = new Set();
  for (const message of messages) {
    learn(message.author, message.mentions);
    if (message.thread_id) {
      if (applyReply(message)) fresh.push(message);
      stale.add(message.thread_id);
      continue;
    }
    stale.delete(message.id);
    const thread = threadOf(message.id);
    if (thread && thread.root?.revision <= message.revision) thread.root = message;
    const oldest = timeline.list[0];
    if (!timeline.byId.has(message.id) && timeline.next && oldest && message.posted_at < oldest.posted_at) continue;
    if (put(timeline, message)) {
      fresh.push(message);
      settle(timeline.pending, message);
    }
    if (thread) emit("thread", message.id);
  }
  timeline.list.sort(order);
  emit("timeline", channelId);
  for (const rootId of stale) if (timeline.byId.has(rootId) && !messages.some((message) => message.id === rootId)) refresh(channelId, rootId);
  return fresh;
}

/** Takes the echo of a message of mine away when `/changes` brings it before the answer does. */
function settle(pending, message) {
  if (message.author.id !== state.me?.id) return;
  const index = pending.findIndex((echo) => echo.state === "sending" && echo.text === message.text && echo.files.length === message.files.length && echo.files[0]?.id === message.files[0]?.id);
  if (index >= 0) pending.splice(index, 1)[0].settled = true;
}

function applyReply(message) {
  const thread = threadOf(message.thread_id);
  if (!thread || thread.loading) return false;
  const added = put(thread, message);
  thread.list.sort(order);
  if (added) settle(thread.pending, message);
  emit("thread", message.thread_id);
  return added;
}

/** Reads a root again after a reply, for its count. */
async function refresh(channelId, rootId) {
  try {
    apply(channelId, [await get(`/v1/messages/${rootId}`)]);
  } catch {
    // The next change brings it.
  }
}

/** Loads a thread: its root and all its replies. */
export async function openThread(channelId, rootId) {
  const thread = { channelId, rootId, root: timelineOf(channelId).byId.get(rootId) || null, list: [], byId: new Map(), pending: state.threads.get(rootId)?.pending || [], loading: true, error: null };
  state.threads.set(rootId, thread);
  emit("thread", rootId);
  try {
    thread.root = await get(`/v1/messages/${rootId}`);
    let cursor;
    for (let count = 0; count < THREAD_PAGES; count += 1) {
      const answer = await get(query(`/v1/messages/${rootId}/replies`, { cursor, limit: 100 }));
      for (const message of answer.items) put(thread, message);
      cursor = answer.next;
      if (!cursor) break;
    }
    thread.list.sort(order);
  } catch (error) {
    thread.error = error;
  }
  thread.loading = false;
  emit("thread", rootId);
}
