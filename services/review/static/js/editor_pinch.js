// Two fingers on the drawing move and zoom the picture under it.

// `begin` takes back what the first finger had begun to draw; `move` gets { dx, dy } in page px and the zoom's `factor`.
export function installPinch(element, { begin, move }) {
  const fingers = new Map();
  let last = null;
  const hold = () => {
    const [a, b] = [...fingers.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, spread: Math.max(1, Math.hypot(a.x - b.x, a.y - b.y)) };
  };
  const note = (event) => fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  const lift = (event) => {
    if (fingers.delete(event.pointerId)) last = null;
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch") return;
    note(event);
    if (fingers.size !== 2) return;
    last = hold();
    begin();
  });
  element.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    note(event);
    if (!last) return;
    const now = hold();
    move({ dx: now.x - last.x, dy: now.y - last.y, factor: now.spread / last.spread });
    last = now;
  });
  element.addEventListener("pointerup", lift);
  element.addEventListener("pointercancel", lift);
}
