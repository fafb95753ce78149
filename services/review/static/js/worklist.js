// j and k move over the rows, Enter follows the focused link by itself; the line below says why a row stands where it does.
import { isPlainKey, isTyping } from "./keys.js";

const links = [...document.querySelectorAll("[data-worklist] .row-link")];
const line = document.querySelector("[data-why-line]");

function explain(row) {
  line.textContent = row.querySelector("[data-why]").textContent;
}

function move(step) {
  const current = links.indexOf(document.activeElement);
  const next = current < 0 ? 0 : Math.min(Math.max(current + step, 0), links.length - 1);
  links[next].focus();
  links[next].closest("tr").scrollIntoView({ block: "nearest" });
}

for (const link of links) {
  const row = link.closest("tr");
  link.addEventListener("focus", () => explain(row));
  row.addEventListener("mouseenter", () => explain(row));
}

if (links.length > 0) {
  links[0].focus({ preventScroll: true });
  document.addEventListener("keydown", (event) => {
    if (!isPlainKey(event) || isTyping(event.target)) return;
    if (event.key === "j") move(1);
    if (event.key === "k") move(-1);
  });
}

for (const form of document.querySelectorAll("[data-auto-submit]")) {
  form.querySelector("button").hidden = true;
  form.addEventListener("change", () => form.requestSubmit());
}
