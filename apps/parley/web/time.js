// Says times the way people do: clock times, days, and "5 min ago".

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dated = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const brief = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

export const clockTime = (time) => clock.format(new Date(time));
/** The clock time without "AM" or "PM", where there is little room. */
export const shortTime = (time) => clock.formatToParts(new Date(time)).filter((part) => part.type !== "dayPeriod").map((part) => part.value).join("").trim();
export const fullTime = (time) => full.format(new Date(time));

/** One value per local calendar day, for grouping. */
export const dayOf = (time) => new Date(time).toDateString();

/** "Today", "Yesterday", or the date. */
export function dayLabel(time) {
  const day = dayOf(time);
  const now = new Date();
  if (day === now.toDateString()) return "Today";
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (day === yesterday.toDateString()) return "Yesterday";
  const then = new Date(time);
  return (then.getFullYear() === now.getFullYear() ? weekday : dated).format(then);
}

/** "12 Mar" of a day such as "2026-03-12", which is one by UTC. */
export const dayName = (day) => brief.format(new Date(`${day}T12:00:00`));

/** "just now", "5 min ago", "3 h ago", "yesterday", "12 Mar". */
export function ago(time) {
  const seconds = (Date.now() - new Date(time).getTime()) / 1000;
  if (seconds < 50) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86400 && dayOf(time) === new Date().toDateString()) return `${Math.round(seconds / 3600)} h ago`;
  const label = dayLabel(time);
  return label === "Today" || label === "Yesterday" ? label.toLowerCase() : brief.format(new Date(time));
}

/** A `<time>` that keeps saying how long ago it was. */
export function agoElement(time) {
  const node = document.createElement("time");
  node.dateTime = time;
  node.dataset.ago = time;
  node.title = fullTime(time);
  node.textContent = ago(time);
  return node;
}

/** Brings every `agoElement` on the page up to date; called once a minute. */
export function refreshTimes() {
  for (const node of document.querySelectorAll("time[data-ago]")) node.textContent = ago(node.dataset.ago);
}
