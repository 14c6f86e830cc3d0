// A table of any length: only the rows that can be seen are in the page. It sorts, filters, and is used by keyboard.

import { make, number, patch } from "./dom.js";

const ROW = 30;
/** Rows beyond what can be seen, and how many are drawn all together. */
const BEYOND = 8;
const FEW = 100;
const narrow = matchMedia("(max-width: 760px)");

/**
 * `columns`: `{ title, hint, cell(row), sort(row), filter(row), width, left, grow, minor }`, of which minor ones are left out
 * where it is narrow; `id(row)` tells rows apart; `open(row)` goes where a row leads; `empty` is said when there is none.
 */
export class Grid {
  constructor({ name, columns, id, open, empty = "Nothing yet.", sort = 0, test }) {
    Object.assign(this, { name, columns, id, open, empty, test });
    [this.rows, this.shown, this.words, this.selected] = [[], [], "", null];
    [this.sorted, this.falling] = [sort, true];
    this.head = make("div", { class: "grid-head", role: "row" });
    this.body = make("div", { class: "grid-body", role: "rowgroup" });
    this.search = make("input", { type: "search", class: "filter", placeholder: "Filter  /", "aria-label": `Filter ${name}`, "data-test": "filter", oninput: () => this.filter(this.search.value) });
    this.count = make("span", { class: "faint" });
    this.table = make("div", { class: "grid", role: "grid", "aria-label": name, "data-test": test, tabindex: "0" }, this.head, this.body);
    this.node = make("section", { class: "grid-box" }, make("div", { class: "grid-bar" }, make("h2", {}, name), this.count, this.search), make("div", { class: "scroll" }, this.table));
    this.again = () => this.draw();
    this.turned = () => (this.drawHead(), this.draw());
    this.drawHead();
    addEventListener("scroll", this.again, { passive: true });
    addEventListener("resize", this.again, { passive: true });
    narrow.addEventListener("change", this.turned);
  }

  get visible() {
    return narrow.matches ? this.columns.filter((column) => !column.minor) : this.columns;
  }

  drop() {
    removeEventListener("scroll", this.again);
    removeEventListener("resize", this.again);
    narrow.removeEventListener("change", this.turned);
  }

  update(rows) {
    this.rows = rows;
    this.arrange();
  }

  filter(words) {
    this.words = words.toLowerCase();
    this.arrange();
  }

  sortBy(index) {
    this.falling = this.sorted === index ? !this.falling : !this.columns[index].left;
    this.sorted = index;
    this.drawHead();
    this.arrange();
  }

  arrange() {
    const words = this.words.split(/\s+/).filter(Boolean);
    const texts = this.columns.filter((column) => column.filter);
    const fits = (row) => {
      const text = texts.map((column) => column.filter(row)).join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    };
    const sort = this.columns[this.sorted]?.sort;
    const way = this.falling ? -1 : 1;
    this.shown = words.length ? this.rows.filter(fits) : [...this.rows];
    if (sort) {
      const keyed = this.shown.map((row) => [sort(row), row]);
      keyed.sort(([one], [other]) => (one < other ? -way : one > other ? way : 0));
      this.shown = keyed.map(([, row]) => row);
    }
    this.count.textContent = this.shown.length === this.rows.length ? number(this.rows.length) : `${number(this.shown.length)} of ${number(this.rows.length)}`;
    this.search.hidden = this.rows.length < 2 && !this.words;
    this.table.setAttribute("aria-rowcount", this.shown.length);
    this.draw();
  }

  drawHead() {
    const small = narrow.matches;
    const least = (column) => {
      const wide = column.width || (column.grow ? 160 : 84);
      return small && column.title ? Math.min(wide, column.grow ? 100 : 66) : wide;
    };
    const width = (column) => (column.grow ? `minmax(${least(column)}px, ${column.grow}fr)` : `${least(column)}px`);
    this.node.style.setProperty("--columns", this.visible.map(width).join(" "));
    this.head.replaceChildren(...this.visible.map((column) => {
      const index = this.columns.indexOf(column);
      const mine = this.sorted === index && column.sort;
      const label = mine ? `${column.title} ${this.falling ? "↓" : "↑"}` : column.title;
      const inside = column.sort ? make("button", { type: "button", tabindex: "-1", title: column.hint, onclick: () => this.sortBy(index) }, label) : make("span", { title: column.hint }, label);
      return make("div", { role: "columnheader", class: column.left ? "cell left" : "cell", "aria-sort": mine ? (this.falling ? "descending" : "ascending") : null }, inside);
    }));
  }

  draw() {
    const body = make("div", { class: "grid-body", role: "rowgroup" });
    if (this.shown.length) {
      const top = this.body.getBoundingClientRect().top;
      const all = this.shown.length <= FEW;
      const first = all ? 0 : Math.max(0, Math.floor(-top / ROW) - BEYOND);
      const last = all ? this.shown.length : Math.min(this.shown.length, Math.ceil((innerHeight - top) / ROW) + BEYOND);
      body.style.height = `${this.shown.length * ROW}px`;
      for (let index = first; index < last; index += 1) body.append(this.row(this.shown[index], index));
    } else {
      body.append(make("p", { class: "empty" }, this.words ? "No row has these words." : this.empty));
    }
    patch(this.body, body);
  }

  row(row, index) {
    const id = this.id(row);
    const mine = id === this.selected;
    const cells = this.visible.map((column) => make("div", { role: "gridcell", class: column.left ? "cell left" : "cell" }, column.cell(row)));
    const press = (event) => {
      if (event.target.closest("button, a, input") || getSelection()?.toString()) return;
      this.selected = id;
      if (this.open) this.open(row);
      else this.draw();
    };
    return make("div", { role: "row", class: mine ? "grid-row selected" : "grid-row", "aria-selected": mine ? "true" : null, "aria-rowindex": index + 1, "data-test": "row", onclick: press, style: { top: `${index * ROW}px`, cursor: this.open ? "pointer" : "default" } }, cells);
  }

  /** Moves the selection; gives whether there is anything to select. */
  step(by) {
    if (!this.shown.length) return false;
    const at = this.shown.findIndex((row) => this.id(row) === this.selected);
    const next = at < 0 ? (by > 0 ? 0 : this.shown.length - 1) : Math.min(this.shown.length - 1, Math.max(0, at + by));
    this.selected = this.id(this.shown[next]);
    const place = this.body.getBoundingClientRect().top + next * ROW;
    if (place < 120) scrollBy(0, place - 120);
    else if (place > innerHeight - 80) scrollBy(0, place - innerHeight + 80);
    this.draw();
    return true;
  }

  enter() {
    const row = this.shown.find((one) => this.id(one) === this.selected);
    if (row && this.open) this.open(row);
  }
}
