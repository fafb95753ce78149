// A picture under OpenSeadragon: deep zoom by tiles where the worker has made them, else the whole picture.

// The worker's pyramid: tiles of this side, each with this border of its neighbours; levels as in Deep Zoom.
const TILE = 512;
const OVERLAP = 1;

const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

function pyramid({ width, height, tiles }) {
  const top = Math.ceil(Math.log2(Math.max(width, height)));
  return {
    width,
    height,
    tileSize: TILE,
    tileOverlap: OVERLAP,
    minLevel: Math.min(top, Math.log2(TILE)),
    maxLevel: top,
    getTileUrl: (level, x, y) => `${tiles}/${level}/${x}_${y}.jpg`,
  };
}

// The library would add a style element for phones, which the content security policy refuses. It looks for one first: an element
// of that name which is no style sheet keeps the page clean.
function declineStyleElement() {
  const decoy = document.createElementNS("urn:dermatrail:none", "style");
  decoy.setAttribute("data-openseadragon-mobile-css", "declined");
  document.head.append(decoy);
}

export function open(host) {
  declineStyleElement();
  return window.OpenSeadragon({
    element: host,
    tabIndex: "",
    // A 2D canvas shows the picture's values as they are; nothing is filtered.
    drawer: "canvas",
    showNavigationControl: false,
    keyboardNavEnabled: false,
    animationTime: still ? 0 : 0.12,
    springStiffness: 8,
    visibilityRatio: 0.3,
    minZoomImageRatio: 0.8,
    maxZoomPixelRatio: 8,
    smoothTileEdgesMinZoom: Infinity,
    imageLoaderLimit: 6,
    tileRetryMax: 1,
    tileRetryDelay: 500,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true, flickEnabled: false },
    gestureSettingsTouch: { flickEnabled: false, pinchRotate: false },
    gestureSettingsPen: { clickToZoom: false, flickEnabled: false },
  });
}

// Lays `layer` over the picture before each drawing, so that both move in the same frame.
function follow(viewer, layer, aspect, moved) {
  const place = () => {
    const corner = viewer.viewport.pixelFromPoint(new window.OpenSeadragon.Point(0, 0), true);
    const far = viewer.viewport.pixelFromPoint(new window.OpenSeadragon.Point(1, aspect), true);
    layer.style.left = `${corner.x}px`;
    layer.style.top = `${corner.y}px`;
    layer.style.width = `${far.x - corner.x}px`;
    layer.style.height = `${far.y - corner.y}px`;
    moved();
  };
  viewer.addHandler("update-viewport", place);
  viewer.addHandler("resize", () => requestAnimationFrame(place));
}

export function load(viewer, picture, { loaded, failed }) {
  const whole = { type: "image", url: picture.src };
  const add = (source, onError) => {
    let seen = false;
    let added = null;
    const lost = () => {
      if (seen) return;
      seen = true;
      if (added) viewer.world.removeItem(added);
      onError();
    };
    viewer.addTiledImage({
      tileSource: source,
      width: 1,
      success: ({ item }) => {
        added = item;
      },
      error: lost,
    });
    viewer.addHandler("tile-load-failed", ({ tiledImage }) => {
      if (tiledImage === added) lost();
    });
    viewer.addHandler("tile-drawn", ({ tiledImage }) => {
      if (seen || tiledImage !== added) return;
      seen = true;
      loaded();
    });
  };
  // Without tiles the small picture stands in until the large one is there.
  if (!picture.tiles && picture.thumbnail) viewer.addTiledImage({ tileSource: { type: "image", url: picture.thumbnail }, width: 1, index: 0 });
  // Tiles that do not come (a store that lost them) must not hide a picture that is there.
  if (picture.tiles) add(pyramid(picture), () => add(whole, failed));
  else add(whole, failed);
}

export function deepStage({ host, layer, picture, loaded, failed, moved }) {
  const firstLook = host.querySelector("[data-first-look]");
  const viewer = open(host);
  const { viewport } = viewer;
  follow(viewer, layer, picture.height / picture.width, moved);
  viewer.canvas.append(layer);
  const settle = (report) => () => {
    firstLook?.remove();
    report();
  };
  load(viewer, picture, { loaded: settle(loaded), failed: settle(failed) });
  const zoomBy = (factor) => {
    viewport.zoomBy(factor);
    viewport.applyConstraints();
  };
  return {
    zoomBy,
    fit: () => viewport.goHome(),
    // One pixel of the picture on one of the page.
    actual: () => viewport.zoomTo(picture.width / viewport.getContainerSize().x),
    panBy: (x, y) => {
      viewport.panBy(viewport.deltaPointsFromPixels(new window.OpenSeadragon.Point(x, y)));
      viewport.applyConstraints();
    },
    setPanning: (on) => {
      for (const device of ["Mouse", "Touch", "Pen", "Unknown"]) viewer[`gestureSettings${device}`].dragToPan = on;
      viewer.gestureSettingsMouse.dblClickToZoom = on;
    },
  };
}
