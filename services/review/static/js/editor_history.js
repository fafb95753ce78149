// Undo and redo: each step keeps what its box held before and after. Bounded in steps and bytes; the oldest steps go first.
import { union } from "./editor_mask.js";

export const MAX_STEPS = 200;
const MAX_BYTES = 48 * 2 ** 20;

export class History {
  constructor(mask) {
    this.mask = mask;
    this.steps = [];
    this.position = 0;
    this.kept = mask.cells.slice();
    this.box = null;
    // Which state is on the server; −1 once the way back to it is forgotten.
    this.saved = 0;
  }

  get changed() {
    return this.position !== this.saved || this.box !== null;
  }

  get undoable() {
    return this.position;
  }

  get redoable() {
    return this.steps.length - this.position;
  }

  // Takes note of what was just drawn; returns the box that has to be painted anew, or null.
  note() {
    const box = this.mask.takeTouched();
    if (box) this.box = this.box ? union(this.box, box) : box;
    return box;
  }

  // Ends a step. A step that changed nothing is none.
  commit() {
    this.note();
    const { box } = this;
    this.box = null;
    if (!box) return false;
    const after = this.mask.crop(box);
    const before = this.#keptCrop(box);
    if (after.every((cell, i) => cell === before[i])) return false;
    if (this.saved > this.position) this.saved = -1;
    this.steps.length = this.position;
    this.steps.push({ box, before, after });
    this.position += 1;
    this.#keep(box);
    this.#forget();
    return true;
  }

  // One step back; returns the box that has to be painted anew, or null where there is none.
  undo() {
    return this.position > 0 ? this.#go(-1) : null;
  }

  redo() {
    return this.position < this.steps.length ? this.#go(1) : null;
  }

  // What is drawn now is what the server has.
  markSaved() {
    this.saved = this.position;
  }

  #go(way) {
    const step = this.steps[way < 0 ? this.position - 1 : this.position];
    this.mask.paste(step.box, way < 0 ? step.before : step.after);
    this.position += way;
    this.#keep(step.box);
    return this.mask.takeTouched();
  }

  #keptCrop(box) {
    const { width } = this.mask;
    const part = new Uint8Array((box.right - box.left) * (box.bottom - box.top));
    for (let row = box.top; row < box.bottom; row += 1) {
      part.set(this.kept.subarray(row * width + box.left, row * width + box.right), (row - box.top) * (box.right - box.left));
    }
    return part;
  }

  #keep(box) {
    const { width, cells } = this.mask;
    for (let row = box.top; row < box.bottom; row += 1) {
      this.kept.set(cells.subarray(row * width + box.left, row * width + box.right), row * width + box.left);
    }
  }

  #forget() {
    let bytes = this.steps.reduce((sum, step) => sum + 2 * step.before.length, 0);
    while (this.steps.length > MAX_STEPS || (bytes > MAX_BYTES && this.steps.length > 1)) {
      bytes -= 2 * this.steps.shift().before.length;
      this.position -= 1;
      this.saved = this.saved > 0 ? this.saved - 1 : -1;
    }
  }
}
