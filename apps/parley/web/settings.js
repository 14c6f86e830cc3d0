// The settings dialog: profile, password, appearance, API tokens and sessions.

import { get, patch, post, remove } from "./api.js";
import { avatar } from "./avatar.js";
import { endSession } from "./channels.js";
import { complain, confirm, errorState, field, formError, skeleton, submitForm, toast } from "./dialog.js";
import { fill, make } from "./dom.js";
import { icon } from "./icons.js";
import { secretBox, showSecret } from "./secret.js";
import { emit, learn, state } from "./store.js";
import { showTabs } from "./tabs.js";
import { chosenTheme, chooseTheme } from "./theme-toggle.js";
import { agoElement } from "./time.js";

const TABS = [
  ["profile", "Profile", "person", profile],
  ["password", "Password", "lock", password],
  ["appearance", "Appearance", "sun", appearance],
  ["tokens", "API tokens", "key", tokens],
  ["sessions", "Sessions", "device", sessions],
];

export const showSettings = (first) => showTabs({ title: "Settings", test: "settings", tabs: TABS, first });

const submit = (text) => make("button", { type: "submit", class: "button button-primary", "data-test": "submit" }, text);

function profile(dialog) {
  const form = make("form", { class: "stack", "data-test": "profile-form" }, make("div", { class: "row" }, avatar(state.me, "large"), make("div", {}, make("strong", {}, state.me.display_name), make("p", { class: "faint" }, `@${state.me.username}`))), formError(),
    field({ label: "Display name", name: "display_name", value: state.me.display_name, maxlength: "80", autocomplete: "name" }),
    field({ label: "About", name: "about", value: state.me.about, multiline: true, rows: "3", maxlength: "500", hint: "A few words others see on your profile." }),
    make("div", { class: "row row-between" }, make("button", { type: "button", class: "button", "data-test": "sign-out", onclick: () => signOut(dialog) }, icon("leave"), "Sign out"), submit("Save")));
  submitForm(form, async ({ display_name, about }) => {
    state.me = await patch("/v1/me", { display_name: display_name.trim(), about: about.trim() });
    learn(state.me);
    emit("session");
    toast("Profile saved.");
  });
  return form;
}

async function signOut(dialog) {
  try {
    await endSession();
    dialog.close();
    emit("signed-out");
  } catch (error) {
    complain(error);
  }
}

function password() {
  const form = make("form", { class: "stack", "data-test": "password-form" }, formError(),
    make("input", { type: "text", name: "username", autocomplete: "username", value: state.me.username, hidden: true }),
    field({ label: "Current password", name: "current", type: "password", autocomplete: "current-password" }),
    field({ label: "New password", name: "new", type: "password", autocomplete: "new-password", hint: "At least 8 characters. A few words in a row are easy to remember and hard to guess." }),
    make("div", { class: "row row-between" }, make("span", { class: "faint small" }, "All your other sessions are signed out."), submit("Change password")));
  submitForm(form, async ({ current, new: wanted }) => {
    if (wanted.length < 8) throw Object.assign(new Error("Too short."), { fields: { new: "Use at least 8 characters." } });
    await post("/v1/me/password", { current, new: wanted });
    form.reset();
    toast("Password changed.");
  });
  return form;
}

function appearance() {
  const choice = (value, title, text) => make("label", { class: "option" }, make("input", { type: "radio", name: "theme", value, checked: chosenTheme() === value, onchange: () => chooseTheme(value) }), icon(value === "dark" ? "moon" : value === "light" ? "sun" : "device"), make("span", {}, make("strong", {}, title), make("span", { class: "faint small" }, text)));
  return make("fieldset", { class: "options" }, make("legend", {}, "Theme"), choice("system", "System", "Follows your device."), choice("light", "Light", "Always light."), choice("dark", "Dark", "Always dark."));
}

/** A list from the server, drawn again after every change. */
function fetched(path, draw) {
  const node = make("div", { class: "stack" }, skeleton(3));
  const load = async () => {
    try {
      const { items } = await get(`${path}?limit=100`);
      fill(node, draw(items, load));
    } catch (error) {
      fill(node, errorState(error, load));
    }
  };
  load();
  return node;
}

function tokens() {
  const made = secretBox("new-token");
  const form = make("form", { class: "stack" }, make("p", { class: "faint" }, "A token lets a script act as you. Send it as ", make("code", {}, "Authorization: Bearer …"), "."), formError(),
    make("div", { class: "row row-top" }, field({ label: "Name of the new token", name: "name", maxlength: "64", placeholder: "e.g. deploy bot", autocomplete: "off" }), submit("Create")), made);
  const list = fetched("/v1/me/tokens", (items, load) => {
    form.reload = load;
    return items.length ? items.map((token) => line("key", token.name, ["made ", agoElement(token.created_at), " · ", token.used_at ? ["used ", agoElement(token.used_at)] : "never used"], () => revoke(token, load), "Revoke")) : make("p", { class: "faint" }, "No tokens yet.");
  });
  submitForm(form, async ({ name }) => {
    const token = await post("/v1/me/tokens", { name: name.trim() });
    form.reset();
    showSecret(made, ["The new token", token.token]);
    form.reload?.();
  });
  return [form, list];
}

async function revoke(token, load) {
  if (!(await confirm({ title: `Revoke “${token.name}”?`, text: "Whatever uses this token stops working at once.", action: "Revoke" }))) return;
  await remove(`/v1/me/tokens/${token.id}`).then(load, complain);
}

function sessions() {
  return fetched("/v1/me/sessions", (items, load) => items.map((session) => line("device", browserOf(session.user_agent), [session.current ? make("span", { class: "tag" }, "this one") : null, " seen ", agoElement(session.seen_at), " · signed in ", agoElement(session.created_at)], session.current ? null : () => remove(`/v1/me/sessions/${session.id}`).then(load, complain), "Sign out")));
}

function line(picture, title, facts, run, label) {
  return make("div", { class: "line" }, make("span", { class: "choice-mark" }, icon(picture)), make("div", { class: "line-about" }, make("strong", {}, title), make("span", { class: "faint small" }, facts)), run ? make("button", { type: "button", class: "button button-small", onclick: run }, label) : null);
}

/** "Firefox on Linux" out of a user agent. */
function browserOf(text) {
  const browser = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]].find(([mark]) => text?.includes(mark))?.[1];
  const system = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["Linux", "Linux"]].find(([mark]) => text?.includes(mark))?.[1];
  return browser ? `${browser}${system ? ` on ${system}` : ""}` : text?.slice(0, 60) || "Unknown program";
}
