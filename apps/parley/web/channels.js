// What one can do with channels and people: list, open, create, join, leave, find.

import { get, patch, post, query, remove } from "./api.js";
import { emit, learn, state } from "./store.js";

const PAGES = 10;

/** Reads every page of a list, up to a limit. */
async function all(path, values = {}) {
  const items = [];
  let cursor;
  for (let page = 0; page < PAGES; page += 1) {
    const answer = await get(query(path, { ...values, limit: 100, cursor }));
    items.push(...answer.items);
    cursor = answer.next;
    if (!cursor) break;
  }
  return items;
}

function keep(channel) {
  learn(channel.members);
  // What I have read since is not known there yet.
  const known = state.channels.get(channel.id);
  if (known?.joined && channel.joined && known.read_until > channel.read_until) Object.assign(channel, { read_until: known.read_until, unread: known.unread });
  state.channels.set(channel.id, channel);
  return channel;
}

/** Brings my channels up to date. */
export async function loadChannels() {
  const mine = await all("/v1/channels", { scope: "joined" });
  const ids = new Set(mine.map((channel) => channel.id));
  for (const channel of state.channels.values()) if (channel.joined && !ids.has(channel.id)) keep({ ...channel, joined: false });
  mine.forEach(keep);
  state.channelsLoaded = true;
  emit("channels");
}

/** Every public channel and mine, for browsing. */
export const browseChannels = () => all("/v1/channels", { scope: "all" });

/** One channel: what is known, else from the server. */
export async function findChannel(id) {
  if (state.channels.has(id)) return state.channels.get(id);
  return changed(await get(`/v1/channels/${id}`));
}

function changed(channel) {
  keep(channel);
  emit("channels");
  return channel;
}

export const createChannel = async (wanted) => changed(await post("/v1/channels", wanted));
export const updateChannel = async (id, wanted) => changed(await patch(`/v1/channels/${id}`, wanted));
export const joinChannel = async (id) => changed(await post(`/v1/channels/${id}/join`));
export const openDirect = async (people) => changed(await post("/v1/direct", { user_ids: people.map((person) => person.id) }));

export async function leaveChannel(id) {
  await post(`/v1/channels/${id}/leave`);
  const channel = state.channels.get(id);
  if (channel?.kind === "public") keep({ ...channel, joined: false });
  else state.channels.delete(id);
  emit("channels");
}

export async function channelMembers(id) {
  const members = await all(`/v1/channels/${id}/members`);
  learn(members);
  return members;
}

export const addMember = (id, person) => post(`/v1/channels/${id}/members`, { user_id: person.id });

/** People whose name has `text` in it. */
export async function findPeople(text) {
  const { items } = await get(query("/v1/users", { query: text, limit: 20 }));
  learn(items);
  return items;
}

/** People already known whose name starts with or has `text` in it, best first. */
export function knownPeople(text) {
  const wanted = text.toLowerCase();
  const rank = (person) => {
    const name = person.username.toLowerCase();
    if (name.startsWith(wanted)) return 0;
    const shown = (person.display_name || "").toLowerCase();
    if (shown.startsWith(wanted)) return 1;
    return name.includes(wanted) || shown.includes(wanted) ? 2 : 3;
  };
  return [...state.users.values()].filter((person) => rank(person) < 3).sort((a, b) => rank(a) - rank(b) || a.username.localeCompare(b.username));
}

/** Ends the session on the server. */
export const endSession = () => remove("/v1/session", { quiet: true });
