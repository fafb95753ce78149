// Follow-ups by keyboard: j and k move, Enter follows the focused link by itself, 1 to 3 choose the list, w leads to the worklist.
import { isPlainKey, isTyping } from "./keys.js";

const links = () => [...document.querySelectorAll("[data-follow-ups] .row-link")];

function move(step) {
  const all = links();
  if (all.length === 0) return;
  const current = all.indexOf(document.activeElement);
  const next = all[current < 0 ? 0 : Math.min(Math.max(current + step, 0), all.length - 1)];
  next.focus({ preventScroll: true });
  next.closest("tr").scrollIntoView({ block: "nearest" });
}

const follow = (selector, place = 0) => document.querySelectorAll(selector)[place]?.click();

const ACTIONS = {
  j: () => move(1),
  k: () => move(-1),
  1: () => follow("[data-list]", 0),
  2: () => follow("[data-list]", 1),
  3: () => follow("[data-list]", 2),
  w: () => follow("[data-back]"),
};

document.addEventListener("keydown", (event) => {
  if (!isPlainKey(event) || isTyping(event.target) || !Object.hasOwn(ACTIONS, event.key)) return;
  event.preventDefault();
  ACTIONS[event.key]();
});
for (const form of document.querySelectorAll("[data-auto-submit]")) {
  form.querySelector("[data-filter-submit]").hidden = true;
  form.addEventListener("change", () => form.requestSubmit());
}
links()[0]?.focus({ preventScroll: true });
