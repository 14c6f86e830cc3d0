// Shows a secret the one time that it is known, with a way to copy it.

import { toast } from "./dialog.js";
import { fill, make } from "./dom.js";
import { icon } from "./icons.js";

/** An empty box; `showSecret` fills it. */
export const secretBox = (test) => make("div", { class: "token", hidden: true, "data-test": test });

/** Each of `lines` is a label and a text to copy. */
export function showSecret(box, ...lines) {
  fill(box, make("p", {}, make("strong", {}, "Copy it now: "), "it is not shown again."), lines.map(([label, value]) => {
    const text = make("input", { class: "input mono", readonly: true, value, "aria-label": label, onfocus: (event) => event.target.select() });
    return make("div", { class: "row" }, text, make("button", { type: "button", class: "button", "aria-label": `Copy ${label.toLowerCase()}`, onclick: () => copy(text) }, icon("copy"), "Copy"));
  })).hidden = false;
  box.scrollIntoView({ block: "nearest" });
}

async function copy(input) {
  try {
    await navigator.clipboard.writeText(input.value);
    toast("Copied.");
  } catch {
    input.focus();
    input.select();
  }
}
