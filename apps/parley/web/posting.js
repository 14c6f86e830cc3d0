// Sends, edits, deletes and reacts, showing the result before the server has answered.

import { get, patch, post, put, remove } from "./api.js";
import { markRead } from "./reading.js";
import { emit, state } from "./store.js";
import { apply, threadOf, timelineOf } from "./timeline.js";

let made = 0;

const nonce = () => `${Date.now().toString(36)}-${(made += 1)}-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;

/** Where the echo of a message waits: its thread, else its channel. */
const pendingOf = (echo) => (echo.thread_id ? threadOf(echo.thread_id) : timelineOf(echo.channel_id))?.pending || [];

function announce(echo) {
  if (echo.thread_id) emit("thread", echo.thread_id);
  emit("timeline", echo.channel_id);
}

/** Sends a text, with files that are uploaded; its echo is shown at once. */
export function send(channelId, text, { threadId = null, files = [] } = {}) {
  const token = nonce();
  const echo = {
    id: `echo-${token}`, nonce: token, channel_id: channelId, thread_id: threadId, author: state.me, text, posted_at: new Date().toISOString(),
    edited_at: null, deleted: false, reply_count: 0, last_reply_at: null, reactions: [], mentions: [], files, revision: 0, state: "sending",
  };
  pendingOf(echo).push(echo);
  announce(echo);
  return deliver(echo);
}

/** Tries a failed message again. The nonce makes that safe even if the first try got through. */
export function retry(echo) {
  change(echo, "sending");
  return deliver(pendingOf(echo).find((other) => other.nonce === echo.nonce) || echo);
}

export function discard(echo) {
  drop(echo);
  announce(echo);
}

function drop(echo) {
  const pending = pendingOf(echo);
  const index = pending.findIndex((other) => other.nonce === echo.nonce);
  if (index >= 0) pending.splice(index, 1);
}

function change(echo, to, problem = null) {
  const pending = pendingOf(echo);
  const index = pending.findIndex((other) => other.nonce === echo.nonce);
  if (index >= 0) pending[index] = { ...pending[index], state: to, problem };
  announce(echo);
}

async function deliver(echo) {
  try {
    const message = await post(`/v1/channels/${echo.channel_id}/messages`, { text: echo.text, nonce: echo.nonce, thread_id: echo.thread_id || undefined, files: echo.files.map((file) => file.id) });
    drop(echo);
    apply(echo.channel_id, [message]);
    const channel = state.channels.get(echo.channel_id);
    if (channel) channel.last_message_at = message.posted_at;
    markRead(echo.channel_id, message);
  } catch (error) {
    if (!echo.settled) change(echo, "failed", error.message);
  }
}

export async function edit(message, text) {
  apply(message.channel_id, [await patch(`/v1/messages/${message.id}`, { text })]);
}

export async function erase(message) {
  await remove(`/v1/messages/${message.id}`);
  apply(message.channel_id, [{ ...message, deleted: true, text: "", reactions: [], mentions: [], files: [] }]);
}

/** Adds my reaction, or takes it back. */
export async function toggleReaction(message, emoji) {
  const mine = message.reactions.some((reaction) => reaction.emoji === emoji && reaction.mine);
  const path = `/v1/messages/${message.id}/reactions/${encodeURIComponent(emoji)}`;
  apply(message.channel_id, [{ ...message, reactions: toggled(message.reactions, emoji, mine) }]);
  try {
    apply(message.channel_id, [await (mine ? remove(path) : put(path))]);
  } catch (error) {
    apply(message.channel_id, [await get(`/v1/messages/${message.id}`).catch(() => message)]);
    throw error;
  }
}

function toggled(reactions, emoji, mine) {
  if (!reactions.some((reaction) => reaction.emoji === emoji)) return [...reactions, { emoji, count: 1, mine: true }];
  return reactions
    .map((reaction) => (reaction.emoji === emoji ? { emoji, count: reaction.count + (mine ? -1 : 1), mine: !mine } : reaction))
    .filter((reaction) => reaction.count > 0);
}
