// The reports page: asking for a report, and how far each has come.

import { get, post, put, remove } from "./api.js";
import { complain, confirm, emptyState, errorState, field, formError, skeleton, submitForm, toast } from "./dialog.js";
import { fill, make } from "./dom.js";
import { icon } from "./icons.js";
import { reportPath } from "./router.js";
import { agoElement } from "./time.js";

/** How often one looks whether a report has come further. */
const LOOK_MS = 1000;

export const rangeOf = (report) => (report.first_day === report.last_day ? day(report.first_day) : `${day(report.first_day)} – ${day(report.last_day)}`);

const day = (text) => new Date(`${text}T12:00:00`).toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });

export const isMade = (report) => report.state === "ready" || report.state === "failed";

/** What a report is at, in words and as a bar. */
export function progressOf(report) {
  const { progress, state } = report;
  if (state === "failed") return make("p", { class: "field-error small" }, report.error);
  const share = progress?.total ? progress.done / progress.total : 0;
  return make("div", { class: "progress-row", "data-test": "report-progress" },
    make("progress", { max: "1", value: state === "running" && progress ? String(share) : undefined, "aria-label": "Progress" }),
    make("span", { class: "faint small cut" }, state === "waiting" ? "Waiting for its turn…" : progress ? `${Math.floor(share * 100)}% · ${progress.note}` : "Beginning…"));
}

/** Looks at a report again and again until it is made; `show` is called each time. Returns the function that stops it. */
export function watch(load, show, failed = complain) {
  let timer = 0;
  let gone = false;
  const look = async () => {
    try {
      const found = await load();
      if (gone) return;
      if (show(found)) timer = setTimeout(look, LOOK_MS);
    } catch (error) {
      if (gone) return;
      if (error.temporary) timer = setTimeout(look, 3 * LOOK_MS);
      else failed(error);
    }
  };
  look();
  return () => { gone = true; clearTimeout(timer); };
}

/** Everything that was asked for, newest first, and the way to ask for more. */
export function createReportsView({ setHead }) {
  setHead([make("h1", {}, "Reports"), make("span", { class: "head-topic" }, "Who wrote how much, and when")], "Reports");
  const list = make("div", { class: "stack", "data-test": "report-list" }, skeleton(3));
  let stop = () => {};

  function draw({ items }) {
    const lines = items.map(line);
    fill(list, lines.length ? lines : emptyState({ picture: "chart", title: "No reports yet", text: "A report counts messages, replies, threads and reactions in every channel you can read." }));
    return items.some((report) => !isMade(report));
  }

  function follow() {
    stop();
    stop = watch(() => get("/v1/reports?limit=50"), draw, (error) => fill(list, errorState(error, follow)));
  }

  function line(report) {
    const made = report.state === "ready";
    const about = [make("strong", {}, rangeOf(report)), made ? make("span", { class: "faint small" }, `${report.messages.toLocaleString()} messages · `, agoElement(report.finished_at)) : progressOf(report)];
    return make("div", { class: "line report-line", "data-test": "report", "data-id": report.id, "data-state": report.state },
      make("span", { class: "choice-mark" }, icon("chart")),
      make("div", { class: "line-about" }, about),
      made ? make("a", { class: "button button-small", href: reportPath(report.id), "data-inside": true, "data-test": "open-report", "aria-label": `Open ${rangeOf(report)}` }, "Open") : null,
      make("button", { type: "button", class: "icon-button", "aria-label": `Delete ${rangeOf(report)}`, title: "Delete", "data-test": "delete-report", onclick: () => erase(report) }, icon("trash")));
  }

  async function erase(report) {
    if (report.state === "ready" && !(await confirm({ title: "Delete report?", text: `${rangeOf(report)} can be counted again later.`, action: "Delete" }))) return;
    await remove(`/v1/reports/${report.id}`).catch(complain);
    follow();
  }

  follow();
  const node = make("section", { class: "page" }, make("div", { class: "results-scroll" }, make("div", { class: "results-column stack" }, form(follow), weekly(), list)));
  return { node, destroy: () => stop() };
}

/** Asks for days; without any it is the last week. */
function form(started) {
  const before = (days) => { const date = new Date(); date.setDate(date.getDate() - days); return [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0")).join("-"); };
  const node = make("form", { class: "stack", "data-test": "report-form" }, formError(),
    make("div", { class: "row row-top report-range" }, field({ label: "First day", name: "first_day", type: "date", value: before(7), max: before(0) }), field({ label: "Last day", name: "last_day", type: "date", value: before(1), max: before(0) }),
      make("button", { type: "submit", class: "button button-primary", "data-test": "submit" }, icon("plus"), "Make report")));
  submitForm(node, async ({ first_day, last_day }) => {
    await post("/v1/reports", { ...(first_day && { first_day }), ...(last_day && { last_day }) });
    started();
  });
  return node;
}

/** Whether one gets the last week every Monday. */
function weekly() {
  const box = make("input", { type: "checkbox", disabled: true, "data-test": "weekly", onchange: () => (box.checked ? put : remove)("/v1/me/weekly-report").then(() => toast(box.checked ? "You get a report every Monday." : "No more weekly reports."), (error) => { box.checked = !box.checked; complain(error); }) });
  get("/v1/me/weekly-report").then(({ subscribed }) => { box.checked = subscribed; box.disabled = false; }, complain);
  return make("label", { class: "option" }, box, icon("again"), make("span", {}, make("strong", {}, "Every Monday at 8:00"), make("span", { class: "faint small" }, "A report of the last week is made for you.")));
}

