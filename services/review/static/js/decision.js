// Keys of the decision form: Enter confirms, x corrects, n is not assessable, digits choose, Escape closes.
import { isPlainKey, isTyping } from "./keys.js";

// A finger still resting on Enter from the worklist must not decide the case that has just opened: Enter counts only
// after the key has been quiet for this long.
const QUIET_MS = 700;

const form = document.querySelector("[data-decision]");
let lastEnter = performance.now();

function pressed(event) {
  const quiet = performance.now() - lastEnter;
  lastEnter = performance.now();
  return !event.repeat && quiet >= QUIET_MS;
}

function openPanel() {
  return form.querySelector("[data-panel][open]");
}

function focusPanel(panel) {
  (panel.querySelector("input:checked") ?? panel.querySelector("input")).focus();
}

function closePanel(panel) {
  panel.open = false;
  panel.querySelector("summary").focus();
}

function keyInPanel(event, panel) {
  if (event.key === "Escape") closePanel(panel);
  const choice = panel.querySelector(`[data-number="${CSS.escape(event.key)}"]`);
  if (choice) {
    choice.checked = true;
    choice.focus();
  }
  if (event.key === "Enter" && !event.target.matches("summary, button")) {
    event.preventDefault();
    panel.querySelector("button[name=decision]").click();
  }
}

function keyOnPage(event) {
  const panel = form.querySelector(`[data-panel="${CSS.escape(event.key)}"]`);
  if (panel) {
    event.preventDefault();
    panel.open = true;
  }
  if (event.key === "Enter" && !event.target.closest("a, button, summary") && pressed(event)) {
    form.querySelector("[data-confirm]:not(:disabled)")?.click();
  }
}

function onKey(event) {
  if (!isPlainKey(event) || isTyping(event.target)) return;
  const panel = openPanel();
  if (panel) keyInPanel(event, panel);
  else keyOnPage(event);
}

function onePanelAtATime(panel) {
  panel.addEventListener("toggle", () => {
    if (!panel.open) return;
    for (const other of form.querySelectorAll("[data-panel]")) if (other !== panel) other.open = false;
    focusPanel(panel);
  });
}

// A picture that did not load was not looked at: what was not seen cannot be confirmed.
function waitForPicture() {
  const confirm = form.querySelector("[data-confirm]");
  const image = document.querySelector("[data-picture]:not([hidden]) [data-view]");
  if (!confirm || !image || (image.complete && image.naturalWidth > 0)) return;
  confirm.disabled = true;
  image.addEventListener("load", () => {
    confirm.disabled = false;
  });
}

export function installDecision() {
  if (!form) return;
  waitForPicture();
  for (const panel of form.querySelectorAll("[data-panel]")) onePanelAtATime(panel);
  document.addEventListener("keydown", onKey);
  // One press, one decision: a double click must not send the form twice.
  form.addEventListener("submit", () => {
    setTimeout(() => {
      for (const button of form.querySelectorAll("button[type=submit]")) button.disabled = true;
    });
  });
}
