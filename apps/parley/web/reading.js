// Up to where I have read each channel: told to the server a moment after it was seen.

import { put } from "./api.js";
import { emit, state } from "./store.js";

const WAIT_MS = 700;
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
  schedule(WAIT_MS);
}

function schedule(wait) {
  if (!timer) timer = setTimeout(tell, wait);
}

async function tell() {
  timer = 0;
  // Whoever signed out leaves nothing behind for the next.
  if (!state.me) return untold.clear();
  for (const [channelId, messageId] of [...untold]) {
    untold.delete(channelId);
    try {
      await put(`/v1/channels/${channelId}/read`, { message_id: messageId });
    } catch (error) {
      if (error.temporary && !untold.has(channelId)) untold.set(channelId, messageId);
    }
  }
  if (untold.size) schedule(RETRY_MS);
}
