"""The figures of the body map, drawn here: an adult seen from front and back, the head, hands and feet.

Neutral on purpose: one tone, hardly a face, no sex. Lengths are in the units of a view's box; y runs down. A drawing's shapes
overlap and share one outline (the page strokes them all before it fills them all).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.records.states import MapView
from services.review.body_map_curves import Point, both_sides, closed, mirrored, open_line, oval, tapered


@dataclass(frozen=True, slots=True)
class Drawing:
    """Filled shapes and fine lines, as SVG path data, around x = 0; ``key`` names it among the others."""

    key: str
    shapes: tuple[str, ...]
    lines: str


@dataclass(frozen=True, slots=True)
class Part:
    """A drawing in its place in a view, turned left to right where `flipped`, with a word beneath."""

    drawing: Drawing
    x: float = 0.0
    flipped: bool = False
    word: str = ""

    @property
    def transform(self) -> str:
        """For the drawing's group."""
        return f"translate({self.x:g} 0)" + (" scale(-1 1)" if self.flipped else "")


@dataclass(frozen=True, slots=True)
class Figure:
    """One view of the map: its name, the box in which a lesion's point lies (0 to 1 from its left upper corner), and its parts."""

    view: MapView
    name: str
    width: float
    height: float
    parts: tuple[Part, ...]
    sides: tuple[str, str] | None = None

    @property
    def box(self) -> str:
        """The `viewBox`; x = 0 is the middle."""
        return f"{-self.width / 2:g} 0 {self.width:g} {self.height:g}"


# The right half of the silhouette as one looks at it, from the crown down. Arms a little away, palms forward, thumbs out.
SILHOUETTE: Sequence[Point] = (
    (0, 4), (10, 5.5), (18, 13), (21, 27), (20.6, 33), (22.6, 34), (22, 43), (19.4, 46), (16.5, 56), (12.4, 63), (12, 72),
    (15, 79), (28, 85.5), (45, 90), (55, 98), (60, 112), (61.5, 130), (64, 152), (67.5, 176), (71, 190), (78, 212), (83.5, 238),
    (86, 248), (92, 256), (100.5, 268), (101, 274), (95.5, 271.5), (94.5, 274), (97, 286), (98, 298), (94.5, 302), (92, 304.5), (88, 304.5),
    (84, 302), (80.5, 292), (77.5, 274), (76.6, 258), (76, 246), (69.5, 222), (61, 200), (56.5, 184), (52, 162), (47.4, 141), (45, 131),
    (44, 135), (42.5, 152), (39.2, 172), (37.6, 190), (39.5, 207), (44, 226), (47, 245), (48, 266), (46.4, 292), (42, 322), (38, 342),
    (37, 356), (39, 376), (38, 396), (32.5, 422), (27.5, 444), (27, 455), (33, 467), (34.5, 474), (29, 478), (18, 478.5), (13.5, 474),
    (14, 462), (15, 448), (14, 424), (10.6, 398), (11.4, 376), (13.6, 356), (13, 341), (10, 318), (6, 290), (3, 266), (0, 254),
)  # fmt: skip
BODY = (closed(mirrored(SILHOUETTE)),)
FRONT = Drawing(
    "body-front",
    BODY,
    both_sides((16.5, 56), (9, 64.5), (0, 67))
    + both_sides((5, 92), (20, 90.5), (40, 95))
    + both_sides((7, 141), (22, 144), (36, 136))
    + both_sides((35, 228), (22, 242), (8, 252))
    + both_sides((18, 338), (25, 333), (32, 338))
    + open_line((-2, 204), (0, 206.5), (2, 204)),
)
BACK = Drawing(
    "body-back",
    BODY,
    both_sides((13, 60), (7, 56), (0, 58))
    + open_line((0, 92), (0, 150), (0, 206))
    + both_sides((14, 112), (20, 128), (30, 140), (35, 128))
    + open_line((0, 226), (0, 240), (0, 254))
    + both_sides((3, 257), (18, 264), (37, 258))
    + both_sides((16, 349), (24, 351), (33, 349)),
)

SKULL: Sequence[Point] = ((0, 8), (20, 11), (36, 27), (40, 52), (37.5, 76), (32, 96), (20, 113), (8, 119), (0, 119.5))
NECK: Sequence[Point] = ((0, 96), (21, 98), (22, 116), (22.5, 130), (29, 139), (42, 146), (48, 156), (48, 156), (0, 156))
HEAD = (closed(mirrored(NECK)), oval(41, 64, 4.6, 11.5, 8), oval(-41, 64, 4.6, 11.5, -8), closed(mirrored(SKULL)))
FACE = Drawing(
    "face",
    HEAD,
    both_sides((8.5, 50), (17, 46.5), (27, 50))
    + both_sides((10.5, 60), (17.5, 62.5), (24.5, 59.5))
    + open_line((3, 64), (6.4, 79), (3, 83), (-1, 83.5))
    + open_line((-11, 96), (-4, 94.6), (0, 95.8), (4, 94.6), (11, 96))
    + open_line((-7, 100.5), (0, 102.5), (7, 100.5)),
)
NAPE = Drawing("nape", HEAD, both_sides((31, 96), (22, 104), (12, 110), (0, 111)) + open_line((0, 126), (0, 140), (0, 154)))

# A hand with its thumb to the left: a right one from its back, a left one from its palm.
FINGERS = (
    ((-20, 88), (-27, 28), 15.5, 11.5), ((-6.5, 84), (-8.5, 14), 15.5, 11.5), ((7.5, 85), (11.5, 22), 15, 11),
    ((20, 92), (30, 46), 13.5, 9.5), ((-18, 126), (-49, 82), 20, 12),
)  # fmt: skip
PALM: Sequence[Point] = (
    (-28, 86), (-14, 78), (0, 76), (14, 78), (27.5, 90), (28, 108), (24.5, 128), (18.5, 142), (17.5, 158), (17.5, 158), (-17.5, 158),
    (-17.5, 158), (-19, 142), (-28, 122), (-29, 104),
)  # fmt: skip
HAND = (*(tapered(base, tip, wide=wide, narrow=narrow) for base, tip, wide, narrow in FINGERS), closed(PALM))
NAILS = "".join(
    oval(x, y, 3.4, 4.6, turned) for x, y, turned in ((-26.6, 36, -6), (-8.3, 22, -2), (11, 30, 4), (28.8, 53, 12), (-45.5, 87, -35))
)
HAND_BACK = Drawing("hand-back", HAND, NAILS)
HAND_PALM = Drawing(
    "hand-palm",
    HAND,
    open_line((-27, 104), (-10, 100), (8, 92), (12, 84))
    + open_line((-28, 107), (-10, 110), (8, 106), (26, 102))
    + open_line((-27, 106), (-16, 112), (-8, 126), (-7, 146)),
)

# A foot with its great toe to the left: a right one from above, a left one from its sole.
TOES = ((-14, 25, 9.4, 15, -3), (0.8, 22, 6, 11.5, 3), (11, 27, 5.4, 10.5, 8), (19.4, 34.5, 5.1, 9.5, 14), (26.4, 44, 4.9, 8.5, 22))
FOREFOOT: Sequence[Point] = (
    (-21.5, 38), (-24.5, 54), (-23.5, 66), (-19.5, 84), (-14.5, 106), (-14.5, 128), (-15.5, 142), (-9.5, 153), (1, 156),
    (11.5, 151), (16.5, 138),
    (18.5, 116), (23.5, 92), (29, 70), (30.5, 57), (26, 44), (16, 33), (2, 26), (-12, 28),
)  # fmt: skip
FOOT = (*(oval(*toe) for toe in TOES), closed(FOREFOOT))
TOENAILS = "".join(
    oval(*nail)
    for nail in (
        (-14.4, 15, 4.8, 4, -3),
        (1, 14.6, 2.9, 2.8, 3),
        (11.8, 20.2, 2.6, 2.5, 8),
        (20.8, 28.6, 2.4, 2.2, 14),
        (28.2, 39.4, 2.2, 2, 22),
    )
)
FOOT_TOP = Drawing("foot-top", FOOT, TOENAILS)
FOOT_SOLE = Drawing("foot-sole", FOOT, open_line((-22, 66), (-8, 72), (8, 68), (27, 74)) + open_line((-13, 132), (0, 126), (16, 130)))

SMALL, APART = 220.0, 54.0


def _pair(view: MapView, name: str, parts: tuple[Part, Part]) -> Figure:
    return Figure(view, name, SMALL, 178, parts)


def _hand(view: MapView, name: str, *, left: bool) -> Figure:
    # Thumbs outwards, as on the figure beside it.
    side = APART if left else -APART
    return _pair(view, name, (Part(HAND_BACK, side, flipped=left, word="back"), Part(HAND_PALM, -side, flipped=not left, word="palm")))


def _foot(view: MapView, name: str, *, left: bool) -> Figure:
    side = APART if left else -APART
    return _pair(view, name, (Part(FOOT_TOP, side, flipped=left, word="top"), Part(FOOT_SOLE, -side, flipped=not left, word="sole")))


FIGURES = (
    Figure(MapView.FRONT, "Front", 224, 486, (Part(FRONT),), ("R", "L")),
    Figure(MapView.BACK, "Back", 224, 486, (Part(BACK),), ("L", "R")),
    _pair(MapView.HEAD, "Head", (Part(FACE, -APART, word="front"), Part(NAPE, APART, word="back"))),
    _hand(MapView.RIGHT_HAND, "Right hand", left=False),
    _hand(MapView.LEFT_HAND, "Left hand", left=True),
    _foot(MapView.RIGHT_FOOT, "Right foot", left=False),
    _foot(MapView.LEFT_FOOT, "Left foot", left=True),
)

DRAWINGS = (FRONT, BACK, FACE, NAPE, HAND_BACK, HAND_PALM, FOOT_TOP, FOOT_SOLE)
