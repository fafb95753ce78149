// Similarities of the plane, rows first: [a, -b, x, b, a, y] takes px of a visit's picture to px of the newest picture shown.

export function apply([a, b, x, c, d, y], point) {
  return { x: a * point.x + b * point.y + x, y: c * point.x + d * point.y + y };
}

export function unapply([a, b, x, c, d, y], point) {
  const [px, py, determinant] = [point.x - x, point.y - y, a * d - b * c];
  return { x: (d * px - b * py) / determinant, y: (a * py - c * px) / determinant };
}

// Px of the newest picture per px of this one.
export function scaleOf([a, , , c]) {
  return Math.hypot(a, c);
}

// Degrees, clockwise on the screen.
export function turnOf([a, , , c]) {
  return (Math.atan2(c, a) * 180) / Math.PI;
}

// The one without a turn that takes `from` to `to` and makes things `scale` times as large.
export function between(from, to, scale) {
  return [scale, 0, to.x - scale * from.x, 0, scale, to.y - scale * from.y];
}
