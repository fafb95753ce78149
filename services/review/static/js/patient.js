// The patient's page: the points of the body map and the rows of the list tell the same, and a lesion can be given its place.
import { installFilters } from "./patient_filters.js";
import { installPlacing } from "./body_map_place.js";
import { installSpots } from "./body_map_spots.js";
import { isPlainKey, isTyping } from "./keys.js";

const KEYS = { j: () => step(1), k: () => step(-1), q: () => document.querySelector("[data-key=q]").click() };

// Up and down the list, as in the worklist.
function step(by) {
  const links = [...document.querySelectorAll("tr[data-lesion]:not([hidden]) .row-link")];
  const at = links.indexOf(document.activeElement);
  links[at < 0 ? 0 : Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
}

function onKey(event) {
  if (isPlainKey(event) && !isTyping(event.target) && Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
}

document.addEventListener("keydown", onKey);
installSpots();
installFilters();
installPlacing();
