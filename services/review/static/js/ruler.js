// The ruler: two points on the picture, by mouse, touch or keyboard; their distance in px, and in mm where the scale is known.
import { buildScale, offerScale, typeScale } from "./ruler_scale.js";
import { current, onMove, onShow, scale, toImage, toScreen } from "./viewer.js";

const SVG = "http://www.w3.org/2000/svg";
// Steps of the cross in px of the page; with Shift the fine one.
const STEP = 12;
const FINE = 1;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

let layer = null;
let cross = null;
let points = [];
let pressed = null;

function length() {
  const [a, b] = [points[0], points[1] ?? cross];
  return Math.hypot(b.x - a.x, b.y - a.y);
}

// "8.20 mm · 212 px", or "212 px · relative" where nobody gave a scale.
function words() {
  const px = length();
  const mm = px * current().spacing;
  return Number.isNaN(mm) ? `${px.toFixed(0)} px · relative` : `${mm.toFixed(mm < 10 ? 2 : 1)} mm · ${px.toFixed(0)} px`;
}

function draw() {
  if (layer.hidden) return;
  const box = layer.getBoundingClientRect();
  const local = ({ x, y }) => {
    const at = toScreen(x, y);
    return { x: at.x - box.left, y: at.y - box.top };
  };
  const end = points[1] ?? cross;
  const shapes = [];
  if (points.length > 0) shapes.push(...line(local(points[0]), local(end)));
  for (const point of points) shapes.push(...doubled(tick(local(point))));
  if (points.length < 2) shapes.push(...doubled(crosshair(local(cross))));
  layer.querySelector("svg").replaceChildren(...shapes);
  label(points.length > 0 ? local(end) : null);
}

function element(name, attributes, kind) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.setAttribute("class", kind);
  return made;
}

// Each line twice, light on dark: it must be seen on every skin.
function doubled(d) {
  return [element("path", { d }, "casing"), element("path", { d }, "line")];
}

function line(a, b) {
  return doubled(`M${a.x} ${a.y}L${b.x} ${b.y}`);
}

function tick({ x, y }) {
  return `M${x - 5} ${y}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0`;
}

function crosshair({ x, y }) {
  return `M${x - 10} ${y}h7m6 0h7M${x} ${y - 10}v7m0 6v7`;
}

function label(at) {
  const text = layer.querySelector("output");
  text.hidden = at === null;
  if (at === null) return;
  text.textContent = words();
  text.style.left = `${at.x}px`;
  text.style.top = `${at.y}px`;
}

function place(point) {
  points = points.length === 2 ? [point] : [...points, point];
  cross = point;
  draw();
  offerScale(points.length === 2 ? length() : null);
  say();
}

function scaled() {
  draw();
  say();
  layer.focus({ preventScroll: true });
}

function say() {
  const said = [
    "Ruler on. Arrow keys move the cross, Enter sets the first point, Escape ends.",
    "First point set. Move to the second point and press Enter.",
    () => `Length ${words()}. Enter begins anew${current().calibrate ? "; m tells how many millimetres this line is" : ""}.`,
  ][points.length];
  layer.querySelector("[role=status]").textContent = typeof said === "function" ? said() : said;
}

function moveCross(event) {
  const step = (event.shiftKey ? FINE : STEP) / scale();
  const [x, y] = ARROWS[event.key];
  const { width, height } = current();
  cross = { x: Math.min(Math.max(cross.x + x * step, 0), width), y: Math.min(Math.max(cross.y + y * step, 0), height) };
  draw();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (ARROWS[event.key]) moveCross(event);
  else if (event.key === "Enter") place(cross);
  else if (event.key === "m" && points.length === 2) typeScale();
  else if (event.key === "Escape") setRuler(false);
  else return;
  // Enter confirms a diagnosis and the arrows change the picture: not while a length is taken.
  event.preventDefault();
  event.stopPropagation();
}

function onPointer(event) {
  if (layer.hidden || event.button !== 0) return;
  if (event.type === "pointerdown") pressed = { x: event.clientX, y: event.clientY };
  // A drag moves the picture; only a press that stays in its place sets a point.
  else if (pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < 4) place(toImage(event.clientX, event.clientY));
}

function onHover(event) {
  if (layer.hidden || points.length !== 1) return;
  cross = toImage(event.clientX, event.clientY);
  draw();
}

function middle() {
  const box = current().box.getBoundingClientRect();
  return toImage(box.left + box.width / 2, box.top + box.height / 2);
}

function build() {
  const made = document.createElement("div");
  made.className = "ruler";
  made.tabIndex = -1;
  made.hidden = true;
  made.setAttribute("role", "application");
  made.setAttribute("aria-label", "Ruler");
  made.append(document.createElementNS(SVG, "svg"), document.createElement("output"), document.createElement("p"));
  made.querySelector("svg").setAttribute("aria-hidden", "true");
  const status = made.querySelector("p");
  status.className = "visually-hidden";
  status.setAttribute("role", "status");
  made.addEventListener("keydown", onKey);
  made.append(buildScale({ done: scaled, back: () => made.focus({ preventScroll: true }) }));
  return made;
}

export function isMeasuring() {
  return layer !== null && !layer.hidden;
}

export function setRuler(on) {
  for (const box of document.querySelectorAll("[data-ruler-on]")) box.checked = on;
  layer.hidden = !on;
  current().box.classList.toggle("measuring", on);
  points = [];
  offerScale(null);
  if (!on) {
    current().box.focus({ preventScroll: true });
    return;
  }
  cross = middle();
  layer.focus({ preventScroll: true });
  say();
  draw();
}

export function toggleRuler() {
  setRuler(layer.hidden);
}

export function installRuler() {
  layer = build();
  onShow((picture) => {
    if (!layer.hidden) setRuler(false);
    picture.box.append(layer);
  });
  onMove(draw);
  for (const box of document.querySelectorAll("[data-ruler-on]")) box.addEventListener("change", () => setRuler(box.checked));
  for (const type of ["pointerdown", "pointerup"]) document.querySelector(".stage").addEventListener(type, onPointer);
  document.querySelector(".stage").addEventListener("pointermove", onHover);
}
