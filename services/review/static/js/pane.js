// One visit's picture in a pane: it tells where it is looked at, and goes where another pane looks.
import { load, open } from "./stage_deep.js";
import { plainStage } from "./stage_plain.js";

function read(element) {
  const { src, thumbnail, tiles, width, height } = element.dataset;
  return { src, thumbnail, tiles, width: Number(width), height: Number(height), alt: element.querySelector("[data-host]").getAttribute("aria-label") };
}

function report(element, state) {
  element.dataset.loaded = state;
  element.querySelector("[data-missing]").hidden = state === "yes";
}

// Without the zoom library: the whole picture, and nothing that could be linked.
function plainPane(element, picture, { moved }) {
  const parts = { box: element.querySelector(".light-box"), host: element.querySelector("[data-host]"), layer: element.querySelector("[data-layer]") };
  const pane = { element, picture, turn: () => {}, view: () => null, toPicture: () => null, setPanning: () => {}, look: () => {}, zoomBy: () => {}, fit: () => {}, actual: () => {}, panBy: () => {} };
  plainStage({ ...parts, picture, loaded: () => report(element, "yes"), failed: () => report(element, "no"), moved: () => moved(pane) });
  return pane;
}

// The layer lies on the picture, turned with it.
function place(viewport, layer, picture) {
  const { width, height } = picture;
  const middle = viewport.pixelFromPoint(new window.OpenSeadragon.Point(0.5, height / width / 2), true);
  const across = viewport.getZoom(true) * viewport.getContainerSize().x;
  layer.style.width = `${across}px`;
  layer.style.height = `${(across * height) / width}px`;
  layer.style.left = `${middle.x - across / 2}px`;
  layer.style.top = `${middle.y - (across * height) / width / 2}px`;
  layer.style.transform = viewport.getRotation(true) ? `rotate(${viewport.getRotation(true)}deg)` : "";
}

function deepPane(element, picture, { moved, ready }) {
  const host = element.querySelector("[data-host]");
  const layer = element.querySelector("[data-layer]");
  const viewer = open(host);
  const { viewport } = viewer;
  const { Point } = window.OpenSeadragon;
  const { width } = picture;
  const settle = (state) => () => {
    host.querySelector("[data-first-look]")?.remove();
    report(element, state);
    requestAnimationFrame(() => ready(pane));
  };
  // CSS px per px of the picture.
  const scale = () => (viewport.getZoom(true) * viewport.getContainerSize().x) / width;
  const pane = {
    element,
    picture,
    view() {
      const { x, y } = viewport.getCenter(true);
      return { x: x * width, y: y * width, scale: scale() };
    },
    look(view) {
      viewport.zoomTo((view.scale * width) / viewport.getContainerSize().x, null, true);
      viewport.panTo(new Point(view.x / width, view.y / width), true);
    },
    turn: (degrees) => viewport.setRotation(degrees, true),
    toPicture(clientX, clientY) {
      const { left, top } = host.getBoundingClientRect();
      const { x, y } = viewport.pointFromPixel(new Point(clientX - left, clientY - top), true);
      return { x: x * width, y: y * width };
    },
    // Px of the picture → px of the pane.
    toPane: ({ x, y }) => viewport.pixelFromPoint(new Point(x / width, y / width), true),
    zoomBy(factor) {
      viewport.zoomBy(factor);
      viewport.applyConstraints();
    },
    fit: () => viewport.goHome(),
    actual: () => (Math.abs(scale() - 1) < 0.01 ? viewport.goHome() : viewport.zoomTo(width / viewport.getContainerSize().x)),
    panBy(shareX, shareY) {
      const { x, y } = viewport.getContainerSize();
      viewport.panBy(viewport.deltaPointsFromPixels(new Point(shareX * x, shareY * y)));
      viewport.applyConstraints();
    },
    setPanning(on) {
      for (const device of ["Mouse", "Touch", "Pen", "Unknown"]) viewer[`gestureSettings${device}`].dragToPan = on;
    },
  };
  const follow = () => {
    place(viewport, layer, picture);
    moved(pane);
  };
  viewer.addHandler("update-viewport", follow);
  viewer.addHandler("resize", () => requestAnimationFrame(() => ready(pane)));
  viewer.canvas.append(layer);
  load(viewer, picture, { loaded: settle("yes"), failed: settle("no") });
  return pane;
}

// `moved(pane)` after every change of the view; `ready(pane)` when its picture has come or its size has changed.
export function makePane(element, calls) {
  return (window.OpenSeadragon ? deepPane : plainPane)(element, read(element), calls);
}
