// What is to be sent with the next message: files on their way to the server, each with its progress.

import { Problem, remove, upload } from "./api.js";
import { sizeText } from "./attachments.js";
import { toast } from "./dialog.js";
import { append, fill, make } from "./dom.js";
import { icon } from "./icons.js";
import { state } from "./store.js";

const MOST = 10;
const AT_ONCE = 3;
const PREVIEW_BYTES = 20 << 20;
const PREVIEW_PX = 80;

/** The tray of a draft: it stays while another channel is open. */
export function trayOf(key, channelId) {
  if (!state.trays.has(key)) state.trays.set(key, createTray(channelId));
  return state.trays.get(key);
}

function createTray(channelId) {
  const items = [];
  const list = make("ul", { class: "tray", "data-test": "tray", hidden: true, "aria-label": "Files to send" });
  const tray = { node: list, add, take, isEmpty: () => !items.length, isBusy, hasFailed: () => items.some((item) => item.state === "failed"), changed: () => {}, clear };

  function isBusy() {
    return items.some((item) => item.state === "sending" || item.state === "waiting");
  }

  function add(files) {
    const room = MOST - items.length;
    if (files.length > room) toast(`A message has at most ${MOST} files.`, "error");
    for (const file of [...files].slice(0, Math.max(0, room))) {
      const item = { file, state: "waiting", id: null, sent: 0 };
      items.push(item);
      list.append((item.node = draw(item)));
    }
    tell();
    next();
  }

  function tell() {
    list.hidden = !items.length;
    tray.changed();
  }

  function next() {
    const free = AT_ONCE - items.filter((item) => item.state === "sending").length;
    for (const item of items.filter((other) => other.state === "waiting").slice(0, Math.max(0, free))) send(item);
  }

  async function send(item) {
    change(item, "sending");
    item.transfer = upload(`/v1/channels/${channelId}/files?name=${encodeURIComponent(nameOf(item.file))}`, item.file, (sent) => progress(item, sent));
    try {
      item.uploaded = await item.transfer.done;
      change(item, "done");
    } catch (error) {
      if (items.includes(item)) change(item, "failed", error);
    }
    next();
  }

  function progress(item, sent) {
    item.sent = sent;
    item.bar.value = sent;
    item.note.textContent = sent < 1 ? `${Math.floor(sent * 100)} % of ${sizeText(item.file.size)}` : "Almost there…";
  }

  function change(item, to, error = null) {
    item.state = to;
    item.node.dataset.state = to;
    item.bar.hidden = to !== "sending" && to !== "waiting";
    item.again.hidden = to !== "failed" || !retryable(error);
    item.note.textContent = to === "failed" ? error.message : to === "done" ? sizeText(item.file.size) : to === "waiting" ? "Waiting…" : "Starting…";
    item.note.classList.toggle("field-error", to === "failed");
    if (to === "sending") progress(item, 0);
    tell();
  }

  function draw(item) {
    const name = nameOf(item.file);
    item.bar = make("progress", { max: "1", "aria-label": `Upload of ${name}`, "data-test": "upload-progress" });
    item.note = make("span", { class: "faint small", "data-test": "upload-note" }, "Waiting…");
    item.again = make("button", { type: "button", class: "icon-button", hidden: true, "aria-label": `Try ${name} again`, title: "Try again", "data-test": "upload-retry", onclick: () => { change(item, "waiting"); next(); } }, icon("again"));
    const away = make("button", { type: "button", class: "icon-button", "aria-label": `Remove ${name}`, title: "Remove", "data-test": "upload-remove", onclick: () => drop(item) }, icon("close"));
    const mark = make("span", { class: "file-mark" }, icon("file"));
    preview(item.file, mark);
    return make("li", { class: "tray-item", "data-test": "upload", "data-state": "waiting", "data-name": name }, mark, append(make("span", { class: "file-about" }), [make("span", { class: "file-name cut", dir: "auto" }, name), item.bar, item.note]), item.again, away);
  }

  function drop(item) {
    items.splice(items.indexOf(item), 1);
    item.node.remove();
    item.transfer?.cancel();
    // What is up there already is nobody's: the server forgets it sooner when it is told.
    if (item.uploaded) remove(`/v1/files/${item.uploaded.id}`).catch(() => {});
    tell();
    next();
  }

  /** Gives what is uploaded, and begins anew. */
  function take() {
    const uploaded = items.map((item) => item.uploaded).filter(Boolean);
    items.length = 0;
    fill(list);
    tell();
    return uploaded;
  }

  function clear() {
    for (const item of items) item.transfer?.cancel();
    take();
  }

  return tray;
}

/** Whether another try may do. */
const retryable = (error) => !(error instanceof Problem) || error.temporary || error.status === 409;

/** What comes from the clipboard has no name of its own. */
function nameOf(file) {
  if (file.name && file.name !== "image.png") return file.name;
  file.parleyName ??= `Pasted ${new Date().toLocaleString("sv").replace(/[: ]/g, "-")}.png`;
  return file.parleyName;
}

/** Draws a small picture of what is about to be sent. On a canvas: the page may load pictures from its server only. */
async function preview(file, mark) {
  if (!/^image\/(png|jpeg|gif|webp)$/.test(file.type) || file.size > PREVIEW_BYTES) return;
  try {
    const image = await createImageBitmap(file, { resizeHeight: PREVIEW_PX, resizeQuality: "medium" });
    const canvas = make("canvas", { width: PREVIEW_PX, height: PREVIEW_PX, "aria-hidden": "true" });
    canvas.getContext("2d").drawImage(image, (PREVIEW_PX - image.width) / 2, 0);
    image.close();
    fill(mark, canvas);
  } catch {
    // It may be no picture at all: the server finds out.
  }
}
