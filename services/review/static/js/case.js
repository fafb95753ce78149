// The case page: which picture is on the stage, what is laid over it, and the keys of stage and decision.
import { installDecision } from "./decision.js";
import { installEditor } from "./editor_case.js";
import { isPlainKey, isTyping } from "./keys.js";
import { installMeasures } from "./measures.js";
import { installOverlays, toggle } from "./overlays.js";
import { sayPlace } from "./place.js";
import { installRuler, toggleRuler } from "./ruler.js";
import { count, current, fit, installViewer, onMove, onShow, panBy, scale, show, toggleActual, zoomBy } from "./viewer.js";

const links = [...document.querySelectorAll("[data-show]")];
const ZOOM = 1.5;
const PAN = 0.2;

const KEYS = {
  1: () => toggle(current().element, "outline"),
  2: () => toggle(current().element, "heat"),
  3: () => toggle(current().element, "hair"),
  r: toggleRuler,
  z: toggleActual,
  "+": () => zoomBy(ZOOM),
  "=": () => zoomBy(ZOOM),
  "-": () => zoomBy(1 / ZOOM),
  0: fit,
  q: () => document.querySelector("[data-key=q]").click(),
  v: () => document.querySelector("[data-key=v]")?.click(),
};
const PANS = { ArrowLeft: [-PAN, 0], ArrowRight: [PAN, 0], ArrowUp: [0, -PAN], ArrowDown: [0, PAN] };

function besideStage(picture) {
  const number = String(picture.number);
  for (const panel of document.querySelectorAll("[data-finding]")) panel.hidden = panel.dataset.finding !== number;
  for (const link of links) {
    if (link.dataset.show === number) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function onArrow(event) {
  if (event.shiftKey) {
    event.preventDefault();
    panBy(...PANS[event.key]);
    return;
  }
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step && count() > 1) show(((current().number - 1 + step + count()) % count()) + 1);
}

function onKey(event) {
  if (!isPlainKey(event) || isTyping(event.target) || document.querySelector("[data-panel][open]")) return;
  if (PANS[event.key]) {
    if (!event.target.matches("input")) onArrow(event);
  } else KEYS[event.key]?.();
}

function sayZoom() {
  const output = current().tools.querySelector("[data-zoom-now]");
  output.textContent = `${(scale() * 100).toFixed(0)} %`;
}

function installButtons() {
  for (const button of document.querySelectorAll("[data-zoom]")) {
    const act = { in: KEYS["+"], out: KEYS["-"], fit, actual: toggleActual }[button.dataset.zoom];
    button.addEventListener("click", act);
  }
  for (const link of links) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      show(Number(link.dataset.show));
    });
  }
}

installViewer();
installRuler();
onShow(besideStage);
onMove(sayZoom);
for (const picture of document.querySelectorAll("[data-picture]")) installOverlays(picture);
installButtons();
document.addEventListener("keydown", onKey);
installDecision();
installEditor();
installMeasures();
sayPlace();
