// Giving a lesion its place: one figure fills the map, a click or the arrows move the mark, Enter saves.
import { focusSpot, rowOf } from "./body_map_spots.js";
import { isPlainKey, isTyping } from "./keys.js";
import { post } from "./post.js";

const SVG = "http://www.w3.org/2000/svg";
const map = document.querySelector("[data-map]");
const form = map.querySelector("[data-placing]");
const choice = form.querySelector("[data-placing-view]");
const STEP = 0.02;
const FINE = 0.004;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
// A page that is loaded afresh after a place was saved goes on at that point.
const HASH = "#spot-";
const MARK = "M-13 0h8M5 0h8M0 -13v8M0 5v8M-7 0a7 7 0 1 0 14 0a7 7 0 1 0 -14 0";

let lesion = null;
let at = null;

const figure = () => map.querySelector(`[data-view="${choice.value}"]`);

function aim() {
  const mark = map.querySelector(".aim") ?? document.createElementNS(SVG, "g");
  if (!mark.firstChild) {
    mark.setAttribute("class", "aim");
    for (const kind of ["aim-case", "aim-line"]) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", MARK);
      path.setAttribute("class", kind);
      mark.append(path);
    }
  }
  const svg = figure();
  const box = svg.viewBox.baseVal;
  const size = 1 / (svg.getScreenCTM()?.a || 1);
  mark.setAttribute("transform", `translate(${box.x + at.x * box.width} ${at.y * box.height}) scale(${size})`);
  svg.append(mark);
}

function say(text) {
  form.querySelector("[data-placing-at]").textContent = text;
}

function move(x, y) {
  at = { x: Math.min(Math.max(x, 0), 1), y: Math.min(Math.max(y, 0), 1) };
  aim();
  say(`${choice.selectedOptions[0].text}: ${Math.round(at.x * 100)} % from the left, ${Math.round(at.y * 100)} % down`);
}

function look() {
  for (const svg of map.querySelectorAll("[data-view]")) {
    const chosen = svg.dataset.view === choice.value;
    svg.closest("figure").classList.toggle("figure-chosen", chosen);
    if (chosen) svg.setAttribute("tabindex", "0");
    else svg.removeAttribute("tabindex");
  }
}

function begin(id) {
  end();
  const row = rowOf(id);
  const spot = map.querySelector(`[data-spot="${id}"]`);
  lesion = id;
  form.hidden = false;
  map.classList.add("map-placing");
  form.querySelector("[data-placing-name]").textContent = `Place ${row.querySelector("[data-name]").textContent}, ${row.querySelector("[data-where]").textContent}`;
  choice.value = spot?.closest("svg").dataset.view ?? "front";
  spot?.classList.add("spot-moving");
  look();
  const box = figure().viewBox.baseVal;
  const from = spot?.transform.baseVal.getItem(0).matrix;
  move(from ? (from.e - box.x) / box.width : 0.5, from ? from.f / box.height : 0.3);
  figure().focus();
}

function end() {
  form.hidden = true;
  map.classList.remove("map-placing");
  map.querySelector(".aim")?.remove();
  for (const spot of map.querySelectorAll(".spot-moving")) spot.classList.remove("spot-moving");
  for (const svg of map.querySelectorAll("[data-view]")) svg.removeAttribute("tabindex");
  const before = lesion;
  lesion = null;
  return before;
}

function cancel() {
  const id = end();
  const spot = map.querySelector(`[data-spot="${id}"]`);
  if (spot) focusSpot(spot);
  else rowOf(id).querySelector("[data-place]").focus();
}

async function save() {
  const fields = [
    ["view", choice.value],
    ["x", at.x.toFixed(4)],
    ["y", at.y.toFixed(4)],
  ];
  try {
    await post(`${form.dataset.lesions}${lesion}/place`, form.dataset.token, fields);
  } catch {
    say("The place could not be saved. Load the page again.");
    return;
  }
  history.replaceState(null, "", `${HASH}${lesion}`);
  window.location.reload();
}

function onKey(event) {
  if (event.target.closest("select, button") && event.key !== "Escape") return;
  const arrow = ARROWS[event.key];
  const step = event.shiftKey ? FINE : STEP;
  const box = figure().viewBox.baseVal;
  if (arrow) move(at.x + (arrow[0] * step * box.height) / box.width, at.y + arrow[1] * step);
  else if (event.key === "Enter") save();
  else if (event.key === "Escape") cancel();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function onClick(event) {
  const svg = event.target.closest("[data-view]");
  if (!svg) return;
  event.preventDefault();
  const box = svg.viewBox.baseVal;
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  move((point.x - box.x) / box.width, point.y / box.height);
  svg.focus();
}

function onPage(event) {
  if (event.key !== "p" || lesion || !isPlainKey(event) || isTyping(event.target)) return;
  const id = event.target.dataset?.spot ?? event.target.closest?.("tr[data-lesion]")?.dataset.lesion;
  if (!id || !rowOf(id).querySelector("[data-place]")) return;
  event.preventDefault();
  begin(id);
}

export function installPlacing() {
  for (const button of document.querySelectorAll("[data-place]")) {
    button.addEventListener("click", () => begin(button.closest("tr").dataset.lesion));
  }
  map.addEventListener("keydown", (event) => lesion && onKey(event), { capture: true });
  map.addEventListener("click", (event) => lesion && onClick(event));
  choice.addEventListener("change", () => {
    look();
    move(0.5, 0.4);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
  form.querySelector("[data-placing-end]").addEventListener("click", cancel);
  document.addEventListener("keydown", onPage);
  const spot = window.location.hash.startsWith(HASH) && map.querySelector(`[data-spot="${window.location.hash.slice(HASH.length)}"]`);
  if (spot) focusSpot(spot);
}
