// The answer's picture: the outline at once, what spoke for the first class when it is asked for.
import { drawHeat } from "./heat.js";
import { drawOutline } from "./outline.js";

function toggled(box, layer, draw) {
  if (!box || !layer) return;
  let drawing = null;
  const apply = () => {
    layer.toggleAttribute("hidden", !box.checked);
    if (!box.checked) return;
    drawing ??= draw(layer).catch(() => {
      box.checked = false;
      box.disabled = true;
      box.parentElement.title = "It could not be loaded. Load the page again.";
      layer.toggleAttribute("hidden", true);
    });
  };
  box.addEventListener("change", apply);
  apply();
}

toggled(document.querySelector("[data-outline-on]"), document.querySelector("[data-outline]"), drawOutline);
toggled(document.querySelector("[data-heat-on]"), document.querySelector("[data-heat]"), drawHeat);
