// The stage: one picture at a time, with zoom, and with overlays that lie on the picture wherever it is moved.
// Other modules import what is exported here; they never touch the zoom library.
import { redrawOutline } from "./overlays.js";
import { deepStage } from "./stage_deep.js";
import { plainStage } from "./stage_plain.js";

// Px between the rim of the light-box and what is revealed.
const MARGIN = 32;
const pictures = [...document.querySelectorAll("[data-picture]")].map(read);
const shown = [];
const moved = [];
let chosen = pictures.find((picture) => !picture.element.hidden);
let asked = 0;

function read(element) {
  const { picture, image, src, thumbnail, tiles, mask, width, height, spacing, calibrate } = element.dataset;
  return {
    number: Number(picture),
    id: image,
    src,
    thumbnail,
    tiles,
    mask,
    width: Number(width),
    height: Number(height),
    // Millimetres per pixel of the upright original; NaN where nobody said.
    spacing: Number(spacing ?? NaN),
    // Where a scale is sent that a reader takes from a ruler in the picture; undefined for who may not.
    calibrate,
    alt: element.querySelector("[data-host]").getAttribute("aria-label"),
    element,
    box: element.querySelector(".light-box"),
    tools: element.querySelector(".tools"),
    layer: element.querySelector("[data-layer]"),
    stage: null,
  };
}

// A picture is loaded when it comes to the stage for the first time.
function mount(picture) {
  const { element } = picture;
  const report = (state) => () => {
    element.dataset.loaded = state === "loaded" ? "yes" : "no";
    element.querySelector("[data-missing]").hidden = state === "loaded";
    element.dispatchEvent(new CustomEvent(`viewer:${state}`, { bubbles: true }));
  };
  const make = window.OpenSeadragon ? deepStage : plainStage;
  const host = element.querySelector("[data-host]");
  const { box, layer } = picture;
  picture.stage = make({ box, host, layer, picture, loaded: report("loaded"), failed: report("failed"), moved: tell });
}

// At most once a frame, however often the library draws.
function tell() {
  asked ||= requestAnimationFrame(() => {
    asked = 0;
    for (const callback of moved) callback();
  });
}

function frame() {
  return chosen.layer.getBoundingClientRect();
}

// The picture on the stage: { number, id, width, height (px of the upright original), spacing (mm per px or NaN), mask, element, … }.
export function current() {
  return chosen;
}

export function count() {
  return pictures.length;
}

// Calls back now and whenever another picture comes to the stage.
export function onShow(callback) {
  shown.push(callback);
  if (chosen) callback(chosen);
}

// Calls back after zoom, pan and resize, at most once a frame.
export function onMove(callback) {
  moved.push(callback);
}

// Client coordinates (of a pointer event) → px of the upright original; outside the picture they lie outside 0…width, 0…height.
export function toImage(clientX, clientY) {
  const { left, top, width, height } = frame();
  return { x: ((clientX - left) / width) * chosen.width, y: ((clientY - top) / height) * chosen.height };
}

// Px of the upright original → client coordinates.
export function toScreen(x, y) {
  const { left, top, width, height } = frame();
  return { x: left + (x / chosen.width) * width, y: top + (y / chosen.height) * height };
}

// Px of the page per px of the picture: 1 is the actual size.
export function scale() {
  return frame().width / chosen.width;
}

// Lays an element over the current picture; it follows every zoom and pan. Returns a function that takes it off.
export function addOverlay(element) {
  element.classList.add("overlay");
  chosen.layer.append(element);
  return () => element.remove();
}

// With false, dragging is left to overlays; the wheel and the keys go on zooming.
export function setPanning(on) {
  chosen.stage.setPanning(on);
}

export function zoomBy(factor) {
  chosen.stage.zoomBy(factor);
}

export function fit() {
  chosen.stage.fit();
}

// To the actual size, and back to the whole picture.
export function toggleActual() {
  if (Math.abs(scale() - 1) < 0.01) chosen.stage.fit();
  else chosen.stage.actual();
}

// Moves the view by a share of the light-box: panBy(0.2, 0) shows what lies to the right.
export function panBy(x, y) {
  chosen.stage.panBy(x * chosen.box.clientWidth, y * chosen.box.clientHeight);
}

export function show(number) {
  chosen = pictures.find((picture) => picture.number === number) ?? chosen;
  for (const picture of pictures) picture.element.hidden = picture !== chosen;
  if (!chosen.stage) mount(chosen);
  for (const callback of shown) callback(chosen);
}

export function installViewer() {
  if (chosen) show(chosen.number);
}

// Draws the current picture's outline anew, from another mask's address.
export function replaceMask(url) {
  chosen.mask = url;
  return redrawOutline(chosen.element, url);
}

// Moves the view just so far that a place of the picture (in its px) is in sight.
export function reveal(x, y) {
  const box = chosen.box.getBoundingClientRect();
  const at = toScreen(x, y);
  const beyond = (value, low, high) => Math.min(value - low - MARGIN, 0) + Math.max(value - high + MARGIN, 0);
  const [dx, dy] = [beyond(at.x, box.left, box.right), beyond(at.y, box.top, box.bottom)];
  if (dx || dy) chosen.stage.panBy(dx, dy);
}
