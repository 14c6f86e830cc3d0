// The sign-in and sign-up screen.

import { post } from "./api.js";
import { avatar } from "./avatar.js";
import { field, formError, submitForm } from "./dialog.js";
import { fill, make } from "./dom.js";
import { icon } from "./icons.js";
import { themeToggle } from "./theme-toggle.js";

const USERNAME = /^[A-Za-z0-9][A-Za-z0-9._-]{1,31}$/;

/** `done(user)` is called when somebody is signed in. */
export function createSignIn(done) {
  const card = make("div", { class: "sign-card" });
  const node = make("main", { class: "sign" }, make("div", { class: "sign-side" }, make("div", { class: "sign-top" }, brand(), themeToggle()), card, make("p", { class: "faint small" }, make("a", { href: "/docs" }, "API documentation"))), scene());

  const submit = (text) => make("button", { type: "submit", class: "button button-primary button-wide", "data-test": "submit" }, text);
  const other = (text, label, test, run) => make("p", { class: "sign-other" }, text, " ", make("button", { type: "button", class: "link", "data-test": test, onclick: run }, label));

  function signIn() {
    const form = make("form", { class: "stack", "data-test": "signin-form" }, formError(),
      field({ label: "Username", name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true }),
      field({ label: "Password", name: "password", type: "password", autocomplete: "current-password", required: true }), submit("Sign in"));
    submitForm(form, async ({ username, password }) => {
      demand({ username: !username.trim() && "Type your username.", password: !password && "Type your password." });
      try {
        done(await post("/v1/session", { username: username.trim(), password }, { quiet: true }));
      } catch (error) {
        if (error.status === 401) error.fields = { password: "Username or password is wrong." };
        throw error;
      }
    });
    show("Welcome back", "Sign in to pick up where you left off.", form, other("New here?", "Create an account", "switch-to-signup", signUp));
  }

  function signUp() {
    const form = make("form", { class: "stack", "data-test": "signup-form" }, formError(),
      field({ label: "Username", name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true, hint: "2 to 32 letters, digits, or . _ -" }),
      field({ label: "Display name", name: "display_name", autocomplete: "name", hint: "How others see you. You can change it later." }),
      field({ label: "E-mail (optional)", name: "email", type: "email", autocomplete: "email", maxlength: "254", hint: "You get a mail when somebody mentions you. Nobody else sees it." }),
      field({ label: "Password", name: "password", type: "password", autocomplete: "new-password", required: true, hint: "At least 8 characters." }), submit("Create account"));
    submitForm(form, async ({ username, display_name, email, password }) => {
      const name = username.trim();
      demand({
        username: !USERNAME.test(name) && "Use 2 to 32 letters, digits, or . _ -, starting with a letter or digit.",
        password: [...password].length < 8 ? "Use at least 8 characters." : [...password].length > 256 && "Use at most 256 characters.",
      });
      try {
        done(await post("/v1/accounts", { username: name, password, display_name: display_name.trim() || undefined, email: email.trim() || undefined }, { quiet: true }));
      } catch (error) {
        if (error.status === 409 && !Object.keys(error.fields).length) error.fields = { username: "This name is taken. Try another." };
        throw error;
      }
    });
    show("Create your account", "It takes less than a minute.", form, other("Already have one?", "Sign in", "switch-to-signin", signIn));
  }

  function show(title, text, ...parts) {
    fill(card, make("h1", {}, title), make("p", { class: "faint" }, text), ...parts);
    requestAnimationFrame(() => card.querySelector("input")?.focus());
  }

  signIn();
  return { node, destroy: () => {} };
}

/** Throws what is missing, beside its field. */
function demand(wanted) {
  const fields = Object.fromEntries(Object.entries(wanted).filter(([, message]) => message));
  if (Object.keys(fields).length) throw Object.assign(new Error("Please check the form."), { fields });
}

const brand = () => make("span", { class: "brand" }, make("span", { class: "brand-mark", "aria-hidden": "true" }, icon("reply")), "Parley");

/** The picture beside the form: a made-up conversation, for the eye only. */
function scene() {
  const says = (username, name, text, extra) => make("div", { class: "scene-message" }, avatar({ username, display_name: name }), make("div", {}, make("strong", {}, name), make("p", {}, text), extra));
  return make("div", { class: "sign-scene", "aria-hidden": "true" }, make("div", { class: "scene-inner" },
    make("p", { class: "scene-title" }, "Conversations that stay calm, and stay findable."),
    says("mira", "Mira Lindqvist", "The new onboarding is live. First numbers look good!", make("div", { class: "reactions" }, make("span", { class: "reaction" }, "🎉 7"), make("span", { class: "reaction" }, "🚀 3"))),
    says("tomas", "Tomás Ferreira", "Lovely. I'll write up what we learned in a thread.", null),
    says("jun", "June Okafor", "Pinned it for Monday. Thank you both 🙏", null)));
}
