// Up to where I have read each channel: told to the server at once, and then at most once a second.

import { put } from "./api.js";
import { emit, state } from "./store.js";

const PAUSE_MS = 1000;
const RETRY_MS = 5000;

/** The last message seen of each channel that the server does not know of yet. */
const untold = new Map();
let timer = 0;

/** Notes that I have seen a message, and all before it. */
export function markRead(channelId, message) {
  const channel = state.channels.get(channelId);
  if (!channel?.joined || channel.read_until >= message.posted_at) return;
  channel.read_until = message.posted_at;
  channel.unread = 0;
  untold.set(channelId, message.id);
  emit("channels");
  if (!timer) tell();
}

async function tell() {
  clearTimeout(timer);
  timer = setTimeout(again, PAUSE_MS);
  // Whoever signed out leaves nothing behind for the next.
  if (!state.me) return untold.clear();
  const now = [...untold];
  untold.clear();
  for (const [channelId, messageId] of now) {
    try {
      await put(`/v1/channels/${channelId}/read`, { message_id: messageId });
    } catch (error) {
      if (!error.temporary || untold.has(channelId)) continue;
      untold.set(channelId, messageId);
      clearTimeout(timer);
      timer = setTimeout(again, RETRY_MS);
    }
  }
}

function again() {
  timer = 0;
  if (untold.size) tell();
}

// Whoever closes the window has read what they have read.
addEventListener("pagehide", () => untold.size && tell());
