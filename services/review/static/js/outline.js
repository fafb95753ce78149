// Draws the border of a mask PNG as an SVG path: crisp at every zoom, and the picture below stays untouched.

// The border needs no more detail than a screen shows; a 24-megapixel mask is traced on a grid of this long side.
const GRID = 1024;

async function readMask(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  const scale = Math.min(1, GRID / Math.max(image.naturalWidth, image.naturalHeight));
  const width = Math.max(1, Math.round(image.naturalWidth * scale));
  const height = Math.max(1, Math.round(image.naturalHeight * scale));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, width, height);
  const rgba = context.getImageData(0, 0, width, height).data;
  return { width, height, inside: (x, y) => x >= 0 && y >= 0 && x < width && y < height && rgba[4 * (y * width + x)] > 127 };
}

// Pixel edges with the lesion on their right hand, keyed by the corner where they start.
function edges({ width, height, inside }) {
  const starts = new Map();
  const corner = (x, y) => y * (width + 1) + x;
  const add = (x0, y0, x1, y1) => {
    const key = corner(x0, y0);
    if (!starts.has(key)) starts.set(key, []);
    starts.get(key).push(corner(x1, y1));
  };
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (!inside(x, y)) continue;
      if (!inside(x, y - 1)) add(x, y, x + 1, y);
      if (!inside(x + 1, y)) add(x + 1, y, x + 1, y + 1);
      if (!inside(x, y + 1)) add(x + 1, y + 1, x, y + 1);
      if (!inside(x - 1, y)) add(x, y + 1, x, y);
    }
  }
  return starts;
}

function loops(starts, width) {
  const found = [];
  for (const first of starts.keys()) {
    while (starts.get(first)?.length > 0) {
      const loop = [];
      let at = first;
      do {
        loop.push([at % (width + 1), Math.floor(at / (width + 1))]);
        at = starts.get(at).pop();
      } while (at !== first);
      found.push(loop);
    }
  }
  return found;
}

// The middle of each edge, averaged with its neighbours: the stairs of the pixel grid are not a feature of the lesion.
function smooth(loop) {
  const n = loop.length;
  return loop.map((_, i) => {
    let x = 0;
    let y = 0;
    for (let k = -2; k <= 2; k += 1) {
      const [px, py] = loop[(i + k + n) % n];
      x += px / 5;
      y += py / 5;
    }
    return [x, y];
  });
}

function pathOf(loop, scaleX, scaleY) {
  const points = smooth(loop).filter((_, i) => i % 2 === 0);
  return `M${points.map(([x, y]) => `${(x * scaleX).toFixed(1)} ${(y * scaleY).toFixed(1)}`).join("L")}Z`;
}

export async function drawOutline(svg) {
  const mask = await readMask(svg.dataset.outline);
  const box = svg.viewBox.baseVal;
  // Specks under eight corners are noise of the threshold, not a border anybody would draw.
  const kept = loops(edges(mask), mask.width).filter((loop) => loop.length > 8);
  const path = kept.map((loop) => pathOf(loop, box.width / mask.width, box.height / mask.height)).join("");
  for (const element of svg.querySelectorAll("path")) element.setAttribute("d", path);
  svg.dataset.drawn = kept.length > 0 ? "yes" : "empty";
}
