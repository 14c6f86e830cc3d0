// Small bar charts, drawn as SVG; their labels are text beside them.

import { make } from "./dom.js";

const SPACE = "http://www.w3.org/2000/svg";

function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Bars as wide as their place; each is 10 units wide of which it fills 8. */
function picture(values, { height, label, titles = [] }) {
  const most = Math.max(1, ...values);
  const bars = values.map((value, index) => {
    const tall = value ? Math.max((value / most) * height, 1.5) : 0;
    const bar = svg("rect", { x: index * 10 + 1, y: height - tall, width: 8, height: tall, class: value === most ? "bar bar-most" : "bar" });
    if (titles[index]) bar.append(svg("title", {}, titles[index]));
    return bar;
  });
  return svg("svg", { viewBox: `0 0 ${values.length * 10} ${height}`, preserveAspectRatio: "none", class: "bars", role: "img", "aria-label": label }, ...bars);
}

/** A chart with a heading and a label below some of its bars; `entries` are names and numbers. */
export function barChart({ title, entries, every = 1, test }) {
  const values = entries.map(([, value]) => value);
  const most = Math.max(...values);
  const said = entries.map(([name, value]) => `${name}: ${value}`);
  return make("figure", { class: "chart", "data-test": test },
    make("figcaption", {}, make("strong", {}, title), make("span", { class: "faint small" }, `at most ${most.toLocaleString()}`)),
    picture(values, { height: 60, label: `${title}. ${said.join(", ")}`, titles: said }),
    make("div", { class: "chart-labels", "aria-hidden": "true", style: { "grid-template-columns": `repeat(${entries.length}, minmax(0, 1fr))` } },
      entries.map(([name], index) => make("span", {}, index % every ? "" : name))));
}

/** A chart without words, for a row of a table. */
export const sparkline = (values, label) => make("span", { class: "spark" }, picture(values, { height: 20, label }));
