// The keys one can use anywhere, and the dialog that lists them.

import { openDialog } from "./dialog.js";
import { make, typing } from "./dom.js";
import { showSwitcher } from "./switcher.js";

const KEYS = [
  ["Anywhere", [[["Ctrl", "K"], "Jump to a channel or person"], [["/"], "Search"], [["?"], "Show these keys"], [["Esc"], "Close what is open"], [["Alt", "↑ ↓"], "Previous or next channel"]]],
  ["Writing", [[["Enter"], "Send"], [["Shift", "Enter"], "New line"], [["↑"], "Edit your last message"], [["@"], "Mention somebody"], [["Shift", "Tab"], "Go to the messages"]]],
  ["On a message", [[["↑"], "Previous"], [["↓"], "Next"], [["Enter"], "Open the thread"], [["R"], "React"], [["E"], "Edit"], [["Delete"], "Delete"]]],
  ["Markup", [[["*bold*"], "Bold"], [["_italic_"], "Italic"], [["`code`"], "Code"], [["```"], "Block of code"]]],
];

export function showShortcuts() {
  openDialog({
    title: "Keyboard shortcuts", size: "large", test: "shortcuts",
    body: make("div", { class: "dialog-body shortcuts" }, KEYS.map(([title, keys]) => make("section", {}, make("h3", {}, title), make("dl", {}, keys.map(([combination, meaning]) => make("div", {}, make("dt", {}, combination.map((key) => make("kbd", {}, key))), make("dd", {}, meaning))))))),
  });
}

/** Listens for the keys. `shell` has `focusSearch`, `escape`, `focusComposer` and `step`. */
export function listen(shell) {
  const run = (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const open = document.querySelector("dialog[open]");
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (open?.dataset.test === "switcher") open.close();
      else if (!open) showSwitcher();
      return;
    }
    if (open) return;
    if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      return shell.step(event.key === "ArrowDown" ? 1 : -1);
    }
    if (event.key === "Escape") return void (shell.escape() && event.preventDefault());
    if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      event.preventDefault();
      shell.focusSearch();
    } else if (event.key === "?") showShortcuts();
    else if (event.key === "ArrowUp" && event.target === document.body) shell.focusHistory();
  };
  document.addEventListener("keydown", run);
  return () => document.removeEventListener("keydown", run);
}
