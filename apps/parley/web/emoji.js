// The emoji one can react with, and the picker for them.

import { openPopover } from "./dialog.js";
import { make, remembered } from "./dom.js";

const EMOJI = [
  ["👍", "thumbs up"], ["👎", "thumbs down"], ["❤️", "heart"], ["😂", "laughing"], ["🎉", "party"], ["🙏", "thank you"], ["👀", "looking"], ["✅", "done"],
  ["😀", "grin"], ["😄", "happy"], ["😊", "smile"], ["😉", "wink"], ["😍", "love it"], ["🤩", "star eyes"], ["😎", "cool"], ["🤔", "thinking"],
  ["🙂", "slight smile"], ["😅", "phew"], ["😬", "awkward"], ["😮", "surprised"], ["😢", "sad"], ["😭", "crying"], ["😡", "angry"], ["😴", "sleepy"],
  ["🤯", "mind blown"], ["🥳", "celebrating"], ["😇", "innocent"], ["🤝", "agreed"], ["👏", "clapping"], ["🙌", "hands up"], ["💪", "strong"], ["👋", "wave"],
  ["👌", "perfect"], ["🤞", "fingers crossed"], ["🫶", "heart hands"], ["🤷", "shrug"], ["🙈", "not looking"], ["🔥", "fire"], ["✨", "sparkles"], ["⭐", "star"],
  ["💯", "hundred"], ["💡", "idea"], ["🚀", "rocket"], ["🎯", "on target"], ["🏆", "trophy"], ["🧠", "brain"], ["💙", "blue heart"], ["💚", "green heart"],
  ["❌", "no"], ["❓", "question"], ["❗", "important"], ["⚠️", "warning"], ["🚧", "in progress"], ["🐛", "bug"], ["🔧", "fix"], ["📌", "pinned"],
  ["📝", "notes"], ["📈", "going up"], ["⏳", "waiting"], ["☕", "coffee"], ["🍕", "pizza"], ["🌱", "growing"], ["🌈", "rainbow"], ["🎂", "birthday"],
];
const COLUMNS = 8;
const USUAL = ["👍", "❤️", "🎉"];

/** The three emoji one reacts with most, for quick buttons. */
export function favourites() {
  const used = remembered.get("parley.emoji", {});
  const known = Object.keys(used).sort((a, b) => used[b] - used[a]);
  return [...new Set([...known, ...USUAL])].slice(0, 3);
}

export function countUse(emoji) {
  const used = remembered.get("parley.emoji", {});
  remembered.set("parley.emoji", { ...used, [emoji]: (used[emoji] || 0) + 1 });
}

export const emojiName = (emoji) => EMOJI.find(([known]) => known === emoji)?.[1] || emoji;

/** Opens the picker beside `anchor` and calls `choose(emoji)`. */
export function pickEmoji(anchor, choose) {
  const grid = make("div", { class: "emoji-grid", role: "listbox", "aria-label": "Emoji" });
  const said = make("p", { class: "emoji-name" }, "Pick an emoji");
  const options = EMOJI.map(([emoji, name], index) => make("button", {
    type: "button", class: "emoji-option", role: "option", "aria-label": name, title: name, tabindex: index ? "-1" : "0", "data-test": "emoji-option", "data-emoji": emoji,
    onfocus: () => (said.textContent = name), onpointerenter: () => (said.textContent = name),
    onclick: () => { close(); countUse(emoji); choose(emoji); },
  }, emoji));
  grid.append(...options);
  grid.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS }[event.key];
    if (!step) return;
    event.preventDefault();
    options[Math.max(0, Math.min(options.length - 1, options.indexOf(document.activeElement) + step))].focus();
  });
  const close = openPopover(anchor, make("div", { class: "emoji-picker", "data-test": "emoji-picker" }, grid, said), { label: "Emoji" });
  options[0].focus({ preventScroll: true });
}
