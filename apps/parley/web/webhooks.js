// The webhooks of a channel: those that lead out, those that lead in, and what was sent.

import { get, patch, post, remove } from "./api.js";
import { complain, confirm, errorState, field, formError, skeleton, submitForm, toast } from "./dialog.js";
import { fill, make } from "./dom.js";
import { icon } from "./icons.js";
import { secretBox, showSecret } from "./secret.js";
import { state } from "./store.js";
import { showTabs } from "./tabs.js";
import { agoElement } from "./time.js";

/** How often one looks whether a delivery has arrived. */
const LOOK_MS = 2000;

const EVENTS = [["messages.posted", "Posted"], ["messages.edited", "Edited"], ["messages.deleted", "Deleted"]];

export function showWebhooks(channel) {
  showTabs({ title: `Webhooks of #${channel.name}`, test: "webhooks", tabs: [["outgoing", "Outgoing", "out", () => outgoing(channel)], ["incoming", "Incoming", "in", () => incoming(channel)]] });
}

const submit = (text) => make("button", { type: "submit", class: "button button-primary", "data-test": "submit" }, text);
const small = (label, test, run, style = "") => make("button", { type: "button", class: `button button-small ${style}`, "data-test": test, onclick: run }, label);
const mine = (hook) => hook.owner.id === state.me.id;

/** A list from the server, and the function that draws it again. */
function listed(path, draw, none) {
  const node = make("div", { class: "stack" }, skeleton(2));
  const load = async () => {
    try {
      const { items } = await get(path);
      fill(node, items.length ? items.map((item) => draw(item, load)) : make("p", { class: "faint" }, none));
    } catch (error) {
      fill(node, errorState(error, load));
    }
  };
  load();
  return { node, load };
}

function outgoing(channel) {
  const path = `/v1/channels/${channel.id}/webhooks`;
  const made = secretBox("new-webhook");
  const list = listed(path, hookCard, "Nothing is sent anywhere yet.");
  const form = make("form", { class: "stack", "data-test": "webhook-form" }, make("p", { class: "faint" }, "Parley sends a signed request to your address when something happens in this channel."), formError(),
    make("div", { class: "row row-top" }, field({ label: "Address", name: "url", type: "url", placeholder: "https://example.org/hook", maxlength: "2000", autocomplete: "off" }), submit("Create")),
    make("fieldset", { class: "checks" }, make("legend", {}, "Messages that are"), EVENTS.map(([name, label], index) => make("label", {}, make("input", { type: "checkbox", name: "events", value: name, checked: index === 0 }), label))), made);
  submitForm(form, async ({ url }) => {
    const events = [...form.querySelectorAll("[name=events]:checked")].map((box) => box.value);
    if (!events.length) throw Object.assign(new Error("Choose at least one kind of event."), { fields: {} });
    const { secret } = await post(path, { url: url.trim(), events });
    form.reset();
    showSecret(made, ["Secret that signs each request", secret]);
    list.load();
  });
  return [form, list.node];
}

/** One outgoing webhook; its owner may do everything with it. */
function hookCard(hook, reload) {
  const path = `/v1/webhooks/${hook.id}`;
  const sent = make("div", { class: "deliveries", hidden: true });
  let close = () => {};
  const change = (changes) => patch(path, changes).then(reload, complain);
  const toggle = make("button", { type: "button", class: "button button-small", "aria-expanded": "false", "data-test": "deliveries-open", onclick: () => open(sent.hidden) }, "Deliveries");

  function open(is) {
    sent.hidden = !is;
    toggle.setAttribute("aria-expanded", String(is));
    close();
    close = is ? deliveries(sent, path) : () => {};
  }

  async function erase() {
    if (await confirm({ title: "Delete webhook?", text: "Nothing is sent to it any more, and its deliveries are forgotten.", detail: hook.url, action: "Delete" })) await remove(path).then(reload, complain);
  }

  const facts = [EVENTS.filter(([name]) => hook.events.includes(name)).map(([, label]) => label.toLowerCase()).join(", "), " · by ", mine(hook) ? "you" : hook.owner.display_name, " · made ", agoElement(hook.created_at)];
  return make("article", { class: "hook", "data-test": "webhook", "data-id": hook.id },
    make("div", { class: "line" }, make("span", { class: "choice-mark" }, icon("out")), make("div", { class: "line-about" }, make("strong", { class: "hook-url" }, hook.url), make("span", { class: "faint small" }, facts)), hook.disabled_at ? make("span", { class: "tag tag-danger" }, "disabled") : null),
    hook.disabled_at ? make("p", { class: "field-error small", "data-test": "disabled-reason" }, `Disabled: ${hook.disabled_reason}.`) : null,
    mine(hook) ? make("div", { class: "row row-wrap" }, toggle,
      hook.disabled_at ? null : small("Send a test", "test-webhook", () => post(`${path}/test`).then(() => open(true), complain)),
      hook.disabled_at ? small("Enable", "enable-webhook", () => change({ enabled: true })) : small("Disable", "disable-webhook", () => change({ enabled: false })),
      small("Delete", "delete-webhook", erase, "button-quiet-danger")) : null,
    sent);
}

/** What was sent, newest first; it looks again while something is on its way. Returns the function that stops it. */
function deliveries(node, path) {
  let timer = 0;
  let gone = false;

  async function load() {
    clearTimeout(timer);
    try {
      const { items } = await get(`${path}/deliveries?limit=20`);
      if (gone || !node.isConnected) return;
      fill(node, items.length ? items.map(entry) : make("p", { class: "faint small" }, "Nothing was sent yet."));
      if (items.some((delivery) => delivery.status === "waiting")) timer = setTimeout(load, LOOK_MS);
    } catch (error) {
      if (!gone) fill(node, errorState(error, load));
    }
  }

  function entry(delivery) {
    const tries = delivery.attempts === 1 ? "1 attempt" : `${delivery.attempts} attempts`;
    const run = async (event) => {
      event.currentTarget.disabled = true;
      await post(`${path}/deliveries/${delivery.id}/replay`).then(() => toast("It is sent again."), complain);
      load();
    };
    return make("div", { class: "delivery", "data-test": "delivery", "data-status": delivery.status },
      make("span", { class: `tag tag-${{ delivered: "good", failed: "danger", waiting: "plain" }[delivery.status]}` }, delivery.status),
      make("div", { class: "line-about" }, make("span", { class: "small" }, make("strong", {}, delivery.event), ` · ${tries} · `, agoElement(delivery.tried_at || delivery.created_at)), delivery.error ? make("span", { class: "small faint delivery-error" }, delivery.error) : null),
      delivery.status === "waiting" ? null : make("button", { type: "button", class: "icon-button", "aria-label": "Send it again", title: "Send it again", "data-test": "replay", onclick: run }, icon("again")));
  }

  fill(node, skeleton(1));
  load();
  return () => { gone = true; clearTimeout(timer); };
}

function incoming(channel) {
  const path = `/v1/channels/${channel.id}/hooks`;
  const made = secretBox("new-hook");
  const list = listed(path, line, "No program posts here yet.");
  const form = make("form", { class: "stack", "data-test": "hook-form" }, make("p", { class: "faint" }, "A program posts messages here with a signed request."), formError(),
    make("div", { class: "row row-top" }, field({ label: "Name it posts as", name: "name", maxlength: "64", placeholder: "e.g. Build server", autocomplete: "off" }), submit("Create")), made);
  submitForm(form, async ({ name }) => {
    const { path: to, secret } = await post(path, { name: name.trim() });
    form.reset();
    showSecret(made, ["Address", location.origin + to], ["Secret that signs each request", secret]);
    list.load();
  });
  return [form, list.node];
}

/** One incoming webhook. */
function line(hook, reload) {
  const facts = ["by ", mine(hook) ? "you" : hook.owner.display_name, " · ", hook.used_at ? ["used ", agoElement(hook.used_at)] : "never used"];
  return make("div", { class: "line", "data-test": "hook", "data-id": hook.id }, make("span", { class: "choice-mark" }, icon("in")), make("div", { class: "line-about" }, make("strong", {}, hook.name), make("span", { class: "faint small" }, facts)),
    mine(hook) ? small("Revoke", "revoke-hook", async () => {
      if (await confirm({ title: `Revoke “${hook.name}”?`, text: "Whatever posts through it stops working at once. Its messages stay.", action: "Revoke" })) await remove(`/v1/hooks/${hook.id}`).then(reload, complain);
    }) : null);
}
