"""Where one visit's picture lies in another's: by registration, over as few comparisons as may be, else by scale or size."""

from collections import deque
from collections.abc import Sequence
from uuid import UUID

from services.records.trails import Trail
from services.records.visit_views import Visit, VisitComparison, VisitImage

# Rows of a similarity: [a, -b, x, b, a, y].
Matrix = tuple[float, float, float, float, float, float]
SAME: Matrix = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def link_of(trail: Trail, visit: Visit, last: Visit) -> tuple[Matrix, str]:
    """The similarity that takes px of a visit's picture to px of another's, and where it is from: registered, scale or plain."""
    known = _registered(trail.comparisons, visit.case_id, last.case_id)
    if known is not None:
        return known, "registered"
    assert visit.image is not None  # noqa: S101 - visits without a picture were left out
    assert last.image is not None  # noqa: S101
    mine, its = ((seen.measures or {}).get("mm_per_px") for seen in (visit, last))
    if mine and its:
        return _centred(visit.image, last.image, mine / its), "scale"
    return _centred(visit.image, last.image, max(last.image.width, last.image.height) / max(visit.image.width, visit.image.height)), "plain"


def _centred(image: VisitImage, last: VisitImage, scale: float) -> Matrix:
    """Middle on middle, ``scale`` px of the last picture for one of the other."""
    return (scale, 0.0, (last.width - scale * image.width) / 2, 0.0, scale, (last.height - scale * image.height) / 2)


def _registered(comparisons: Sequence[VisitComparison], start: UUID, goal: UUID) -> Matrix | None:
    """Px of one visit's picture to px of another's, over as few valid comparisons as may be; None where they do not connect."""
    edges: dict[UUID, list[tuple[UUID, Matrix]]] = {}
    for found in comparisons:
        matrix = _read(found)
        if matrix is not None:
            edges.setdefault(found.earlier, []).append((found.later, matrix))
            edges.setdefault(found.later, []).append((found.earlier, _inverse(matrix)))
    reached, waiting = {start: SAME}, deque([start])
    while waiting and goal not in reached:
        here = waiting.popleft()
        for there, matrix in edges.get(here, ()):
            if there not in reached:
                reached[there] = _after(matrix, reached[here])
                waiting.append(there)
    return reached.get(goal)


def _read(found: VisitComparison) -> Matrix | None:
    if not found.valid or not found.registration:
        return None
    (a, b, x), (c, d, y) = found.registration["matrix"]
    return (a, b, x, c, d, y)


def _inverse(matrix: Matrix) -> Matrix:
    a, b, x, c, d, y = matrix
    determinant = a * d - b * c
    a, b, c, d = d / determinant, -b / determinant, -c / determinant, a / determinant
    return (a, b, -a * x - b * y, c, d, -c * x - d * y)


def _after(second: Matrix, first: Matrix) -> Matrix:
    a, b, x, c, d, y = second
    p, q, u, r, s, v = first
    return (a * p + b * r, a * q + b * s, a * u + b * v + x, c * p + d * r, c * q + d * s, c * u + d * v + y)
