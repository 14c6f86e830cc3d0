// Generated avatars: initials on a colour that follows from the id.

import { make } from "./dom.js";

const HUES = [12, 38, 75, 130, 160, 185, 215, 245, 275, 305, 335, 355];

/** The hue of an id: always the same one. */
export function hueOf(id) {
  let sum = 7;
  for (const letter of String(id)) sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
  sum = Math.imul(sum ^ (sum >>> 15), 0x2c1b3c6d) >>> 0;
  return HUES[(sum >>> 7) % HUES.length];
}

export function initials(name) {
  const words = name.trim().split(/[\s._-]+/).filter(Boolean);
  const letters = words.length > 1 ? [...words[0]][0] + [...words.at(-1)][0] : [...(words[0] || "?")].slice(0, 2).join("");
  return letters.toUpperCase();
}

/** The avatar of a person; `size` is "small", "medium" or "large". */
export function avatar(person, size = "medium") {
  return make("span", { class: `avatar avatar-${size}`, "aria-hidden": "true", style: { "--hue": hueOf(person.id) } }, initials(person.display_name || person.username || "?"));
}

/** The avatar of a conversation with several people: how many others there are. */
export function crowd(channel, others, size = "small") {
  if (others.length === 1) return avatar(others[0], size);
  return make("span", { class: `avatar avatar-${size} avatar-crowd`, "aria-hidden": "true", style: { "--hue": hueOf(channel.id) } }, String(others.length));
}
