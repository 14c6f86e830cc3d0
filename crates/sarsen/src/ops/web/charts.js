// Small drawings: where time went as a stacked bar, a line of the last minutes, a histogram, a waterfall, the modules.

import { amount, make, number, percent, svg, time } from "./dom.js";

/** The kinds of waits in the order of their numbers (telemetry/mod.rs). */
const KINDS = ["database_pool", "database", "cache", "http", "mail", "lock", "queue", "sleep", "body_in", "body_out", "file", "blocking", "child", "named", "blob"];
const TITLES = {
  cpu: "CPU", sync: "in polls", database_pool: "pool", database: "database", cache: "cache", http: "HTTP", mail: "mail", lock: "lock", queue: "queue",
  sleep: "sleep", body_in: "client sends", body_out: "client reads", file: "file", blocking: "blocking", child: "child", named: "named", blob: "files", runnable: "runnable", other: "undeclared",
};

export const titleOf = (kind) => TITLES[kind] || kind;

/** The parts of an account, each with its nanoseconds: on the CPU first, undeclared last. */
export function partsOf(account) {
  const parts = [["cpu", account.on_cpu]];
  KINDS.forEach((kind, index) => parts.push([kind, (account.wait[index] || 0) + (account.sync[index] || 0)]));
  parts.push(["runnable", account.runnable], ["other", account.other]);
  return parts.filter(([, value]) => value > 0);
}

/** A bar of parts; it is as long as `total` says of `most`. */
export function stack(parts, { total, most = 0, label = "" } = {}) {
  const all = total || parts.reduce((sum, [, value]) => sum + value, 0) || 1;
  const said = parts.map(([kind, value]) => `${titleOf(kind)} ${time(value)} (${percent(value / all)})`).join("\n");
  const bars = parts.map(([kind, value]) => make("i", { class: `k-${kind}`, style: { "flex-grow": String(value / all) } }));
  const wide = most ? Math.max(1.5, (all / most) * 100) : 100;
  return make("span", { class: "stack", title: said, role: "img", "aria-label": `${label} ${said}` }, make("span", { class: "stack-in", style: { width: `${wide}%` } }, bars));
}

/** What the colours mean, for the parts that are there. */
export function legend(parts, total) {
  const big = [...parts].sort(([, one], [, other]) => other - one);
  return make("ul", { class: "legend" }, big.map(([kind, value]) => make("li", {}, make("i", { class: `k-${kind}` }), `${titleOf(kind)} `, make("b", {}, percent(value / total)))));
}

/** A line of numbers, the newest on the right. */
export function spark(values, label) {
  const [wide, tall] = [120, 28];
  const known = values.filter(Number.isFinite);
  const most = Math.max(...known, 0) || 1;
  const step = wide / Math.max(1, values.length - 1);
  const points = values.flatMap((value, index) => (Number.isFinite(value) ? [[index * step, tall - 1 - (value / most) * (tall - 3)]] : [])).map((place) => place.map((part) => part.toFixed(1)).join(","));
  const drawn = points.length > 1;
  const ends = drawn && [points[0], points[points.length - 1]].map((place) => place.split(",")[0]);
  return svg("svg", { class: "spark", viewBox: `0 0 ${wide} ${tall}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    drawn && svg("polygon", { points: `${ends[0]},${tall} ${points.join(" ")} ${ends[1]},${tall}` }),
    drawn && svg("polyline", { points: points.join(" "), "vector-effect": "non-scaling-stroke" }));
}

/** Counts by time on a logarithmic axis; `marks` are named places on it. */
export function histogram(buckets, marks) {
  const [wide, tall, bins] = [720, 120, 72];
  const used = buckets.filter(([, count]) => count > 0);
  if (!used.length) return make("p", { class: "empty" }, "None in this span.");
  const places = [...used.map(([upper]) => upper), ...marks.map(([, value]) => value)].filter((value) => value > 0);
  const least = Math.log(Math.min(...places) / 1.6);
  const greatest = Math.log(Math.max(...places) * 1.6);
  const at = (value) => ((Math.log(value) - least) / (greatest - least)) * wide;
  const counts = new Array(bins).fill(0);
  // A bucket of the recorder is a sixteenth of an octave wide: what it holds goes to all bins that it touches.
  for (const [upper, count] of used) {
    const [from, to] = [(at(upper / 2 ** (1 / 16)) / wide) * bins, (at(upper) / wide) * bins];
    for (let bin = Math.floor(from); bin < Math.min(bins, to); bin += 1) counts[bin] += (count * (Math.min(bin + 1, to) - Math.max(bin, from))) / (to - from);
  }
  const most = Math.max(...counts);
  const bars = counts.map((count, bin) => {
    if (!count) return null;
    const high = Math.max(2, (count / most) * (tall - 24));
    const upper = Math.exp(least + ((bin + 1) / bins) * (greatest - least));
    return svg("rect", { x: (bin * wide) / bins, y: tall - 18 - high, width: wide / bins - 1, height: high }, svg("title", {}, `up to ${time(upper)}: ${number(Math.max(1, Math.round(count)))}`));
  });
  const lines = marks.filter(([, value]) => value > 0).map(([name, value, kind], index) => svg("g", { class: kind || "mark" },
    svg("line", { x1: at(value), x2: at(value), y1: 0, y2: tall - 18 }), svg("text", { x: Math.min(wide - 90, at(value) + 3), y: index % 2 ? 9 : tall - 5 }, `${name} ${time(value)}`)));
  return svg("svg", { class: "histogram", viewBox: `0 0 ${wide} ${tall}`, role: "img", "aria-label": "How many took how long" }, bars, svg("line", { class: "ground", x1: 0, x2: wide, y1: tall - 18, y2: tall - 18 }), lines);
}

const count = (list, what) => list.length > 0 && `${list.length} ${what}${list.length > 1 ? "s" : ""}`;

/** The modules from left to right by whom they call; `rates` are calls a minute by module, `heard` by subscriber. */
export function graph(modules, rates, heard, open) {
  const byName = new Map(modules.map((module) => [module.name, module]));
  const depth = new Map();
  const level = (name, seen = new Set()) => {
    if (depth.has(name)) return depth.get(name);
    if (seen.has(name)) return 0;
    seen.add(name);
    const calls = (byName.get(name)?.calls || []).filter((to) => byName.has(to));
    depth.set(name, calls.length ? 1 + Math.max(...calls.map((to) => level(to, seen))) : 0);
    return depth.get(name);
  };
  modules.forEach((module) => level(module.name));
  const levels = Math.max(0, ...depth.values());
  const columns = Array.from({ length: levels + 1 }, () => []);
  modules.forEach((module) => columns[levels - depth.get(module.name)].push(module));
  const [box, high, gapX, gapY] = [190, 58, 84, 18];
  const rows = Math.max(...columns.map((column) => column.length));
  const [wide, tall] = [columns.length * (box + gapX) - gapX + 20, rows * (high + gapY) + 10];
  const place = new Map();
  columns.forEach((column, x) => column.forEach((module, y) => place.set(module.name, { x: 10 + x * (box + gapX), y: 5 + y * (high + gapY) + ((rows - column.length) * (high + gapY)) / 2 })));
  const curve = (from, to, kind, words, rate) => {
    const [a, b] = [place.get(from), place.get(to)];
    if (!a || !b || from === to) return null;
    const [x1, y1, x2, y2] = [a.x + (b.x > a.x ? box : 0), a.y + high / 2, b.x + (b.x > a.x ? 0 : box), b.y + high / 2];
    const bend = a.x === b.x ? 60 : (x2 - x1) / 2;
    return svg("path", { class: `edge ${kind}`, d: `M${x1},${y1} C${x1 + bend},${y1} ${x2 - (a.x === b.x ? -60 : bend)},${y2} ${x2},${y2}`, "stroke-width": 1 + Math.min(2.5, Math.log10(1 + (rate || 0)) * 0.7) }, svg("title", {}, words));
  };
  const edges = modules.flatMap((module) => [
    ...module.calls.map((to) => curve(module.name, to, "calls", `${module.name} calls ${to}: ${amount(rates.get(to) || 0)} calls a minute by all`, rates.get(to))),
    ...module.subscriptions.map((one) => curve(one.event.split(".")[0], module.name, "events", `${one.event} → ${one.subscriber}: ${amount(heard.get(one.subscriber) || 0)} a minute`, heard.get(one.subscriber))),
  ]);
  const nodes = modules.map((module) => {
    const { x, y } = place.get(module.name);
    const hears = module.subscriptions.reduce((sum, one) => sum + (heard.get(one.subscriber) || 0), 0);
    const own = [count(module.tables, "table"), count(module.jobs, "job"), module.serves_http && "http"].filter(Boolean).join(" · ");
    return svg("g", { class: "module", transform: `translate(${x},${y})`, onclick: () => open(module.name), "data-test": "module" },
      svg("rect", { width: box, height: high, rx: 6 }),
      svg("text", { x: 10, y: 19, class: "strong" }, module.name),
      svg("text", { x: 10, y: 35 }, `${amount(rates.get(module.name) || 0)} calls/min · ${amount(hears)} events/min`),
      svg("text", { x: 10, y: 50, class: "faint" }, own || "–"));
  });
  return svg("svg", { class: "graph", viewBox: `0 0 ${wide} ${tall}`, style: { width: `${wide}px` }, role: "img", "aria-label": "The modules, whom they call and whom they hear" }, edges, nodes);
}
