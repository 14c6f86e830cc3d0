// What there is to do with it and around it: Queries, Jobs, Modules, Live, Dependencies, Errors, Process.

import { graph, spark, stack } from "./charts.js";
import { ago, amount, bytes, clock, lasting, line, make, number, percent, seconds, time } from "./dom.js";
import { chip, explainer, fact, facts, finding, grouped, indexer, marksOf, operationPath } from "./pages.js";

const NUMBER = (title, pick, show, more = {}) => ({ title, cell: (row) => show(pick(row)), sort: pick, ...more });
const act = (ctx, label, path, { ask = "", kind = "", test } = {}) => make("button", { type: "button", class: `button ${kind}`, "data-test": test, onclick: () => (!ask || confirm(ask)) && ctx.post(path) }, label);
const safe = encodeURIComponent;

export const queries = {
  name: "Queries", key: "q", every: 2000,
  async load(ctx) {
    const [snapshot, why] = await Promise.all([ctx.get(`snapshot?span=${ctx.span}`), ctx.get(`why?span=${ctx.span}`)]);
    return { snapshot, why };
  },
  draw({ snapshot, why }, ctx) {
    const rows = grouped(snapshot.causes.filter((cause) => cause.query));
    const wanted = ctx.query.get("fingerprint");
    const one = wanted && rows.find((row) => row.label === wanted);
    const span = lasting(snapshot.span) || 1;
    return make("div", {}, wanted && query(one, wanted, why, ctx), ctx.grid("Queries", {
      test: "queries", sort: 2, id: (row) => row.label, open: (row) => ctx.go(`/ops/queries?fingerprint=${row.label}`), empty: "No query was run.",
      columns: [
        { title: "Query", grow: 4, width: 260, left: true, cell: (row) => make("span", { class: "sql", title: row.text }, row.text), sort: (row) => row.text, filter: (row) => `${row.text} ${row.label} ${row.tables.join(" ")} ${row.by.map((each) => `${each.operation[1]} ${each.site}`).join(" ")}` },
        NUMBER("/s", (row) => row.calls / span, amount, { minor: true, width: 70 }),
        NUMBER("Time", (row) => row.share, time), NUMBER("mean", (row) => row.wall / (row.calls || 1), time, { minor: true }),
        NUMBER("Rows", (row) => row.rows / (row.calls || 1), amount, { minor: true, hint: "of one call" }),
        NUMBER("Examined", (row) => row.examined / (row.calls || 1), (value) => (value ? amount(value) : "–"), { minor: true, hint: "Rows the database looked at for one call, where it says so" }),
        NUMBER("Most", (row) => row.most, number, { minor: true, hint: "in one Operation", width: 70 }),
        { title: "Marks", width: 170, left: true, minor: true, cell: marksOf, sort: (row) => row.repeated + row.identical },
      ],
    }, rows));
  },
};

function query(one, fingerprint, why, ctx) {
  if (!one) return make("p", { class: "empty" }, "This query was not run in this span.");
  const mine = [...why.verdicts, ...why.findings].filter((each) => each.culprit.includes(fingerprint) || each.culprit.includes(one.text) || each.evidence.some(([, value]) => value.includes(fingerprint)));
  return make("section", { class: "panel", "data-test": "query" },
    make("header", { class: "page-head" }, make("h2", {}, one.writes ? "Writes " : "Reads ", one.tables.join(", ") || "–"), make("code", { class: "faint" }, fingerprint), make("a", { href: "/ops/queries", class: "button" }, "Close")),
    make("pre", {}, one.text),
    facts(fact("Calls", number(one.calls)), fact("Time", time(one.share)), fact("mean", time(one.wall / (one.calls || 1))), fact("Rows of a call", amount(one.rows / (one.calls || 1))), fact("Different parameters", `about ${number(Math.max(1, Math.round(one.distinct)))}`), one.identical > 0 && fact("Identical in one Operation", number(one.identical)), one.failed > 0 && fact("Failed", number(one.failed))),
    mine.length > 0 && make("ul", { class: "findings" }, mine.map(finding)),
    ctx.about.explains && explainer(one.text, fingerprint, ctx),
    ctx.about.explains && indexer(fingerprint, ctx),
    make("table", { class: "plain" }, make("thead", {}, make("tr", {}, ["Operation", "Line", "calls", "most in one", "time"].map((title) => make("th", { class: title === "Line" ? "left" : "" }, title)))),
      make("tbody", {}, [...one.by].sort((a, b) => b.share - a.share).slice(0, 20).map((each) => make("tr", {}, make("td", { class: "left" }, make("a", { href: operationPath(each.operation) }, each.operation[1])), make("td", { class: "left" }, line(each.site)), make("td", {}, number(each.calls)), make("td", {}, number(each.most)), make("td", {}, time(each.share)))))));
}

export const jobs = {
  name: "Jobs", key: "j", every: 2000,
  async load(ctx) {
    const state = ctx.query.get("state") || "discarded";
    const [all, schedules, list, snapshot] = await Promise.all([ctx.get("jobs"), ctx.get("schedules"), ctx.get(`jobs/list?state=${safe(state)}&limit=1000`), ctx.get(`snapshot?span=${ctx.span}`)]);
    return { all, schedules, list, snapshot, state };
  },
  draw({ all, schedules, list, snapshot, state }, ctx) {
    const live = new Map(snapshot.queues.map((queue) => [queue.name, queue]));
    const rows = all.queues.map((queue) => ({ ...queue, live: live.get(queue.name) }));
    const dead = all.queues.reduce((sum, queue) => sum + queue.discarded.count, 0);
    return make("div", {},
      all.stalled.map((words) => make("p", { class: "error" }, words)),
      ctx.grid("Queues", queueOptions(ctx), rows),
      ctx.grid("Schedules", scheduleOptions(ctx), schedules),
      make("nav", { class: "tabs", "aria-label": "State" }, ["discarded", "retryable", "available", "running", "scheduled", "waiting", "completed", "cancelled"].map((each) => make("a", { href: `/ops/jobs?state=${each}`, "aria-current": each === state ? "page" : null }, each === "discarded" ? `dead letters ${dead ? number(dead) : ""}` : each)),
        state === "discarded" && dead > 0 && act(ctx, "Retry all", "jobs/retry-dead", { ask: `Try ${number(dead)} dead letters again?`, test: "retry-all" })),
      ctx.grid("Jobs", jobOptions(ctx), list.jobs),
      ctx.grid("Workers", workerOptions(), all.workers));
  },
};

const depth = (one) => (one.more ? `>${number(one.count)}` : number(one.count));

function eta(row) {
  const [arrival, settled] = [row.live?.arrival || 0, row.live?.settled || 0];
  if (!row.available.count) return "–";
  if (row.paused) return "paused";
  if (settled <= arrival) return settled || arrival ? "grows" : "–";
  return seconds(row.available.count / (settled - arrival));
}

const queueOptions = (ctx) => ({
  test: "queues", sort: 1, id: (row) => row.name, empty: "No queue is known.",
  columns: [
    { title: "Queue", grow: 2, width: 150, left: true, cell: (row) => [`${row.name} `, row.paused && chip("paused", "close"), !row.workers && row.available.count > 0 && chip("no worker", "broken")], sort: (row) => row.name, filter: (row) => row.name },
    NUMBER("Waiting", (row) => row.available.count, (value) => number(value), { cell: (row) => depth(row.available) }),
    { title: "Oldest", minor: true, cell: (row) => (row.due_since ? ago(row.due_since).replace(" ago", "") : "–"), sort: (row) => -Date.parse(row.due_since || 8.64e15), width: 74 },
    NUMBER("Running", (row) => row.running.count, number, { minor: true, width: 76 }),
    NUMBER("in /s", (row) => row.live?.arrival || 0, amount, { minor: true, width: 64 }), NUMBER("done /s", (row) => row.live?.settled || 0, amount, { minor: true, width: 74 }),
    { title: "Empty in", minor: true, hint: "At this rate", cell: eta, width: 84 },
    NUMBER("Later", (row) => row.scheduled.count, number, { minor: true, width: 64, hint: "Due later" }), NUMBER("Retries", (row) => row.retryable.count, number, { minor: true, width: 70 }), NUMBER("Blocked", (row) => row.waiting.count, number, { minor: true, width: 74, hint: "Waiting for other jobs" }), NUMBER("Dead", (row) => row.discarded.count, number, { width: 60 }), NUMBER("Workers", (row) => row.workers, number, { minor: true, width: 76 }),
    { title: "", width: 90, cell: (row) => (row.paused ? act(ctx, "Resume", `queues/${safe(row.name)}/resume`, { test: "resume" }) : act(ctx, "Pause", `queues/${safe(row.name)}/pause`, { test: "pause" })) },
  ],
});

const scheduleOptions = (ctx) => ({
  test: "schedules", sort: 3, id: (row) => row.name, empty: "No schedule is declared.",
  columns: [
    { title: "Schedule", grow: 2, width: 170, left: true, cell: (row) => [`${row.name} `, row.paused && chip("paused", "close"), !row.declared && chip("not in this build")], sort: (row) => row.name, filter: (row) => `${row.name} ${row.kind}` },
    { title: "Job", minor: true, grow: 1, width: 140, left: true, cell: (row) => row.kind, sort: (row) => row.kind },
    { title: "When", minor: true, grow: 1, width: 130, left: true, cell: (row) => make("code", {}, row.cron, row.zone && row.zone !== "UTC" ? ` ${row.zone}` : "") },
    { title: "Next", width: 100, cell: (row) => (row.next_at ? ago(row.next_at) : "–"), sort: (row) => (row.next_at ? -Date.parse(row.next_at) : -Infinity) },
    { title: "Last", minor: true, width: 100, cell: (row) => (row.last_at ? ago(row.last_at) : "–") },
    { title: "", width: 150, cell: (row) => [row.declared && act(ctx, "Fire", `schedules/${safe(row.name)}/fire`, { ask: `Fire ${row.name} now?`, test: "fire" }), row.paused ? act(ctx, "Resume", `schedules/${safe(row.name)}/resume`) : act(ctx, "Pause", `schedules/${safe(row.name)}/pause`)] },
  ],
});

const jobOptions = (ctx) => ({
  test: "jobs", sort: 4, id: (row) => row.id, open: (row) => ctx.go(`/ops/job/${row.id}`), empty: "None.",
  columns: [
    { title: "Kind", grow: 1, width: 160, left: true, cell: (row) => row.kind, sort: (row) => row.kind, filter: (row) => `${row.kind} ${row.queue} ${row.key} ${row.id}` },
    { title: "Queue", minor: true, width: 120, left: true, cell: (row) => row.queue, sort: (row) => row.queue },
    { title: "Attempt", minor: true, width: 76, cell: (row) => `${row.attempt} / ${row.max_attempts}`, sort: (row) => row.attempt },
    { title: "Due", minor: true, width: 90, cell: (row) => ago(row.run_at), sort: (row) => row.run_at },
    { title: "Ended", width: 90, cell: (row) => (row.finished_at ? ago(row.finished_at) : "–"), sort: (row) => row.finished_at || row.run_at },
    { title: "Error", minor: true, grow: 3, width: 200, left: true, cell: (row) => make("span", { title: row.error }, row.error || (row.progress ? `${row.progress.done} / ${row.progress.total} ${row.progress.note}` : "")), filter: (row) => row.error || "" },
    { title: "", width: 150, cell: (row) => jobActs(row, ctx) },
  ],
});

const jobActs = (row, ctx) => [
  ["discarded", "retryable", "scheduled"].includes(row.state) && act(ctx, row.state === "discarded" ? "Retry" : "Run now", `jobs/${row.id}/retry`, { test: "retry" }),
  ["discarded", "retryable", "scheduled", "available"].includes(row.state) && act(ctx, row.state === "discarded" ? "Delete" : "Discard", `jobs/${row.id}/discard`, { ask: row.state === "discarded" ? "Delete this dead letter?" : "Give this job up?", kind: "danger", test: "discard" }),
  row.state === "running" && act(ctx, "Stop", `jobs/${row.id}/cancel`, { ask: "Stop this job?", kind: "danger" }),
];

const workerOptions = () => ({
  test: "workers", sort: 4, id: (row) => row.id, empty: "No process does jobs.",
  columns: [
    { title: "Process", grow: 2, width: 200, left: true, cell: (row) => [`${row.host.split(" ")[0]} · ${row.pid} `, !row.live && chip("silent", "broken")], filter: (row) => `${row.host} ${row.pid}` },
    { title: "Version", minor: true, width: 100, left: true, cell: (row) => row.version },
    { title: "Queues", minor: true, grow: 2, width: 160, left: true, cell: (row) => row.queues.join(", ") },
    NUMBER("Running", (row) => row.running, number), NUMBER("Settled", (row) => row.settled, number),
    { title: "Up since", minor: true, width: 100, cell: (row) => ago(row.started_at) }, { title: "Last beat", width: 100, cell: (row) => ago(row.beat_at) },
  ],
});

export const job = {
  name: "Job", below: "/ops/jobs", every: 2000,
  load: (ctx) => ctx.get(`jobs/${safe(ctx.id)}`),
  draw(one, ctx) {
    return make("div", {},
      make("header", { class: "page-head" }, make("h1", {}, make("a", { href: operationPath(["job", one.kind]) }, one.kind)), chip(one.state, one.state === "discarded" ? "broken" : ""), jobActs(one, ctx)),
      facts(fact("Id", make("code", {}, one.id)), fact("Queue", one.queue), one.key && fact("Key", one.key), fact("Priority", number(one.priority)), fact("Attempt", `${one.attempt} of ${one.max_attempts}`), one.crashes > 0 && fact("Processes that died", number(one.crashes)), fact("Enqueued", ago(one.enqueued_at)), fact("Due", ago(one.run_at)), one.started_at && fact("Last run", ago(one.started_at)), one.finished_at && fact("Ended", ago(one.finished_at)), one.deadline && fact("Deadline", ago(one.deadline)), one.worker && fact("Worker", make("code", {}, one.worker)), one.progress && fact("Progress", `${one.progress.done} of ${one.progress.total} ${one.progress.note}`), one.batch && fact("Batch", `${one.batch.total - one.batch.pending} of ${one.batch.total}, ${one.batch.failed} failed`), one.trace && fact("Trace", make("code", {}, one.trace)), fact("Arguments", make("span", { class: "faint" }, "not shown"))),
      one.waits_for && make("p", {}, "Waits for ", make("a", { href: `/ops/job/${one.waits_for}` }, one.waits_for)),
      one.awaited_by.length > 0 && make("p", {}, "Awaited by ", one.awaited_by.map((id) => [make("a", { href: `/ops/job/${id}` }, id.slice(-8)), " "])),
      ctx.grid("What went wrong", { test: "failures", sort: 1, id: (row) => `${row.attempt} ${row.at}`, empty: "Nothing yet.", columns: [
        { title: "Attempt", width: 80, cell: (row) => row.attempt ?? "–" }, { title: "When", width: 110, cell: (row) => ago(row.at), sort: (row) => row.at }, { title: "Kind", width: 120, left: true, cell: (row) => row.kind }, { title: "Message", grow: 1, width: 300, left: true, cell: (row) => make("span", { title: row.message }, row.message), filter: (row) => row.message },
      ] }, one.errors));
  },
};

export const modules = {
  name: "Modules", key: "m", every: 2000,
  async load(ctx) {
    const [{ modules: all, seconds: up }, snapshot] = await Promise.all([ctx.get("modules"), ctx.get(`snapshot?span=${ctx.span}`)]);
    return { all, up, snapshot, at: performance.now() };
  },
  draw({ all, up, snapshot, at }, ctx) {
    const minutes = (lasting(snapshot.span) || 60) / 60;
    const calls = (module) => module.methods.reduce((sum, method) => sum + method.calls, 0);
    const first = ctx.keep("calls", () => ({ at, calls: new Map(all.map((module) => [module.name, calls(module)])) }));
    const passed = (at - first.at) / 60000;
    // Since this page was opened; at first since the application started.
    const rate = (module) => (passed > 1 / 6 ? (calls(module) - first.calls.get(module.name)) / passed : (calls(module) / (up || 1)) * 60);
    const rates = new Map(all.map((module) => [module.name, rate(module)]));
    const done = new Map(snapshot.operations.filter((one) => one.kind === "job").map((one) => [one.name, one.all.count / minutes]));
    const time_ = (module) => snapshot.operations.filter((one) => one.module === module.name).reduce((sum, one) => sum + one.all.account.wall, 0);
    const wanted = ctx.query.get("module");
    const open = (name) => ctx.go(`/ops/modules?module=${safe(name)}`);
    const one = all.find((module) => module.name === wanted);
    return make("div", {},
      make("section", {}, make("h2", {}, "Who calls whom ", make("span", { class: "faint" }, "lines: calls · dashes: events")), make("div", { class: "scroll" }, graph(all, rates, done, open))),
      one && make("section", { class: "panel", "data-test": "module-detail" },
        make("header", { class: "page-head" }, make("h2", {}, one.name), make("a", { class: "button", href: "/ops/modules" }, "Close")),
        facts(fact("Tables", one.tables.join(", ") || "–"), fact("Calls", one.calls.join(", ") || "nobody"), fact("Hears", one.subscriptions.map((each) => each.event).join(", ") || "nothing"), fact("Builds", one.projections.map((each) => each.name).join(", ") || "nothing"), fact("Jobs", one.jobs.join(", ") || "–"), fact("Migrations", number(one.migrations)), fact("Serves HTTP", one.serves_http ? "yes" : "no")),
        ctx.grid("Methods", { test: "methods", sort: 1, id: (row) => row.name, empty: "Nobody calls it.", columns: [
          { title: "Method", grow: 1, width: 300, left: true, cell: (row) => make("code", { title: row.signature }, row.signature), filter: (row) => row.signature },
          NUMBER("calls", (row) => row.calls, number), NUMBER("failed", (row) => row.errors, number), NUMBER("mean", (row) => row.nanoseconds / (row.calls || 1), time), NUMBER("Time", (row) => row.nanoseconds, time),
        ] }, one.methods)),
      ctx.grid("Modules", { test: "modules", sort: 1, id: (row) => row.name, open: (row) => open(row.name), columns: [
        { title: "Module", grow: 1, width: 130, left: true, cell: (row) => row.name, sort: (row) => row.name, filter: (row) => `${row.name} ${row.tables.join(" ")}` },
        NUMBER("Time", time_, time, { hint: "Of its Operations", minor: true }),
        NUMBER("calls /min", (row) => rates.get(row.name) || 0, amount), NUMBER("calls", calls, number, { minor: true, hint: "Since the start of this process" }),
        NUMBER("events /min", (row) => row.subscriptions.reduce((sum, each) => sum + (done.get(each.subscriber) || 0), 0), amount, { width: 96, minor: true }),
        { title: "Tables", minor: true, grow: 3, width: 200, left: true, cell: (row) => make("span", { title: row.tables.join(", ") }, row.tables.join(", ") || "–") },
        { title: "Calls", minor: true, grow: 2, width: 150, left: true, cell: (row) => row.calls.join(", ") || "–" },
      ] }, all));
  },
};

export const realtime = {
  name: "Live", key: "l", every: 1000,
  async load(ctx) {
    const live = await ctx.get("realtime");
    return { live, at: performance.now() };
  },
  draw({ live, at }, ctx) {
    if (!live.used) return make("p", { class: "empty" }, "No module serves topics.");
    const rows = Object.entries(live.kinds).map(([name, kind]) => ({ name, ...kind }));
    const first = ctx.keep("delivered", () => ({ at, delivered: new Map(rows.map((row) => [row.name, row.delivered])) }));
    const passed = (at - first.at) / 1000;
    const rate = (row) => (passed > 0 ? (row.delivered - (first.delivered.get(row.name) || 0)) / passed : 0);
    return make("div", {},
      make("section", { class: "panel", "data-test": "realtime" },
        facts(fact("Connections", `${number(live.connections)} of ${number(live.max_connections)}`), fact("Waits to go out", bytes(live.queued), `At most ${bytes(live.queue)} for one connection`), fact("Too slow", number(live.slow), "Sent away, because they did not read"), fact("Silent", number(live.silent)), fact("Floods", number(live.floods)), fact("Refused", number(live.refused), "There was no place"), fact("Recovered", number(live.recovered), "Came back, and got what they had missed"), fact("Reloaded", number(live.reloaded), "Came back, and were told to load"))),
      ctx.grid("Topics by kind", { test: "topics", sort: 3, id: (row) => row.name, empty: "There are no topics.", columns: [
        { title: "Kind", grow: 1, width: 130, left: true, cell: (row) => row.name, sort: (row) => row.name, filter: (row) => row.name },
        NUMBER("Topics", (row) => row.topics, number, { minor: true, hint: "Heard or kept" }), NUMBER("Hear", (row) => row.subscribers, number, { hint: "Subscriptions" }),
        NUMBER("/s", rate, amount, { hint: "Deliveries since this page was opened" }), NUMBER("Delivered", (row) => row.delivered, number, { hint: "Since the start of this process" }),
        NUMBER("left out", (row) => row.left_out, number, { minor: true, hint: "For slow readers, where that may be" }), NUMBER("slow", (row) => row.slow, number, { hint: "Slow readers sent away" }),
      ] }, rows));
  },
};

export const blobs = {
  name: "Files", key: "f", every: 2000,
  async load(ctx) {
    const blobs = await ctx.get("blobs");
    return { blobs, at: performance.now() };
  },
  draw({ blobs, at }, ctx) {
    const { usage } = blobs;
    const first = ctx.keep("moved", () => ({ at, in: blobs.bytes_in, out: blobs.bytes_out }));
    const passed = (at - first.at) / 1000;
    const rate = (now, then) => (passed > 0 ? `${bytes((now - then) / passed)}/s` : "–");
    return make("div", {},
      make("section", { class: "panel", "data-test": "blobs" },
        make("header", { class: "page-head" }, make("h2", {}, "In the store"), chip(blobs.driver)),
        facts(fact("Files", number(usage.kept), "Kept by a transaction"), fact("Bytes", bytes(usage.kept_bytes)), fact("Pending", number(usage.pending), "Uploaded, or on their way, and kept by no transaction yet"), fact("To be removed", `${number(usage.to_delete)} (${bytes(usage.to_delete_bytes)})`), blobs.space && fact("Free on the disk", `${bytes(blobs.space[0])} of ${bytes(blobs.space[1])}`))),
      make("section", { class: "panel", "data-test": "blobs-moved" },
        make("header", { class: "page-head" }, make("h2", {}, "Moved by this process")),
        facts(fact("Uploads at work", `${number(blobs.uploading)} of ${number(blobs.max_uploads)}`), fact("Downloads at work", number(blobs.reading)), fact("Came in", bytes(blobs.bytes_in), rate(blobs.bytes_in, first.in)), fact("Went out", bytes(blobs.bytes_out), rate(blobs.bytes_out, first.out)), fact("Uploads", number(blobs.uploaded)), fact("Broken off", number(blobs.broken_off), "The client left, or a limit was reached"), fact("Swept", number(blobs.swept)), fact("Orphans", number(blobs.orphans), "Objects that no row knew"), fact("Errors of the store", number(blobs.errors)))));
  },
};

export const cache = {
  name: "Cache", key: "c", every: 1000,
  async load(ctx) {
    const kept = await ctx.get("cache");
    return { kept, at: performance.now() };
  },
  draw({ kept, at }, ctx) {
    if (!kept.used) return make("p", { class: "empty" }, "Nothing was fetched through the cache.");
    const rows = Object.entries(kept.families).map(([name, family]) => ({ name, ...family }));
    const hits = (row) => row.hits + row.joined;
    const asked = (row) => hits(row) + Math.max(0, row.loads - row.refreshed) + row.passed;
    const rated = (row) => (asked(row) ? hits(row) / asked(row) : 0);
    const first = ctx.keep("asked", () => ({ at, asked: new Map(rows.map((row) => [row.name, asked(row)])) }));
    const passed = (at - first.at) / 1000;
    const rate = (row) => (passed > 0 ? (asked(row) - (first.asked.get(row.name) || 0)) / passed : 0);
    const all = (look) => rows.reduce((sum, row) => sum + look(row), 0);
    return make("div", {},
      make("section", { class: "panel", "data-test": "cache" },
        facts(fact("Hits", percent(all(asked) ? all(hits) / all(asked) : 0), "Of all calls since the start of this process"), fact("Memory", `${bytes(kept.bytes)} of ${bytes(kept.max_bytes)}`), fact("Entries", number(kept.entries)), fact("Loading", number(kept.loading), "At this moment"), fact("Invalidations", number(kept.invalidations), "Heard since the start, of every process"), fact("Log", kept.behind ? "not heard" : "heard", "While it is not heard nothing is trusted"), fact("Interruptions", number(kept.interruptions)))),
      ctx.grid("Families of keys", { test: "families", sort: 1, id: (row) => row.name, empty: "There are none.", columns: [
        { title: "Family", grow: 1, width: 150, left: true, cell: (row) => row.name, sort: (row) => row.name, filter: (row) => row.name },
        NUMBER("/s", rate, amount, { hint: "Calls since this page was opened" }), NUMBER("Hits", rated, percent, { hint: "Calls that needed no load of their own" }),
        NUMBER("load mean", (row) => row.load_ms_mean * 1e6, time, { width: 90 }), NUMBER("most", (row) => row.load_ms_most * 1e6, time, { minor: true }),
        NUMBER("loads", (row) => row.loads, number, { minor: true }), NUMBER("failed", (row) => row.failed, number), NUMBER("stale", (row) => row.stale, number, { minor: true, hint: "Old values given out, because loading failed or took long" }),
        NUMBER("changed", (row) => row.invalidated, number, { minor: true, hint: "Asked for, and found to be invalidated" }), NUMBER("evicted", (row) => row.evicted, number, { minor: true, hint: "For want of room" }),
        NUMBER("Entries", (row) => row.entries, number), NUMBER("Bytes", (row) => row.bytes, bytes),
      ] }, rows));
  },
};

export const dependencies = {
  name: "Dependencies", key: "d", every: 2000,
  load: (ctx) => ctx.get(`snapshot?span=${ctx.span}`),
  draw(snapshot, ctx) {
    const span = lasting(snapshot.span) || 1;
    const hosts = grouped(snapshot.causes.filter((cause) => !cause.query && ["http", "mail", "cache", "named", "lock", "file", "blob"].includes(cause.kind)));
    const pool = (one) => {
      const held = one.held.reduce((sum, each) => sum + each.time, 0);
      return make("section", { class: "panel", "data-test": "holder" },
        make("header", { class: "page-head" }, make("h2", {}, one.label), chip(one.kind.replace("_", " ")), one.waiting > 0 && chip(`${number(one.waiting)} wait`, "broken")),
        facts(fact("In use", `${number(one.in_use)} of ${number(one.capacity)}`), fact("Held", percent(held / 1e9 / span / (one.capacity || 1)), "Of what could be held in this time"), fact("Others waited", time(one.waited))),
        make("table", { class: "plain" }, make("thead", {}, make("tr", {}, ["Held by", "share", "time", "times", "each"].map((title) => make("th", {}, title)))),
          make("tbody", {}, one.held.slice(0, 8).map((each) => make("tr", {}, make("td", { class: "left" }, make("a", { href: operationPath(each.operation) }, each.operation[1])), make("td", {}, percent(held ? each.time / held : 0)), make("td", {}, time(each.time)), make("td", {}, number(each.times)), make("td", {}, time(each.time / (each.times || 1))))))));
    };
    const used = snapshot.holders.filter((one) => one.held.length || one.in_use || one.waiting);
    const idle = snapshot.holders.filter((one) => !used.includes(one));
    return make("div", {},
      used.length ? make("div", { class: "panels" }, used.map(pool)) : make("p", { class: "empty" }, "No pool and no lock was used."),
      idle.length > 0 && make("p", { class: "empty" }, `Not used: ${idle.map((one) => `${one.label} (${number(one.capacity)})`).join(", ")}`),
      ctx.grid("Services, locks and files", { test: "hosts", sort: 3, id: (row) => `${row.kind} ${row.label}`, empty: "Nothing outside was waited for.", columns: [
        { title: "What", grow: 2, width: 180, left: true, cell: (row) => [make("i", { class: `swatch k-${row.kind}` }), row.label], sort: (row) => row.label, filter: (row) => `${row.kind} ${row.label}` },
        { title: "Kind", minor: true, width: 90, left: true, cell: (row) => row.kind, sort: (row) => row.kind },
        NUMBER("/s", (row) => row.calls / span, amount, { minor: true }), NUMBER("Time", (row) => row.share, time), NUMBER("mean", (row) => row.wall / (row.calls || 1), time, { minor: true }), NUMBER("Critical", (row) => row.critical, time, { minor: true }), NUMBER("failed", (row) => row.failed, number),
        NUMBER("holding", (row) => row.while_holding, number, { minor: true, hint: "Calls while a connection of the database was held" }),
        { title: "For", minor: true, grow: 2, width: 200, left: true, cell: (row) => [...row.by].sort((a, b) => b.share - a.share).map((each) => each.operation[1]).slice(0, 3).join(", ") },
      ] }, hosts));
  },
};

export const errors = {
  name: "Errors", key: "e", every: 2000,
  load: (ctx) => ctx.get(`snapshot?span=${ctx.span}`),
  draw: (snapshot, ctx) => make("div", {}, ctx.grid("Errors", { test: "errors", sort: 4, id: (row) => `${row.operation} ${row.kind} ${row.message}`, open: (row) => ctx.go(row.sample ? `/ops/sample/${safe(row.sample)}` : operationPath(row.operation)), empty: "Nothing failed.", columns: [
    { title: "Kind", width: 110, left: true, cell: (row) => chip(row.kind, "broken"), sort: (row) => row.kind, filter: (row) => row.kind },
    { title: "Operation", minor: true, grow: 2, width: 200, left: true, cell: (row) => row.operation[1], sort: (row) => row.operation[1], filter: (row) => row.operation[1] },
    { title: "Message", grow: 4, width: 260, left: true, cell: (row) => make("span", { title: row.message }, row.message), sort: (row) => row.message, filter: (row) => row.message },
    { title: "First", minor: true, width: 100, cell: (row) => ago(row.first), sort: (row) => row.first }, { title: "Last", width: 100, cell: (row) => ago(row.last), sort: (row) => row.last },
    NUMBER("Count", (row) => row.count, number),
  ] }, snapshot.errors)),
};

export const process = {
  name: "Process", key: "p", every: 2000, lines: true,
  async load(ctx) {
    const [snapshot, config] = await Promise.all([ctx.get(`snapshot?span=${ctx.span}`), ctx.get("config")]);
    return { snapshot, config };
  },
  draw({ snapshot, config }, ctx) {
    const { process: one } = snapshot;
    const drawn = (pick, label) => spark(ctx.history.map(pick), label);
    const bar = (part) => stack([[part > 0.85 ? "lock" : "database", part], ["rest", Math.max(0, 1 - part)]], { total: 1 });
    return make("div", {},
      make("div", { class: "panels" },
        make("section", { class: "panel" }, make("h2", {}, "CPU"), drawn((point) => point.cpu, "CPU"), facts(fact("Process", `${amount(one.cpu)} of ${number(one.cores)} cores`), fact("Machine", percent(one.machine_cpu)), fact("Stolen by the host", percent(one.steal)), fact("Something waited for a core", `${amount(one.pressure_cpu)} %`, "of the last 10 s"), fact("Threads of the runtime", number(one.workers)))),
        make("section", { class: "panel" }, make("h2", {}, "Memory"), drawn((point) => point.resident, "Memory"), facts(fact("Resident", bytes(one.resident)), fact("At most", bytes(one.memory_limit)), fact("Major faults", `${amount(one.major_faults)}/s`), fact("Something waited for memory", `${amount(one.pressure_memory)} %`)), one.memory_limit > 0 && bar(one.resident / one.memory_limit)),
        make("section", { class: "panel" }, make("h2", {}, "Runtime"), drawn((point) => point.canary_p99, "Unseen wait"), facts(fact("A new request waits unseen", `${time(one.canary_p50)} · p99 ${time(one.canary_p99)}`), fact("Operations not recorded", number(one.dropped)), fact("Build", snapshot.build || "–"), fact("Version", ctx.about.version), fact("Roles", ctx.about.roles.join(", ")), fact("Environment", ctx.about.environment))),
        make("section", { class: "panel" }, make("h2", {}, "Disk and files"), facts(fact("Written", `${bytes(one.written)}/s`), fact("Free", one.disk_free ? bytes(one.disk_free) : "–"), fact("Something waited for a disk", `${amount(one.pressure_io)} %`), fact("Descriptors", `${number(one.descriptors)} of ${number(one.descriptor_limit)}`)), one.descriptor_limit > 0 && bar(one.descriptors / one.descriptor_limit))),
      ctx.grid("Stalls", { test: "stalls", sort: 0, id: (row) => `${row.at} ${row.operation} ${row.site}`, open: (row) => ctx.go(operationPath(row.operation)), empty: "No poll held up a thread.", columns: [
        { title: "When", width: 90, left: true, cell: (row) => clock(row.at), sort: (row) => row.at },
        { title: "Operation", grow: 2, width: 200, left: true, cell: (row) => row.operation[1], sort: (row) => row.operation[1], filter: (row) => row.operation[1] },
        { title: "Line", grow: 2, width: 180, left: true, cell: (row) => (row.site ? line(row.site) : "–"), sort: (row) => row.site, filter: (row) => row.site },
        NUMBER("Took", (row) => row.took, time), NUMBER("on a core", (row) => row.on_core, percent, { minor: true }), { title: "Waits in", minor: true, width: 150, left: true, cell: (row) => row.waits_in || "–" }, NUMBER("times", (row) => row.times, number, { minor: true }),
      ] }, snapshot.stalls),
      make("details", { class: "panel" }, make("summary", {}, "Configuration that holds, secrets left out"), make("pre", { "data-test": "config" }, config.toml)));
  },
};
