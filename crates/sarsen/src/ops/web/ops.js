// The pages of the operators: the frame around them, where one is, what is asked for and when, and the keys.

import { ago, clock, make, patch, remembered } from "./dom.js";
import { Grid } from "./grid.js";
import { budgets, now, operation, sample, slow } from "./pages.js";
import { blobs, cache, dependencies, errors, job, jobs, modules, process, queries, realtime } from "./work.js";

const MENU = [["/ops", now], ["/ops/budgets", budgets], ["/ops/slow", slow], ["/ops/queries", queries], ["/ops/jobs", jobs], ["/ops/modules", modules], ["/ops/live", realtime], ["/ops/files", blobs], ["/ops/cache", cache], ["/ops/dependencies", dependencies], ["/ops/errors", errors], ["/ops/process", process]];
const INSIDE = [["/ops/operation", operation], ["/ops/sample/", sample], ["/ops/job/", job]];
const SPANS = [["10", "10 s"], ["60", "1 min"], ["600", "10 min"], ["3600", "1 h"], ["86400", "1 d"]];
const KEYS = [["j  k", "Next, previous row"], ["Enter", "Open the row"], ["/", "Filter"], ["g then a letter", `Go to: ${MENU.map(([, page]) => `${page.key} ${page.name}`).join(", ")}`], ["1 … 5", "Span"], ["Space", "Stop and go on"], ["t", "Light or dark"], ["Backspace", "Back"], ["?", "These keys"]];

let about = { name: "", version: "", environment: "", roles: [] };
let here = null;
let running = true;
let timer = 0;
let leader = 0;

const frame = {
  menu: make("nav", { class: "menu", "aria-label": "Pages" }),
  page: make("main", { id: "page", tabindex: "-1" }),
  spans: make("div", { class: "spans", role: "group", "aria-label": "Span" }),
  live: make("button", { type: "button", class: "live", "data-test": "live", onclick: () => pause(running) }),
  keys: make("dialog", { class: "keys", "data-test": "keys" }, make("h2", {}, "Keys"), make("dl", {}, KEYS.map(([key, meaning]) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, meaning)))), make("form", { method: "dialog" }, make("button", { class: "button" }, "Close"))),
  toast: make("p", { class: "toast", role: "status", hidden: true }),
};

const context = {
  span: SPANS.some(([span]) => span === remembered.get("span")) ? remembered.get("span") : "60",
  history: [],
  about,
  get: (path) => ask(path),
  async post(path) {
    try {
      const answer = await ask(path, "POST");
      toast(answer.became ? `Done: ${answer.became}` : "Done");
    } catch (error) {
      toast(error.message);
    }
    refresh();
  },
  go(path) {
    if (path === location.pathname + location.search) return;
    history.pushState(null, "", path);
    arrive();
  },
  /** A table of the page at hand, made once; its rows are given each time. */
  grid(name, options, rows) {
    if (!here.grids.has(name)) here.grids.set(name, new Grid({ name, ...options }));
    const grid = here.grids.get(name);
    Object.assign(grid, { columns: options.columns, open: options.open });
    here.rows.set(name, rows);
    return make("div", { "data-slot": name });
  },
  /** What a page keeps as long as it is open. */
  keep(name, first) {
    if (!here.kept.has(name)) here.kept.set(name, first());
    return here.kept.get(name);
  },
  say(name, words) {
    here.kept.set(name, words);
    show();
  },
  said: (name) => here.kept.get(name),
};

async function ask(path, method = "GET") {
  const response = await fetch(`/ops/api/${path}`, { method, headers: { accept: "application/json" }, signal: AbortSignal.timeout(20_000) });
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  throw Object.assign(new Error(body.detail || body.title || `The application answered ${response.status}`), { status: response.status });
}

function arrive() {
  for (const grid of here?.grids.values() || []) grid.drop();
  const path = location.pathname.replace(/\/$/, "") || "/ops";
  const found = MENU.find(([at]) => at === path) || INSIDE.find(([at]) => (at.endsWith("/") ? path.startsWith(at) : at === path)) || MENU[0];
  here = { page: found[1], path: found[0], grids: new Map(), rows: new Map(), kept: new Map(), data: null, failed: "" };
  context.query = new URLSearchParams(location.search);
  context.id = found[0].endsWith("/") ? decodeURIComponent(path.slice(found[0].length)) : "";
  document.title = `${here.page.name} · ${about.name || "ops"}`;
  frame.page.replaceChildren(make("p", { class: "empty", role: "status" }, "Loading…"));
  scrollTo(0, 0);
  drawMenu();
  refresh();
}

/** Asks for what the page shows, and comes again: later when the answer took long, never while nobody looks. */
async function refresh() {
  clearTimeout(timer);
  const [mine, began] = [here, performance.now()];
  try {
    const [data] = await Promise.all([mine.page.load(context), mine.page.lines && remember()]);
    if (mine !== here) return;
    [mine.data, mine.failed, mine.at] = [data, "", Date.now()];
  } catch (error) {
    if (mine !== here) return;
    const shut = error.status === 404 && MENU.some(([, page]) => page === mine.page);
    mine.failed = shut ? "You are not let in any more: come again with the token, or sign in" : error.message || "The application does not answer";
  }
  show();
  drawLive();
  const every = mine.failed ? 3000 : mine.page.every;
  if (every && running && !document.hidden) timer = setTimeout(refresh, Math.max(every, (performance.now() - began) * 10));
}

/** The points of the lines, as far back as the span says: a minute at least, five where it is ten. */
async function remember() {
  const back = { 10: 60, 600: 300 }[context.span] || Number(context.span);
  const [known, now] = [here.lines, performance.now()];
  if (known?.back === back && now - known.at < (back > 60 ? 10_000 : 900)) return;
  context.history = (await ask(`history?span=${back}`)).points;
  here.lines = { back, at: now };
}

function show() {
  const old = frame.page.firstElementChild;
  if (here.failed && !here.data) return frame.page.replaceChildren(make("p", { class: "error", "data-test": "failed" }, here.failed));
  here.rows.clear();
  let drawn;
  try {
    drawn = here.page.draw(here.data, context);
  } catch (error) {
    console.error(error);
    return frame.page.replaceChildren(make("p", { class: "error", "data-test": "failed" }, `This page cannot be drawn: ${error.message}`));
  }
  if (old && old.nodeName === drawn.nodeName) patch(old, drawn);
  else frame.page.replaceChildren(drawn);
  for (const slot of frame.page.querySelectorAll("[data-slot]")) {
    const grid = here.grids.get(slot.dataset.slot);
    if (!grid || !here.rows.has(slot.dataset.slot)) continue;
    if (grid.node.parentNode !== slot) slot.replaceChildren(grid.node);
    grid.update(here.rows.get(slot.dataset.slot));
  }
}

function drawMenu() {
  patchInto(frame.menu, MENU.map(([path, page]) => make("a", { href: path, "aria-current": (here.page.below || here.path) === path ? "page" : null, title: `g ${page.key}`, "data-test": `menu-${page.name.toLowerCase()}` }, page.name)));
  patchInto(frame.spans, SPANS.map(([span, title]) => make("button", { type: "button", "aria-pressed": String(span === context.span), onclick: () => choose(span) }, title)));
  frame.menu.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  drawLive();
}

const patchInto = (node, children) => patch(node, make(node.nodeName, Object.fromEntries([...node.attributes].map(({ name, value }) => [name, value])), children));

function drawLive() {
  const state = !running ? "paused" : here.failed ? "failed" : "on";
  frame.live.className = `live ${state}`;
  frame.live.textContent = { on: "Live", paused: "Paused", failed: "No answer" }[state];
  frame.live.title = here.at ? `As of ${clock(new Date(here.at))}, ${ago(new Date(here.at))}. Space stops and goes on.` : "";
}

function pause(stop) {
  running = !stop;
  if (running) refresh();
  else clearTimeout(timer);
  drawLive();
}

function choose(span) {
  context.span = span;
  remembered.set("span", span);
  drawMenu();
  refresh();
}

function toggleTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  remembered.set("theme", root.dataset.theme);
}

let toastTimer = 0;
function toast(words) {
  frame.toast.textContent = words;
  frame.toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (frame.toast.hidden = true), 4000);
}

/** The table that the keys move in: where the focus is, else the first one with rows. */
function gridAtHand() {
  const all = [...here.grids.values()].filter((grid) => grid.node.isConnected);
  return all.find((grid) => grid.node.contains(document.activeElement)) || all.find((grid) => grid.selected !== null && grid.shown.length) || all.find((grid) => grid.shown.length) || all[0];
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || frame.keys.open) return;
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "Escape" && typing) return event.target.blur();
  if (event.key === "Enter" && typing) {
    event.target.blur();
    return void gridAtHand()?.step(1);
  }
  if (typing) return;
  const led = performance.now() - leader < 1500;
  leader = 0;
  const target = led && MENU.find(([, page]) => page.key === event.key);
  const active = ["BUTTON", "A", "SUMMARY"].includes(event.target.tagName);
  const keys = {
    g: () => (leader = performance.now()),
    j: () => gridAtHand()?.step(1),
    k: () => gridAtHand()?.step(-1),
    Enter: () => !active && gridAtHand()?.enter(),
    o: () => gridAtHand()?.enter(),
    "/": () => gridAtHand()?.search.focus(),
    "?": () => frame.keys.showModal(),
    t: toggleTheme,
    " ": () => !active && pause(running),
    Backspace: () => history.back(),
  };
  const span = SPANS["12345".indexOf(event.key)]?.[0];
  if (target) context.go(target[0]);
  else if (event.key.length === 1 && "12345".includes(event.key)) choose(span);
  else if (keys[event.key]) keys[event.key]();
  else return;
  if (!(active && [" ", "Enter"].includes(event.key))) event.preventDefault();
}

function follow(event) {
  const anchor = event.target.closest?.("a[href^='/ops']");
  if (!anchor || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || anchor.getAttribute("href").startsWith("/ops/api")) return;
  event.preventDefault();
  context.go(anchor.getAttribute("href"));
}

async function begin() {
  try {
    Object.assign(about, await ask("about"));
  } catch {
    // The page says it when it cannot load.
  }
  document.getElementById("ops").append(
    make("header", { class: "top" },
      make("a", { class: "brand", href: "/ops" }, make("b", {}, about.name || "ops"), " ", make("span", { class: `env ${about.environment}` }, about.environment)),
      frame.spans, frame.live,
      make("button", { type: "button", class: "icon", "aria-label": "Light or dark", title: "Light or dark (t)", "data-test": "theme", onclick: toggleTheme }, "◐"),
      make("button", { type: "button", class: "icon", "aria-label": "Keys", title: "Keys (?)", onclick: () => frame.keys.showModal() }, "?")),
    frame.menu, frame.page, frame.keys, frame.toast);
  document.addEventListener("click", follow);
  document.addEventListener("keydown", press);
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : running && refresh()));
  addEventListener("popstate", arrive);
  arrive();
}

begin();
