// The files of a message: pictures, video and sound in their place, everything else as a row to download.

import { make } from "./dom.js";
import { icon } from "./icons.js";
import { openViewer } from "./viewer.js";

const ONE = { width: 400, height: 300 };
const SOME = { width: 220, height: 165 };
const UNITS = ["bytes", "KB", "MB", "GB"];

/** A size for people: "1.2 MB". */
export function sizeText(bytes) {
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${bytes} ${bytes === 1 ? "byte" : "bytes"}` : `${size < 10 ? size.toFixed(1) : Math.round(size)} ${UNITS[unit]}`;
}

/** What a message says in one line, also when it has only files. */
export function lineOf({ text, files = [] }) {
  if (text || !files.length) return text;
  if (files.length > 1) return `${files.length} files`;
  return isPicture(files[0]) ? `A picture: ${files[0].name}` : `A file: ${files[0].name}`;
}

/** A GIF is shown as it is, for it may move; one that is heavy is a file like any other. */
const isGif = (file) => file.content_type === "image/gif" && file.size <= 4 << 20 && file.width > 0 && file.width * file.height <= 25e6;

/** Whether it is shown as a picture; one that is too large, or damaged, is a file like any other. */
export const isPicture = (file) => file.thumbnail === "ready" || file.thumbnail === "waiting" || isGif(file);

const addressOf = (file) => `/v1/files/${file.id}`;
const saveOf = (file) => `${addressOf(file)}?disposition=attachment`;

/** What changes how the files of a message look; while it stays, what is playing goes on. */
const keyOf = (files) => files.map((file) => `${file.id} ${file.thumbnail}`).join(" ");

/** The files of a message; nothing when it has none. */
export function attachments(message) {
  const files = message.files || [];
  if (!files.length || message.deleted) return null;
  const pictures = files.filter(isPicture);
  const others = files.filter((file) => !isPicture(file));
  return make("div", { class: "attachments", "data-test": "attachments", "data-key": keyOf(files) },
    pictures.length ? make("div", { class: "pictures" }, pictures.map((file) => picture(file, pictures))) : null,
    others.map(other));
}

/** How large a picture is shown: its room is taken before it is there. */
function room(file, alone) {
  const most = alone ? ONE : SOME;
  const { width, height } = file.width && file.height ? file : most;
  const scale = Math.min(1, most.width / width, most.height / height);
  return { width: Math.max(48, Math.round(width * scale)), height: Math.max(36, Math.round(height * scale)) };
}

function picture(file, all) {
  const { width, height } = room(file, all.length === 1);
  const style = { width: `${width}px`, "aspect-ratio": `${width} / ${height}` };
  if (file.thumbnail === "waiting") return make("span", { class: "picture picture-waiting", style, role: "img", "aria-label": `${file.name}, being prepared`, title: file.name, "data-test": "picture-waiting" }, icon("picture"));
  const image = make("img", { src: isGif(file) ? addressOf(file) : `${addressOf(file)}/thumbnail`, width, height, alt: "", loading: "lazy", decoding: "async" });
  return make("button", { type: "button", class: "picture", style, tabindex: "-1", title: file.name, "aria-label": `Picture: ${file.name}`, "data-test": "picture", "data-focus": `picture ${file.id}`, onclick: () => openViewer(all, file) }, image);
}

function other(file) {
  const kind = file.content_type.split("/")[0];
  if (kind === "video") return player("video", file);
  if (kind === "audio") return player("audio", file);
  return row(file, kind === "image" ? "picture" : "file");
}

/** Nothing but its length is loaded before it is played. */
function player(kind, file) {
  return make("div", { class: `player player-${kind}` }, make(kind, { controls: true, preload: "metadata", src: addressOf(file), "aria-label": file.name, playsinline: kind === "video", "data-test": kind }), row(file, kind === "video" ? "film" : "sound"));
}

function row(file, picture) {
  return make("a", { class: "file", tabindex: "-1", href: saveOf(file), download: file.name, title: file.note ? `${file.name}: no preview, ${file.note}` : file.name, "data-test": "file", "data-focus": `file ${file.id}`, "aria-label": `Download ${file.name}, ${sizeText(file.size)}` },
    make("span", { class: "file-mark" }, icon(picture)),
    make("span", { class: "file-about" }, make("span", { class: "file-name cut", dir: "auto" }, file.name), make("span", { class: "faint small" }, sizeText(file.size))),
    icon("save"));
}

/** Draws a row anew around its files, so that what is playing goes on; gives the row that is to be shown. */
export function keepPlaying(old, fresh) {
  const kept = old?.querySelector(".attachments");
  const now = fresh.querySelector(".attachments");
  if (!kept || !now || kept.dataset.key !== now.dataset.key) return fresh;
  for (const name of ["class", "aria-label", "data-test"]) old.setAttribute(name, fresh.getAttribute(name) || "");
  for (let [mine, other] = [kept, now]; mine !== old; [mine, other] = [mine.parentNode, other.parentNode]) {
    for (const child of [...mine.parentNode.childNodes]) if (child !== mine) child.remove();
    const siblings = [...other.parentNode.childNodes];
    const at = siblings.indexOf(other);
    mine.before(...siblings.slice(0, at));
    mine.after(...siblings.slice(at + 1));
  }
  return old;
}
