"""The subgroups' page: the same figures for each kind of person, place and picture."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.records.statistics.figures import Proportion
from services.records.statistics.subgroups import Dimension, Subgroup, Subgroups, portal_of
from services.review.lead_view import Cell, Column, Headline, Kind, Page, Panel, Row, Table, count, count_text, share

# Under so many answered cases an accuracy of 0.8 has an interval wider than 20 points: no comparison is made.
FEWEST = 50
MOST = 12
TITLES = {
    Dimension.AGE: "Age",
    Dimension.SEX: "Sex",
    Dimension.BODY_SITE: "Body site",
    Dimension.FITZPATRICK: "Fitzpatrick skin type",
    Dimension.PORTAL: "Portal",
    Dimension.MODALITY: "Picture",
}
AGES = ("under 18", "18 to 39", "40 to 59", "60 to 74", "75 and over")
SKIN = ("I", "II", "III", "IV", "V", "VI")
COLUMNS = (
    Column("Closed cases"),
    Column("Accuracy", Kind.FIGURE),
    Column("Sensitivity", Kind.FIGURE),
    Column("Specificity", Kind.FIGURE),
    Column("No answer", Kind.FIGURE),
    Column("Remark", Kind.TEXT),
)
LOWER = (
    "Lower: the whole 95 % interval of accuracy or sensitivity lies under the figure of all cases. Of 20 subgroups without any "
    "difference, one or two will still be marked: look again in the next window before acting."
)
SMALL = f"Too few to say: fewer than {FEWEST} closed cases with a single-class answer. A missing mark is then no reassurance."
STATED = "Skin types, ages and sexes are those that portals state; who is not stated may differ from who is."


def subgroups_page(*, found: Subgroups, portals: Mapping[UUID, str]) -> Page:
    """The page of the cases closed in the window."""
    groups = found.groups
    everybody = [group for group in groups if group.dimension is Dimension.SEX]
    accuracy, sensitivity = (_pooled([getattr(group, name) for group in everybody]) for name in ("accuracy", "sensitivity"))
    panels = [Panel(_table(dimension, groups, portals, accuracy, sensitivity), wide=True) for dimension in Dimension]
    cells = [cell for panel in panels for row in panel.table.rows for cell in row.cells[-1:]]
    below, few = (sum(cell.mark == mark for cell in cells) for mark in ("attention", "information"))
    return Page(
        "subgroups",
        (
            Headline("Closed cases", count_text(found.closed), _sampled(found, everybody)),
            _headline("Accuracy, all", accuracy),
            _headline("Sensitivity, all", sensitivity),
            Headline("Lower than all", str(below), f"of {len(cells)} subgroups", mark="attention" if below else "done"),
            Headline("Too few to say", str(few), f"of {len(cells)} subgroups"),
        ),
        tuple(panels),
        (LOWER, SMALL, STATED),
    )


def _sampled(found: Subgroups, everybody: Sequence[Subgroup]) -> str:
    return f"figures are of a random {count_text(sum(group.cases for group in everybody))}" if found.sampled else ""


def _pooled(parts: Sequence[Proportion]) -> Proportion:
    return Proportion(sum(part.hits for part in parts), sum(part.total for part in parts))


def _headline(label: str, proportion: Proportion) -> Headline:
    cell = share(proportion)
    return Headline(label, cell.text, f"95 % {cell.interval}" if cell.interval else "", mark=cell.mark)


def _table(
    dimension: Dimension, groups: Sequence[Subgroup], portals: Mapping[UUID, str], accuracy: Proportion, sensitivity: Proportion
) -> Table:
    mine = [group for group in groups if group.dimension is dimension]
    shown = sorted(mine[:MOST], key=_place)
    rows = tuple(_row(group, _name(group, portals), accuracy, sensitivity) for group in shown)
    rest = f"{len(mine) - MOST} rarer ones are not shown." if len(mine) > MOST else ""
    return Table(dimension.value.replace("_", "-"), TITLES[dimension], TITLES[dimension], COLUMNS, rows, rest)


def _place(group: Subgroup) -> tuple[int, int]:
    """Ages and skin types in their own order, the rest by size, what is not stated last."""
    if group.dimension is Dimension.AGE and group.name in AGES:
        return AGES.index(group.name), 0
    if group.dimension is Dimension.FITZPATRICK and group.name.isdigit():
        return int(group.name), 0
    return 99, (1 if group.name == "not stated" else -group.cases)


def _name(group: Subgroup, portals: Mapping[UUID, str]) -> str:
    if group.dimension is Dimension.PORTAL:
        return portals.get(portal_of(group), "another portal")
    if group.dimension is Dimension.FITZPATRICK and group.name.isdigit():
        return SKIN[int(group.name) - 1]
    return group.name


def _row(group: Subgroup, name: str, accuracy: Proportion, sensitivity: Proportion) -> Row:
    shares = [share(part) for part in (group.accuracy, group.sensitivity, group.specificity, group.abstained)]
    return Row(name, (count(group.cases), *shares, _remark(group, accuracy, sensitivity)))


def _remark(group: Subgroup, accuracy: Proportion, sensitivity: Proportion) -> Cell:
    if group.accuracy.total < FEWEST:
        return Cell("", "too few to say", mark="information", note="too few to say")
    compared = {"accuracy": (group.accuracy, accuracy), "sensitivity": (group.sensitivity, sensitivity)}
    lower = [name for name, (own, everybody) in compared.items() if _under(own, everybody)]
    text = f"lower {' and '.join(lower)}" if lower else ""
    return Cell("", text, mark="attention" if lower else "", note=text)


def _under(own: Proportion, everybody: Proportion) -> bool:
    if own.interval is None or everybody.value is None or own.total < FEWEST:
        return False
    return own.interval[1] < everybody.value
