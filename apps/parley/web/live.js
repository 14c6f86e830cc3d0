// What happens while one looks: my channels, what concerns only me, and who is there.

import { loadChannels } from "./channels.js";
import { debounce } from "./dom.js";
import { Realtime } from "./realtime.js";
import { emit, on, state } from "./store.js";
import { catchUp, countMentions, pollNow, setLive } from "./sync.js";
import { apply, threadOf } from "./timeline.js";

/** A connection hears so many topics; the channels that are used most are among them. */
const MOST_CHANNELS = 150;
const RECOUNT_MS = 5000;

let live = null;
let stops = [];
let recounting = 0;
const channels = new Map();

/** Connects; what was missed meanwhile comes with it. */
export function startLive() {
  stopLive();
  live = new Realtime({ onStatus });
  live.subscribe(`me:${state.me.id}`, { onMessage: reload, getState: reload });
  live.subscribe("people:all", { onPresence: ({ members }) => { state.present = members; emit("presence"); } });
  stops = [on("channels", follow), on("route", follow)];
  follow();
}

export function stopLive() {
  live?.close();
  live = null;
  for (const stop of stops) stop();
  stops = [];
  channels.clear();
  state.present = new Set();
}

/** Hears a topic while a view is open; the answer has `publish` and `close`. */
export function hear(topic, options) {
  return live ? live.subscribe(topic, options) : { publish() {}, close() {} };
}

function onStatus(online) {
  setLive(online);
  if (online) pollNow();
}

const reload = debounce(() => state.me && loadChannels().then(countMentions).catch(() => {}), 200);

/** Hears my channels and the one that is open. */
function follow() {
  if (!live) return;
  const mine = [...state.channels.values()].filter((channel) => channel.joined);
  mine.sort((a, b) => (b.last_message_at || b.created_at).localeCompare(a.last_message_at || a.created_at));
  const wanted = new Set(mine.slice(0, MOST_CHANNELS).map((channel) => channel.id));
  if (state.route.name === "channel") wanted.add(state.route.channelId);
  for (const [id, topic] of channels) {
    if (wanted.has(id)) continue;
    topic.close();
    channels.delete(id);
  }
  for (const id of wanted) {
    if (channels.has(id)) continue;
    channels.set(id, live.subscribe(`channel:${id}`, {
      onMessage: (change) => heard(id, change),
      getState: ({ first }) => { if (!first) reload(); return catchUp(id); },
      onEnd: () => channels.delete(id),
    }));
  }
}

/** Applies a change; where one is missing between it and what is known, the server is asked for all of them. */
function heard(channelId, change) {
  if (change.kind === "channel") return void reload();
  if (change.kind === "posted") count(channelId, change.message);
  const timeline = state.timelines.get(channelId);
  if (!timeline || timeline.revision === null || change.revision <= timeline.revision) return;
  if (change.before > timeline.revision) return void catchUp(channelId).catch(() => {});
  timeline.revision = change.revision;
  const message = changed(timeline, change);
  const fresh = message ? apply(channelId, [message]) : [];
  if (fresh.length) emit("fresh", { channelId, messages: fresh });
}

/** The message as it is after the change; nothing when it is not loaded. */
function changed(timeline, change) {
  if (change.kind === "posted") return change.message;
  const known = timeline.byId.get(change.id) || [...state.threads.values()].map((thread) => thread.byId.get(change.id)).find(Boolean) || threadOf(change.id)?.root;
  if (!known || known.revision >= change.revision) return null;
  const { revision } = change;
  if (change.kind === "edited") return { ...known, text: change.text, edited_at: change.edited_at, mentions: change.mentions, revision };
  if (change.kind === "deleted") return { ...known, deleted: true, text: "", reactions: [], mentions: [], files: [], revision };
  if (change.kind === "file") return { ...known, files: known.files.map((file) => (file.id === change.file.id ? change.file : file)), revision };
  if (change.kind === "reacted") return { ...known, reactions: reacted(known.reactions, change), revision };
  return null;
}

function reacted(reactions, { emoji, by, added }) {
  const me = by === state.me.id;
  const known = reactions.find((reaction) => reaction.emoji === emoji);
  // What I did in this window is shown already.
  if (me && Boolean(known?.mine) === added) return reactions;
  if (!known) return added ? [...reactions, { emoji, count: 1, mine: me }] : reactions;
  const next = { emoji, count: known.count + (added ? 1 : -1), mine: me ? added : known.mine };
  return reactions.map((reaction) => (reaction === known ? next : reaction)).filter((reaction) => reaction.count > 0);
}

/** A message of somebody else is unread until it is seen. */
function count(channelId, message) {
  const channel = state.channels.get(channelId);
  if (!channel?.joined) return;
  if (!channel.last_message_at || channel.last_message_at < message.posted_at) channel.last_message_at = message.posted_at;
  if (message.author.id === state.me.id || message.posted_at <= (channel.read_until || "")) return;
  if (!message.thread_id) channel.unread += 1;
  emit("channels");
  emit("noticed", { channel, message });
  // What was loaded meanwhile may have counted it already: the server knows.
  recounting ||= setTimeout(() => { recounting = 0; reload(); }, RECOUNT_MS);
}
