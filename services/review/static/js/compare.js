// Visits side by side with one zoom, or the earlier picture laid over the later one. Everything has a key.
import { isPlainKey, isTyping } from "./keys.js";
import { laidOver, outlines } from "./pane_laid.js";
import { linkPanes } from "./pane_link.js";
import { makePane } from "./pane.js";
import { turnOf } from "./similarity.js";

const ZOOM = 1.5;
const PAN = 0.2;
const stage = document.querySelector("[data-compare]");
const find = (selector) => stage.querySelector(selector);
const note = find("[data-mode-note]");
const slider = find("[data-opacity]");
const panes = [...stage.querySelectorAll("[data-pane]")].map((element) => makePane(element, { moved, ready }));
const later = panes.at(-1);
const link = linkPanes(panes);
const [earlierDay, laterDay] = [...stage.querySelectorAll("[data-day]")].slice(-2).map((select) => select.dataset.day);
const laid = laidOver(later, { words: say, failed: () => say("failed") });
const drawOutlines = outlines(stage, () => link.matrix(panes.at(-2)));
// The map of differences is transparent where nothing differs; a whole picture is not.
const opacity = { overlay: 50, difference: 100 };
let mode = "side";

function moved(pane) {
  link?.follow(pane);
  if (pane !== later) return;
  laid?.cut();
  const view = pane.view();
  if (view) find("[data-zoom-now]").textContent = `${(view.scale * 100).toFixed(0)} %`;
}

function ready() {
  link.turnAll();
  for (const pane of panes) moved(pane);
}

function say(what) {
  const said = {
    side: "",
    overlay: `${earlierDay} over ${laterDay}`,
    swipe: `left ${earlierDay} · right ${laterDay}`,
    earlier: laid?.isManual() ? `${earlierDay} · b changes the picture` : earlierDay,
    later: laid?.isManual() ? `${laterDay} · b changes the picture` : laterDay,
    difference: `what differs between ${earlierDay} and ${laterDay}`,
    failed: "This could not be loaded. Load the page again.",
  }[what];
  note.textContent = said ?? what;
  note.hidden = note.textContent === "";
  note.dataset.shows = what;
}

// What is shown is told once, not with every blink.
function announce() {
  find("[data-said]").textContent = note.textContent || "Side by side";
}

function setMode(wanted) {
  const radio = find(`input[name=mode][value=${wanted}]`);
  if (radio.disabled) {
    say(radio.closest("label").title);
    announce();
    return;
  }
  radio.checked = true;
  mode = wanted;
  stage.dataset.mode = mode;
  for (const pane of panes) pane.element.hidden = mode !== "side" && pane !== later;
  for (const tool of stage.querySelectorAll("[data-side-tool]")) tool.hidden = mode !== "side" || tool.dataset.sideTool === "idle";
  find("[data-fade]").hidden = mode !== "overlay" && mode !== "difference";
  find("[data-difference-note]").hidden = mode !== "difference";
  find("[data-fade-name]").textContent = mode === "difference" ? "difference" : earlierDay;
  link.lead(later);
  laid.setMode(mode);
  if (Object.hasOwn(opacity, mode)) fadeBy(opacity[mode] - slider.value);
  announce();
  drawOutlines(find("[data-outlines]").checked, mode);
  requestAnimationFrame(ready);
}

function fade() {
  opacity[mode] = Number(slider.value);
  find("[data-opacity-now]").textContent = `${slider.value} %`;
  laid.setOpacity(slider.value / 100);
}

function fadeBy(step) {
  slider.value = Number(slider.value) + step;
  fade();
}

function act(change) {
  const pane = link.leader().element.hidden ? later : link.leader();
  link.lead(pane);
  change(pane);
}

function click(selector) {
  const element = document.querySelector(selector);
  if (element && !element.disabled && !element.closest("[hidden]")) element.click();
}

const KEYS = {
  s: () => setMode("side"),
  o: () => setMode("overlay"),
  w: () => setMode("swipe"),
  d: () => setMode("difference"),
  b: () => (mode !== "blink" ? setMode("blink") : laid.isManual() ? laid.swap() : setMode("overlay")),
  l: () => click("[data-linked]"),
  t: () => click("[data-turned]"),
  1: () => click("[data-outlines]"),
  v: () => click("[data-key=v]"),
  a: () => click("[data-key=a]"),
  "[": () => click("[data-pair=before]"),
  "]": () => click("[data-pair=after]"),
  "+": () => act((pane) => pane.zoomBy(ZOOM)),
  "=": () => act((pane) => pane.zoomBy(ZOOM)),
  "-": () => act((pane) => pane.zoomBy(1 / ZOOM)),
  0: () => act((pane) => pane.fit()),
  z: () => act((pane) => pane.actual()),
};
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function onArrow(event) {
  const [x, y] = ARROWS[event.key];
  if (event.target.matches("input")) return;
  event.preventDefault();
  if (mode === "swipe" && !event.shiftKey && x) laid.swipeBy(2 * x);
  else if ((mode === "overlay" || mode === "difference") && !event.shiftKey && x) fadeBy(10 * x);
  else act((pane) => pane.panBy(PAN * x, PAN * y));
}

function onKey(event) {
  if (!isPlainKey(event) || isTyping(event.target)) return;
  if (ARROWS[event.key]) onArrow(event);
  else if (event.target.matches("[data-swipe]") && ["Home", "End"].includes(event.key)) laid.swipeTo(event.key === "Home" ? 0 : 100);
  else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
}

// The same place of the skin in the other pictures, while the pointer is on one of them.
function point(pane, event) {
  const place = event && pane.toPicture(event.clientX, event.clientY);
  for (const other of panes) {
    const cross = other.element.querySelector("[data-cross]");
    const there = place && other !== pane && mode === "side" ? link.counterpart(pane, place, other) : null;
    cross.toggleAttribute("hidden", there === null);
    if (there === null) continue;
    const host = other.element.querySelector("[data-host]");
    const at = other.toPane(there);
    cross.style.left = `${host.offsetLeft + at.x}px`;
    cross.style.top = `${host.offsetTop + at.y}px`;
  }
}

for (const pane of panes) {
  const host = pane.element.querySelector("[data-host]");
  for (const type of ["pointerdown", "wheel"]) host.addEventListener(type, () => link.lead(pane), { capture: true, passive: true });
  host.addEventListener("pointermove", (event) => point(pane, event));
  host.addEventListener("pointerleave", () => point(pane, null));
}
for (const radio of stage.querySelectorAll("input[name=mode]")) radio.addEventListener("change", () => setMode(radio.value));
for (const button of stage.querySelectorAll("[data-zoom]")) {
  button.addEventListener("click", { in: KEYS["+"], out: KEYS["-"], fit: KEYS[0], actual: KEYS.z }[button.dataset.zoom]);
}
slider.addEventListener("input", fade);
find("[data-linked]").addEventListener("change", ({ target }) => link.setLinked(target.checked));
find("[data-turned]").addEventListener("change", ({ target }) => link.setTurned(target.checked));
find("[data-outlines]").addEventListener("change", ({ target }) => drawOutlines(target.checked, mode));
// A turn that nobody would see needs no switch.
if (!panes.some((pane) => Math.abs(turnOf(link.matrix(pane))) > 1)) {
  const idle = find("[data-turned]").closest("label");
  idle.dataset.sideTool = "idle";
  idle.hidden = true;
}
const form = find("[data-auto-submit]");
form.querySelector("[data-show-visits]").hidden = true;
form.addEventListener("change", () => form.requestSubmit());
document.addEventListener("keydown", onKey);
// A browser that comes back to the page keeps the boxes as they were left.
setMode(find("input[name=mode]:checked:not(:disabled)")?.value ?? "side");
