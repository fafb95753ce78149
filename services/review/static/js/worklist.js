// The worklist by keyboard: j and k move, Enter follows the focused link by itself, c claims, / searches, ? explains.
import { localClocks } from "./clock.js";
import { isPlainKey, isTyping } from "./keys.js";
import { installList } from "./place.js";
import { post } from "./post.js";
import { installLive, showArrived, writeHolder } from "./worklist_live.js";
import { installMore, loadMore } from "./worklist_more.js";

const list = document.querySelector("[data-worklist]");
const line = document.querySelector("[data-why-line]");
const dialog = document.querySelector("[data-keys-dialog]");
const links = () => [...document.querySelectorAll("[data-worklist] .row-link")];
// A list that was loaded afresh for the cases that arrived goes on where the reader was.
const PLACE = "dermatrail.place";

function explain(row) {
  line.textContent = row.querySelector("[data-why]")?.textContent ?? "";
}

function focus(link) {
  link.focus({ preventScroll: true });
  link.closest("tr").scrollIntoView({ block: "nearest" });
}

async function move(step) {
  const all = links();
  if (all.length === 0) return;
  const current = all.indexOf(document.activeElement);
  if (current === all.length - 1 && step > 0 && (await loadMore())) return move(step);
  focus(all[current < 0 ? 0 : Math.min(Math.max(current + step, 0), all.length - 1)]);
}

async function claim() {
  const row = document.activeElement?.closest("[data-case]");
  if (!row) return;
  const mine = row.querySelector(".holder-mine") !== null;
  const url = `${row.querySelector(".row-link").pathname}/lease${mine ? "/release" : ""}`;
  try {
    writeHolder(row, await post(url, list.dataset.token));
  } catch {
    line.textContent = "The case could not be claimed. Load the page again.";
  }
}

const ACTIONS = {
  j: () => move(1),
  k: () => move(-1),
  c: claim,
  n: showArrived,
  "/": () => document.querySelector("[data-search] input[type=search]").focus(),
  "?": () => dialog.showModal(),
};

function onKey(event) {
  if (event.key === "Escape" && event.target.matches("[data-search] input")) links()[0]?.focus();
  if (!isPlainKey(event) || isTyping(event.target) || dialog.open || !Object.hasOwn(ACTIONS, event.key)) return;
  event.preventDefault();
  ACTIONS[event.key]();
}

function onRow(event) {
  const row = event.target.closest?.("[data-case]");
  if (row) explain(row);
}

function start() {
  const place = sessionStorage.getItem(PLACE);
  sessionStorage.removeItem(PLACE);
  const link = links().find((each) => each.closest("tr").dataset.case === place) ?? links()[0];
  if (link && !document.querySelector("[data-search] input[type=search]:focus")) focus(link);
}

installList();
document.addEventListener("keydown", onKey);
document.addEventListener("focusin", onRow);
document.addEventListener("mouseover", onRow);
document.querySelector("[data-keys-open]").addEventListener("click", () => dialog.showModal());
for (const form of document.querySelectorAll("[data-auto-submit]")) {
  form.querySelector("[data-filter-submit]").hidden = true;
  form.addEventListener("change", () => form.requestSubmit());
  // Filters that are off stay out of the address.
  form.addEventListener("submit", () => {
    for (const select of form.querySelectorAll("select")) select.disabled = select.value === "";
  });
}
addEventListener("pageshow", () => {
  for (const select of document.querySelectorAll("[data-auto-submit] select")) select.disabled = false;
});
localClocks();
start();
if (list) {
  installMore();
  installLive(list, (id) => sessionStorage.setItem(PLACE, id));
}
