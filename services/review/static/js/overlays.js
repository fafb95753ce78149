// What the model saw, laid over the picture on demand: outline, heat map, and the picture without hair.
import { drawHeat } from "./heat.js";
import { drawOutline } from "./outline.js";

function report(box, words) {
  box.checked = false;
  box.disabled = true;
  box.parentElement.title = words;
}

// A box shows and hides an overlay, a slider sets its opacity; `draw` fills it when it is first wanted.
function bind(picture, name, { draw, opacity }) {
  const element = picture.querySelector(`[data-${name}]`);
  const box = picture.querySelector(`[data-${name}-on]`);
  if (!element || !box) return;
  const slider = picture.querySelector(`[data-${name}-opacity]`);
  const apply = () => {
    element.toggleAttribute("hidden", !box.checked);
    if (slider) opacity(element, slider.value / 100);
    for (const part of picture.querySelectorAll(`[data-${name}-part]`)) part.hidden = !box.checked;
  };
  let drawing = null;
  const change = () => {
    apply();
    if (!box.checked) return;
    drawing ??= draw(element).catch(() => {
      report(box, "This could not be loaded. Load the page again.");
      apply();
    });
  };
  box.addEventListener("change", change);
  slider?.addEventListener("input", apply);
  // A browser that comes back to the page keeps the box as it was left.
  change();
}

async function drawHairfree(image) {
  image.src = image.dataset.hair;
  await image.decode();
  image.dataset.drawn = "yes";
}

const styleOpacity = (element, value) => {
  element.style.opacity = value;
};

export function installOverlays(picture) {
  bind(picture, "outline", { draw: drawOutline, opacity: (svg, value) => svg.setAttribute("opacity", String(value)) });
  // Off until asked for: the picture is judged first, and only then what the model saw in it.
  bind(picture, "heat", { draw: drawHeat, opacity: styleOpacity });
  bind(picture, "hair", { draw: drawHairfree, opacity: styleOpacity });
}

export function toggle(picture, name) {
  const box = picture.querySelector(`[data-${name}-on]`);
  if (box && !box.disabled) box.click();
}

// Draws the outline of a picture anew, from another mask.
export async function redrawOutline(picture, url) {
  const svg = picture.querySelector("[data-outline]");
  if (!svg) return;
  svg.dataset.outline = url;
  await drawOutline(svg);
}
