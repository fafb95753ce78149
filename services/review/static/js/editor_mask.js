// The drawing: one byte a cell, 255 where the lesion is. Coordinates are cells; a cell's centre lies at + 0.5.

export const LESION = 255;

export class Mask {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.cells = new Uint8Array(width * height);
    this.touched = null;
  }

  at(x, y) {
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || row < 0 || column >= this.width || row >= this.height) return 0;
    return this.cells[row * this.width + column];
  }

  // The box that was written to since the last call, or null: { left, top, right, bottom }, the last two exclusive.
  takeTouched() {
    const box = this.touched;
    this.touched = null;
    return box;
  }

  // Every cell whose centre lies within `radius` of the way from one point to the other.
  stroke(from, to, radius, value) {
    const box = this.#clip(Math.min(from.x, to.x) - radius, Math.min(from.y, to.y) - radius, Math.max(from.x, to.x) + radius, Math.max(from.y, to.y) + radius);
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    const length = dx * dx + dy * dy;
    // A brush of one cell must hit a cell wherever it is put.
    const reach = Math.max(radius, 0.71) ** 2;
    for (let row = box.top; row < box.bottom; row += 1) {
      for (let column = box.left; column < box.right; column += 1) {
        const [px, py] = [column + 0.5 - from.x, row + 0.5 - from.y];
        const along = length === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / length));
        if ((px - along * dx) ** 2 + (py - along * dy) ** 2 <= reach) this.cells[row * this.width + column] = value;
      }
    }
    this.#touch(box);
  }

  // Every cell whose centre lies inside the polygon (even-odd where it crosses itself).
  polygon(points, value) {
    const ys = points.map(({ y }) => y);
    const box = this.#clip(0, Math.min(...ys), this.width, Math.max(...ys));
    for (let row = box.top; row < box.bottom; row += 1) {
      const crossings = crossingsOf(points, row + 0.5);
      for (let i = 0; i + 1 < crossings.length; i += 2) {
        const left = Math.max(0, Math.ceil(crossings[i] - 0.5));
        const right = Math.min(this.width, Math.ceil(crossings[i + 1] - 0.5));
        if (left < right) this.cells.fill(value, row * this.width + left, row * this.width + right);
      }
    }
    this.#touch(box);
  }

  // Fills the hole around a point. False where there is none: the point is inside, or what is around it reaches the picture's border.
  fillHole(x, y) {
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || row < 0 || column >= this.width || row >= this.height || this.at(x, y)) return false;
    const found = this.#enclosed(row * this.width + column);
    if (!found) return false;
    for (const cell of found) this.cells[cell] = LESION;
    this.#touch({ left: 0, top: 0, right: this.width, bottom: this.height });
    return true;
  }

  replace(cells) {
    this.cells.set(cells);
    this.#touch({ left: 0, top: 0, right: this.width, bottom: this.height });
  }

  clear() {
    this.replace(new Uint8Array(this.cells.length));
  }

  count() {
    let count = 0;
    for (const cell of this.cells) if (cell) count += 1;
    return count;
  }

  crop({ left, top, right, bottom }) {
    const part = new Uint8Array((right - left) * (bottom - top));
    for (let row = top; row < bottom; row += 1) {
      part.set(this.cells.subarray(row * this.width + left, row * this.width + right), (row - top) * (right - left));
    }
    return part;
  }

  paste({ left, top, right, bottom }, part) {
    const width = right - left;
    for (let row = top; row < bottom; row += 1) {
      this.cells.set(part.subarray((row - top) * width, (row - top + 1) * width), row * this.width + left);
    }
    this.#touch({ left, top, right, bottom });
  }

  // The cells of the empty region around one of them; null where it reaches the border.
  #enclosed(start) {
    const { width, height, cells } = this;
    const seen = new Uint8Array(cells.length);
    const found = [start];
    seen[start] = 1;
    for (const cell of found) {
      const column = cell % width;
      if (column === 0 || column === width - 1 || cell < width || cell >= width * (height - 1)) return null;
      for (const next of [cell - 1, cell + 1, cell - width, cell + width]) {
        if (cells[next] || seen[next]) continue;
        seen[next] = 1;
        found.push(next);
      }
    }
    return found;
  }

  #clip(left, top, right, bottom) {
    return {
      left: Math.min(this.width, Math.max(0, Math.floor(left))),
      top: Math.min(this.height, Math.max(0, Math.floor(top))),
      right: Math.max(0, Math.min(this.width, Math.ceil(right) + 1)),
      bottom: Math.max(0, Math.min(this.height, Math.ceil(bottom) + 1)),
    };
  }

  #touch(box) {
    if (box.left >= box.right || box.top >= box.bottom) return;
    this.touched = this.touched ? union(this.touched, box) : box;
  }
}

export function union(a, b) {
  return {
    left: Math.min(a.left, b.left),
    top: Math.min(a.top, b.top),
    right: Math.max(a.right, b.right),
    bottom: Math.max(a.bottom, b.bottom),
  };
}

function crossingsOf(points, y) {
  const found = [];
  for (const [i, a] of points.entries()) {
    const b = points[(i + 1) % points.length];
    // Half-open, so that a corner on the line counts once.
    if (a.y <= y !== b.y <= y) found.push(a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x));
  }
  return found.sort((a, b) => a - b);
}
