// Makes nodes, brings what is shown up to date without losing focus, selection or scroll, and writes numbers for people.

const SPACE = "http://www.w3.org/2000/svg";
const HANDLERS = ["onclick", "onchange", "oninput", "ontoggle"];

function dress(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node[name] = value;
    else if (name === "style") for (const [property, to] of Object.entries(value)) node.style.setProperty(property, to);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false && child !== "") node.append(child);
  }
  return node;
}

/** Makes an element. `onX` are handlers; `style` is set through CSSOM, because the policy forbids style attributes. */
export const make = (tag, attributes, ...children) => dress(document.createElement(tag), attributes, children);

/** Makes an element of a drawing. */
export const svg = (tag, attributes, ...children) => dress(document.createElementNS(SPACE, tag), attributes, children);

/** Makes `old` look like `now` with as few changes as it can; what has `data-slot` keeps what is inside. */
export function patch(old, now) {
  if (old === now) return;
  if (old.nodeType !== now.nodeType || old.nodeName !== now.nodeName || old.dataset?.slot !== now.dataset?.slot) return void old.replaceWith(now);
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== now.data) old.data = now.data;
    return;
  }
  for (const name of HANDLERS) if (old[name] !== now[name]) old[name] = now[name];
  for (const { name } of [...old.attributes]) if (name !== "style" && name !== "open" && !now.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of [...now.attributes]) if (name !== "style" && name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (old.style && old.style.cssText !== now.style.cssText) old.style.cssText = now.style.cssText;
  if (old.dataset?.slot) return;
  const wanted = [...now.childNodes];
  wanted.forEach((child, index) => {
    const there = old.childNodes[index];
    if (there) patch(there, child);
    else old.append(child);
  });
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}

const digits = (number, places) => number.toLocaleString("en-GB", { minimumFractionDigits: places, maximumFractionDigits: places });

/** Three digits that matter: `1.24`, `12.4`, `124`, `1,240`, `12.4k`. */
export function number(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e9) return `${digits(value / 1e9, size >= 1e10 ? 0 : 1)}G`;
  if (size >= 1e6) return `${digits(value / 1e6, size >= 1e8 ? 0 : 1)}M`;
  if (size >= 1e4) return `${digits(value / 1e3, size >= 1e5 ? 0 : 1)}k`;
  if (size >= 100 || Number.isInteger(value)) return digits(value, 0);
  return digits(value, size >= 10 ? 1 : 2);
}

/** A rate or a mean, with as many places in each row: `0.04`, `8.67`, `17.0`, `124`. */
export const amount = (value) => (!Number.isFinite(value) ? "–" : !value ? "0" : Math.abs(value) < 9.995 ? digits(value, 2) : Math.abs(value) < 99.95 ? digits(value, 1) : number(Math.round(value)));

/** Nanoseconds: `850 ns`, `12.4 µs`, `3.20 ms`, `1.20 s`, `4.0 min`. */
export function time(nanoseconds) {
  if (!nanoseconds) return "0";
  const size = Math.abs(nanoseconds);
  const short = (value) => digits(value, Math.abs(value) >= 99.95 ? 0 : Math.abs(value) >= 9.995 ? 1 : 2);
  if (size < 1e3) return `${digits(nanoseconds, 0)} ns`;
  if (size < 1e6) return `${short(nanoseconds / 1e3)} µs`;
  if (size < 1e9) return `${short(nanoseconds / 1e6)} ms`;
  if (size < 120e9) return `${short(nanoseconds / 1e9)} s`;
  return seconds(nanoseconds / 1e9);
}

/** Seconds that a person waits: `45 s`, `4 min`, `3 h`, `2 d`. */
export function seconds(value) {
  if (!Number.isFinite(value)) return "–";
  if (value < 120) return `${digits(value, value < 10 && !Number.isInteger(value) ? 1 : 0)} s`;
  if (value < 7200) return `${digits(value / 60, 0)} min`;
  if (value < 172800) return `${digits(value / 3600, 1)} h`;
  return `${digits(value / 86400, 0)} d`;
}

export function bytes(value) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${digits(value, unit && Math.abs(value) < 10 ? 1 : 0)} ${units[unit]}`;
}

export const percent = (part) => (Number.isFinite(part) ? `${digits(part * 100, Math.abs(part) < 0.1 && part ? 1 : 0)} %` : "–");

/** A `Duration` as Rust writes it, in seconds. */
export const lasting = (duration) => (duration ? duration.secs + duration.nanos / 1e9 : 0);

/** How long ago, or how far ahead. */
export function ago(at, now = Date.now()) {
  if (!at) return "–";
  const exact = (now - Date.parse(at)) / 1000;
  const away = Math.abs(exact) < 10 ? Math.round(exact) : exact;
  if (!away) return "now";
  return away >= 0 ? `${seconds(away)} ago` : `in ${seconds(-away)}`;
}

/** A line of the source without the folders in front: `messages/store.rs:41`. */
export const line = (site) => make("code", { title: site }, site.replace(/^.*\bsrc\//, ""));

export const clock = (at) => (at ? new Date(at).toLocaleTimeString("en-GB") : "–");

/** Storage that never throws: private windows may refuse it. */
export const remembered = {
  get(key, otherwise) {
    try {
      return localStorage.getItem(`ops.${key}`) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(key, value) {
    try {
      if (value === null) localStorage.removeItem(`ops.${key}`);
      else localStorage.setItem(`ops.${key}`, value);
    } catch {
      // Forgetting is fine.
    }
  },
};
