// The case page: which picture is on the stage, its outline and heat map, and the keys of the decision.
import { installDecision } from "./decision.js";
import { drawHeat } from "./heat.js";
import { isPlainKey, isTyping } from "./keys.js";
import { drawOutline } from "./outline.js";

const pictures = [...document.querySelectorAll("[data-picture]")];
const links = [...document.querySelectorAll("[data-show]")];

function selected() {
  return pictures.findIndex((picture) => !picture.hidden);
}

function show(index) {
  const number = pictures[index].dataset.picture;
  for (const picture of pictures) picture.hidden = picture.dataset.picture !== number;
  for (const panel of document.querySelectorAll("[data-finding]")) panel.hidden = panel.dataset.finding !== number;
  for (const link of links) {
    if (link.dataset.show === number) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function outlineOf(picture) {
  const svg = picture.querySelector("[data-outline]");
  if (!svg) return;
  const switchOn = picture.querySelector("[data-outline-on]");
  const opacity = picture.querySelector("[data-outline-opacity]");
  const apply = () => {
    svg.toggleAttribute("hidden", !switchOn.checked);
    svg.setAttribute("opacity", String(opacity.value / 100));
  };
  switchOn.addEventListener("change", apply);
  opacity.addEventListener("input", apply);
  apply();
  drawOutline(svg).catch(() => {
    switchOn.checked = false;
    switchOn.disabled = true;
    switchOn.parentElement.title = "The outline could not be loaded. Load the page again.";
    apply();
  });
}

// Off until it is asked for: the picture is judged first, and only then what the model saw in it.
function heatOf(picture) {
  const canvas = picture.querySelector("[data-heat]");
  if (!canvas) return;
  const switchOn = picture.querySelector("[data-heat-on]");
  const opacity = picture.querySelector("[data-heat-opacity]");
  const apply = () => {
    canvas.hidden = !switchOn.checked;
    canvas.style.opacity = opacity.value / 100;
    for (const part of picture.querySelectorAll("[data-heat-part]")) part.hidden = !switchOn.checked;
  };
  let drawing = null;
  switchOn.addEventListener("change", () => {
    apply();
    drawing ??= drawHeat(canvas).catch(() => {
      switchOn.checked = false;
      switchOn.disabled = true;
      switchOn.parentElement.title = "The heat map could not be loaded. Load the page again.";
      apply();
    });
  });
  opacity.addEventListener("input", apply);
  // A browser that comes back to the page keeps the box as it was left.
  if (switchOn.checked) switchOn.dispatchEvent(new Event("change"));
}

function actualSizeOf(picture) {
  const box = picture.querySelector(".light-box");
  picture.querySelector("[data-actual]").addEventListener("change", (event) => box.classList.toggle("actual", event.target.checked));
}

function missingOf(picture) {
  const image = picture.querySelector("[data-view]");
  const report = () => {
    image.closest(".frame").hidden = true;
    picture.querySelector("[data-missing]").hidden = false;
  };
  image.addEventListener("error", report);
  if (image.complete && image.naturalWidth === 0 && image.src) report();
}

function toggle(selector) {
  const box = pictures[selected()]?.querySelector(selector);
  if (box && !box.disabled) box.click();
}

function onKey(event) {
  if (!isPlainKey(event) || isTyping(event.target) || document.querySelector("[data-panel][open]")) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step && pictures.length > 1 && !event.target.matches("input")) show((selected() + step + pictures.length) % pictures.length);
  if (event.key === "1") toggle("[data-outline-on]");
  if (event.key === "2") toggle("[data-heat-on]");
  if (event.key === "z") toggle("[data-actual]");
  if (event.key === "q") document.querySelector("[data-key=q]").click();
}

for (const picture of pictures) {
  outlineOf(picture);
  heatOf(picture);
  actualSizeOf(picture);
  missingOf(picture);
}
for (const [index, link] of links.entries()) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    show(index);
  });
}
document.addEventListener("keydown", onKey);
installDecision();
