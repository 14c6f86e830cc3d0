// People: their profile, choosing some of them, and starting a conversation.

import { avatar } from "./avatar.js";
import { findPeople, knownPeople, openDirect } from "./channels.js";
import { complain, openDialog } from "./dialog.js";
import { debounce, fill, make } from "./dom.js";
import { icon } from "./icons.js";
import { listbox } from "./listbox.js";
import { channelPath, navigate } from "./router.js";
import { isBot, state } from "./store.js";
import { fullTime } from "./time.js";

const MOST_PEOPLE = 8;

/** Opens, or finds, the conversation with these people and goes there. */
export async function converse(people) {
  const channel = await openDirect(people);
  navigate(channelPath(channel.id));
}

/** The card of a person. */
export function showProfile(person) {
  const known = state.users.get(person.id) || person;
  const self = known.id === state.me.id;
  const body = make("div", { class: "profile" }, avatar(known, "large"),
    make("h2", {}, known.display_name || known.username), make("p", { class: "faint" }, `@${known.username}`),
    state.present.has(known.id) ? make("p", { class: "here-now" }, "● Here now") : null,
    known.about ? make("p", { class: "profile-about" }, known.about) : null,
    make("p", { class: "faint small" }, `Here since ${fullTime(known.created_at).split(" at ")[0]}`),
    make("div", { class: "row row-center" },
      make("button", { type: "button", class: "button", onclick: () => node.close() }, "Close"),
      self || isBot(known) ? null : make("button", { type: "button", class: "button button-primary", "data-test": "profile-message", autofocus: true, onclick: () => { node.close(); converse([known]).catch(complain); } }, icon("reply"), "Message")));
  const node = openDialog({ title: known.display_name, body, size: "small", test: "profile", bare: true });
}

/** A box for choosing people: type a name, pick, take away. `except` are ids left out. */
export function peoplePicker({ except = [], most = MOST_PEOPLE, onChange = () => {} }) {
  const chosen = new Map();
  const input = make("input", { class: "input", type: "text", placeholder: "Type a name", "aria-label": "Find people", autocomplete: "off", autofocus: true, "data-test": "people-input" });
  const chips = make("div", { class: "chips" });
  const note = make("p", { class: "faint small" });
  const choices = listbox(input, { label: "People", test: "people-option", choose: take, render: (person) => [avatar(person, "small"), make("strong", {}, person.display_name), make("span", { class: "faint" }, `@${person.username}`)] });
  const ask = debounce((text) => findPeople(text).then(show, complain), 120);
  input.addEventListener("input", () => { show(); ask(input.value.trim().replace(/^@/, "")); });
  input.addEventListener("keydown", (event) => {
    if (choices.key(event)) return;
    if (event.key === "Backspace" && !input.value && chosen.size) drop([...chosen.keys()].at(-1));
  });

  function show() {
    const text = input.value.trim().replace(/^@/, "");
    const found = knownPeople(text).filter((person) => !chosen.has(person.id) && !except.includes(person.id)).slice(0, 30);
    choices.show(chosen.size >= most ? [] : found);
    note.textContent = chosen.size >= most ? `At most ${most} people.` : found.length ? "" : text ? `Nobody called “${text}”.` : "Nobody else is here yet.";
  }

  function take(person) {
    chosen.set(person.id, person);
    input.value = "";
    update();
  }

  function drop(id) {
    chosen.delete(id);
    update();
  }

  function update() {
    fill(chips, [...chosen.values()].map((person) => make("span", { class: "chip" }, avatar(person, "tiny"), person.display_name,
      make("button", { type: "button", class: "bare", "aria-label": `Take ${person.display_name} away`, onclick: () => drop(person.id) }, icon("close")))));
    input.focus();
    show();
    onChange([...chosen.values()]);
  }

  show();
  ask("");
  return { node: make("div", { class: "picker" }, chips, input, choices.node, note), chosen: () => [...chosen.values()] };
}

/** The dialog that starts a conversation. */
export function showNewDirect() {
  const go = make("button", { type: "button", class: "button button-primary", disabled: true, "data-test": "start-direct", onclick: async () => {
    go.disabled = true;
    await converse(picker.chosen()).then(() => node.close(), complain);
    go.disabled = false;
  } }, "Start conversation");
  const picker = peoplePicker({ except: [state.me.id], onChange: (people) => (go.disabled = !people.length) });
  const node = openDialog({ title: "New conversation", test: "new-direct-dialog", body: make("div", { class: "dialog-body" }, picker.node, make("div", { class: "row row-end" }, go)) });
}
