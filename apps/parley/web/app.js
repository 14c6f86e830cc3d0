// Starts the web client: finds out who is signed in and shows the shell or the sign-in screen.

import { get, onSignedOut } from "./api.js";
import { errorState } from "./dialog.js";
import { fill } from "./dom.js";
import { navigate, startRouter } from "./router.js";
import { createShell } from "./shell.js";
import { createSignIn } from "./sign-in.js";
import { forget, learn, on, state } from "./store.js";
import { refreshTimes } from "./time.js";

const host = document.getElementById("app");
let shown = null;
let wanted = null;

function show(screen) {
  shown?.destroy();
  shown = screen;
  host.className = "";
  fill(host, screen.node);
}

function signIn() {
  if (state.route.name !== "signin") {
    if (state.route.name !== "home") wanted = location.pathname + location.search;
    navigate("/signin", { replace: true });
  }
  document.title = "Sign in · Parley";
  show(createSignIn(enter));
}

function enter(user) {
  state.me = user;
  learn(user);
  if (state.route.name === "signin") navigate(wanted || "/", { replace: true });
  wanted = null;
  show(createShell());
}

/** The session is over: forget what was known and ask to sign in again. */
function leave() {
  if (!state.me) return;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  shown?.destroy();
  shown = null;
  forget();
  signIn();
}

async function start() {
  try {
    enter((await get("/v1/session", { quiet: true })).user);
  } catch (error) {
    if (error.status === 401) return signIn();
    fill(host, errorState(error, start));
  }
}

startRouter();
onSignedOut(leave);
on("signed-out", () => { leave(); wanted = null; });
setInterval(refreshTimes, 60000);
start();
