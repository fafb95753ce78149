// Keys of the decision: Enter confirms, a letter opens a panel, digits and letters choose in it, Escape closes.
import { isPlainKey, isTyping } from "./keys.js";
import { installPicker } from "./picker.js";
import { installPlan } from "./plan.js";
import { installReadingTime } from "./reading_time.js";

// A finger still resting on Enter from the page before must not decide the case that has just opened: Enter counts only
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
  return form?.querySelector("[data-panel][open]") ?? null;
}

function focusPanel(panel) {
  const first = panel.querySelector("fieldset") ?? panel;
  (panel.querySelector("[data-search]") ?? first.querySelector("input:checked") ?? first.querySelector("input, .popover button"))?.focus();
}

// Focus goes back to the page and not to the panel's button, where Enter would open it again instead of confirming. Tab
// continues from where it was.
function closePanel(panel) {
  lastEnter = performance.now();
  panel.open = false;
  document.activeElement?.blur();
}

function submitPanel(panel) {
  const button = panel.querySelector("button[type=submit]");
  if (button) button.click();
  else closePanel(panel);
}

function choose(choice) {
  choice.focus();
  choice.click();
  const months = choice.closest(".choice-row")?.querySelector("[data-months]");
  months?.select();
}

function keyInPanel(event, panel) {
  const key = CSS.escape(event.key);
  const choice = panel.querySelector(`[data-number="${key}"], [data-letter="${key}"]`);
  const search = panel.querySelector("[data-search]");
  if (event.key === "Escape") closePanel(panel);
  else if (choice) {
    event.preventDefault();
    choose(choice);
  } else if (event.key === "Enter" && !event.target.matches("summary, button, a")) {
    event.preventDefault();
    submitPanel(panel);
  } else if (search && /^\p{L}$/u.test(event.key)) search.focus();
}

function keyOnPage(event) {
  const key = CSS.escape(event.key);
  const panel = form?.querySelector(`[data-panel="${key}"]`);
  const field = form?.querySelector(`[data-write="${key}"]`);
  if (panel || field) event.preventDefault();
  if (panel) {
    panel.open = true;
    focusPanel(panel);
  } else if (field) field.focus();
  else if (event.key === "Enter") {
    if (!event.target.closest("a, button, summary") && pressed(event)) form?.querySelector("[data-confirm]:not(:disabled)")?.click();
  } else document.querySelector(`.decision [data-key="${key}"]`)?.click();
}

function onKey(event) {
  const panel = openPanel();
  if (!isPlainKey(event)) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape" && !panel) event.target.blur();
    else if (panel?.contains(event.target) && !event.target.matches("[data-search]") && ["Escape", "Enter"].includes(event.key)) {
      event.preventDefault();
      closePanel(panel);
    }
  } else if (panel) keyInPanel(event, panel);
  else keyOnPage(event);
}

function onePanelAtATime(panel) {
  panel.addEventListener("toggle", () => {
    if (!panel.open) return;
    for (const other of form.querySelectorAll("[data-panel]")) if (other !== panel) other.open = false;
    // This comes a moment after the opening: whoever types fast has chosen by then, and must not be taken elsewhere.
    const at = document.activeElement;
    if (!panel.contains(at) || at.matches("summary")) focusPanel(panel);
  });
  // Leaving by a click elsewhere closes it: what is not on screen must not be open.
  document.addEventListener("pointerdown", (event) => {
    if (panel.open && !panel.contains(event.target)) panel.open = false;
  });
}

function installTemplates() {
  const note = form.querySelector("textarea[name=note]");
  for (const button of form.querySelectorAll("[data-insert]")) {
    button.addEventListener("click", () => {
      note.value = note.value ? `${note.value.trimEnd()}\n${button.dataset.insert}` : button.dataset.insert;
      button.closest("[data-panel]").open = false;
      note.focus();
    });
  }
}

// A picture that did not load was not looked at: what was not seen cannot be confirmed.
function waitForPicture() {
  const confirm = form.querySelector("[data-confirm]");
  const shown = () => document.querySelector("[data-picture]:not([hidden])")?.dataset.loaded === "yes";
  if (!confirm || shown()) return;
  confirm.disabled = true;
  document.addEventListener("viewer:loaded", () => {
    confirm.disabled = !shown();
  });
}

export function installDecision() {
  document.addEventListener("keydown", onKey);
  if (!form) return;
  waitForPicture();
  installPicker(form);
  installPlan(form);
  installTemplates();
  installReadingTime(form);
  for (const panel of form.querySelectorAll("[data-panel]")) onePanelAtATime(panel);
  for (const panel of form.querySelectorAll("[data-panel][open]")) focusPanel(panel);
  // One press, one decision: a double click must not send the form twice.
  form.addEventListener("submit", () => {
    setTimeout(() => {
      for (const button of form.querySelectorAll("button[type=submit]")) button.disabled = true;
    });
  });
}
