// The points of the map: one stop for Tab, arrows go to the next point in that direction, and each shows its last picture.
const map = document.querySelector("[data-map]");
const card = map.querySelector("[data-card]");
const GAP = 14;
// A point that lies aside counts as farther than one straight ahead.
const ASIDE = 2.2;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const spots = () => [...map.querySelectorAll("[data-spot]:not(.spot-away)")];

export function rowOf(id) {
  return document.getElementById(`lesion-${id}`);
}

function middle(spot) {
  const box = spot.querySelector(".hit").getBoundingClientRect();
  return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
}

// How far another point is in a direction; Infinity behind.
function distance(from, to, [right, down]) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const ahead = dx * right + dy * down;
  const aside = Math.abs(dx * down) + Math.abs(dy * right);
  return ahead > 0.5 ? ahead + ASIDE * aside : Infinity;
}

function towards(spot, direction) {
  const from = middle(spot);
  const reached = spots().map((other) => [other, distance(from, middle(other), direction)]);
  const [nearest, far] = reached.reduce((best, next) => (next[1] < best[1] ? next : best), [null, Infinity]);
  return far < Infinity ? nearest : null;
}

function makeStop(spot) {
  for (const other of map.querySelectorAll("[data-spot][tabindex='0']")) other.setAttribute("tabindex", "-1");
  spot.setAttribute("tabindex", "0");
}

export function focusSpot(spot) {
  makeStop(spot);
  spot.focus({ preventScroll: true });
  spot.scrollIntoView({ block: "nearest" });
}

function line(text, name) {
  const made = document.createElement(name);
  made.textContent = text.trim().replace(/\s+/g, " ");
  return made;
}

function fill(row) {
  const picture = row.querySelector(".thumbnail").cloneNode(true);
  picture.removeAttribute("loading");
  const text = (part) => row.querySelector(`[data-${part}]`).textContent;
  const change = [...row.querySelector("[data-change]").children].map((child) => line(child.textContent, "span"));
  const lines = [line(text("name"), "strong"), line(text("where"), "span"), line(`${text("seen")}, ${text("visits")}`, "span")];
  const words = document.createElement("div");
  words.append(...lines, line(text("size"), "span"), ...change, line(text("status"), "span"));
  card.replaceChildren(picture, words);
}

// Beside the point, on the side where there is room.
function settle(spot) {
  const at = middle(spot);
  const frame = map.getBoundingClientRect();
  const { width, height } = card.getBoundingClientRect();
  const right = at.x - frame.left + GAP;
  const left = right + width > frame.width - 4 ? Math.max(at.x - frame.left - GAP - width, 4) : right;
  const top = Math.min(Math.max(at.y - frame.top - height / 2, 4), frame.height - height - 4);
  card.style.left = `${left}px`;
  card.style.top = `${top}px`;
}

function show(spot) {
  const row = rowOf(spot.dataset.spot);
  if (!row) return;
  fill(row);
  card.hidden = false;
  settle(spot);
  row.classList.add("row-shown");
}

function hide() {
  card.hidden = true;
  for (const row of document.querySelectorAll(".row-shown")) row.classList.remove("row-shown");
  for (const spot of map.querySelectorAll(".spot-shown")) spot.classList.remove("spot-shown");
}

function onKey(event) {
  const spot = event.target.closest("[data-spot]");
  if (!spot || event.ctrlKey || event.metaKey || event.altKey) return;
  const all = spots();
  const next = { Home: all[0], End: all.at(-1) }[event.key] ?? (ARROWS[event.key] && towards(spot, ARROWS[event.key]));
  if (event.key === "Escape") hide();
  if (!ARROWS[event.key] && !next) return;
  event.preventDefault();
  if (next) focusSpot(next);
}

// Points keep their size on the page, however large their figure is drawn.
function keepSize() {
  for (const svg of map.querySelectorAll("[data-view]")) {
    const { a } = svg.getScreenCTM() ?? { a: 0 };
    if (!a) continue;
    for (const spot of svg.querySelectorAll("[data-spot]")) spot.transform.baseVal.getItem(1).setScale(1 / a, 1 / a);
  }
}

// A row that is pointed at or focused shows its point.
function onRow(event) {
  const row = event.target.closest?.("tr[data-lesion]");
  for (const shown of map.querySelectorAll(".spot-shown")) shown.classList.remove("spot-shown");
  if (row) map.querySelector(`[data-spot="${row.dataset.lesion}"]`)?.classList.add("spot-shown");
}

function reshow(event) {
  const spot = event.target.closest?.("[data-spot]");
  hide();
  if (spot) show(spot);
}

export function installSpots() {
  new ResizeObserver(keepSize).observe(map.querySelector("[data-figures]"));
  const first = spots().find((spot) => spot.dataset.is) ?? spots()[0];
  if (first) makeStop(first);
  for (const type of ["focusin", "mouseover"]) map.addEventListener(type, reshow);
  for (const type of ["focusout", "mouseleave"]) map.addEventListener(type, hide);
  map.addEventListener("keydown", onKey);
  map.addEventListener("focusin", (event) => event.target.dataset.spot && makeStop(event.target));
  const list = document.querySelector("[data-lesions]");
  for (const type of ["mouseover", "focusin", "mouseleave"]) list.addEventListener(type, onRow);
}
