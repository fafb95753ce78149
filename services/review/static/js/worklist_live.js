// Keeps the lines true without moving them: who has a case, whether it is due; new cases are announced and shown on demand.
import { clockText } from "./clock.js";
import { post } from "./post.js";

const EVERY_MS = Number(document.documentElement.dataset.pollMs ?? 15000);
const ROUND = 250;
const arrived = document.querySelector("[data-arrived]");
let keepPlace = () => {};

export function writeHolder(row, { holder, mine, clock, ends }) {
  const cell = row.querySelector("[data-holder]");
  cell.classList.toggle("holder-mine", Boolean(mine));
  cell.replaceChildren();
  if (!holder) return;
  const time = Object.assign(document.createElement("time"), { dateTime: ends, title: clock, textContent: clockText(ends) });
  const until = Object.assign(document.createElement("span"), { className: "second" });
  until.append("until ", time);
  cell.append(mine ? "yours " : `${holder} `, until);
}

function writeRow(row, now) {
  writeHolder(row, now);
  row.querySelector("[data-state]").textContent = now.state;
  row.classList.toggle("row-gone", now.state === "decided");
  const due = row.querySelector("[data-due]");
  (due.querySelector(".mark-text") ?? due).textContent = now.due;
}

export function showArrived() {
  if (arrived.hidden) return;
  keepPlace(document.activeElement?.closest("[data-case]")?.dataset.case ?? "");
  location.reload();
}

function announce(count) {
  arrived.hidden = count === 0;
  arrived.querySelector("button").textContent = `${count} new ${count === 1 ? "case" : "cases"} · show`;
}

function rowsOnScreen() {
  const rows = [...document.querySelectorAll("[data-case]")];
  const near = rows.filter((row) => {
    const box = row.getBoundingClientRect();
    return box.bottom > -innerHeight && box.top < 2 * innerHeight;
  });
  return near.slice(0, ROUND);
}

async function ask(list) {
  if (document.hidden) return;
  const rows = rowsOnScreen();
  const fields = [["since", list.dataset.since], ...Object.entries(JSON.parse(list.dataset.query))];
  const shown = rows.map((row) => ["shown", row.dataset.case]);
  const answer = await post(list.dataset.live, list.dataset.token, [...fields, ...shown], { automatic: true });
  for (const row of rows) if (answer.rows[row.dataset.case]) writeRow(row, answer.rows[row.dataset.case]);
  for (const [name, number] of Object.entries(answer.counts)) document.querySelector(`[data-count=${name}]`).textContent = number;
  const known = new Set([...document.querySelectorAll("[data-case]")].map((row) => row.dataset.case));
  announce(answer.arrived.filter((id) => !known.has(id)).length);
}

export function installLive(list, remember) {
  keepPlace = remember;
  if (!list.dataset.live) return;
  arrived.querySelector("button").addEventListener("click", showArrived);
  const again = () => ask(list).catch(() => {}); // the network may come back; the lines stay as they were
  setInterval(again, EVERY_MS);
  document.addEventListener("visibilitychange", again);
  addEventListener("dermatrail:look", again);
}
