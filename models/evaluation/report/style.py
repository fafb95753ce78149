"""How plots look: one quiet style, and colours that the page decides, so that one drawing serves light, dark and paper."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stand-ins: each is replaced by the page's custom property of that name after drawing.
INK, SOFT, LINE, GROUND = "#000001", "#000002", "#000003", "#000004"
ACCENT, CONTRAST, HEAT, ATTENTION, BAR = "#000005", "#000006", "#000007", "#000008", "#000009"
SERIES = ("#000011", "#000012", "#000013", "#000014", "#000015", "#000016")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 1.5)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P")
PROPERTIES = {
    INK: "ink",
    SOFT: "ink-soft",
    LINE: "line",
    GROUND: "panel",
    ACCENT: "accent",
    CONTRAST: "contrast",
    HEAT: "heat",
    ATTENTION: "attention",
    BAR: "bar",
    **{colour: f"series-{place}" for place, colour in enumerate(SERIES, start=1)},
}
WIDTH = 1000  # pixels of the page's column
FONT = "DejaVu Sans"  # comes with matplotlib, so that text is measured alike everywhere; the page then sets its own
RULES: dict[Any, Any] = {
    "font.family": [FONT],
    "font.size": 11,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelsize": 11,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": LINE,
    "axes.linewidth": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.color": LINE,
    "ytick.labelcolor": SOFT,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.dpi": 72,  # one unit of the drawing is one pixel of the page
    "svg.fonttype": "none",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.09,
    "figure.constrained_layout.w_pad": 0.09,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Sets the style for everything drawn inside, and leaves the process's own settings alone."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RULES)
        yield


def canvas(width: float, height: float, **grid: Any) -> tuple["Figure", Any]:
    """A figure of that many pixels and its axes (``grid`` as for ``Figure.subplots``)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72))
    return figure, figure.subplots(**grid)


def unit_axis(axes: "Axes", *, x: bool = False, y: bool = False, step: float = 0.25) -> None:
    """Lets an axis run over shares, 0 to 1, with few ticks and a faint grid."""
    ticks = [index * step for index in range(round(1 / step) + 1)]
    for wanted, axis, limit in ((x, axes.xaxis, axes.set_xlim), (y, axes.yaxis, axes.set_ylim)):
        if wanted:
            limit(-0.01, 1.01)
            axis.set_ticks(ticks, [f"{tick:.2f}".rstrip("0").rstrip(".") for tick in ticks])
            axis.grid(visible=True)


def _size(width: float) -> str:
    # On a telephone a wide drawing is scrolled sideways rather than shrunk until nobody can read it.
    return f"width:{width:.0f}px" + (";min-width:640px" if width > WIDTH / 2 + 100 else "")


def svg_of(figure: "Figure", *, name: str, label: str) -> Markup:
    """The figure as one ``<svg>`` element for an HTML page: same bytes for the same drawing, colours from the page's properties.

    ``name`` keeps the element's inner ids apart from those of other drawings; ``label`` is what a screen reader says.
    """
    import matplotlib as mpl

    buffer = StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r' id="[A-Za-z]\w*?(?:_\d+|\.axis_\d+)"', "", text)  # names of groups, the same in every drawing
    text = re.sub(r"font: ([^;\"]*?)'[^;\"]*\"", r'font: \1var(--font)"', text)
    text = re.sub(r"font: ([^;\"]*?)'[^;\"]*;", r"font: \1var(--font);", text)
    for colour, name_of in PROPERTIES.items():
        text = text.replace(colour, f"var(--{name_of})")
    width = re.search(r'viewBox="0 0 ([\d.]+) ', text)
    size = _size(float(width[1])) if width else ""
    opening = f'<svg role="img" aria-label="{Markup.escape(label)}" style="{size}" '
    text = opening + re.sub(r'\b(?:width|height)="[\d.]+pt" ?', "", text.removeprefix("<svg").strip())
    return Markup(re.sub(r"\s*\n\s*", "\n", text).strip())  # noqa: S704  # our own drawing; matplotlib escapes its texts
