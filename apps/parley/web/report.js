// One report: its progress while it is made, then charts, a table, and the file.

import { get, getText } from "./api.js";
import { barChart, sparkline } from "./chart.js";
import { parseCsv } from "./csv.js";
import { emptyState, errorState, skeleton } from "./dialog.js";
import { fill, make } from "./dom.js";
import { icon } from "./icons.js";
import { isMade, progressOf, rangeOf, watch } from "./reports.js";
import { state } from "./store.js";

/** Most members that are shown; the file has all. */
const MOST_ROWS = 300;

const number = (text) => Number(text) || 0;
const sum = (rows, column) => rows.reduce((all, row) => all + number(row[column]), 0);

export function createReportView({ setHead }) {
  const path = `/v1/reports/${state.route.reportId}`;
  const column = make("div", { class: "results-column stack report", "data-test": "report-page" }, skeleton(4));
  const back = make("a", { class: "icon-button", href: "/reports", "data-inside": true, "aria-label": "All reports", title: "All reports" }, icon("back"));
  let gone = false;
  setHead([back, make("h1", {}, "Report")], "Report");

  function show(report) {
    setHead([back, make("h1", {}, rangeOf(report)), make("span", { class: "head-topic" }, `days and hours of ${report.zone}`)], `Report ${rangeOf(report)}`);
    if (report.state === "ready") table(report);
    else fill(column, make("h2", {}, report.state === "failed" ? "This report was not made" : "Your report is being made"), progressOf(report));
    return !isMade(report);
  }

  async function table(report) {
    try {
      const text = await getText(`${path}.csv`);
      if (!gone) fill(column, draw(report, parseCsv(text), path));
    } catch (error) {
      if (!gone) fill(column, errorState(error, () => table(report)));
    }
  }

  const failed = (error) => fill(column, error.status === 404 || error.status === 422 ? emptyState({ picture: "chart", title: "This report is not here", text: "It was deleted, or it is somebody else's.", actions: [make("a", { class: "button", href: "/reports", "data-inside": true }, "All reports")] }) : errorState(error, () => location.reload()));
  const stop = watch(() => get(path), show, failed);
  const node = make("section", { class: "page" }, make("div", { class: "results-scroll" }, column));
  return { node, destroy: () => { gone = true; stop(); } };
}

function draw(report, { head, rows }, path) {
  const days = head.filter((name) => /^\d{4}-\d\d-\d\d$/.test(name));
  const hours = head.filter((name) => /^\d\dh$/.test(name));
  const file = make("a", { class: "button", href: `${path}.csv`, download: `activity-${report.first_day}-${report.last_day}.csv`, "data-test": "download" }, icon("save"), "Download CSV");
  if (!rows.length) return [make("div", { class: "row row-end" }, file), emptyState({ picture: "chart", title: "Nobody wrote anything", text: "In these days nothing was said in the channels you can read." })];
  return [
    make("div", { class: "row row-between row-wrap" }, facts(rows), file),
    make("div", { class: "charts" },
      barChart({ title: "Messages per day", test: "chart-days", every: Math.ceil(days.length / 8), entries: days.map((day) => [weekday(day, days.length), sum(rows, day)]) }),
      barChart({ title: "Busiest hours", test: "chart-hours", every: 6, entries: hours.map((hour) => [hour.slice(0, 2), sum(rows, hour)]) })),
    members(rows, days),
  ];
}

/** "Mon" in a week, "5 Jan" in more days. */
function weekday(day, count) {
  const date = new Date(`${day}T12:00:00`);
  return date.toLocaleDateString(undefined, count > 7 ? { day: "numeric", month: "short" } : { weekday: "short" });
}

function facts(rows) {
  const all = [["messages", sum(rows, "messages")], ["replies", sum(rows, "replies")], ["threads", sum(rows, "threads")], ["reactions", sum(rows, "reactions")], ["members", new Set(rows.map((row) => row.member)).size]];
  return make("dl", { class: "facts" }, all.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", { "data-test": `fact-${name}` }, value.toLocaleString()))));
}

/** A table of channels and their members, whoever wrote most first. */
function members(rows, days) {
  const shown = rows.slice(0, MOST_ROWS);
  const channels = Map.groupBy ? Map.groupBy(shown, (row) => row.channel) : grouped(shown);
  const cells = (row) => [
    make("td", { class: "cut" }, row.member),
    make("td", { class: "report-spark" }, sparkline(days.map((day) => number(row[day])), `Messages of ${row.member} per day`)),
    ["messages", "replies", "threads", "reactions"].map((name) => make("td", { class: name === "replies" || name === "threads" ? "number hide-phone" : "number" }, number(row[name]).toLocaleString())),
    make("td", { class: "number hide-phone" }, row.busiest_hour.replace("h", ":00")),
  ];
  const title = (text, style) => make("th", { scope: "col", class: style }, text);
  return [
    make("table", { class: "report-table", "data-test": "report-table" },
      make("thead", {}, make("tr", {}, title("Member"), title("Days", "report-spark"), title("Messages", "number"), title("Replies", "number hide-phone"), title("Threads", "number hide-phone"), title("Reactions", "number"), title("Busiest hour", "number hide-phone"))),
      [...channels].map(([channel, people]) => make("tbody", {},
        make("tr", { class: "report-channel" }, make("th", { scope: "rowgroup", colspan: "7" }, `#${channel}`, make("span", { class: "faint small" }, ` ${sum(people, "messages").toLocaleString()} messages`))),
        people.map((row) => make("tr", { "data-test": "report-row" }, cells(row)))))),
    rows.length > shown.length ? make("p", { class: "faint small" }, `${(rows.length - shown.length).toLocaleString()} more rows are in the file.`) : null,
  ];
}

function grouped(rows) {
  const groups = new Map();
  for (const row of rows) groups.set(row.channel, [...(groups.get(row.channel) || []), row]);
  return groups;
}
