"""Vector drawings that a page and a browser draw alike: lines, areas, dots and labels. Origin upper left, y down."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

# Ink on white paper; every meaning that a colour has is said by a word or a shape, too.
INK, SOFT, RULE, PANEL = "#17212b", "#55616e", "#d3dae1", "#f2f5f8"
ACCENT, BAND = "#0b5a83", "#cfe2ee"
ATTENTION, MALIGNANT, GOOD = "#a2480d", "#9c2430", "#226b45"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Path:
    """Lines through points. ``fill``: the inside's colour; ``width`` 0: no line. Several rings make holes (even-odd)."""

    rings: tuple[tuple[Point, ...], ...]
    colour: str = INK
    width: float = 0.0
    fill: str = ""
    closed: bool = False
    dash: float = 0.0
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class Dot:
    """A disc, or with ``line`` a ring."""

    x: float
    y: float
    radius: float
    colour: str
    line: float = 0.0


@dataclass(frozen=True, slots=True)
class Label:
    """Text with its baseline at ``y``. ``anchor``: start, middle or end. ``halo``: on a picture, with a dark edge."""

    x: float
    y: float
    text: str
    size: float
    colour: str = SOFT
    anchor: str = "start"
    bold: bool = False
    halo: bool = False


Shape = Path | Dot | Label


@dataclass(frozen=True, slots=True)
class Drawing:
    """Shapes in a box. ``alt`` says what it shows."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
    alt: str = ""


def line(points: Sequence[Point], colour: str, width: float, *, dash: float = 0.0) -> Path:
    """An open line."""
    return Path((tuple(points),), colour, width, dash=dash)


def area(points: Sequence[Point], fill: str) -> Path:
    """A filled area without a line."""
    return Path((tuple(points),), fill=fill, closed=True)


def svg(drawing: Drawing, *, decorative: bool = False) -> str:
    """As SVG, with attributes of presentation alone: no style that a strict policy would refuse."""
    inner = "".join(_shape(shape) for shape in drawing.shapes)
    told = 'aria-hidden="true"' if decorative else f'role="img" aria-label={quoteattr(drawing.alt)}'
    box = f'viewBox="0 0 {_n(drawing.width)} {_n(drawing.height)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} {told} preserveAspectRatio="none">{inner}</svg>'


def path_data(path: Path) -> str:
    """The rings as the data of an SVG path."""
    end = "Z" if path.closed else ""
    return "".join("M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in ring) + end for ring in path.rings)


def _shape(shape: Shape) -> str:
    if isinstance(shape, Path):
        return _path(shape)
    return _dot(shape) if isinstance(shape, Dot) else _label(shape)


def _path(shape: Path) -> str:
    drawn = f'fill="{shape.fill or "none"}" fill-rule="evenodd"'
    if shape.width:
        drawn += f' stroke="{shape.colour}" stroke-width="{_n(shape.width)}" stroke-linejoin="round" stroke-linecap="round"'
    if shape.dash:
        drawn += f' stroke-dasharray="{_n(shape.dash)}"'
    if shape.opacity < 1:
        drawn += f' opacity="{_n(shape.opacity)}"'
    return f'<path d="{path_data(shape)}" {drawn}/>'


def _dot(shape: Dot) -> str:
    inside = f'fill="#fff" stroke="{shape.colour}" stroke-width="{_n(shape.line)}"' if shape.line else f'fill="{shape.colour}"'
    return f'<circle cx="{_n(shape.x)}" cy="{_n(shape.y)}" r="{_n(shape.radius)}" {inside}/>'


def _label(shape: Label) -> str:
    at = f'x="{_n(shape.x)}" y="{_n(shape.y)}" font-size="{_n(shape.size)}" text-anchor="{shape.anchor}"'
    weight = ' font-weight="600"' if shape.bold else ""
    halo = f' stroke="#000" stroke-opacity="0.65" stroke-width="{_n(shape.size / 6)}" paint-order="stroke"' if shape.halo else ""
    return f'<text {at} fill="{shape.colour}"{weight}{halo}>{escape(shape.text)}</text>'


def _n(value: float) -> str:
    """Four digits are a hundredth of a millimetre on a page."""
    return f"{value:.4f}".rstrip("0").rstrip(".")
