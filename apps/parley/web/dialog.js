// Dialogs, confirmations, popovers and toasts: everything that lies above the page.

import { icon } from "./icons.js";
import { fill, make } from "./dom.js";

/** Opens a modal dialog; Escape and a click outside close it, and the focus returns to where it was. */
export function openDialog({ title, body, size = "medium", test, onClose, bare = false }) {
  const before = document.activeElement;
  const heading = bare ? null : make("header", { class: "dialog-head" }, make("h2", { id: "dialog-title" }, title), closeButton(() => node.close()));
  const node = make("dialog", { class: `dialog dialog-${size}`, "aria-label": title, "data-test": test }, make("div", { class: "dialog-box" }, heading, body));
  node.addEventListener("pointerdown", (event) => event.target === node && node.close());
  node.addEventListener("close", () => {
    node.remove();
    onClose?.();
    if (before?.isConnected) before.focus({ preventScroll: true });
  });
  document.body.append(node);
  node.showModal();
  node.querySelector("[autofocus]")?.focus();
  return node;
}

export function closeButton(onclick, label = "Close") {
  return make("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, "data-test": "close" }, icon("close"));
}

/** Asks before something that cannot be undone. */
export function confirm({ title, text, detail, action }) {
  return new Promise((resolve) => {
    let agreed = false;
    const body = make("div", { class: "dialog-body" },
      make("p", {}, text),
      detail ? make("blockquote", { class: "quote" }, detail) : null,
      make("div", { class: "row row-end" },
        make("button", { type: "button", class: "button", onclick: () => node.close() }, "Cancel"),
        make("button", { type: "button", class: "button button-danger", autofocus: true, "data-test": "confirm", onclick: () => { agreed = true; node.close(); } }, action)));
    const node = openDialog({ title, body, size: "small", test: "confirm-dialog", onClose: () => resolve(agreed) });
  });
}

/** Opens a small panel beside `anchor`. Returns the function that closes it. */
export function openPopover(anchor, content, { label, focusBack = true } = {}) {
  const host = anchor.closest("dialog") || document.body;
  const node = make("div", { class: "popover", role: "dialog", "aria-label": label }, content);
  const close = () => {
    if (!node.isConnected) return;
    node.remove();
    removeEventListener("pointerdown", outside, true);
    removeEventListener("keydown", escape, true);
    removeEventListener("resize", close);
    if (focusBack && anchor.isConnected) anchor.focus({ preventScroll: true });
  };
  const outside = (event) => !node.contains(event.target) && close();
  const escape = (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    close();
  };
  host.append(node);
  place(node, anchor);
  setTimeout(() => addEventListener("pointerdown", outside, true));
  addEventListener("keydown", escape, true);
  addEventListener("resize", close);
  return close;
}

function place(node, anchor) {
  const box = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = node;
  const left = Math.max(8, Math.min(box.right - width, innerWidth - width - 8));
  const below = box.bottom + 6;
  const top = below + height > innerHeight - 8 ? Math.max(8, box.top - height - 6) : below;
  node.style.setProperty("left", `${left}px`);
  node.style.setProperty("top", `${top}px`);
}

/** Says something for a moment at the bottom of the page. */
export function toast(text, kind = "plain") {
  for (const old of document.querySelectorAll(".toast")) old.remove();
  const host = document.querySelector("dialog[open]:last-of-type") || document.getElementById("toasts");
  const node = make("div", { class: `toast toast-${kind}`, role: kind === "error" ? "alert" : null }, kind === "error" ? icon("alert") : icon("check"), make("span", {}, text));
  if (host.id === "toasts") host.append(node);
  else host.append(make("div", { class: "toasts" }, node));
  setTimeout(() => node.remove(), kind === "error" ? 6000 : 3000);
}

/** Shows why something did not work. */
export const complain = (error) => toast(error.message, "error");

/** A calm word where there is nothing to show. */
export function emptyState({ picture, title, text, actions = [] }) {
  return make("div", { class: "empty" }, make("div", { class: "empty-picture" }, icon(picture)), make("h2", {}, title), make("p", {}, text), actions.length ? make("div", { class: "row row-center" }, actions) : null);
}

/** What failed, with a way to try again. */
export function errorState(error, again) {
  return emptyState({ picture: "alert", title: "That did not work", text: error.message, actions: [make("button", { type: "button", class: "button", onclick: again }, "Try again")] });
}

/** Grey shapes while something loads. */
export function skeleton(count) {
  return make("div", { class: "skeletons", "aria-hidden": "true" }, Array.from({ length: count }, (_, index) =>
    make("div", { class: "skeleton" }, make("span", { class: "skeleton-avatar" }), make("div", {}, make("span", { class: "skeleton-line", style: { width: `${90 + ((index * 37) % 60)}px` } }), make("span", { class: "skeleton-line", style: { width: `${35 + ((index * 29) % 50)}%` } })))));
}

/** A labelled input with room for its error. */
export function field({ label, name, hint, multiline = false, ...attributes }) {
  const id = `field-${name}-${Math.random().toString(36).slice(2, 8)}`;
  const input = make(multiline ? "textarea" : "input", { id, name, class: "input", "aria-describedby": `${id}-note`, ...attributes });
  const note = make("span", { id: `${id}-note`, class: "field-note", "data-test": `note-${name}` }, hint || "");
  return make("div", { class: "field" }, make("label", { for: id }, label), input, note);
}

/** Puts errors beside the fields of a form; returns whether every one found its place. */
export function showErrors(form, errors, general) {
  let placed = 0;
  for (const input of form.querySelectorAll(".input[name]")) {
    const note = input.parentNode.querySelector(".field-note");
    note.dataset.hint ??= note.textContent;
    const message = errors[input.name];
    input.toggleAttribute("aria-invalid", Boolean(message));
    if (message) input.setAttribute("aria-invalid", "true");
    note.classList.toggle("field-error", Boolean(message));
    fill(note, message || note.dataset.hint);
    if (message && (placed += 1) === 1) input.focus();
  }
  const banner = form.querySelector(".form-error");
  const left = placed ? "" : general || Object.values(errors)[0] || "";
  if (banner) fill(banner, left).hidden = !left;
  return placed > 0;
}

export const formError = () => make("p", { class: "form-error", role: "alert", hidden: true, "data-test": "form-error" });

/** Runs a form: no second submit while busy, and problems beside their fields. */
export function submitForm(form, run) {
  form.noValidate = true;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    if (button.disabled) return;
    button.disabled = true;
    button.classList.add("busy");
    showErrors(form, {});
    try {
      await run(Object.fromEntries(new FormData(form)));
    } catch (error) {
      showErrors(form, error.fields || {}, [error.message, error.hint].filter(Boolean).join(" "));
    }
    button.disabled = false;
    button.classList.remove("busy");
  });
}
