"""The sign of a statement: a tick, an exclamation mark, an i. Shapes and no letters: a page and a browser show the same."""

from services.exchange.report_drawing import ACCENT, ATTENTION, GOOD, Dot, Drawing, Path
from services.exchange.report_model import Tone

COLOURS = {Tone.GOOD: GOOD, Tone.ATTENTION: ATTENTION, Tone.INFORMATION: ACCENT}
WHITE = "#ffffff"
STROKES = {
    Tone.GOOD: ((2.9, 5.2), (4.4, 6.7), (7.2, 3.5)),
    Tone.ATTENTION: ((5.0, 2.5), (5.0, 5.6)),
    Tone.INFORMATION: ((5.0, 4.6), (5.0, 7.5)),
}
POINTS = {Tone.ATTENTION: 7.4, Tone.INFORMATION: 2.7}


def sign(tone: Tone) -> Drawing:
    """A disc of 10 units with the sign of a tone."""
    shapes = (Dot(5, 5, 5, COLOURS[tone]), Path((STROKES[tone],), WHITE, 1.3))
    point = (Dot(5, POINTS[tone], 0.8, WHITE),) if tone in POINTS else ()
    return Drawing(10, 10, (*shapes, *point))
