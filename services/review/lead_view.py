"""Tables and charts of statistics as templates and CSV files need them. A chart is drawn from its table: they cannot differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.records.statistics.figures import Kappa, Proportion
from services.records.statistics.windows import Period

# Of fewer cases a share is shown, but marked: its interval is wide, and one case moves it.
FEW = 30
# Of fewer, a decimal of a percentage is less than half a case.
PRECISE = 200


class Kind(StrEnum):
    """What a column holds: words, whole numbers, or figures with a unit and an interval."""

    TEXT = "text"
    COUNT = "count"
    FIGURE = "figure"


@dataclass(frozen=True, slots=True)
class Column:
    """``series``: how a chart draws the column: ``line``, ``dashed``, ``dotted`` or not. ``bar``: shown as a bar, too."""

    label: str
    kind: Kind = Kind.COUNT
    series: str = ""
    bar: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure. ``value``, ``low``, ``high`` are for charts and files; ``mark`` names a mark whose words are ``note``.

    ``level``: shade of a cell of a confusion table, 0..8. ``width``: percentage of a bar's track.
    """

    text: str
    value: str | float | int | None = None
    low: float | None = None
    high: float | None = None
    total: int | None = None
    interval: str = ""
    mark: str = ""
    note: str = ""
    level: int | None = None
    width: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """``head`` names the row; ``at`` is its place on a chart's time axis, in seconds since 1970."""

    head: str
    cells: tuple[Cell, ...]
    at: int | None = None
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a page; ``name`` is its file's."""

    name: str
    title: str
    head: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not self.rows


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot of the columns of a table that name a series. ``unit`` is ``%`` or what is counted; ``step`` names one point of time."""

    table: Table
    unit: str
    step: str
    summary: str
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Headline:
    """One large figure at the top of a page."""

    label: str
    value: str
    detail: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One block of a page: a table, or a chart with its table folded under it. ``wide``: takes the whole row."""

    table: Table
    chart: Chart | None = None
    wide: bool = False
    matrix: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page of statistics. ``remarks`` say what the figures cannot."""

    name: str
    headlines: tuple[Headline, ...]
    panels: tuple[Panel, ...]
    remarks: tuple[str, ...] = ()

    @property
    def tables(self) -> dict[str, Table]:
        """The page's tables by the names of their files."""
        return {panel.table.name: panel.table for panel in self.panels}


def percent(value: float, *, decimals: int = 1) -> str:
    """`81.4 %`."""
    return f"{100 * value:.{decimals}f} %"


def between(low: float, high: float, *, decimals: int = 1) -> str:
    """`78.2 to 84.0`, in percent."""
    return f"{100 * low:.{decimals}f} to {100 * high:.{decimals}f}"


def share(proportion: Proportion) -> Cell:
    """A share with its interval; few cases are marked, none said."""
    if proportion.value is None or proportion.interval is None:
        return Cell("no cases", total=0)
    low, high = proportion.interval
    few, decimals = proportion.total < FEW, 1 if proportion.total >= PRECISE else 0
    return Cell(
        percent(proportion.value, decimals=decimals),
        proportion.value,
        low,
        high,
        proportion.total,
        f"{between(low, high, decimals=decimals)} · n\u00a0{count_text(proportion.total)}",
        mark="information" if few else "",
        note="few" if few else "",
    )


def kappa(found: Kappa) -> Cell:
    """A kappa with its interval."""
    if found.value is None or found.interval is None:
        return Cell("no pairs" if not found.pairs else "not defined", total=found.pairs)
    low, high = found.interval
    few = found.pairs < FEW
    return Cell(
        f"{found.value:.2f}",
        found.value,
        low,
        high,
        found.pairs,
        f"{low:.2f} to {high:.2f} · n\u00a0{count_text(found.pairs)}",
        mark="information" if few else "",
        note="few" if few else "",
    )


def count(value: int, *, of: int | None = None) -> Cell:
    """A whole number; with ``of``, the largest of its column, also a bar."""
    return Cell(count_text(value), value, width=round(100 * value / of, 1) if of else None)


def count_text(value: int) -> str:
    """`12 345` with a narrow space."""
    return f"{value:,}".replace(",", "\u202f")


def number(value: float | None, form: str = "{:.1f}") -> Cell:
    """A figure without an interval."""
    return Cell("none") if value is None else Cell(form.format(value), value)


def words(text: str, *, mark: str = "") -> Cell:
    """Words alone, or beside a mark."""
    return Cell("" if mark else text, text, mark=mark, note=text if mark else "")


def period_head(period: Period, start: datetime) -> str:
    """`3 Nov` of a day, `3 Nov 2026` of a week from that Monday, `November 2026`; UTC."""
    if period is Period.MONTH:
        return f"{start:%B %Y}"
    day = f"{start.day} {start:%b}"
    return f"{day} {start:%Y}" if period is Period.WEEK else day


def at(start: datetime) -> int:
    """A row's place on the time axis."""
    return int(start.timestamp())


def largest(values: Sequence[int]) -> int:
    """The longest bar of a column; 1 of nothing."""
    return max([1, *values])
