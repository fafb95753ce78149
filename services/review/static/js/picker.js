// The class picker: typing narrows the list and takes its first line, a digit takes its line, Enter records what is taken.
const folded = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function matches(label, wanted) {
  const words = folded(label.textContent).split(/[\s:]+/);
  return wanted.split(/\s+/).every((part) => words.some((word) => word.startsWith(part)));
}

function narrow(panel, wanted) {
  const labels = [...panel.querySelectorAll(".choices .choice")];
  for (const label of labels) label.hidden = wanted !== "" && !matches(label, wanted);
  for (const group of panel.querySelectorAll(".choices fieldset")) group.hidden = !group.querySelector(".choice:not([hidden])");
  const left = labels.filter((label) => !label.hidden);
  panel.querySelector("[data-none]").hidden = left.length > 0;
  return left;
}

function take(label) {
  const radio = label?.querySelector("input");
  if (!radio || radio.checked) return;
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
}

function step(panel, by) {
  const left = [...panel.querySelectorAll(".choices .choice:not([hidden])")];
  const at = left.findIndex((label) => label.querySelector("input").checked);
  take(left[Math.min(Math.max(at + by, 0), left.length - 1)]);
}

function onKey(event, panel, search) {
  const numbered = /^\d$/.test(event.key) ? panel.querySelector(`[data-number="${event.key}"]`) : null;
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!numbered && !by && !["Enter", "Escape"].includes(event.key)) return;
  event.preventDefault();
  if (numbered) {
    search.value = "";
    narrow(panel, "");
    take(numbered.closest(".choice"));
  } else if (by) step(panel, by);
  else if (event.key === "Escape") {
    panel.open = false;
    search.blur();
  } else if (panel.querySelector(".choices input:checked")) panel.querySelector("button[type=submit]").click();
}

export function installPicker(form) {
  for (const search of form.querySelectorAll("[data-search]")) {
    const panel = search.closest("[data-panel]");
    search.addEventListener("input", () => {
      const wanted = folded(search.value).trim();
      const left = narrow(panel, wanted);
      if (wanted) take(left[0]);
    });
    search.addEventListener("keydown", (event) => onKey(event, panel, search));
    // On closing only: what is typed may arrive before the news that the panel has opened.
    panel.addEventListener("toggle", () => {
      if (panel.open) return;
      search.value = "";
      narrow(panel, "");
    });
  }
}
