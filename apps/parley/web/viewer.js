// Looks at the pictures of a message, one after the other: arrows go on, Escape ends.

import { closeButton, openDialog } from "./dialog.js";
import { fill, make } from "./dom.js";
import { icon } from "./icons.js";

/** Opens the viewer with `file`, one of `files`. */
export function openViewer(files, file) {
  let at = Math.max(0, files.findIndex((other) => other.id === file.id));
  const image = make("img", { class: "viewer-image", alt: "", "data-test": "viewer-image" });
  const status = make("p", { class: "viewer-status", role: "status" });
  const name = make("h2", { class: "cut", dir: "auto", "data-test": "viewer-name" });
  const count = make("span", { class: "faint" });
  const save = make("a", { class: "icon-button", "aria-label": "Download", title: "Download", "data-test": "viewer-save" }, icon("save"));
  const step = (by, label, picture) => make("button", { type: "button", class: `icon-button viewer-step viewer-${picture}`, "aria-label": label, title: label, "data-test": `viewer-${picture}`, hidden: files.length < 2, onclick: () => go(by) }, icon(picture));
  const stage = make("div", { class: "viewer-stage" }, image, status, step(-1, "Previous picture", "back"), step(1, "Next picture", "next"));
  const body = make("div", { class: "viewer" }, make("header", { class: "viewer-head" }, make("div", { class: "viewer-about" }, name, count), save, closeButton(() => node.close())), stage);
  const node = openDialog({ title: "Picture", body, size: "viewer", test: "viewer", bare: true });

  image.addEventListener("load", () => fill(status));
  image.addEventListener("error", () => fill(status, "This picture cannot be shown."));
  stage.addEventListener("click", (event) => event.target === stage && node.close());
  node.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    go(by);
  });

  function go(by) {
    at = (at + by + files.length) % files.length;
    show();
  }

  function show() {
    const shown = files[at];
    fill(status, make("span", { class: "spinner" }));
    image.removeAttribute("src");
    if (shown.width && shown.height) {
      image.width = shown.width;
      image.height = shown.height;
    }
    image.alt = shown.name;
    image.src = `/v1/files/${shown.id}`;
    fill(name, shown.name);
    fill(count, files.length > 1 ? `${at + 1} of ${files.length}` : "");
    save.href = `/v1/files/${shown.id}?disposition=attachment`;
    save.download = shown.name;
  }

  show();
}
