// The way back from the last decision: u takes it back, and the offer goes when its seconds are over.
import { isPlainKey, isTyping } from "./keys.js";

for (const form of document.querySelectorAll("[data-undo]")) {
  const ends = performance.now() + Number(form.dataset.undo) * 1000;
  const shown = form.querySelector("[data-undo-left]");
  const clock = setInterval(() => {
    const left = Math.ceil((ends - performance.now()) / 1000);
    shown.textContent = String(Math.max(left, 0));
    if (left > 0) return;
    clearInterval(clock);
    form.remove();
  }, 250);
}

document.addEventListener("keydown", (event) => {
  const form = document.querySelector("[data-undo]");
  if (!form || event.key !== "u" || event.repeat || !isPlainKey(event) || isTyping(event.target)) return;
  if (document.querySelector("[data-panel][open]")) return;
  event.preventDefault();
  form.requestSubmit();
});
