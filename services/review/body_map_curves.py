"""Smooth outlines through a few points, as SVG path data: what the figures of the body map are drawn with."""

import math
from collections.abc import Sequence

Point = tuple[float, float]
# How far a curve swings out on its way through a point: 1/6 is Catmull and Rom's own.
SWING = 1 / 6


def closed(points: Sequence[Point]) -> str:
    """A closed curve through all of the points."""
    count = len(points)
    pieces = (_piece(points[i - 1], points[i], points[(i + 1) % count], points[(i + 2) % count]) for i in range(count))
    return f"{_start(points[0])}{''.join(pieces)}Z"


def open_line(*points: Point) -> str:
    """An open curve through all of the points."""
    around = [points[0], *points, points[-1]]
    return _start(points[0]) + "".join(_piece(*around[i : i + 4]) for i in range(len(points) - 1))


def mirrored(half: Sequence[Point]) -> list[Point]:
    """The whole outline of which `half` is the side with x ≥ 0, from the top to the bottom; what lies on the axis is not doubled."""
    return [*half, *((-x, y) for x, y in reversed(half) if x > 0)]


def both_sides(*points: Point) -> str:
    """An open curve and its mirror image."""
    return open_line(*points) + open_line(*((-x, y) for x, y in points))


def tapered(base: Point, tip: Point, *, wide: float, narrow: float) -> str:
    """A finger: a bar with round ends, `wide` across at its base and `narrow` at its tip."""
    length = math.dist(base, tip)
    along = ((tip[0] - base[0]) / length, (tip[1] - base[1]) / length)

    def at(share: float, side: float) -> Point:
        reach, width = share * length, side * ((1 - share) * wide + share * narrow) / 2
        return base[0] + along[0] * reach - along[1] * width, base[1] + along[1] * reach + along[0] * width

    end = narrow / 2 / length
    tip_points = [(1 - 0.9 * end, 1.0), (1 - 0.25 * end, 0.66), (1.0, 0.0), (1 - 0.25 * end, -0.66), (1 - 0.9 * end, -1.0)]
    left = [at(share, 1) for share in (0.0, 0.3, 0.62)]
    right = [at(share, -1) for share in (0.62, 0.3, 0.0)]
    return closed([*left, *(at(share, side) for share, side in tip_points), *right])


def oval(x: float, y: float, wide: float, high: float, turned: float = 0.0) -> str:
    """An ellipse of these half axes, turned by degrees (clockwise)."""
    cos, sin = math.cos(math.radians(turned)), math.sin(math.radians(turned))
    points = [(wide * math.cos(step * math.pi / 4), high * math.sin(step * math.pi / 4)) for step in range(8)]
    return closed([(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in points])


def moved(points: Sequence[Point], dx: float, dy: float, *, flip: bool = False) -> list[Point]:
    """The points shifted, mirrored left to right before that where `flip`."""
    return [((-x if flip else x) + dx, y + dy) for x, y in points]


def _start(point: Point) -> str:
    return f"M{point[0]:.1f} {point[1]:.1f}"


def _piece(before: Point, start: Point, end: Point, after: Point) -> str:
    if start == end:  # a point given twice is a corner
        return ""
    first = (start[0] + SWING * (end[0] - before[0]), start[1] + SWING * (end[1] - before[1]))
    second = (end[0] - SWING * (after[0] - start[0]), end[1] - SWING * (after[1] - start[1]))
    return f"C{first[0]:.1f} {first[1]:.1f} {second[0]:.1f} {second[1]:.1f} {end[0]:.1f} {end[1]:.1f}"
