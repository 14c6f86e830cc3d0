// The quick switcher (Ctrl or Cmd K): a few letters lead to any channel or person.

import { avatar, crowd } from "./avatar.js";
import { browseChannels, findPeople, knownPeople } from "./channels.js";
import { complain, openDialog } from "./dialog.js";
import { debounce, make } from "./dom.js";
import { icon } from "./icons.js";
import { listbox } from "./listbox.js";
import { converse } from "./people.js";
import { channelPath, navigate } from "./router.js";
import { channelName, state, unread, unreadCount } from "./store.js";

const MOST = 12;

export function showSwitcher() {
  const input = make("input", { class: "switch-input", type: "text", placeholder: "Jump to a channel or person", "aria-label": "Jump to a channel or person", autocomplete: "off", spellcheck: "false", autofocus: true, "data-test": "switcher-input" });
  const choices = listbox(input, { label: "Channels and people", test: "switcher-option", choose, render });
  const none = make("p", { class: "faint center", hidden: true }, "Nothing matches.");
  const node = openDialog({ title: "Jump to", bare: true, size: "switch", test: "switcher", body: [make("div", { class: "switch-head" }, icon("search"), input, make("kbd", {}, "Esc")), choices.node, none] });
  let others = [];

  function entries() {
    const text = input.value.trim().toLowerCase().replace(/^[#@]/, "");
    const known = [...state.channels.values()].filter((channel) => channel.joined);
    const ids = new Set(known.map((channel) => channel.id));
    const channels = [...known, ...others.filter((channel) => !ids.has(channel.id) && channel.kind !== "direct")]
      .map((channel) => ({ channel, score: score(channelName(channel).toLowerCase(), text) - (channel.joined ? 0.5 : 0) - (channel.joined && unread(channel) ? 0.2 : 0) }))
      .filter((entry) => Number.isFinite(entry.score))
      .sort((a, b) => a.score - b.score || (b.channel.last_message_at || "").localeCompare(a.channel.last_message_at || ""));
    const people = text ? knownPeople(text).filter((person) => person.id !== state.me.id).slice(0, 5).map((person) => ({ person })) : [];
    return [...channels.slice(0, MOST - people.length), ...people];
  }

  function show() {
    const found = entries();
    choices.show(found);
    none.hidden = found.length > 0;
  }

  function choose({ channel, person, search }) {
    node.close();
    if (search) navigate(`/search?q=${encodeURIComponent(search)}`);
    else if (channel) navigate(channelPath(channel.id));
    else converse([person]).catch(complain);
  }

  const ask = debounce((text) => text && findPeople(text).then(show, () => {}), 150);
  input.addEventListener("input", () => { show(); ask(input.value.trim().replace(/^[#@]/, "")); });
  input.addEventListener("keydown", choices.key);
  show();
  browseChannels().then((list) => { others = list; show(); }, () => {});
}

/** Lower is better; infinity does not match. Letters may be apart ("gn" finds "general"). */
function score(name, text) {
  if (!text) return 3;
  if (name === text) return 0;
  if (name.startsWith(text)) return 1;
  if (name.includes(text)) return 2;
  let at = -1;
  for (const letter of text) if ((at = name.indexOf(letter, at + 1)) < 0) return Infinity;
  return 4;
}

function render({ channel, person }) {
  if (person) return [avatar(person, "small"), make("strong", {}, person.display_name), make("span", { class: "faint" }, `@${person.username}`)];
  const others = channel.members.filter((member) => member.id !== state.me.id);
  const mark = channel.kind === "direct" ? crowd(channel, others) : make("span", { class: "choice-mark" }, icon(channel.kind === "private" ? "lock" : "hash"));
  return [mark, make("strong", {}, channelName(channel)), channel.topic ? make("span", { class: "faint cut" }, channel.topic) : null, channel.joined ? (unread(channel) ? make("span", { class: "badge badge-quiet", title: "Unread" }, unreadCount(channel)) : null) : make("span", { class: "tag" }, "not joined")];
}
