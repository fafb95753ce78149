"""What the drawings of lesions are made of: skin, uneven outlines, networks, dots and vessels, as SVG text.

Everything is computed from a seed, so a drawing is the same each time. Lengths are in the units of the 240 × 180 sheet.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

WIDTH, HEIGHT = 240, 180
Point = tuple[float, float]

HEAD = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
    '<defs><radialGradient id="skin" cx=".42" cy=".38" r=".85"><stop offset="0" stop-color="#f0d3c0"/>'
    '<stop offset="1" stop-color="#dcb39b"/></radialGradient>'
    + "".join(
        f'<filter id="b{blur}" x="-30%" y="-30%" width="160%" height="160%"><feGaussianBlur stdDeviation="{blur}"/></filter>'
        for blur in (1, 3, 6)
    )
)


@dataclass(frozen=True, slots=True)
class Shape:
    """A closed outline around a centre: `radius(angle)` in sheet units."""

    x: float
    y: float
    radius: Callable[[float], float]

    def holds(self, point: Point, *, share: float = 1.0) -> bool:
        """Whether a point lies within `share` of the way from the centre to the edge."""
        return self.depth(point) <= share

    def depth(self, point: Point) -> float:
        """0 in the centre, 1 on the edge, more outside."""
        dx, dy = point[0] - self.x, point[1] - self.y
        return math.hypot(dx, dy) / self.radius(math.atan2(dy, dx))

    def path(self, *, share: float = 1.0) -> str:
        """The outline as a smooth closed path; a small one needs fewer corners."""
        steps = 40 if self.radius(0) > 20 else 16
        return smooth([self.at(2 * math.pi * step / steps, share) for step in range(steps)])

    def at(self, angle: float, share: float = 1.0) -> Point:
        """The point in a direction, at `share` of the way to the edge."""
        reach = self.radius(angle) * share
        return self.x + reach * math.cos(angle), self.y + reach * math.sin(angle)


@dataclass(slots=True)
class Sheet:
    """Collects SVG elements; later ones cover earlier ones."""

    rng: Random
    defs: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    def add(self, element: str) -> None:
        """Draw on top."""
        self.parts.append(element)

    def fill(self, shape: Shape, colour: str, *, share: float = 1.0, opacity: float = 1.0, blur: int = 0) -> None:
        """An area, with a soft edge where `blur` is 1, 3 or 6."""
        soft = f' filter="url(#b{blur})"' if blur else ""
        self.add(f'<path d="{shape.path(share=share)}" fill="{colour}" opacity="{opacity:g}"{soft}/>')

    def line(self, points: Sequence[Point], colour: str, width: float, *, opacity: float = 1.0) -> None:
        """A smooth open stroke with round ends."""
        stroke = f'stroke="{colour}" stroke-width="{width:.1f}" stroke-opacity="{opacity:g}" stroke-linecap="round"'
        self.add(f'<path d="{smooth(points, closed=False)}" fill="none" {stroke}/>')

    def dot(self, point: Point, radius: float, colour: str, *, opacity: float = 1.0) -> None:
        """A round spot."""
        self.add(f'<circle cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="{radius:.1f}" fill="{colour}" opacity="{opacity:.2g}"/>')

    def ring(self, point: Point, radius: float, colour: str, width: float, *, opacity: float = 1.0) -> None:
        """A circle's line."""
        stroke = f'stroke="{colour}" stroke-width="{width:.1f}" stroke-opacity="{opacity:.2f}"'
        self.add(f'<circle cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="{radius:.1f}" fill="none" {stroke}/>')

    def text(self) -> str:
        """The whole drawing."""
        skin = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#skin)"/>'
        return f"{HEAD}{''.join(self.defs)}</defs>{skin}{''.join(self.parts)}</svg>"


def smooth(points: Sequence[Point], *, closed: bool = True) -> str:
    """A path through the middles of the edges between points, each point pulling the curve."""
    around = [*points, points[0]] if closed else list(points)
    middles = [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in pairwise(around)]
    start = middles[-1] if closed else points[0]
    pulled = zip(around if closed else points[1:], middles if closed else middles[1:], strict=False)
    curves = "".join(f"Q{p[0]:.1f} {p[1]:.1f} {m[0]:.1f} {m[1]:.1f}" for p, m in pulled)
    end = "Z" if closed else f"L{points[-1][0]:.1f} {points[-1][1]:.1f}"
    return f"M{start[0]:.1f} {start[1]:.1f}{curves}{end}"


def uneven(rng: Random, *, x: float, y: float, width: float, height: float, roughness: float) -> Shape:
    """An ellipse (half axes `width`, `height`) whose edge wanders by `roughness`, 0 smooth to 0.3 jagged."""
    waves = [(order, rng.uniform(-1, 1) * roughness / math.pow(order, 0.6), rng.uniform(0, 2 * math.pi)) for order in range(2, 9)]

    def radius(angle: float) -> float:
        ellipse = width * height / math.hypot(height * math.cos(angle), width * math.sin(angle))
        return ellipse * (1 + math.fsum(size * math.sin(order * angle + phase) for order, size, phase in waves))

    return Shape(x, y, radius)


def lattice(rng: Random, step: float, *, jitter: float = 0.12) -> Iterator[Point]:
    """Points of a slightly disturbed honeycomb over the whole sheet."""
    rows = round(HEIGHT / (step * 0.866)) + 2
    for row in range(rows):
        for column in range(round(WIDTH / step) + 2):
            x = (column + row % 2 / 2) * step + rng.gauss(0, jitter * step)
            yield x, row * 0.866 * step + rng.gauss(0, jitter * step)


def scattered(rng: Random, shape: Shape, count: int, *, gap: float, share: float = 0.9) -> list[Point]:
    """Up to `count` points within `share` of a shape, no two nearer than `gap`."""
    found: list[Point] = []
    for _ in range(count * 40):
        point = shape.at(rng.uniform(0, 2 * math.pi), share * math.sqrt(rng.random()))
        if all(math.dist(point, other) >= gap for other in found):
            found.append(point)
        if len(found) == count:
            break
    return found


def network(sheet: Sheet, shape: Shape, *, step: float, colour: str, width: float, inner: float = 0.0, outer: float = 0.97) -> None:
    """A pigment network: brown meshes around paler holes, fading towards the edge; only between two depths of the shape."""
    for point in lattice(sheet.rng, step):
        depth = shape.depth(point)
        if inner <= depth <= outer:
            fade = 0.08 + 0.75 * min(1.0, (outer - depth) / 0.5)
            sheet.ring(point, step * sheet.rng.uniform(0.5, 0.57), colour, width * (0.6 + 0.5 * fade), opacity=fade)


def skin_lines(sheet: Sheet) -> None:
    """The faint furrows of skin."""
    for _ in range(16):
        x, y, angle = sheet.rng.uniform(0, WIDTH), sheet.rng.uniform(0, HEIGHT), sheet.rng.choice((0.5, 2.4)) + sheet.rng.gauss(0, 0.12)
        points = [(x + reach * math.cos(angle) + sheet.rng.gauss(0, 1), y + reach * math.sin(angle)) for reach in range(-60, 61, 20)]
        sheet.line(points, "#b98a72", 0.5, opacity=0.22)


def vessel(sheet: Sheet, start: Point, *, angle: float, width: float, length: float, colour: str = "#b3202c") -> None:
    """A branching vessel that thins out."""
    points, rng = [start], sheet.rng
    for _ in range(6):
        angle += rng.gauss(0, 0.26)
        x, y = points[-1]
        points.append((x + length / 6 * math.cos(angle), y + length / 6 * math.sin(angle)))
    sheet.line(points, colour, width, opacity=0.85)
    if width > 0.8:
        for at, side in ((2, 1), (4, -1), (6, rng.choice((-1, 1)))):
            vessel(sheet, points[at], angle=angle + side * rng.uniform(0.5, 0.9), width=width * 0.55, length=length * 0.55, colour=colour)
