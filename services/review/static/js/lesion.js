// The lesion's page: charts of its visits, which visits are compared, and keys.
import { isPlainKey, isTyping } from "./keys.js";
import { installLesionCharts } from "./lesion_charts.js";

const form = document.querySelector("[data-visits]");
const KEYS = {
  v: () => document.querySelector(".lesion-alert a, .panel a.csv")?.click(),
  c: () => form?.querySelector("button[type=submit]")?.click(),
  p: () => document.querySelector("[data-key=p]")?.click(),
  q: () => document.querySelector("[data-key=q]").click(),
};

document.addEventListener("keydown", (event) => {
  if (isPlainKey(event) && !isTyping(event.target) && Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
});

// The newest visit is what the reader has come for.
const strip = document.querySelector(".visit-strip");
if (strip) strip.scrollLeft = strip.scrollWidth;

installLesionCharts();
