// What the client knows, and who wants to hear when it changes.

export const state = {
  me: null,
  route: { name: "home" },
  online: true,
  channelsLoaded: false,
  /** Channels by id: mine, and any other that was opened. */
  channels: new Map(),
  /** People by id, as they turn up. */
  users: new Map(),
  /** What is loaded of each channel, by channel id (see timeline.js). */
  timelines: new Map(),
  /** What is loaded of each thread, by the root's id. */
  threads: new Map(),
  /** Unsent text, by channel or thread id. */
  drafts: new Map(),
  /** Files on their way, by channel or thread id (see tray.js). */
  trays: new Map(),
  mentionCount: 0,
  /** Who is there now, by id. */
  present: new Set(),
};

const listeners = new Map();

/** Calls `run` whenever `topic` changes; returns the function that stops it. */
export function on(topic, run) {
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic).add(run);
  return () => listeners.get(topic).delete(run);
}

export function emit(topic, detail) {
  for (const run of [...(listeners.get(topic) || [])]) run(detail);
}

/** Remembers people, so that mentions and names are known without asking. */
export function learn(...people) {
  for (const person of people.flat()) if (person) state.users.set(person.id, person);
}

/** Forgets everything of the person who signed out. */
export function forget() {
  state.me = null;
  state.channelsLoaded = false;
  state.mentionCount = 0;
  for (const tray of state.trays.values()) tray.clear();
  for (const known of [state.channels, state.users, state.timelines, state.threads, state.drafts, state.trays]) known.clear();
}

/** Whether a program posts as this user: no person's username has brackets. */
export const isBot = (person) => person.username.endsWith("[bot]");

/** How a channel is called: the others' names for a direct one. */
export function channelName(channel) {
  if (channel.kind !== "direct") return channel.name;
  const others = channel.members.filter((member) => member.id !== state.me?.id);
  return others.length ? others.map((member) => member.display_name || member.username).join(", ") : "You";
}

/** My channels and conversations, in the order of the sidebar. */
export function joined() {
  const mine = [...state.channels.values()].filter((channel) => channel.joined);
  return {
    rooms: mine.filter((channel) => channel.kind !== "direct").sort((a, b) => a.name.localeCompare(b.name)),
    directs: mine.filter((channel) => channel.kind === "direct").sort((a, b) => (b.last_message_at || b.created_at).localeCompare(a.last_message_at || a.created_at)),
  };
}

/** Whether a channel of mine has messages of others that I have not read. */
export const unread = (channel) => channel.joined && channel.unread > 0;

/** How many there are: more than 99 are as many. */
export const unreadCount = (channel) => (channel.unread > 99 ? "99+" : String(channel.unread));
