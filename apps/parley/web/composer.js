// The box one writes in: Enter sends, drafts are kept, "@" completes names.

import { avatar } from "./avatar.js";
import { findPeople, knownPeople } from "./channels.js";
import { append, debounce, make } from "./dom.js";
import { acceptPastes } from "./dropping.js";
import { pickEmoji } from "./emoji.js";
import { icon } from "./icons.js";
import { listbox } from "./listbox.js";
import { state } from "./store.js";
import { trayOf } from "./tray.js";

const LONGEST = 8000;
const WARN_AT = 7500;
const CHOICES = 7;

/** `key` names the draft, `onSend(text, files)` sends, `onUp()` is Up in the empty box. */
export function createComposer({ key, channelId, placeholder, test, sendTest, onSend, onUp, onType = () => {} }) {
  const box = make("textarea", { "data-test": test, rows: "1", placeholder, "aria-label": placeholder, enterkeyhint: "send", autocomplete: "off", value: state.drafts.get(key) || "" });
  const sender = make("button", { type: "button", class: "send", "data-test": sendTest, "aria-label": "Send", title: "Send (Enter)", onclick: submit }, icon("send"));
  const smile = make("button", { type: "button", class: "icon-button", "aria-label": "Insert an emoji", title: "Insert an emoji", "data-test": "composer-emoji", onclick: () => pickEmoji(smile, insert) }, icon("smile"));
  const at = make("button", { type: "button", class: "icon-button", "aria-label": "Mention somebody", title: "Mention somebody", onclick: () => insert(/\S$/.test(box.value) ? " @" : "@") }, icon("at"));
  const picker = make("input", { type: "file", multiple: true, hidden: true, "data-test": "file-input", onchange: () => { attach([...picker.files]); picker.value = ""; } });
  const clip = make("button", { type: "button", class: "icon-button", "aria-label": "Attach files", title: "Attach files, or drop them here", "data-test": "attach", onclick: () => picker.click() }, icon("clip"));
  const tray = trayOf(key, channelId);
  const left = make("span", { class: "composer-left", "aria-live": "polite" });
  const people = listbox(box, { label: "People", test: "mention-option", choose: complete, render: (person) => [avatar(person, "small"), make("strong", {}, person.display_name), make("span", { class: "faint" }, `@${person.username}`)] });
  const popup = make("div", { class: "mention-popup", hidden: true }, people.node);
  const node = make("div", { class: "composer" }, popup, append(make("div", { class: "composer-box" }), [tray.node, box, make("div", { class: "composer-bar" }, clip, picker, smile, at, make("span", { class: "composer-hint" }, make("kbd", {}, "Enter"), " to send, ", make("kbd", {}, "Shift Enter"), " for a new line"), left, sender)]));
  let asked = "";
  let sendWhenUploaded = false;

  tray.changed = uploads;
  acceptPastes(box, attach);
  box.addEventListener("input", changed);
  box.addEventListener("click", suggest);
  box.addEventListener("blur", () => setTimeout(() => document.activeElement !== box && hide(), 150));
  box.addEventListener("keydown", (event) => {
    if (!popup.hidden) {
      if (event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        return hide();
      }
      if (event.key === "Tab" && people.size()) {
        event.preventDefault();
        return complete(people.current());
      }
      if (people.key(event)) return;
    }
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    } else if (event.key === "ArrowUp" && box.value === "" && !event.shiftKey) {
      event.preventDefault();
      onUp?.();
    }
  });

  function changed() {
    if (box.value) state.drafts.set(key, box.value);
    else state.drafts.delete(key);
    fit();
    suggest();
    onType(box.value);
  }

  function fit() {
    box.style.setProperty("height", "auto");
    box.style.setProperty("height", `${Math.min(box.scrollHeight, Math.round(innerHeight * 0.4))}px`);
    const length = [...box.value].length;
    left.textContent = length > WARN_AT ? String(LONGEST - length) : "";
    left.classList.toggle("field-error", length > LONGEST);
    sender.disabled = (!box.value.trim() && tray.isEmpty()) || length > LONGEST || tray.hasFailed();
    sender.classList.toggle("busy", sendWhenUploaded);
    sender.title = tray.hasFailed() ? "Try the failed upload again, or remove it" : sendWhenUploaded ? "It is sent once the files are uploaded" : "Send (Enter)";
  }

  /** What is attached changed: a message that waits for its files is sent once they are there. */
  function uploads() {
    if (tray.hasFailed() || tray.isEmpty()) sendWhenUploaded = false;
    fit();
    if (sendWhenUploaded && !tray.isBusy()) submit();
  }

  function attach(files) {
    tray.add(files);
    box.focus({ preventScroll: true });
  }

  function submit() {
    const text = box.value.trim();
    if ((!text && tray.isEmpty()) || [...text].length > LONGEST || tray.hasFailed()) return;
    sendWhenUploaded = tray.isBusy();
    if (sendWhenUploaded) return fit();
    const files = tray.take();
    box.value = "";
    changed();
    hide();
    box.focus();
    onSend(text, files);
  }

  function insert(text) {
    box.focus();
    box.setRangeText(text, box.selectionStart, box.selectionEnd, "end");
    changed();
  }

  /** The "@name" just before the caret, if any. */
  function wanted() {
    if (box.selectionStart !== box.selectionEnd) return null;
    return box.value.slice(0, box.selectionStart).match(/(?:^|[\s(])@([\w.-]{0,32})$/)?.[1] ?? null;
  }

  const ask = debounce(async (text) => {
    await findPeople(text).catch(() => []);
    if (wanted() === text) show(text);
  }, 150);

  function suggest() {
    const text = wanted();
    if (text === null) return hide();
    show(text);
    if (text !== asked) ask((asked = text));
  }

  function show(text) {
    const found = knownPeople(text).filter((person) => person.id !== state.me?.id).slice(0, CHOICES);
    people.show(found);
    popup.hidden = !found.length;
  }

  function hide() {
    popup.hidden = true;
    box.setAttribute("aria-expanded", "false");
  }

  function complete(person) {
    const text = wanted();
    if (text === null || !person) return hide();
    box.setRangeText(`@${person.username} `, box.selectionStart - text.length - 1, box.selectionStart, "end");
    changed();
    hide();
  }

  requestAnimationFrame(fit);
  return { node, focus: () => box.focus({ preventScroll: true }), insert, attach };
}
