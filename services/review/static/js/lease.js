// Keeps the lease of an open case while its reader is active, gives it back when they leave, and says when it is over.
import { clockText, localClocks } from "./clock.js";
import { post } from "./post.js";

const lease = document.querySelector("[data-lease]");
// A renewal for every key would be noise: once in this share of the lease is enough to keep it.
const SHARE = 15;
const state = { ends: Date.parse(lease.dataset.ends), mine: lease.dataset.mine === "yes", asked: Date.now(), busy: false };

function show() {
  const over = state.mine && Date.now() >= state.ends;
  lease.querySelector("[data-lease-mine]").hidden = !state.mine || over;
  lease.querySelector("[data-lease-over]").hidden = !over;
  lease.querySelector("[data-lease-other]").hidden = state.mine || Date.now() >= state.ends;
  for (const clock of lease.querySelectorAll("[data-lease-clock]")) {
    clock.textContent = clockText(state.ends);
    clock.dateTime = new Date(state.ends).toISOString();
    clock.title = `${clock.dateTime.slice(0, 16).replace("T", " ")} UTC`;
  }
  lease.dataset.mine = state.mine && !over ? "yes" : "no";
}

function take(answer) {
  if (!answer.ends) return; // decided meanwhile: the page itself will say so
  state.mine = answer.mine;
  state.ends = Date.parse(answer.ends);
  lease.dataset.ends = answer.ends;
  if (!answer.mine) lease.querySelector("[data-lease-holder]").textContent = answer.holder;
  show();
}

async function renew() {
  if (state.busy) return;
  state.busy = true;
  state.asked = Date.now();
  try {
    take(await post(lease.dataset.lease, lease.dataset.token));
  } catch {
    show(); // the next activity tries again; the records have the last word on a decision
  } finally {
    state.busy = false;
  }
}

function active() {
  const pause = (Number(lease.dataset.seconds) * 1000) / SHARE;
  const due = Date.now() - state.asked > pause || Date.now() >= state.ends;
  if (state.mine && due && !document.hidden) renew();
}

function leave() {
  if (!state.mine) return;
  const body = new URLSearchParams({ csrf_token: lease.dataset.token, ends: lease.dataset.ends });
  navigator.sendBeacon(lease.dataset.release, body);
}

localClocks(lease);
show();
setInterval(show, 5000);
for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) document.addEventListener(kind, active, { passive: true });
addEventListener("pagehide", leave);
addEventListener("pageshow", (event) => {
  if (event.persisted && state.mine) renew();
});
