"""The drift page: are today's pictures and answers like those of the reference window?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.records.statistics.drift import ALARM, FEWEST, SAMPLE, WATCH, Feature, Level, Shift
from services.records.statistics.windows import Window
from services.review.lead_view import Cell, Column, Headline, Kind, Page, Panel, Row, Table, count, count_text

NAMES = {
    Feature.SHARPNESS: ("Sharpness, grey levels", "{:.1f}"),
    Feature.BRIGHTNESS: ("Brightness, of 255", "{:.0f}"),
    Feature.HAIR_SHARE: ("Hair", "{:.1%}"),
    Feature.CLIPPED_SHARE: ("Burnt-out share", "{:.1%}"),
    Feature.AREA_SHARE: ("Lesion's share", "{:.1%}"),
    Feature.MALIGNANT_PROBABILITY: ("Malignant probability", "{:.2f}"),
    Feature.ANSWER: ("Class, set or no answer", ""),
}
LEVELS = {
    Level.ALARM: ("urgent", "alarm"),
    Level.WATCH: ("attention", "watch"),
    Level.STABLE: ("done", "stable"),
    Level.TOO_FEW: ("information", "too few to say"),
}
INDEX = (
    f"Index: population stability index over tenths of the reference window. Over {WATCH} is to be watched, over {ALARM} an alarm. "
    "These limits are a convention (Siddiqi 2006, credit scoring), never proven for pictures. "
    "A shift says that something changed, not that answers got worse."
)
CHANCE = (
    "By chance: what two samples of an unchanged population stay under, 95 times of 100; one row in twenty passes it for nothing. "
    f"Under {FEWEST} pictures in either window nothing is said; of many, a random {count_text(SAMPLE)} of each window are read."
)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Paired bars of one feature of one portal; heights are percentages of the tallest bar. ``named``: each bar stands for a class."""

    portal: str
    feature: str
    mark: str
    note: str
    bars: tuple[tuple[str, float, float], ...]
    named: bool
    words: str


def drift_page(*, shifts: Sequence[Shift], portals: Mapping[UUID, str], reference: Window, recent: Window) -> Page:
    """The page of the portals that have pictures in either window."""
    order = list(Feature)
    # What moved most comes first; then as the portals and the features are named.
    ordered = sorted(shifts, key=lambda one: (-(one.index or 0), portals[one.tenant_id], order.index(one.feature)))
    return Page(
        "drift",
        _headlines(shifts, reference, recent),
        (Panel(_table(ordered, portals), wide=True),),
        (INDEX, CHANCE),
    )


def histograms(shifts: Sequence[Shift], portals: Mapping[UUID, str]) -> tuple[Histogram, ...]:
    """The distributions of what moved, the largest shift first; of everything where nothing moved and there is one portal."""
    moved = [shift for shift in shifts if shift.level in (Level.ALARM, Level.WATCH)]
    shown = moved or (list(shifts) if len(portals) == 1 else [])
    known = [shift for shift in shown if shift.level is not Level.TOO_FEW]
    return tuple(_histogram(shift, portals[shift.tenant_id]) for shift in sorted(known, key=lambda shift: -(shift.index or 0)))


def _headlines(shifts: Sequence[Shift], reference: Window, recent: Window) -> tuple[Headline, ...]:
    levels = [shift.level for shift in shifts]
    alarms, watched, few = (levels.count(level) for level in (Level.ALARM, Level.WATCH, Level.TOO_FEW))
    return (
        Headline("Alarms", str(alarms), f"index over {ALARM}", mark="urgent" if alarms else "done"),
        Headline("To watch", str(watched), f"index over {WATCH}", mark="attention" if watched else "done"),
        Headline("Too few to say", str(few), f"of {len(shifts)} rows"),
        Headline("Recent", _days(recent), "pictures analysed"),
        Headline("Reference", _days(reference), "pictures analysed"),
    )


def _days(window: Window) -> str:
    return f"{window.start.day} {window.start:%b} – {window.end.day} {window.end:%b}"


def _table(shifts: Sequence[Shift], portals: Mapping[UUID, str]) -> Table:
    columns = (
        Column("Figure", Kind.TEXT),
        Column("State", Kind.TEXT),
        Column("Index", Kind.FIGURE),
        Column("By chance", Kind.FIGURE),
        Column("Reference, mean", Kind.FIGURE),
        Column("Recent, mean", Kind.FIGURE),
        Column("Reference, pictures"),
        Column("Recent, pictures"),
    )
    rows = tuple(Row(portals[shift.tenant_id], _cells(shift)) for shift in shifts)
    return Table("drift", "Population stability", "Portal", columns, rows)


def _cells(shift: Shift) -> tuple[Cell, ...]:
    name, form = NAMES[shift.feature]
    mark, note = LEVELS[shift.level]
    before, after = (_mean(shift, place, form) for place in (0, 1))
    state = Cell("", note, mark=mark, note=note)
    return (Cell(name, name), state, _index(shift.index), _index(shift.by_chance), before, after, *map(count, shift.sizes))


def _index(value: float | None) -> Cell:
    return Cell("–") if value is None else Cell(f"{value:.2f}" if value >= 0.01 else "< 0.01", round(value, 4))


def _mean(shift: Shift, place: int, form: str) -> Cell:
    return Cell("–") if shift.means is None else Cell(form.format(shift.means[place]).replace("%", " %"), round(shift.means[place], 4))


def _histogram(shift: Shift, portal: str) -> Histogram:
    reference, recent = shift.sizes
    shares = [(each.name, each.reference / reference, each.recent / recent) for each in shift.bins]
    top = max(max(before, after) for _, before, after in shares)
    bars = tuple((_bin(shift.feature, name), round(100 * before / top, 1), round(100 * after / top, 1)) for name, before, after in shares)
    mark, note = LEVELS[shift.level]
    parts = "; ".join(f"{_bin(shift.feature, name)} {before:.0%} then {after:.0%}" for name, before, after in shares)
    words = f"Share of pictures, reference then recent: {parts}."
    return Histogram(portal, NAMES[shift.feature][0], mark, note, bars, shift.feature is Feature.ANSWER, words)


def _bin(feature: Feature, name: str) -> str:
    return name if feature is Feature.ANSWER else {0: "lowest tenth", 9: "highest tenth"}.get(int(name), f"tenth {int(name) + 1}")
