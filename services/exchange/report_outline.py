"""A mask's edge as smooth vector lines, without a library of pixels: the web processes stay small."""

import io
from collections.abc import Iterator

from services.exchange.report_drawing import Point

LONG_SIDE = 360
INSIDE = 128
SMOOTHED = 3
Corner = tuple[int, int]


def outline(mask_png: bytes) -> tuple[tuple[Point, ...], ...]:
    """The closed rings around what is white in a mask (PNG, 0/255), holes too, in shares 0..1 of its width and height.

    The mask is looked at with at most ``LONG_SIDE`` px: finer than a line on paper is wide.
    """
    from PIL import Image

    with Image.open(io.BytesIO(mask_png)) as opened:
        mask = opened.convert("L")
    scale = min(1.0, LONG_SIDE / max(mask.size))
    if scale < 1:
        mask = mask.resize((max(round(mask.width * scale), 1), max(round(mask.height * scale), 1)), Image.Resampling.BOX)
    rings = _rings(mask.tobytes(), *mask.size)
    return tuple(tuple((x / mask.width, y / mask.height) for x, y in _smooth(ring)) for ring in rings if len(ring) > 8)


def _rings(data: bytes, width: int, height: int) -> Iterator[list[Corner]]:
    """Follow the cracks between inside and outside, with the inside on the right hand."""
    nexts = _cracks(data, width, height)
    while nexts:
        start = min(nexts)
        ring, here = [start], nexts[start].pop()
        _drop(nexts, start)
        before = start
        while here != start:
            ring.append(here)
            ways = nexts[here]
            way = ways[0] if len(ways) == 1 else _turn_right(before, here, ways)
            ways.remove(way)
            _drop(nexts, here)
            before, here = here, way
        yield ring


def _drop(nexts: dict[Corner, list[Corner]], corner: Corner) -> None:
    if not nexts[corner]:
        del nexts[corner]


def _turn_right(before: Corner, here: Corner, ways: list[Corner]) -> Corner:
    """Where two pixels touch at a corner, the ring stays with its own."""
    dx, dy = here[0] - before[0], here[1] - before[1]
    right = (here[0] - dy, here[1] + dx)
    return right if right in ways else ways[0]


def _cracks(data: bytes, width: int, height: int) -> dict[Corner, list[Corner]]:
    """From each corner of the pixels' grid, where the edge leads on."""
    nexts: dict[Corner, list[Corner]] = {}
    empty = bytes(width)
    above = empty
    for y in range(height + 1):
        row = bytes(255 if value >= INSIDE else 0 for value in data[y * width : (y + 1) * width]) if y < height else empty
        if row != above:
            for x, (up, down) in enumerate(zip(above, row, strict=True)):
                if up != down:
                    one, other = ((x, y), (x + 1, y)) if down else ((x + 1, y), (x, y))
                    nexts.setdefault(one, []).append(other)
        for x, (left, right) in enumerate(zip(b"\0" + row, row + b"\0", strict=True)):
            if left != right:
                one, other = ((x, y + 1), (x, y)) if right else ((x, y), (x, y + 1))
                nexts.setdefault(one, []).append(other)
        above = row
    return nexts


def _smooth(ring: list[Corner]) -> list[Point]:
    """The middle of each crack, averaged with its neighbours; every second one is enough."""
    count = len(ring)
    points: list[Point] = [((ring[i - 1][0] + ring[i][0]) / 2, (ring[i - 1][1] + ring[i][1]) / 2) for i in range(count)]
    for _ in range(SMOOTHED):
        points = [
            (
                (points[i - 1][0] + 2 * points[i][0] + points[(i + 1) % count][0]) / 4,
                (points[i - 1][1] + 2 * points[i][1] + points[(i + 1) % count][1]) / 4,
            )
            for i in range(count)
        ]
    return points[::2]
