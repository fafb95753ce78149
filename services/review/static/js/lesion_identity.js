// The key l goes to the question "Same lesion?"; from there Tab and Enter answer it.
import { isPlainKey, isTyping } from "./keys.js";

function goThere() {
  const panel = document.querySelector("[data-same-lesion]");
  panel.scrollIntoView({ block: "nearest" });
  (panel.querySelector(".likely-answers button, .likely-said button") ?? panel).focus({ focusVisible: true });
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "l" || event.repeat || !isPlainKey(event) || isTyping(event.target)) return;
  if (document.querySelector("[data-panel][open]")) return;
  event.preventDefault();
  goThere();
});

document.querySelector("[data-to-same-lesion]")?.addEventListener("click", (event) => {
  event.preventDefault();
  goThere();
});
