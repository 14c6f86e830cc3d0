// What is slow and why: Now, Budgets, Slow, one Operation, one sample.

import { histogram, legend, partsOf, spark, stack, titleOf } from "./charts.js";
import { ago, amount, bytes, clock, lasting, line, make, number, percent, time } from "./dom.js";

const LEVELS = { fail: "Broken", warn: "Costs", note: "Note" };
const GRAVE = { fail: 2, warn: 1, note: 0 };
const rate = (count, span) => count / (lasting(span) || 1);
const text = (value) => String(value).toLowerCase().replaceAll("_", " ");

export const operationPath = ([kind, name]) => `/ops/operation?kind=${encodeURIComponent(kind)}&name=${encodeURIComponent(name)}`;
const link = (path, ...inside) => make("a", { href: path }, ...inside);
const sampleLink = (id) => link(`/ops/sample/${encodeURIComponent(id)}`, id.slice(-8));
export const fact = (name, value, hint) => make("div", { class: "fact", title: hint }, make("dt", {}, name), make("dd", {}, value));
export const facts = (...list) => make("dl", { class: "facts" }, ...list);
export const chip = (words, kind = "") => make("span", { class: `chip ${kind}` }, words);
const mark = (level) => make("i", { class: `dot ${level}`, title: LEVELS[level], role: "img", "aria-label": LEVELS[level] });

/** One finding: what is so, what to do, and behind a click why we say it. */
export function finding(one) {
  const evidence = one.evidence.length > 0 || one.samples.length > 0;
  return make("li", { class: `finding ${one.level}`, "data-test": "finding" },
    make("div", { class: "finding-head" }, mark(one.level), chip(one.word.replace("_", " "), "word"), make("strong", {}, one.sentence)),
    one.advice && !one.sentence.includes(one.advice) && make("p", { class: "advice" }, one.advice),
    make("div", { class: "finding-foot" },
      one.operation && link(operationPath(one.operation), one.operation[1]),
      one.impact >= 0.005 && make("span", { title: "Seconds of work or waiting a second: how many Operations sit in it at any moment" }, `${amount(one.impact)} s/s`),
      make("span", {}, one.count < 30 ? `too few: ${one.count}` : `${number(one.count)} seen`),
      make("span", {}, `${percent(one.unknown)} unknown`),
      make("span", { class: "faint" }, one.rule)),
    evidence && make("details", {}, make("summary", {}, "Evidence"),
      facts(...one.evidence.map(([name, value]) => fact(name, value))),
      one.samples.length > 0 && make("p", { class: "samples" }, "Samples: ", one.samples.map((id) => [sampleLink(id), " "]))));
}

const findings = (list, otherwise) => (list.length ? make("ul", { class: "findings" }, list.map(finding)) : make("p", { class: "empty" }, otherwise));

export const now = {
  name: "Now", key: "n", every: 1000, lines: true,
  load: (ctx) => ctx.get(`now?span=${ctx.span}`),
  draw(data, ctx) {
    const { golden, judgement, changes } = data;
    const queued = ctx.keep("queued", () => []);
    if (queued.push(golden.queued) > 60) queued.shift();
    const tile = (name, value, small, pick, bad) => make("div", { class: bad ? "tile bad" : "tile", "data-test": "tile" }, make("h3", {}, name), make("p", {}, value, small && make("small", {}, ` ${small}`)), spark(ctx.history.map(pick), name));
    const all = [...judgement.verdicts, ...judgement.findings].sort((one, other) => GRAVE[other.level] - GRAVE[one.level] || other.impact - one.impact);
    const worst = ["fail", "warn", "note"].find((level) => all.some((one) => one.level === level)) || "fine";
    return make("div", {},
      make("section", { class: `sentence ${worst}`, "data-test": "sentence" }, make("p", {}, judgement.sentence), make("small", { class: "faint" }, `${data.build || "unknown build"} · up to ${clock(data.at)}`)),
      make("section", { class: "tiles" },
        tile("Requests", amount(golden.requests), "/s", (point) => point.requests),
        tile("p50", time(golden.p50), "", (point) => point.p50),
        tile("p99", time(golden.p99), "", (point) => point.p99),
        tile("Errors", percent(golden.failed_ratio), `${amount(golden.failed)}/s`, (point) => point.failed, golden.failed > 0),
        tile("CPU", amount(golden.cpu), `of ${number(golden.cores)} cores`, (point) => point.cpu, golden.cores > 0 && golden.cpu > 0.85 * golden.cores),
        tile("Memory", bytes(golden.resident), golden.memory_limit ? `of ${bytes(golden.memory_limit)}` : "", (point) => point.resident, golden.memory_limit > 0 && golden.resident > 0.85 * golden.memory_limit),
        tile("Jobs", amount(golden.jobs), "/s", (point) => point.jobs),
        tile("Queue", number(golden.queued), golden.oldest >= 1 ? `oldest ${ago(new Date(Date.now() - golden.oldest * 1000)).replace(" ago", "")}` : "waiting", (_, index) => queued[queued.length - ctx.history.length + index])),
      make("div", { class: "columns" },
        make("section", {}, make("h2", {}, "Findings ", make("span", { class: "faint" }, number(all.length))), findings(all.slice(0, 30), "Nothing to find. That is good.")),
        make("section", {}, make("h2", {}, "Since the last build"), deploy(changes, data.before_build))));
  },
};

function deploy(changes, build) {
  if (!build) return make("p", { class: "empty" }, "No other build was seen yet.");
  if (!changes.length) return make("p", { class: "empty" }, `Nothing costs noticeably more or less than under ${build}.`);
  const shown = { cpu: time, wall: time, allocated: bytes, queries: number };
  return make("table", { class: "plain", "data-test": "changes" },
    make("thead", {}, make("tr", {}, ["Operation", "", "before", "now", "change"].map((title) => make("th", { class: title ? "" : "left" }, title)))),
    make("tbody", {}, changes.map((one) => make("tr", {}, make("td", { class: "left" }, link(operationPath(one.operation), one.operation[1])), make("td", { class: "left" }, one.what), make("td", {}, shown[one.what](one.before)), make("td", {}, shown[one.what](one.now)), make("td", { class: one.change > 0 ? "worse" : "better" }, `${one.change > 0 ? "+" : "−"}${percent(Math.abs(one.change))}`)))));
}

/** Each promise of a budget: what it is, what is so, how many broke it, and how much may. */
export function promises(operation) {
  const { budget, over, all } = operation;
  if (!budget) return [];
  const [count, list] = [all.count, []];
  const add = (what, limit, is, bad, allowed) => list.push({ operation, what, limit, is, bad, count, allowed, ratio: count ? bad / count : 0, burn: count ? bad / count / allowed : 0 });
  if (budget.p99) add("p99", time(lasting(budget.p99) * 1e9), time(operation.p99), over.time, 0.01);
  if (budget.run) add("run", time(lasting(budget.run) * 1e9), time(operation.p99), over.time, 0.01);
  if (budget.wait) add("wait", time(lasting(budget.wait) * 1e9), time(count ? all.queued / count : 0), over.wait, 0.01);
  if (budget.queries !== null) add("queries", number(budget.queries), amount(count ? all.queries / count : 0), over.queries, 0.01);
  if (budget.allocated !== null) add("allocated", bytes(budget.allocated), bytes(count ? all.allocated / count : 0), over.allocated, 0.01);
  if (budget.retries !== null) add("retries", number(budget.retries), "", over.retries, 0.01);
  if (budget.error_rate !== null) add("errors", percent(budget.error_rate), percent(count ? all.failed / count : 0), all.failed, budget.error_rate || 1e-9);
  return list;
}

const stateOf = (one) => (one.count < 30 ? "few" : one.burn > 1 ? "broken" : one.burn > 0.5 ? "close" : "kept");
const STATES = { broken: "broken", close: "close", kept: "kept", few: "too few" };
const RANK = { broken: 3, close: 2, kept: 1, few: 0 };

export const budgets = {
  name: "Budgets", key: "b", every: 2000,
  load: (ctx) => ctx.get(`snapshot?span=${ctx.span}`),
  draw(snapshot, ctx) {
    const rows = snapshot.operations.flatMap(promises);
    const without = snapshot.operations.filter((one) => !one.budget && one.module && one.module !== "ops").length;
    const broken = rows.filter((row) => stateOf(row) === "broken").length;
    return make("div", {},
      facts(fact("Promises", number(rows.length)), fact("Broken", number(broken)), fact("Operations without a budget", number(without))),
      ctx.grid("Budgets", {
        test: "budgets", empty: "No Operation that was seen has a budget. Say one beside a route: Budget::p99(ms(80)).queries(6)", id: (row) => `${row.operation.kind} ${row.operation.name} ${row.what}`, open: (row) => ctx.go(operationPath([row.operation.kind, row.operation.name])),
        columns: [
          { title: "State", width: 90, left: true, cell: (row) => chip(STATES[stateOf(row)], stateOf(row)), sort: (row) => RANK[stateOf(row)] * 1e6 + Math.min(row.burn, 9e5), filter: (row) => STATES[stateOf(row)] },
          { title: "Operation", grow: 3, width: 220, left: true, cell: (row) => row.operation.name, sort: (row) => row.operation.name, filter: (row) => `${row.operation.name} ${row.operation.module}` },
          { title: "Promise", width: 90, left: true, cell: (row) => row.what, sort: (row) => row.what, filter: (row) => row.what },
          { title: "At most", minor: true, cell: (row) => row.limit },
          { title: "Is", cell: (row) => row.is },
          { title: "Over", minor: true, hint: "Operations that broke it", cell: (row) => `${number(row.bad)} / ${number(row.count)}`, sort: (row) => row.bad, width: 110 },
          { title: "Burn", hint: "Part that broke it, over the part that may: above 1 it is not kept", cell: (row) => amount(row.burn), sort: (row) => row.burn },
          { title: "", minor: true, width: 120, cell: (row) => make("span", { class: `meter ${stateOf(row)}` }, make("i", { style: { width: `${Math.min(100, row.burn * 50)}%` } })) },
        ],
      }, rows));
  },
};

const KINDS = [["request", "Requests"], ["job", "Jobs"], ["query", "Queries"], ["host", "Hosts"], ["", "Everything"]];
const NUMBER = (title, pick, show, more = {}) => ({ title, cell: (row) => show(pick(row)), sort: pick, ...more });

export const slow = {
  name: "Slow", key: "s", every: 2000,
  load: (ctx) => ctx.get(`snapshot?span=${ctx.span}`),
  draw(snapshot, ctx) {
    const kind = ctx.query.get("kind") ?? "request";
    const tabs = make("nav", { class: "tabs", "aria-label": "What" }, KINDS.map(([value, title]) => make("a", { href: `/ops/slow?kind=${value}`, "aria-current": value === kind ? "page" : null }, title)));
    const causes = kind === "query" || kind === "host";
    return make("div", {}, tabs, causes ? slowCauses(snapshot, kind, ctx) : slowOperations(snapshot, kind, ctx));
  },
};

function slowOperations(snapshot, kind, ctx) {
  const rows = snapshot.operations.filter((one) => (!kind || one.kind === kind) && (one.module !== "ops" || kind === "")).map((one) => ({ ...one, parts: partsOf(one.all.account) }));
  const most = Math.max(1, ...rows.map((row) => row.all.account.wall));
  const whole = sumParts(rows.map((row) => row.parts));
  const total = whole.reduce((sum, [, value]) => sum + value, 0);
  const span = lasting(snapshot.span) || 1;
  return [
    total > 0 && make("section", { class: "whole" }, stack(whole, { label: "All" }), legend(whole.filter(([, value]) => value / total > 0.002), total)),
    ctx.grid(KINDS.find(([value]) => value === kind)?.[1] || "Operations", {
      test: "slow", sort: 3, id: (row) => `${row.kind} ${row.name}`, open: (row) => ctx.go(operationPath([row.kind, row.name])),
      columns: [
        { title: "Operation", grow: 3, width: 220, left: true, cell: (row) => [`${row.name} `, row.all.failed > 0 && chip(`${number(row.all.failed)} failed`, "broken")], sort: (row) => row.name, filter: (row) => `${row.name} ${row.module} ${row.kind}` },
        { title: "Module", width: 110, left: true, minor: true, cell: (row) => row.module || "sarsen", sort: (row) => row.module },
        NUMBER("/s", (row) => row.all.count / span, amount, { width: 70, minor: true }),
        NUMBER("Time", (row) => row.all.account.wall, time, { hint: "Of all of them together" }),
        NUMBER("s/s", (row) => row.all.account.wall / 1e9 / span, amount, { width: 64, minor: true, hint: "How many are at work at any moment" }),
        NUMBER("p50", (row) => row.p50, time, { minor: true }), NUMBER("p99", (row) => row.p99, time), NUMBER("max", (row) => row.max, time, { minor: true }),
        { title: "Where it went", width: 200, grow: 2, left: true, cell: (row) => stack(row.parts, { most, label: row.name }) },
      ],
    }, rows),
  ];
}

export function sumParts(lists) {
  const sums = new Map();
  for (const [kind, value] of lists.flat()) sums.set(kind, (sums.get(kind) || 0) + value);
  return [...sums].sort(([, one], [, other]) => other - one);
}

function slowCauses(snapshot, kind, ctx) {
  const wanted = (cause) => (kind === "query" ? cause.query : !cause.query && ["http", "mail"].includes(cause.kind));
  const rows = grouped(snapshot.causes.filter(wanted));
  const most = Math.max(1, ...rows.map((row) => row.share));
  const span = lasting(snapshot.span) || 1;
  return ctx.grid(kind === "query" ? "Queries" : "Hosts", {
    test: "slow", sort: 2, id: (row) => row.label, open: kind === "query" ? (row) => ctx.go(`/ops/queries?fingerprint=${row.label}`) : null, empty: kind === "query" ? "No query was run." : "No other service was called.",
    columns: [
      { title: kind === "query" ? "Query" : "Host", grow: 4, width: 260, left: true, cell: (row) => make("span", { class: row.query ? "sql" : "" }, row.text || row.label), sort: (row) => row.text || row.label, filter: (row) => `${row.text} ${row.label} ${row.by.map((one) => one.operation[1]).join(" ")}` },
      NUMBER("/s", (row) => row.calls / span, amount, { width: 70, minor: true }),
      NUMBER("Time", (row) => row.share, time), NUMBER("mean", (row) => row.wall / (row.calls || 1), time), NUMBER("failed", (row) => row.failed, number, { minor: true }),
      { title: "Share", minor: true, width: 200, grow: 2, left: true, cell: (row) => [stack([[row.kind, row.share - row.sync], ["sync", row.sync]].filter(([, value]) => value > 0), { most }), ] },
    ],
  }, rows);
}

/** Causes of one kind and label over all Operations. */
export function grouped(causes) {
  const groups = new Map();
  for (const cause of causes) {
    const key = `${cause.kind} ${cause.label}`;
    const sum = groups.get(key);
    if (!sum) groups.set(key, { ...cause, by: [cause] });
    else {
      for (const field of ["calls", "operations", "repeated", "identical", "share", "critical", "wall", "sync", "rows", "examined", "failed", "while_holding", "while_holding_wall", "distinct"]) sum[field] += cause[field];
      sum.most = Math.max(sum.most, cause.most);
      sum.by.push(cause);
    }
  }
  return [...groups.values()];
}

export const operation = {
  name: "Operation", below: "/ops/slow", every: 2000,
  async load(ctx) {
    const [kind, name] = [ctx.query.get("kind"), ctx.query.get("name")];
    const which = `kind=${encodeURIComponent(kind)}&name=${encodeURIComponent(name)}`;
    const [snapshot, samples, times, why] = await Promise.all([ctx.get(`snapshot?span=${ctx.span}`), ctx.get(`samples?${which}`), ctx.get(`histogram?span=${ctx.span}&${which}`), ctx.get(`why?span=${ctx.span}`)]);
    return { kind, name, snapshot, samples, times, why };
  },
  draw({ kind, name, snapshot, samples, times, why }, ctx) {
    const one = snapshot.operations.find((each) => each.kind === kind && each.name === name);
    const head = make("header", { class: "page-head" }, make("h1", {}, name), chip(kind), one && chip(one.module || "sarsen"), curl(kind, name));
    if (!one) return make("div", {}, head, make("p", { class: "empty" }, "It was not seen in this span. A longer one may have it."), sampleGrid(samples, ctx));
    const [all, tail] = [one.all, one.tail];
    const mean = (sum) => (all.count ? sum / all.count : 0);
    const mine = [...why.verdicts, ...why.findings].filter((each) => each.operation && each.operation[0] === kind && each.operation[1] === name);
    const causes = snapshot.causes.filter((cause) => cause.operation[0] === kind && cause.operation[1] === name);
    const bars = (title, sums) => {
      const parts = partsOf(sums.account).map(([part, value]) => [part, value / (sums.count || 1)]);
      const total = sums.account.wall / (sums.count || 1);
      return make("section", { class: "whole" }, make("h3", {}, title, make("b", {}, time(total))), stack(parts, { total }), legend(parts, total || 1));
    };
    return make("div", {}, head,
      mine.length > 0 && findings(mine),
      facts(fact("Count", number(all.count)), fact("Rate", `${amount(rate(all.count, snapshot.span))}/s`), fact("Failed", number(all.failed)), fact("Hung up", number(all.cancelled)), fact("p50", time(one.p50)), fact("p95", time(one.p95)), fact("p99", time(one.p99)), fact("max", time(one.max)),
        fact("Queries", amount(mean(all.queries)), "in the mean"), all.allocated > 0 && fact("Allocated", bytes(mean(all.allocated)), "in the mean"), fact("Sent", bytes(mean(all.bytes_out)), "in the mean"), all.queued > 0 && fact("In the queue", time(mean(all.queued)), "in the mean"), all.cpu_wall > 0 && fact("On a core", percent(all.cpu / all.cpu_wall), "of the time inside polls: the rest it was blocked, or the machine had no core")),
      promises(one).length > 0 && make("p", { class: "promises" }, promises(one).map((each) => chip(`${each.what} ≤ ${each.limit}: ${each.is || STATES[stateOf(each)]}`, stateOf(each)))),
      make("div", { class: "columns even" }, bars("In the mean", all), tail.count > 0 ? bars(`The ${number(tail.count)} slower than ${time(one.slow_after)}`, tail) : make("section", { class: "whole" }, make("h3", {}, "Slow ones"), make("p", { class: "empty" }, "None."))),
      make("section", {}, make("h2", {}, "How long they took"), histogram(times.buckets, [["p50", one.p50], ["p99", one.p99], ...(one.budget?.p99 ? [["budget", lasting(one.budget.p99) * 1e9, "mark budget"]] : [])])),
      ctx.grid("What it waits for", causeOptions(all.count), causes),
      sampleGrid(samples, ctx));
  },
};

function causeOptions(count) {
  return {
    test: "causes", sort: 4, id: (row) => `${row.kind} ${row.label} ${row.site}`, empty: "It waits for nothing.",
    columns: [
      { title: "Kind", width: 90, left: true, cell: (row) => [make("i", { class: `swatch k-${row.kind}` }), titleOf(row.kind)], sort: (row) => row.kind, filter: (row) => row.kind },
      { title: "What", grow: 4, width: 240, left: true, cell: (row) => make("span", { class: row.query ? "sql" : "", title: row.text }, row.text || row.label), filter: (row) => `${row.text} ${row.label}` },
      { title: "Line", grow: 1, width: 150, left: true, minor: true, cell: (row) => line(row.site), filter: (row) => row.site, sort: (row) => row.site },
      NUMBER("each", (row) => row.calls / (count || 1), amount, { hint: "Calls in one Operation, in the mean" }),
      NUMBER("Share", (row) => row.share, time, { hint: "Waits that overlap share the time" }), NUMBER("Critical", (row) => row.critical, time, { minor: true, hint: "What would be gained if it took no time" }),
      NUMBER("Rows", (row) => row.rows / (row.calls || 1), amount, { hint: "of one call" }),
      { title: "Marks", width: 150, left: true, minor: true, cell: marksOf },
    ],
  };
}

/** What is remarkable about a query. */
export const marksOf = (row) => [row.repeated > 0 && chip(`N+1 ×${row.most}`, "broken"), row.identical > 0 && row.query && chip(`${number(row.identical)} identical`, "close"), row.while_holding > 0 && chip("holds a connection", "close"), row.failed > 0 && chip(`${number(row.failed)} failed`, "broken")];

function sampleGrid(samples, ctx) {
  return ctx.grid("Samples", {
    test: "samples", sort: 2, id: (row) => row.id, open: (row) => ctx.go(`/ops/sample/${encodeURIComponent(row.id)}`), empty: "None was kept.",
    columns: [
      { title: "When", width: 90, left: true, cell: (row) => clock(row.at), sort: (row) => row.at },
      { title: "Why", width: 84, left: true, cell: (row) => chip(row.reason, row.reason === "failed" ? "broken" : row.reason === "slow" ? "close" : ""), sort: (row) => row.reason, filter: (row) => row.reason },
      NUMBER("Took", (row) => row.account.wall, time),
      { title: "Outcome", left: true, minor: true, cell: (row) => row.outcome, sort: (row) => row.outcome, filter: (row) => row.outcome },
      { title: "Where it went", grow: 2, width: 220, left: true, cell: (row) => stack(partsOf(row.account)) },
      { title: "Error", grow: 2, width: 160, left: true, minor: true, cell: (row) => row.error || "", filter: (row) => row.error || "" },
    ],
  }, samples);
}

function curl(kind, name, sample) {
  if (kind !== "request" || !name.startsWith("GET ")) return null;
  const quoted = `'${(location.origin + name.slice(4)).replaceAll("'", "%27")}'`;
  const words = sample ? `curl -sS ${quoted} -H 'traceparent: 00-${sample.trace}-${sample.span}-01'` : `curl -sS ${quoted}`;
  const copy = async (event) => {
    const button = event.currentTarget;
    try {
      await navigator.clipboard.writeText(words);
      button.textContent = "Copied";
    } catch {
      prompt("Copy this", words);
    }
  };
  return make("button", { type: "button", class: "button", onclick: copy, title: `${words}\n\nValues are not kept: put yours in place of {…}`, "data-test": "curl" }, "Copy as curl");
}

export const sample = {
  name: "Sample", below: "/ops/slow", every: 0,
  load: (ctx) => ctx.get(`sample/${encodeURIComponent(ctx.id)}`),
  draw({ sample: one, trace }, ctx) {
    const [kind, name] = one.operation;
    const parts = partsOf(one.account);
    return make("div", {},
      make("header", { class: "page-head" }, make("h1", {}, link(operationPath(one.operation), name)), chip(kind), chip(one.outcome, one.reason === "failed" ? "broken" : ""), curl(kind, name, one)),
      one.error && make("p", { class: "error" }, one.error),
      facts(fact("Took", time(one.account.wall)), fact("Began", `${clock(one.at)}, ${ago(one.at)}`), fact("Kept because", text(one.reason)), fact("Polls", number(one.account.polls)), fact("Longest poll", time(one.account.longest_poll)), one.allocated > 0 && fact("Allocated", bytes(one.allocated)), fact("Trace", make("code", {}, one.trace)), fact("Span", make("code", {}, one.span))),
      make("section", { class: "whole" }, stack(parts), legend(parts, one.account.wall || 1)),
      make("section", {}, make("h2", {}, "What happened"), waterfall(one, ctx)),
      make("section", {}, make("h2", {}, "Caused by, and what it caused"), tree(trace, one.id)));
  },
};

/** Leaves that repeat one another without a break become one line that opens. */
function runs(leaves) {
  const list = [];
  for (const leaf of leaves) {
    const last = list[list.length - 1];
    if (last && last[0].label === leaf.label && last[0].kind === leaf.kind && last[0].site === leaf.site) last.push(leaf);
    else list.push([leaf]);
  }
  return list.flatMap((run) => (run.length >= 5 ? [run] : run.map((leaf) => [leaf])));
}

function waterfall(one, ctx) {
  if (!one.leaves.length) return make("p", { class: "empty" }, "It waited for nothing.");
  const wall = one.account.wall || 1;
  const bar = (leaf) => make("i", { class: `bar k-${leaf.kind}${leaf.sync ? " sync" : ""}${leaf.cancelled ? " cancelled" : ""}`, style: { left: `${(leaf.from / wall) * 100}%`, width: `${Math.max(0.2, ((leaf.to - leaf.from) / wall) * 100)}%` } });
  const line = (run) => {
    const [leaf, many] = [run[0], run.length > 1];
    const took = run.reduce((sum, each) => sum + each.to - each.from, 0);
    const equal = many && run.length - new Set(run.map((each) => each.parameters)).size;
    return make("details", { class: "leaf", "data-test": "leaf" },
      make("summary", {},
        make("span", { class: "leaf-name" }, make("i", { class: `swatch k-${leaf.kind}` }), many && chip(`×${run.length}`, "broken"), make("span", { class: leaf.text ? "sql" : "" }, leaf.text || `${titleOf(leaf.kind)} ${leaf.label}`)),
        make("span", { class: "leaf-lane" }, run.map(bar)),
        make("span", { class: "leaf-time" }, time(took))),
      make("div", { class: "leaf-more" },
        leaf.text && make("pre", {}, leaf.text),
        facts(leaf.site && fact("Line", make("code", {}, leaf.site)), fact("From", time(leaf.from)), fact("Share", time(run.reduce((sum, each) => sum + each.share, 0)), "Waits that overlap share the time"), fact("Critical", time(run.reduce((sum, each) => sum + each.critical, 0)), "What would be gained if it took no time"), leaf.text && fact("Rows", number(run.reduce((sum, each) => sum + each.rows, 0))), leaf.sync && fact("Inside a poll", "yes"), leaf.cancelled && fact("Dropped before its end", "yes"), equal > 0 && fact("With the same parameters", number(equal))),
        leaf.text && ctx.about.explains && explainer(leaf.text, leaf.label, ctx)));
  };
  return make("div", { class: "waterfall" }, make("div", { class: "axis" }, [0, 0.25, 0.5, 0.75, 1].map((part) => make("span", { style: { left: `${part * 100}%` } }, part ? time(wall * part) : "0"))), runs(one.leaves).map(line));
}

/** Asks the database how it would run a query; in development only. */
/** What an address says of a query when one asks: a button, and the answer below it. */
function asked(ctx, key, { path, label, test, shown }) {
  const said = ctx.said(key);
  const ask = async () => {
    ctx.say(key, make("p", { class: "empty" }, "…"));
    try {
      ctx.say(key, shown(await ctx.get(path)));
    } catch (error) {
      ctx.say(key, make("p", { class: "error" }, error.message));
    }
  };
  return [make("button", { type: "button", class: "button", onclick: ask, "data-test": test }, label), said];
}

export function explainer(sql, fingerprint, ctx) {
  const path = `explain?fingerprint=${encodeURIComponent(fingerprint)}`;
  return make("div", {}, asked(ctx, `plan ${fingerprint}`, { path, label: "EXPLAIN", test: "explain", shown: ({ plan }) => make("pre", { "data-test": "plan" }, plan) }));
}

/** Tries on a copy of the tables which index would help a query. */
export function indexer(fingerprint, ctx) {
  const path = `indexes?span=${ctx.span}&fingerprint=${encodeURIComponent(fingerprint)}`;
  return make("div", {}, asked(ctx, `index ${fingerprint}`, { path, label: "Try an index", test: "index", shown: proposals }));
}

const planLine = (name, plan) => make("tr", {}, make("td", { class: "left" }, name), make("td", {}, amount(plan.rows)), make("td", {}, amount(plan.cost)), make("td", {}, plan.took ? time(lasting(plan.took) * 1e9) : "–"), make("td", { class: "left" }, make("code", {}, plan.lines.map((one) => make("div", {}, one)))));

function proposals({ proposals: all, skipped }) {
  const none = all.length === 0 && make("p", { class: "empty" }, skipped.length ? `It could not be tried: ${skipped[0][1]}` : "No index that was tried helps it.");
  return make("div", { "data-test": "proposal" }, none, all.map((one) => make("div", {},
    make("pre", {}, `${one.sql};`),
    one.queries.map((tried) => make("table", { class: "plain" },
      make("thead", {}, make("tr", {}, ["", "rows", "cost", "took", "plan"].map((title) => make("th", { class: title === "plan" ? "left" : "" }, title)))),
      make("tbody", {}, planLine("before", tried.before), planLine("after", tried.after)))),
    make("p", { class: "faint" }, "Tried on a copy; nothing has changed. ", make("code", {}, "indexes --write"), " on the command line writes the migration."))));
}

/** The samples of one trace as a tree by who caused whom. */
function tree(samples, mine) {
  const bySpan = new Map(samples.map((one) => [one.span, one]));
  const below = (span) => samples.filter((one) => one.parent === span && one.span !== span);
  const node = (one) => make("li", {}, make("a", { href: `/ops/sample/${encodeURIComponent(one.id)}`, class: one.id === mine ? "here" : "" }, one.operation[1]), " ", chip(one.operation[0]), " ", chip(one.outcome, one.reason === "failed" ? "broken" : ""), make("span", { class: "faint" }, ` ${time(one.account.wall)} · ${clock(one.at)}`), below(one.span).length > 0 && make("ul", {}, below(one.span).map(node)));
  const roots = samples.filter((one) => !one.parent || !bySpan.has(one.parent));
  return make("div", {}, make("ul", { class: "tree", "data-test": "tree" }, roots.map(node)), roots.some((one) => one.parent) && make("p", { class: "faint" }, "What caused it was not kept, or was elsewhere."));
}
