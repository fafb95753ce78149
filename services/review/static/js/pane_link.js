// Panes that are looked at together: who is moved leads, the others go to the same place of the skin.
import { apply, between, scaleOf, turnOf, unapply } from "./similarity.js";

const matrixOf = (pane) => pane.element.dataset.matrix.split(",").map(Number);

export function linkPanes(panes) {
  const matrices = new Map(panes.map((pane) => [pane, matrixOf(pane)]));
  const isRegistered = (pane) => pane.element.dataset.link === "registered";
  const reference = panes.at(-1);
  let leader = reference;
  let linked = true;
  let turned = true;

  function follow(pane) {
    if (!linked || pane !== leader) return;
    const view = pane.view();
    if (!view) return;
    const at = apply(matrices.get(pane), view);
    const scale = view.scale / scaleOf(matrices.get(pane));
    for (const other of panes) {
      if (other === pane || other.element.hidden) continue;
      const matrix = matrices.get(other);
      other.look({ ...unapply(matrix, at), scale: scale * scaleOf(matrix) });
    }
  }

  function turnAll() {
    for (const pane of panes) pane.turn(linked && turned ? turnOf(matrices.get(pane)) : 0);
    follow(leader);
  }

  // What a reader has laid alike by hand stays alike; a registration knows better and is taken up again.
  function takeUp() {
    const there = reference.view();
    for (const pane of panes) {
      if (pane === reference || isRegistered(pane)) continue;
      const here = pane.view();
      if (here && there) matrices.set(pane, between(here, there, here.scale / there.scale));
    }
  }

  return {
    follow,
    leader: () => leader,
    lead(pane) {
      leader = pane;
    },
    setLinked(on) {
      if (on) takeUp();
      linked = on;
      turnAll();
    },
    setTurned(on) {
      turned = on;
      turnAll();
    },
    turnAll,
    matrix: (pane) => matrices.get(pane),
    // The same place in another pane's picture; null where nobody knows it.
    counterpart(pane, point, other) {
      if (!linked || !isRegistered(pane) || !isRegistered(other)) return null;
      return unapply(matrices.get(other), apply(matrices.get(pane), point));
    },
  };
}
