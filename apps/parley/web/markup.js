// Renders the small markup of messages: code, blocks, bold, italic, links and mentions, as DOM nodes.

import { make } from "./dom.js";

const BLOCK = /```(?:[\w+-]*\n)?([\s\S]*?)```/g;
const INLINE = /`([^`\n]+)`|\b(https?:\/\/[^\s<>`]+)|(?<![\w*])\*(?=\S)([^*\n]+)(?<=\S)\*(?![\w*])|(?<![\w_])_(?=\S)([^_\n]+)(?<=\S)_(?![\w_])|(?<![\w@./])@([A-Za-z0-9][A-Za-z0-9._-]{1,31})/g;
const ONLY_EMOJI = /^(?:\p{Extended_Pictographic}[\p{Emoji_Modifier}\uFE0F\u200D]*\s*){1,6}$/u;

/** Whether a text is nothing but a few emoji, which are shown larger. */
export const onlyEmoji = (text) => ONLY_EMOJI.test(text) && text.length < 40;

/**
 * Renders a text. `mentions` maps lowercase usernames to people, `me` is my user id,
 * `words` are marked wherever they occur.
 */
export function render(text, { mentions = new Map(), me = null, words = [] } = {}) {
  const context = { mentions, me, marker: marker(words) };
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(BLOCK)) {
    nodes.push(...inline(text.slice(from, match.index).replace(/\n$/, ""), context));
    nodes.push(make("pre", { tabindex: "0" }, make("code", {}, ...plain(match[1].replace(/\n$/, ""), context))));
    from = match.index + match[0].length;
    if (text[from] === "\n") from += 1;
  }
  nodes.push(...inline(text.slice(from), context));
  return nodes;
}

function inline(text, context) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index < from) continue;
    const [node, length] = token(match, context);
    if (!node) continue;
    nodes.push(...plain(text.slice(from, match.index), context), node);
    from = match.index + length;
  }
  nodes.push(...plain(text.slice(from), context));
  return nodes;
}

/** The node of one match and how much of the text it covers; no node leaves the text as it is. */
function token(match, context) {
  const [whole, code, link, bold, italic, name] = match;
  if (code !== undefined) return [make("code", {}, ...plain(code, context)), whole.length];
  if (bold !== undefined) return [make("strong", {}, ...inline(bold, context)), whole.length];
  if (italic !== undefined) return [make("em", {}, ...inline(italic, context)), whole.length];
  if (link !== undefined) return anchor(link, context);
  return mention(name, context);
}

function anchor(text, context) {
  let address = text.replace(/[.,;:!?'"\]*_]+$/, "");
  while (address.endsWith(")") && address.split(")").length > address.split("(").length) address = address.slice(0, -1);
  let url;
  try {
    url = new URL(address);
  } catch {
    return [null, 0];
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return [null, 0];
  return [make("a", { href: url.href, target: "_blank", rel: "noopener noreferrer nofollow" }, ...plain(address, context)), address.length];
}

function mention(name, context) {
  for (let shown = name; shown.length > 1; shown = shown.slice(0, -1)) {
    const person = context.mentions.get(shown.toLowerCase());
    if (person) return [make("span", { class: person.id === context.me ? "mention mention-me" : "mention", title: person.display_name, "data-user": person.id }, `@${shown}`), shown.length + 1];
    if (!/[._-]$/.test(shown)) break;
  }
  return [null, 0];
}

function marker(words) {
  const wanted = words.filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return wanted.length ? new RegExp(`(${wanted.join("|")})`, "gi") : null;
}

function plain(text, { marker }) {
  if (!text) return [];
  if (!marker) return [text];
  return text.split(marker).map((part, index) => (index % 2 ? make("mark", {}, part) : part)).filter((part) => part !== "");
}
