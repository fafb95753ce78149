// Mask correction on the case page: key m opens the editor over the picture on the stage, ctrl+s keeps what was drawn.
import { Editor, gridOf } from "./editor.js";
import { decodeMask, encodeMask } from "./editor_png.js";
import { isPlainKey, isTyping } from "./keys.js";
import { watchMeasures } from "./measures.js";
import { addOverlay, current, onMove, onShow, replaceMask, scale, setPanning, show, toImage, zoomBy, fit, panBy, toggleActual, toScreen } from "./viewer.js";

const bar = document.querySelector("[data-editor]");
const part = (name) => bar.querySelector(`[data-editor-${name}]`);
// While a drawing is open nothing else on the page may act on a key or a click: a decision is not taken in passing.
const REST = ".decision, nav[aria-label='Pictures of this case']";

let open = null; // { editor, picture, remove, model: cells of the model's mask once it was taken, else null }

function say(words) {
  part("status").textContent = words;
}

function problem(words) {
  part("problem").textContent = words;
  part("problem").hidden = !words;
}

function draws(picture) {
  return picture.element.querySelector("[data-draw]");
}

// Keeps the keyboard's cursor within the light-box.
function reveal(x, y) {
  const place = toScreen(x, y);
  const box = open.picture.box.getBoundingClientRect();
  const margin = 24;
  const dx = place.x < box.left + margin ? -0.3 : place.x > box.right - margin ? 0.3 : 0;
  const dy = place.y < box.top + margin ? -0.3 : place.y > box.bottom - margin ? 0.3 : 0;
  if (dx || dy) panBy(dx, dy);
}

function pinch({ dx, dy, factor }) {
  const { clientWidth, clientHeight } = open.picture.box;
  panBy(-dx / clientWidth, -dy / clientHeight);
  zoomBy(factor);
}

function follow(editor) {
  for (const button of bar.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === editor.tool));
  part("size").textContent = `${editor.size} px`;
  part("undo").disabled = editor.history.undoable === 0 && editor.points.length === 0;
  part("redo").disabled = editor.history.redoable === 0;
  part("close").hidden = editor.points.length === 0;
  part("save").disabled = !editor.history.changed;
  for (const sized of bar.querySelectorAll("[data-editor-sized]")) sized.disabled = !["brush", "eraser"].includes(editor.tool);
}

async function begin() {
  const picture = current();
  if (open || !draws(picture) || picture.element.dataset.loaded !== "yes") return;
  open = { picture };
  const { width, height } = gridOf(picture);
  let cells = null;
  try {
    if (picture.mask) cells = await decodeMask(picture.mask, width, height);
  } catch {
    open = null;
    return;
  }
  const editor = new Editor({ picture, cells, toImage, scale, changed: follow, say, reveal, pinch });
  open = { picture, editor, remove: addOverlay(editor.element), model: null };
  setPanning(false);
  lock(true);
  problem("");
  part("model").hidden = !draws(picture).dataset.modelMask;
  say(cells ? "Correct the outline." : "No outline yet: draw one.");
  editor.refresh();
  editor.element.focus({ preventScroll: true });
}

function lock(on) {
  bar.hidden = !on;
  open.picture.element.classList.toggle("is-editing", on);
  for (const element of document.querySelectorAll(REST)) element.inert = on;
}

function end() {
  lock(false);
  open.remove();
  setPanning(true);
  draws(open.picture).focus({ preventScroll: true });
  open = null;
}

function cancel() {
  if (!open.editor.history.changed) return end();
  return part("leave").showModal();
}

// The model's own mask; kept as such when nothing was drawn on it since.
async function takeModel() {
  const { editor, picture } = open;
  const { width, height } = editor.grid;
  try {
    editor.replace(await decodeMask(draws(picture).dataset.modelMask, width, height), "The model's outline.");
    open.model = editor.mask.cells.slice();
  } catch {
    problem("The model's outline could not be loaded. Try again.");
  }
  editor.element.focus({ preventScroll: true });
}

function isModels() {
  return open.model !== null && open.editor.mask.cells.every((cell, i) => cell === open.model[i]);
}

async function send(button, models) {
  const address = models ? button.dataset.restore : button.dataset.draw;
  const headers = { "X-CSRFToken": bar.dataset.csrf };
  const body = models ? null : await encodeMask(open.editor.mask);
  return fetch(address, { method: "POST", headers, body });
}

async function refusal(response) {
  if (response.redirected) return "You are signed out: sign in on another page of this browser, then save again.";
  if (response.headers.get("Content-Type")?.startsWith("application/json")) return (await response.json()).message;
  if (response.status === 503) return "The desk cannot reach its records. Wait a moment and save again.";
  return "Not saved. Load the page in another window to see why, then save again.";
}

async function save() {
  const { editor, picture } = open;
  editor.endStroke();
  if (editor.points.length >= 3) editor.closePolygon();
  if (!editor.history.changed) return say("Nothing to save.");
  if (part("save").getAttribute("aria-busy")) return null;
  part("save").setAttribute("aria-busy", "true");
  problem("");
  say("Saving …");
  const models = isModels();
  try {
    const response = await send(draws(picture), models);
    if (response.ok && !response.redirected) return await saved(await response.json(), models);
    problem(await refusal(response));
  } catch {
    problem("Not saved: the desk does not answer. What you have drawn is still here; try again.");
  } finally {
    part("save").removeAttribute("aria-busy");
  }
  return say("Not saved.");
}

async function saved({ mask, measures }, models) {
  const { editor, picture } = open;
  editor.history.markSaved();
  end();
  // A picture that had no outline has no place for one yet.
  if (!picture.mask) return location.reload();
  const compare = picture.element.querySelector("[data-model-on]");
  compare.checked = false;
  compare.parentElement.hidden = models;
  draws(picture).dataset.mask = mask;
  await replaceMask(mask);
  return watchMeasures(picture.number, measures);
}

function onKey(event) {
  if (!open?.editor || isTyping(event.target)) return;
  const onButton = Boolean(event.target.closest?.("button"));
  if (!part("leave").open && act(event, onButton)) event.preventDefault();
  // Nobody else hears a key while a drawing is open; what a browser does with it stays (Tab, Enter on a button).
  event.stopPropagation();
}

function act(event, onButton) {
  const { editor } = open;
  const chord = event.ctrlKey || event.metaKey;
  if (chord && event.key.toLowerCase() === "s") return did(save());
  if (event.key === " " && !onButton) return did(event.repeat || editor.pressKey());
  if (onButton && event.key === "Enter") return false;
  if (editor.key(event)) return true;
  if (event.key === "Escape") return did(cancel());
  if (chord || event.altKey) return false;
  return look(event);
}

// Looking closer stays possible while drawing.
function look(event) {
  const pan = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, -0.2], ArrowDown: [0, 0.2] }[event.key];
  if (pan && event.shiftKey) return did(panBy(...pan));
  const zoom = { "+": () => zoomBy(1.5), "=": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5), 0: fit, z: toggleActual }[event.key];
  return zoom ? did(zoom()) : false;
}

// Says that a key was the editor's, after what it did.
function did() {
  return true;
}

function onKeyUp(event) {
  if (!open?.editor) return;
  if (event.key === " ") open.editor.endStroke();
  if (event.key.startsWith("Arrow") && !event.shiftKey) open.editor.describeCursor();
}

const BUTTONS = {
  undo: () => open.editor.undo(),
  redo: () => open.editor.redo(),
  smaller: () => open.editor.resize(1 / 1.3),
  larger: () => open.editor.resize(1.3),
  clear: () => open.editor.clear(),
  close: () => open.editor.closePolygon(),
  model: takeModel,
  save,
  cancel,
};

function installBar() {
  for (const button of bar.querySelectorAll("[data-tool]")) {
    button.addEventListener("click", () => open.editor.choose(button.dataset.tool));
  }
  for (const [name, run] of Object.entries(BUTTONS)) part(name).addEventListener("click", () => run());
  part("leave").addEventListener("close", () => {
    if (part("leave").returnValue === "discard") end();
    else open.editor.element.focus({ preventScroll: true });
    part("leave").returnValue = "";
  });
}

// Shows the model's mask in place of the reader's, as long as the box is ticked.
function installComparison(section) {
  const box = section.querySelector("[data-model-on]");
  const button = section.querySelector("[data-draw]");
  box?.addEventListener("change", () => replaceMask(box.checked ? button.dataset.modelMask : button.dataset.mask));
}

export function installEditor() {
  if (!bar) return;
  installBar();
  for (const section of document.querySelectorAll("[data-picture]")) {
    section.querySelector("[data-draw]")?.addEventListener("click", begin);
    installComparison(section);
  }
  window.addEventListener("keydown", onKey, { capture: true });
  window.addEventListener("keyup", onKeyUp);
  window.addEventListener("blur", () => open?.editor?.endStroke());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "m" || !isPlainKey(event) || isTyping(event.target) || document.querySelector("[data-panel][open]")) return;
    event.preventDefault();
    begin();
  });
  window.addEventListener("beforeunload", (event) => {
    if (open?.editor?.history.changed) event.preventDefault();
  });
  onMove(() => open?.editor?.refresh());
  // Another picture must not come to the stage under an open drawing.
  onShow((picture) => {
    if (open?.editor && picture.number !== open.picture.number) show(open.picture.number);
  });
}
