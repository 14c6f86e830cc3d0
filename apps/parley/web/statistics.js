// How lively a channel was: a bar for each of the last 30 days, and who wrote most.

import { get } from "./api.js";
import { avatar } from "./avatar.js";
import { errorState } from "./dialog.js";
import { fill, make } from "./dom.js";
import { agoElement, dayName } from "./time.js";

const plural = (count, word) => `${count.toLocaleString()} ${word}${count === 1 ? "" : "s"}`;

/** The panel of a channel's statistics; it loads by itself. */
export function statisticsPanel(channelId) {
  const node = make("section", { class: "statistics", "aria-label": "The last 30 days", "data-test": "statistics" }, bars([], "Loading"));
  const load = async () => {
    try {
      draw(node, await get(`/v1/channels/${channelId}/statistics`));
    } catch (error) {
      fill(node, errorState(error, load));
    }
  };
  load();
  return node;
}

function draw(node, { messages, members, last_message_at, days, writers }) {
  const busiest = days.reduce((best, day) => (day.messages > best.messages ? day : best), days[0]);
  const said = messages ? `${plural(messages, "message")} in 30 days, most on ${dayName(busiest.day)}: ${busiest.messages}` : "No messages in 30 days";
  fill(node,
    make("dl", { class: "numbers" }, number("Messages", messages.toLocaleString()), number("Members", members.toLocaleString()), number("Last message", last_message_at ? agoElement(last_message_at) : "–")),
    bars(days, said),
    make("div", { class: "axis faint", "aria-hidden": "true" }, make("span", {}, dayName(days[0].day)), make("span", {}, "Today")),
    writers.length ? make("ul", { class: "writers", "aria-label": "Who wrote most" }, writers.map(({ user, messages: count }) => make("li", { title: plural(count, "message") }, avatar(user, "tiny"), make("span", { class: "cut" }, user.display_name), make("span", { class: "faint" }, count.toLocaleString())))) : null);
}

const number = (name, value) => make("div", {}, make("dt", { class: "faint" }, name), make("dd", {}, value));

/** One picture for those who see it, one sentence for those who hear it. */
function bars(days, said) {
  const most = Math.max(1, ...days.map((day) => day.messages));
  return make("div", { class: "bars", role: "img", "aria-label": said }, days.map(({ day, messages }) => make("span", { class: messages ? "bar" : "bar bar-none", title: `${dayName(day)}: ${plural(messages, "message")}`, style: { height: `${Math.max(4, (messages / most) * 100)}%` } })));
}
