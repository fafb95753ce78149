// What is laid over the picture while it is drawn on: the drawing itself, the brush's ring, the keyboard's cursor, the polygon.
import { LESION } from "./editor_mask.js";

const SVG = "http://www.w3.org/2000/svg";
// A faint tint that skin does not have; the border is white on black besides, so that the form is seen without any colour.
const TINT = colour(86, 180, 233, 36);
const LINE = colour(255, 255, 255, 255);
const CASING = colour(0, 0, 0, 170);
const THICKEST = 6; // cells

// As a canvas keeps it, on the little-endian machines that browsers run on.
function colour(red, green, blue, alpha) {
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

function shape(name, className, parent) {
  const element = document.createElementNS(SVG, name);
  element.setAttribute("class", className);
  parent.append(element);
  return element;
}

// Whether a cell of the other kind lies within `reach`, straight to one of four sides.
function nearBorder({ width, height, cells }, column, row, reach) {
  const at = row * width + column;
  const kind = cells[at];
  for (let step = 1; step <= reach; step += 1) {
    if (column >= step && cells[at - step] !== kind) return true;
    if (column + step < width && cells[at + step] !== kind) return true;
    if (row >= step && cells[at - step * width] !== kind) return true;
    if (row + step < height && cells[at + step * width] !== kind) return true;
  }
  return false;
}

export class Surface {
  constructor(mask) {
    this.mask = mask;
    this.line = 1;
    this.element = document.createElement("div");
    this.element.className = "editor-surface";
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "application");
    this.element.setAttribute("aria-label", "Drawing of the outline");
    this.element.setAttribute("aria-describedby", "editor-help");
    this.canvas = document.createElement("canvas");
    this.canvas.width = mask.width;
    this.canvas.height = mask.height;
    this.context = this.canvas.getContext("2d");
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("viewBox", `0 0 ${mask.width} ${mask.height}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("aria-hidden", "true");
    this.path = [shape("path", "editor-casing", this.svg), shape("path", "editor-line", this.svg)];
    this.corners = shape("g", "editor-corners", this.svg);
    this.ring = [shape("circle", "editor-casing", this.svg), shape("circle", "editor-line", this.svg)];
    this.cross = [shape("path", "editor-casing", this.svg), shape("path", "editor-line", this.svg)];
    this.element.append(this.canvas, this.svg);
    this.hideRing();
    this.hideCross();
    this.paint({ left: 0, top: 0, right: mask.width, bottom: mask.height });
  }

  // Keeps the border about as thick on the page at every zoom. `unit` is the number of cells per px of the page.
  fitLine(unit) {
    const line = Math.min(THICKEST, Math.max(1, Math.round(1.4 * unit)));
    if (line === this.line) return;
    this.line = line;
    this.paint({ left: 0, top: 0, right: this.mask.width, bottom: this.mask.height });
  }

  // Paints a box of the drawing anew, and the cells around it, whose border may have moved.
  paint(box) {
    const { width, height, cells } = this.mask;
    const [left, top] = [Math.max(0, box.left - this.line), Math.max(0, box.top - this.line)];
    const [right, bottom] = [Math.min(width, box.right + this.line), Math.min(height, box.bottom + this.line)];
    if (left >= right || top >= bottom) return;
    const image = this.context.createImageData(right - left, bottom - top);
    const pixels = new Uint32Array(image.data.buffer);
    let i = 0;
    for (let row = top; row < bottom; row += 1) {
      for (let column = left; column < right; column += 1) {
        const inside = cells[row * width + column] === LESION;
        if (nearBorder(this.mask, column, row, this.line)) pixels[i] = inside ? LINE : CASING;
        else if (inside) pixels[i] = TINT;
        i += 1;
      }
    }
    this.context.putImageData(image, left, top);
  }

  showRing({ x, y }, radius, dashed) {
    for (const circle of this.ring) {
      circle.removeAttribute("visibility");
      circle.setAttribute("cx", x);
      circle.setAttribute("cy", y);
      circle.setAttribute("r", Math.max(0.5, radius));
    }
    this.ring[1].classList.toggle("is-dashed", dashed);
  }

  hideRing() {
    for (const circle of this.ring) circle.setAttribute("visibility", "hidden");
  }

  // The keyboard's cursor: four strokes around a free middle. `arm` is their length in cells.
  showCross({ x, y }, arm) {
    const gap = arm / 3;
    const d = `M${x - arm} ${y}H${x - gap}M${x + gap} ${y}H${x + arm}M${x} ${y - arm}V${y - gap}M${x} ${y + gap}V${y + arm}`;
    for (const path of this.cross) {
      path.removeAttribute("visibility");
      path.setAttribute("d", d);
    }
  }

  hideCross() {
    for (const path of this.cross) path.setAttribute("visibility", "hidden");
  }

  // The polygon so far, with a line to where the pointer or the cursor is. `dot` is the corners' size in cells.
  showPolygon(points, at, dot) {
    const all = at ? [...points, at] : points;
    const d = points.length > 0 ? `M${all.map(({ x, y }) => `${x} ${y}`).join("L")}` : "";
    for (const path of this.path) path.setAttribute("d", d);
    this.corners.replaceChildren();
    for (const { x, y } of points) {
      const circle = shape("circle", "editor-corner", this.corners);
      circle.setAttribute("cx", x);
      circle.setAttribute("cy", y);
      circle.setAttribute("r", dot);
    }
  }
}
