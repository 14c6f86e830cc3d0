// Light, dark, or as the system has it; the choice is remembered (and set before the first paint by theme.js).

import { make } from "./dom.js";
import { icon } from "./icons.js";

const KEY = "parley.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

/** The chosen theme: "light", "dark" or "system". */
export const chosenTheme = () => document.documentElement.dataset.theme || "system";

/** What is shown now. */
export const isDark = () => (chosenTheme() === "system" ? system.matches : chosenTheme() === "dark");

export function chooseTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // It lasts until the page is closed.
  }
  for (const button of document.querySelectorAll(".theme-toggle")) label(button);
}

/** A button that goes between light and dark. */
export function themeToggle() {
  const button = make("button", { type: "button", class: "icon-button theme-toggle", "data-test": "theme-toggle", onclick: () => chooseTheme(isDark() ? "light" : "dark") });
  label(button);
  return button;
}

function label(button) {
  const text = isDark() ? "Use the light theme" : "Use the dark theme";
  button.setAttribute("aria-label", text);
  button.title = text;
  button.replaceChildren(icon(isDark() ? "sun" : "moon"));
}

system.addEventListener("change", () => document.querySelectorAll(".theme-toggle").forEach(label));
