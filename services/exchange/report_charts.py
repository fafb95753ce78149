"""A figure over time as a drawing: each visit with its error, the last one marked, gaps where nothing can be said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.exchange.report_drawing import ACCENT, BAND, INK, RULE, SOFT, Dot, Drawing, Label, Point, Shape, area, line
from services.exchange.report_words import Words

WIDTH, HEIGHT = 168.0, 118.0
LEFT, RIGHT, TOP, BOTTOM = 24.0, 10.0, 24.0, 20.0
SIZE = 7.2


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """A visit's figure; ``error``: one standard deviation, None where nobody has worked it out."""

    at: datetime
    value: float
    error: float | None

    @property
    def low(self) -> float:
        """One standard deviation under the value."""
        return self.value - (self.error or 0.0)

    @property
    def high(self) -> float:
        """One standard deviation over the value."""
        return self.value + (self.error or 0.0)


@dataclass(frozen=True, slots=True)
class _Frame:
    start: float
    span: float
    top: float

    def x(self, point: ChartPoint) -> float:
        share = (point.at.timestamp() - self.start) / self.span if self.span else 0.5
        return LEFT + 8 + share * (WIDTH - LEFT - RIGHT - 16)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - max(value, 0.0) / self.top * (HEIGHT - TOP - BOTTOM)


def chart(title: str, points: Sequence[ChartPoint], words: Words, *, now: datetime, digits: int, top: float | None = None) -> Drawing:
    """Points in the order of time, on an axis from 0 to ``top`` (the next round number over the highest); ``now``: this case's visit."""
    times = [point.at.timestamp() for point in points]
    frame = _Frame(min(times), max(times) - min(times), top or _round_up(max(point.high for point in points)))
    shapes = [Label(0, 9, title, 8.2, INK, bold=True), *_axis(frame, words)]
    shapes += [*_band(frame, points), *_whiskers(frame, points), *_dots(frame, points, now), *_days(frame, points, words)]
    told = [words("chart.point", date=words.day(point.at), value=_figure(point, words, digits)) for point in points]
    shapes.append(_value(frame, points[-1], _figure(points[-1], words, digits)))
    alt = words("chart.described", title=title, points="; ".join(told))
    return Drawing(WIDTH, HEIGHT, tuple(shapes), alt)


def _figure(point: ChartPoint, words: Words, digits: int) -> str:
    error = "" if point.error is None else f" ± {words.number(point.error, digits)}"
    return words.number(point.value, digits) + error


def _axis(frame: _Frame, words: Words) -> list[Shape]:
    """Zero, half and top."""
    shapes: list[Shape] = []
    for value in (0.0, frame.top / 2, frame.top):
        y = frame.y(value)
        digits = 0 if value == int(value) else 1 if round(value, 1) == value else 2
        shapes.append(line([(LEFT, y), (WIDTH - RIGHT, y)], RULE, 0.6))
        shapes.append(Label(LEFT - 3, y + 2.2, words.number(value, digits), SIZE, SOFT, "end"))
    return shapes


def _band(frame: _Frame, points: Sequence[ChartPoint]) -> list[Shape]:
    upper: list[Point] = [(frame.x(point), frame.y(point.high)) for point in points]
    lower: list[Point] = [(frame.x(point), frame.y(point.low)) for point in reversed(points)]
    line_through = line([(frame.x(point), frame.y(point.value)) for point in points], ACCENT, 1.3)
    return [area([*upper, *lower], BAND), line_through] if len(points) > 1 else []


def _whiskers(frame: _Frame, points: Sequence[ChartPoint]) -> list[Shape]:
    shapes: list[Shape] = []
    for point in points:
        if point.error:
            x, low, high = frame.x(point), frame.y(point.low), frame.y(point.high)
            shapes.append(line([(x, low), (x, high)], ACCENT, 0.8))
            shapes += [line([(x - 2.2, y), (x + 2.2, y)], ACCENT, 0.8) for y in (low, high)]
    return shapes


def _dots(frame: _Frame, points: Sequence[ChartPoint], now: datetime) -> list[Shape]:
    """The visit that the report is about is filled; the others are rings."""
    return [Dot(frame.x(point), frame.y(point.value), 2.6, ACCENT, 0.0 if point.at == now else 1.2) for point in points]


def _days(frame: _Frame, points: Sequence[ChartPoint], words: Words) -> list[Shape]:
    """The first and the last day; between them the ticks tell when."""
    ticks: list[Shape] = [line([(frame.x(p), HEIGHT - BOTTOM), (frame.x(p), HEIGHT - BOTTOM + 3)], SOFT, 0.6) for p in points]
    y = HEIGHT - 6
    first, last = (words.day(point.at, short=True) for point in (points[0], points[-1]))
    if len(points) == 1:
        return [*ticks, Label(frame.x(points[0]), y, last, SIZE, SOFT, "middle")]
    return [*ticks, Label(LEFT, y, first, SIZE, SOFT), Label(WIDTH - 2, y, last, SIZE, INK, "end", bold=True)]


def _value(frame: _Frame, point: ChartPoint, text: str) -> Label:
    return Label(WIDTH - 2, max(frame.y(point.high) - 4, 17.5), text, 8.0, INK, "end", bold=True)


def _round_up(value: float) -> float:
    """1, 2, 4, 5, 6, 8 or 10 times a power of ten, whatever is next over the value."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 < value:
        power *= 10
    while power > value:
        power /= 10
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value)
