// Dialogs about channels: create, browse and join, and what a channel is about.

import { avatar } from "./avatar.js";
import { addMember, browseChannels, channelMembers, createChannel, joinChannel, leaveChannel, updateChannel } from "./channels.js";
import { complain, confirm, errorState, field, formError, openDialog, skeleton, submitForm, toast } from "./dialog.js";
import { fill, make } from "./dom.js";
import { icon } from "./icons.js";
import { peoplePicker, showProfile } from "./people.js";
import { channelPath, navigate } from "./router.js";
import { channelName, state } from "./store.js";
import { ago } from "./time.js";
import { showWebhooks } from "./webhooks.js";

const kindChoice = (value, picture, title, text, checked) => make("label", { class: "option" }, make("input", { type: "radio", name: "kind", value, checked }), icon(picture), make("span", {}, make("strong", {}, title), make("span", { class: "faint small" }, text)));

/** The dialog that makes a channel and goes there. */
export function showCreateChannel(name = "") {
  const input = field({ label: "Name", name: "name", hint: "Lowercase letters, digits, and - _ .", placeholder: "e.g. product-ideas", maxlength: "64", autocomplete: "off", autofocus: true, value: name });
  input.querySelector("input").addEventListener("input", (event) => {
    const { selectionStart } = event.target;
    event.target.value = event.target.value.toLowerCase().replace(/\s/g, "-");
    event.target.setSelectionRange(selectionStart, selectionStart);
  });
  const form = make("form", { class: "dialog-body", "data-test": "create-channel-form" }, formError(), input,
    field({ label: "Topic", name: "topic", hint: "What is it for? Can be changed later.", maxlength: "250", autocomplete: "off" }),
    make("fieldset", { class: "options" }, make("legend", {}, "Who can see it"), kindChoice("public", "hash", "Public", "Everybody can find and join it.", true), kindChoice("private", "lock", "Private", "Only people who are added.")),
    make("div", { class: "row row-end" }, make("button", { type: "button", class: "button", onclick: () => node.close() }, "Cancel"), make("button", { type: "submit", class: "button button-primary", "data-test": "submit" }, "Create channel")));
  submitForm(form, async ({ name: wanted, topic, kind }) => {
    const channel = await createChannel({ name: wanted.trim(), topic: topic.trim(), kind });
    node.close();
    navigate(channelPath(channel.id));
  });
  const node = openDialog({ title: "Create a channel", body: form, test: "create-channel-dialog" });
}

/** The dialog that lists every channel, to join or open. */
export function showBrowse() {
  const filter = make("input", { class: "input", type: "search", placeholder: "Filter channels", "aria-label": "Filter channels", autofocus: true, "data-test": "browse-filter" });
  const list = make("div", { class: "browse-list", role: "list" }, skeleton(5));
  const body = make("div", { class: "dialog-body dialog-tall" }, make("div", { class: "row" }, filter, make("button", { type: "button", class: "button", onclick: () => { node.close(); showCreateChannel(filter.value.trim().toLowerCase().replace(/\s+/g, "-")); } }, icon("plus"), "New")), list);
  let channels = [];

  async function load() {
    try {
      channels = (await browseChannels()).filter((channel) => channel.kind !== "direct").sort((a, b) => a.name.localeCompare(b.name));
      draw();
    } catch (error) {
      fill(list, errorState(error, load));
    }
  }

  function draw() {
    const text = filter.value.trim().toLowerCase().replace(/^#/, "");
    const shown = channels.filter((channel) => channel.name.includes(text) || (channel.topic || "").toLowerCase().includes(text));
    fill(list, shown.length ? shown.map(entry) : make("p", { class: "faint center" }, text ? `No channel matches “${text}”. You can create it.` : "There are no channels yet. Create the first one."));
  }

  function entry(channel) {
    const open = () => { node.close(); navigate(channelPath(channel.id)); };
    const join = async (event) => {
      event.currentTarget.disabled = true;
      await joinChannel(channel.id).then(() => { toast(`You joined #${channel.name}.`); open(); }, complain);
    };
    const facts = [`${channel.member_count} member${channel.member_count === 1 ? "" : "s"}`, channel.last_message_at && `active ${ago(channel.last_message_at)}`].filter(Boolean).join(" · ");
    return make("div", { class: "browse-item", role: "listitem", "data-test": "browse-item", "data-id": channel.id, "data-name": channel.name },
      make("span", { class: "browse-mark" }, icon(channel.kind === "private" ? "lock" : "hash")),
      make("div", { class: "browse-about" }, make("strong", {}, channel.name), channel.topic ? make("span", { class: "small" }, channel.topic) : null, make("span", { class: "faint small" }, facts)),
      make("button", { type: "button", class: "button button-small", onclick: open, "data-test": "open-channel" }, channel.joined ? "Open" : "Look"),
      channel.joined ? null : make("button", { type: "button", class: "button button-small button-primary", "data-test": "join-channel", onclick: join }, "Join"));
  }

  filter.addEventListener("input", draw);
  const node = openDialog({ title: "Channels", body, size: "large", test: "browse-dialog" });
  load();
}

/** What a channel is about: its name and topic, its people, and the way out. */
export function showDetails(channel) {
  const direct = channel.kind === "direct";
  const name = channelName(channel);
  const people = make("div", { class: "people" }, skeleton(3));
  const body = make("div", { class: "dialog-body dialog-tall" }, direct ? null : about(channel, () => node), make("div", { class: "row row-between" }, make("h3", {}, "Members"), direct || !channel.joined ? null : make("button", { type: "button", class: "button button-small", "data-test": "add-member", onclick: () => { node.close(); showAddMembers(channel); } }, icon("plus"), "Add people")), people,
    direct || !channel.joined ? null : make("div", { class: "row row-between" }, make("button", { type: "button", class: "button", "data-test": "webhooks-open", onclick: () => { node.close(); showWebhooks(channel); } }, icon("link"), "Webhooks"), make("button", { type: "button", class: "button button-quiet-danger", "data-test": "leave-channel", onclick: () => leave(channel, node) }, icon("leave"), "Leave channel")));
  const node = openDialog({ title: direct ? name : `#${name}`, body, test: "channel-dialog" });
  const load = async () => {
    try {
      const members = await channelMembers(channel.id);
      fill(people, members.map((person) => make("button", { type: "button", class: "person", onclick: () => { node.close(); showProfile(person); } }, avatar(person, "small"), make("strong", {}, person.display_name), make("span", { class: "faint" }, `@${person.username}`), person.id === state.me.id ? make("span", { class: "tag" }, "you") : null)));
    } catch (error) {
      fill(people, errorState(error, load));
    }
  };
  load();
}

function about(channel, dialog) {
  if (!channel.joined) return channel.topic ? make("p", {}, channel.topic) : null;
  const form = make("form", { class: "stack" }, formError(), field({ label: "Name", name: "name", value: channel.name, maxlength: "64", autocomplete: "off" }), field({ label: "Topic", name: "topic", value: channel.topic, maxlength: "250", autocomplete: "off" }),
    make("div", { class: "row row-end" }, make("button", { type: "submit", class: "button button-small", "data-test": "submit" }, "Save")));
  submitForm(form, async ({ name, topic }) => {
    await updateChannel(channel.id, { name: name.trim(), topic: topic.trim() });
    dialog().close();
    toast("Channel saved.");
  });
  return form;
}

async function leave(channel, dialog) {
  const text = channel.kind === "private" ? "You will need to be added again to come back." : "You can join again whenever you like.";
  if (!(await confirm({ title: `Leave #${channel.name}?`, text, action: "Leave" }))) return;
  await leaveChannel(channel.id).then(() => { dialog.close(); navigate("/"); }, complain);
}

function showAddMembers(channel) {
  const go = make("button", { type: "button", class: "button button-primary", disabled: true, "data-test": "submit", onclick: async () => {
    go.disabled = true;
    try {
      for (const person of picker.chosen()) await addMember(channel.id, person);
      node.close();
      toast(`Added to #${channel.name}.`);
    } catch (error) {
      complain(error);
      go.disabled = false;
    }
  } }, "Add");
  const picker = peoplePicker({ except: [state.me.id], most: 20, onChange: (chosen) => (go.disabled = !chosen.length) });
  const node = openDialog({ title: `Add people to #${channel.name}`, test: "add-dialog", body: make("div", { class: "dialog-body" }, picker.node, make("div", { class: "row row-end" }, go)) });
}
