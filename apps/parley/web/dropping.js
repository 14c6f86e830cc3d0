// Files from elsewhere: dropped onto a conversation, or pasted.

import { make } from "./dom.js";
import { icon } from "./icons.js";

const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");

/** Takes what is dropped onto `node`; while something is dragged over it, `text` says what will happen. */
export function acceptDrops(node, text, take) {
  const veil = make("div", { class: "drop-veil", hidden: true, "data-test": "drop-veil" }, make("div", { class: "drop-box" }, icon("clip"), make("strong", {}, text)));
  node.append(veil);
  let depth = 0;
  const show = (shown) => {
    depth = shown ? depth : 0;
    veil.hidden = !shown;
  };
  node.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth += 1;
    show(true);
  });
  node.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  node.addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth -= 1;
    if (depth <= 0) show(false);
  });
  node.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    show(false);
    const files = [...event.dataTransfer.files];
    if (files.length) take(files);
  });
}

/** Takes the files that are pasted into `box`; text is pasted as ever. */
export function acceptPastes(box, take) {
  box.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files || [])];
    // A table is pasted as text and as a picture of it: the text is what is meant.
    if (!files.length || event.clipboardData.types.includes("text/plain")) return;
    event.preventDefault();
    take(files);
  });
}

// Beside a conversation, a file that is dropped must not take the place of the page.
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => hasFiles(event) && event.preventDefault());
