// A dialog with tabs at its side: settings, and the webhooks of a channel.

import { openDialog } from "./dialog.js";
import { fill, make } from "./dom.js";
import { icon } from "./icons.js";

/** Opens it at the tab `first`; each of `tabs` is a name, a label, an icon, and what draws its panel from the dialog. */
export function showTabs({ title, test, tabs: all, first = all[0][0] }) {
  const id = `${test}-panel`;
  const panel = make("div", { class: "settings-panel", role: "tabpanel", id, tabindex: "-1" });
  const tabs = make("div", { class: "settings-tabs", role: "tablist", "aria-label": title, "aria-orientation": "vertical" }, all.map(([name, label, picture]) =>
    make("button", { type: "button", role: "tab", class: "tab", "aria-controls": id, "data-tab": name, "data-test": `tab-${name}`, onclick: () => open(name) }, icon(picture), label)));
  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...tabs.children];
    const next = buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length];
    next.focus();
    open(next.dataset.tab);
  });

  function open(name) {
    for (const tab of tabs.children) {
      tab.setAttribute("aria-selected", String(tab.dataset.tab === name));
      tab.tabIndex = tab.dataset.tab === name ? 0 : -1;
    }
    fill(panel, all.find(([known]) => known === name)[3](node));
  }

  const node = openDialog({ title, body: make("div", { class: "settings" }, tabs, panel), size: "large", test });
  open(first);
  return node;
}
