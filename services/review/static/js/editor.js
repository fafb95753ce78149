// The mask editor: tools, keys, pointer and history on one drawing. It knows no page: what it needs is given to it.
import { History } from "./editor_history.js";
import { LESION, Mask } from "./editor_mask.js";
import { installPinch } from "./editor_pinch.js";
import { Surface } from "./editor_surface.js";

// As fine as the border is traced on the page.
export const GRID = 1024;
const LARGEST = 0.25; // of the long side
const SIZE_STEP = 1.3;
const TOOLS = { b: "brush", e: "eraser", p: "polygon", f: "fill" };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function gridOf({ width, height }) {
  const scale = Math.min(1, GRID / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)), scale };
}

/* Options: picture {width, height}; cells (Uint8Array of gridOf, or null); toImage(clientX, clientY) → px of the picture;
   scale() → page px per picture px; changed(editor) after every change; say(words) for the status line; reveal(x, y) in picture px;
   pinch({dx, dy, factor}) when two fingers move the picture. */
export class Editor {
  constructor({ picture, cells, toImage, scale, changed, say, reveal = () => {}, pinch = () => {} }) {
    this.grid = gridOf(picture);
    this.mask = new Mask(this.grid.width, this.grid.height);
    if (cells) this.mask.cells.set(cells);
    this.history = new History(this.mask);
    this.surface = new Surface(this.mask);
    this.options = { toImage, scale, changed, say, reveal, pinch };
    this.tool = "brush";
    this.radius = Math.max(1, Math.max(this.grid.width, this.grid.height) * 0.02);
    this.points = [];
    this.at = null; // where the pointer or the cursor is
    this.cursor = { x: this.grid.width / 2, y: this.grid.height / 2 };
    this.byKeyboard = false;
    this.drawing = null; // { value, last } while a stroke is under way
    this.#listen();
  }

  get element() {
    return this.surface.element;
  }

  // The brush's diameter in px of the picture.
  get size() {
    return Math.max(1, Math.round((2 * this.radius) / this.grid.scale));
  }

  choose(tool) {
    this.endStroke();
    if (tool !== "polygon") this.points = [];
    this.tool = tool;
    this.refresh();
  }

  resize(factor) {
    const largest = LARGEST * Math.max(this.grid.width, this.grid.height);
    this.radius = Math.min(largest, Math.max(0.5, this.radius * factor));
    this.options.say(`${this.size} px`);
    this.refresh();
  }

  undo() {
    this.endStroke();
    if (this.points.length > 0) return this.removePoint();
    return this.#travel(this.history.undo(), "undo");
  }

  redo() {
    this.endStroke();
    return this.#travel(this.history.redo(), "redo");
  }

  clear() {
    this.mask.clear();
    this.#step("Everything erased.");
  }

  replace(cells, words) {
    this.mask.replace(cells);
    this.#step(words);
  }

  // What a tool does where it is put down.
  press(point, { erase = false } = {}) {
    this.at = point;
    if (this.tool === "polygon") return this.addPoint(point);
    if (this.tool === "fill") return this.fill(point);
    this.drawing = { value: this.tool === "eraser" || erase ? 0 : LESION, last: point };
    return this.drag(point);
  }

  drag(point) {
    this.at = point;
    if (this.drawing) {
      this.mask.stroke(this.drawing.last, point, this.radius, this.drawing.value);
      this.drawing.last = point;
    }
    this.refresh();
  }

  endStroke() {
    if (!this.drawing) return;
    this.drawing = null;
    this.#step();
  }

  addPoint(point) {
    this.points.push(point);
    this.options.say(`Corner ${this.points.length}.`);
    this.refresh();
  }

  removePoint() {
    this.points.pop();
    this.options.say(this.points.length > 0 ? `Corner removed, ${this.points.length} left.` : "No corners left.");
    this.refresh();
  }

  closePolygon() {
    if (this.points.length < 3) return this.options.say("A polygon needs three corners.");
    this.mask.polygon(this.points, LESION);
    this.points = [];
    return this.#step("Polygon filled.");
  }

  fill({ x, y }) {
    if (this.mask.fillHole(x, y)) return this.#step("Hole filled.");
    const why = this.mask.at(x, y) ? "This place is inside already." : "Not closed: this place is open to the border of the picture.";
    return this.options.say(why);
  }

  // Paints what has changed and tells the page.
  refresh() {
    const box = this.history.note();
    if (box) this.surface.paint(box);
    const unit = this.grid.scale / this.options.scale(); // cells per px of the page
    this.surface.fitLine(unit);
    const paints = this.tool === "brush" || this.tool === "eraser";
    if (this.at && paints) this.surface.showRing(this.at, this.radius, this.tool === "eraser");
    else this.surface.hideRing();
    if (this.byKeyboard) this.surface.showCross(this.cursor, 12 * unit);
    else this.surface.hideCross();
    this.surface.showPolygon(this.points, this.at, 3.5 * unit);
    this.options.changed(this);
  }

  // Returns whether the key was one of the editor's.
  key(event) {
    const letter = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      if (letter === "z") return this.#did(event.shiftKey ? this.redo() : this.undo());
      if (letter === "y") return this.#did(this.redo());
    } else if (event.altKey) {
      return false;
    }
    if (ARROWS[event.key] && !event.shiftKey) return this.#did(this.#walk(event));
    if (event.ctrlKey || event.metaKey) return false;
    if (TOOLS[letter]) return this.#did(this.choose(TOOLS[letter]));
    if (event.key === "[") return this.#did(this.resize(1 / SIZE_STEP));
    if (event.key === "]") return this.#did(this.resize(SIZE_STEP));
    return this.#polygonKey(event);
  }

  #polygonKey(event) {
    if (this.points.length === 0) return false;
    if (event.key === "Enter") return this.#did(this.closePolygon());
    if (event.key === "Backspace" || event.key === "Delete") return this.#did(this.removePoint());
    if (event.key !== "Escape") return false;
    this.points = [];
    this.options.say("Polygon given up.");
    return this.#did(this.refresh());
  }

  // Space is the button of the keyboard's cursor: held down it paints along the way.
  pressKey() {
    this.#followKeyboard();
    if (!this.drawing) this.press({ ...this.cursor });
  }

  #walk(event) {
    const [dx, dy] = ARROWS[event.key];
    const step = event.ctrlKey ? 1 : Math.max(1, Math.round(this.radius / 2));
    this.#followKeyboard();
    this.cursor.x = Math.min(this.grid.width - 0.5, Math.max(0.5, this.cursor.x + dx * step));
    this.cursor.y = Math.min(this.grid.height - 0.5, Math.max(0.5, this.cursor.y + dy * step));
    this.drag({ ...this.cursor });
    this.options.reveal(this.cursor.x / this.grid.scale, this.cursor.y / this.grid.scale);
  }

  describeCursor() {
    const share = (value, whole) => Math.round((100 * value) / whole);
    const where = `${share(this.cursor.x, this.grid.width)} % from the left, ${share(this.cursor.y, this.grid.height)} % from the top`;
    this.options.say(`${where}, ${this.mask.at(this.cursor.x, this.cursor.y) ? "inside" : "outside"}.`);
  }

  // The cursor starts where the pointer was.
  #followKeyboard() {
    if (!this.byKeyboard && this.at) this.cursor = { ...this.at };
    this.byKeyboard = true;
  }

  #travel(box, way) {
    if (!box) return this.options.say(`Nothing to ${way}.`);
    this.surface.paint(box);
    this.options.say(way === "undo" ? "Undone." : "Redone.");
    return this.refresh();
  }

  // Says that a key was the editor's, after what it did.
  #did() {
    return true;
  }

  #step(words) {
    const box = this.history.note();
    if (box) this.surface.paint(box);
    const changed = this.history.commit();
    if (changed && words) this.options.say(words);
    this.refresh();
  }

  #point(event) {
    const { x, y } = this.options.toImage(event.clientX, event.clientY);
    return { x: x * this.grid.scale, y: y * this.grid.scale };
  }

  #listen() {
    const { element } = this;
    installPinch(element, { begin: () => this.#takeBack(), move: (change) => this.options.pinch(change) });
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    element.addEventListener("pointerup", (event) => this.#up(event));
    element.addEventListener("pointercancel", (event) => this.#up(event));
    element.addEventListener("pointerleave", () => this.#leave());
    element.addEventListener("dblclick", (event) => {
      event.stopPropagation();
      if (this.tool === "polygon") this.#closeByDoubleClick();
    });
    element.addEventListener("click", (event) => event.stopPropagation());
    element.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  #down(event) {
    event.stopPropagation();
    if (!event.isPrimary || this.#isPalm(event) || (event.button !== 0 && event.button !== 5)) return;
    event.preventDefault();
    this.element.focus({ preventScroll: true });
    if (event.pointerId) this.element.setPointerCapture(event.pointerId);
    this.byKeyboard = false;
    // Button 5 is the eraser end of a pen.
    this.press(this.#point(event), { erase: event.button === 5 });
  }

  #move(event) {
    if (!event.isPrimary || this.#isPalm(event)) return;
    event.stopPropagation();
    this.byKeyboard = false;
    const seen = this.drawing ? event.getCoalescedEvents?.() ?? [] : [];
    for (const one of seen.length > 0 ? seen : [event]) this.drag(this.#point(one));
  }

  #up(event) {
    event.stopPropagation();
    if (event.pointerType === "pen") this.pen = performance.now();
    if (event.isPrimary) this.endStroke();
  }

  // The first of two fingers was no stroke.
  #takeBack() {
    if (this.drawing) {
      this.drawing = null;
      this.history.note();
      if (this.history.commit()) this.surface.paint(this.history.undo());
    } else if (this.tool === "polygon") {
      this.points.pop();
    }
    this.at = null;
    this.refresh();
  }

  #leave() {
    if (this.drawing || this.byKeyboard) return;
    this.at = null;
    this.refresh();
  }

  // The hand that holds a pen touches the screen too.
  #isPalm(event) {
    if (event.pointerType === "pen") this.pen = performance.now();
    return event.pointerType === "touch" && this.pen !== undefined && performance.now() - this.pen < 1000;
  }

  // Its two clicks have put two corners on one spot.
  #closeByDoubleClick() {
    const [last, before] = [this.points.at(-1), this.points.at(-2)];
    if (before && Math.hypot(last.x - before.x, last.y - before.y) < 6 * (this.grid.scale / this.options.scale())) this.points.pop();
    this.closePolygon();
  }
}
