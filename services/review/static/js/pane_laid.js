// What is laid over the later picture: the earlier one, faded, wiped or blinking, or the map of differences.
import { drawOutline } from "./outline.js";

const BLINK_MS = 700;
const still = matchMedia("(prefers-reduced-motion: reduce)");

async function fill(image, source) {
  if (image.hasAttribute("src")) return;
  image.src = source;
  await image.decode();
  image.dataset.drawn = "yes";
}

// The earlier outline in the later picture's px: the path is moved, not redrawn.
async function drawEarlier(svg, [a, b, x, c, d, y]) {
  const later = svg.getAttribute("viewBox");
  svg.setAttribute("viewBox", `0 0 ${svg.dataset.width} ${svg.dataset.height}`);
  svg.dataset.outline = svg.dataset.outlineEarlier;
  await drawOutline(svg);
  svg.setAttribute("viewBox", later);
  for (const path of svg.querySelectorAll("path")) path.setAttribute("transform", `matrix(${a} ${c} ${b} ${d} ${x} ${y})`);
}

export function outlines(stage, matrixOf) {
  const drawn = new Set();
  return (on, mode) => {
    for (const svg of stage.querySelectorAll(".outline")) {
      const earlier = svg.matches("[data-outline-earlier]");
      svg.toggleAttribute("hidden", !on || (earlier && mode === "side"));
      if (!on || drawn.has(svg)) continue;
      drawn.add(svg);
      const drawing = earlier ? drawEarlier(svg, matrixOf()) : drawOutline(svg);
      drawing.catch(() => svg.remove());
    }
  };
}

export function laidOver(pane, { words, failed }) {
  const { element } = pane;
  const earlier = element.querySelector("[data-laid]");
  const difference = element.querySelector("[data-difference]");
  const divider = element.querySelector("[data-swipe]");
  const host = element.querySelector("[data-host]");
  const layer = element.querySelector("[data-layer]");
  let mode = "side";
  let opacity = 0.5;
  let share = 50;
  let clock = null;

  // The divider stands in the pane, the picture moves under it: where it is cut follows both.
  function cut() {
    if (mode !== "swipe") return;
    const [box, picture] = [host.getBoundingClientRect(), layer.getBoundingClientRect()];
    const at = box.left + (share / 100) * box.width - picture.left;
    earlier.style.clipPath = `inset(0 ${Math.max(0, picture.width - at)}px 0 0)`;
    divider.style.left = `${host.offsetLeft + (share / 100) * box.width}px`;
  }

  function swipeTo(percent) {
    share = Math.min(100, Math.max(0, percent));
    divider.setAttribute("aria-valuenow", String(Math.round(share)));
    cut();
  }

  function swap() {
    earlier.hidden = !earlier.hidden;
    words(earlier.hidden ? "later" : "earlier");
  }

  function show() {
    const image = mode === "difference" ? difference : earlier;
    for (const each of [earlier, difference]) if (each) each.hidden = each !== image || mode === "side";
    if (mode === "side") return;
    fill(image, image.dataset.laid ?? image.dataset.difference).catch(failed);
    image.style.opacity = mode === "overlay" || mode === "difference" ? String(opacity) : "1";
    image.style.clipPath = "";
    cut();
  }

  function dragged(event) {
    const box = host.getBoundingClientRect();
    swipeTo(((event.clientX - box.left) / box.width) * 100);
  }

  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    dragged(event);
  });
  divider.addEventListener("pointermove", (event) => divider.hasPointerCapture(event.pointerId) && dragged(event));

  return {
    cut,
    swap,
    isManual: () => still.matches,
    setMode(wanted) {
      mode = wanted;
      clearInterval(clock);
      divider.hidden = mode !== "swipe";
      show();
      words(mode === "blink" ? "earlier" : mode);
      // Nothing moves by itself where the reader has asked for stillness: each press of the key changes the picture.
      if (mode === "blink" && !still.matches) clock = setInterval(swap, BLINK_MS);
    },
    setOpacity(value) {
      opacity = value;
      show();
    },
    swipeBy: (step) => swipeTo(share + step),
    swipeTo,
  };
}
