// A list of choices driven from a text box: arrows move, Enter chooses (the ARIA combobox pattern).

import { fill, make } from "./dom.js";

let made = 0;

/** `render(item)` gives the content of a choice; `choose(item)` is called with the one taken. */
export function listbox(input, { render, choose, label, test }) {
  const id = `listbox-${(made += 1)}`;
  const node = make("div", { id, class: "listbox", role: "listbox", "aria-label": label });
  let items = [];
  let active = 0;
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-controls", id);
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-expanded", "false");

  function show(list, at = 0) {
    items = list;
    active = Math.max(0, Math.min(at, list.length - 1));
    fill(node, list.map((item, index) => make("div", {
      id: `${id}-${index}`, class: "choice", role: "option", "data-test": test,
      onpointerdown: (event) => event.preventDefault(),
      onclick: () => choose(item),
      onpointermove: () => index !== active && mark(index),
    }, render(item))));
    input.setAttribute("aria-expanded", String(list.length > 0));
    mark(active);
  }

  function mark(index) {
    active = index;
    [...node.children].forEach((choice, at) => choice.setAttribute("aria-selected", String(at === index)));
    if (items.length) input.setAttribute("aria-activedescendant", `${id}-${index}`);
    else input.removeAttribute("aria-activedescendant");
    node.children[index]?.scrollIntoView({ block: "nearest" });
  }

  /** Handles a key of the text box; true when it was for the list. */
  function key(event) {
    if (!items.length || event.isComposing) return false;
    if (event.key === "ArrowDown") mark((active + 1) % items.length);
    else if (event.key === "ArrowUp") mark((active - 1 + items.length) % items.length);
    else if (event.key === "Enter" && !event.shiftKey) choose(items[active]);
    else return false;
    event.preventDefault();
    return true;
  }

  return { node, show, key, current: () => items[active], size: () => items.length };
}
