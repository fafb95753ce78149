// The choices above the list: they leave rows, and dim the points of the others.
const buttons = [...document.querySelectorAll("[data-filter]")];

function holds(element, tag) {
  return tag === "" || element.dataset.is.split(" ").includes(tag);
}

function choose(chosen) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(button === chosen));
  const tag = chosen.dataset.filter;
  for (const row of document.querySelectorAll("tr[data-lesion]")) row.hidden = !holds(row, tag);
  for (const spot of document.querySelectorAll("[data-spot]")) spot.classList.toggle("spot-away", !holds(spot, tag));
}

export function installFilters() {
  for (const button of buttons) button.addEventListener("click", () => choose(button));
}
