"""The readers' page: how much they decide, how long it takes, and whether they agree."""

from collections.abc import Sequence
from dataclasses import replace

from services.records.statistics.agreement import Agreement
from services.records.statistics.figures import Proportion
from services.records.statistics.throughput import ReaderLine
from services.review.lead_view import (
    FEW,
    Cell,
    Column,
    Headline,
    Kind,
    Page,
    Panel,
    Row,
    Table,
    count,
    count_text,
    kappa,
    number,
    percent,
    share,
)

SHADES = 8
KAPPA = (
    "κ is Cohen's kappa: agreement beyond chance, 1 for complete agreement and 0 for chance alone, with its 95 % interval "
    "(Fleiss, Cohen and Everitt 1969). The second reader does not see the first decision."
)
BLIND = (
    "Readers see the model's answer before they decide, except where a portal asks for a blind first opinion: only the blind κ "
    "compares two independent opinions. What a reader cannot assess is left out of comparisons with the model."
)
TIMES = (
    "Reading times are of the page open in front of the reader; the quartiles hold the middle half of them. "
    "Days are those with at least one decision."
)


def readers_page(*, lines: Sequence[ReaderLine], readers: Agreement, model: Agreement, blind: Agreement) -> Page:
    """The page of the readers who decided something in the window."""
    pairs = {"First and second reader": readers, "Blind first opinion and model": blind, "Decision and model": model}
    return Page(
        "readers",
        _headlines(lines, readers, blind),
        (
            Panel(_throughput(lines), wide=True),
            Panel(_overall(pairs)),
            Panel(_by_class(pairs)),
            Panel(_confusion("readers-confusion", "First reader (rows) and second reader (columns)", readers), matrix=True),
            Panel(_confusion("model-confusion", "Decision (rows) and model's single class (columns)", model), matrix=True),
        ),
        (KAPPA, BLIND, TIMES),
    )


def _headlines(lines: Sequence[ReaderLine], readers: Agreement, blind: Agreement) -> tuple[Headline, ...]:
    return (
        Headline("Decisions", count_text(sum(line.decisions for line in lines)), f"{len(lines)} reader{'s' * (len(lines) != 1)}"),
        Headline("Second readings", count_text(sum(line.second_reads for line in lines))),
        _kappa_headline("κ, first and second reader", readers),
        _kappa_headline("κ, blind opinion and model", blind),
    )


def _kappa_headline(label: str, agreement: Agreement) -> Headline:
    cell = kappa(agreement.overall)
    return Headline(label, cell.text, f"95 % {cell.interval}" if cell.interval else "", mark=cell.mark)


def _throughput(lines: Sequence[ReaderLine]) -> Table:
    columns = (
        Column("Decisions"),
        Column("A day", Kind.FIGURE),
        Column("Days"),
        Column("Median reading (quartiles), s", Kind.FIGURE),
        Column("Second readings"),
        Column("Adjudicated"),
        Column("Amended"),
        Column("Not assessable", Kind.FIGURE),
    )
    return Table("throughput", "Readers", "Reader", columns, tuple(_line(line) for line in lines))


def _line(line: ReaderLine) -> Row:
    return Row(
        line.name,
        (
            count(line.decisions),
            number(line.decisions / line.days),
            count(line.days),
            _seconds(line),
            count(line.second_reads),
            count(line.adjudications),
            count(line.amendments),
            share(Proportion(line.not_assessable, line.decisions)),
        ),
    )


def _seconds(line: ReaderLine) -> Cell:
    if line.median is None or line.lower_quartile is None or line.upper_quartile is None:
        return Cell("not timed", total=0)
    low, high = line.lower_quartile, line.upper_quartile
    detail = f"{low:.0f} to {high:.0f} · n\u00a0{count_text(line.timed)}"
    return Cell(f"{line.median:.0f}", line.median, low, high, line.timed, detail)


def _overall(pairs: dict[str, Agreement]) -> Table:
    columns = (Column("Same diagnosis", Kind.FIGURE), Column("κ", Kind.FIGURE))
    rows = tuple(Row(name, (_agreed(agreement), kappa(agreement.overall))) for name, agreement in pairs.items())
    return Table("agreement", "Agreement", "Pair of opinions", columns, rows)


def _agreed(agreement: Agreement) -> Cell:
    overall = agreement.overall
    return share(Proportion(overall.agreed, overall.pairs))


def _by_class(pairs: dict[str, Agreement]) -> Table:
    columns = tuple(Column(f"κ, {name[0].lower()}{name[1:]}", Kind.FIGURE) for name in pairs)
    said = Agreement({pair: 1 for agreement in pairs.values() for pair in agreement.counts}).categories
    rows = tuple(Row(name, tuple(_class_kappa(agreement, name) for agreement in pairs.values())) for name in said)
    return Table("agreement-by-class", "Agreement by class, each against all others", "Class", columns, rows)


def _class_kappa(agreement: Agreement, name: str) -> Cell:
    """Few is judged by how often the class was said at all, not by the pairs that both call something else."""
    said = sum(times for pair, times in agreement.counts.items() if name in pair)
    sides = {place for pair in agreement.counts for place in (0, 1) if pair[place] == name}
    if len(sides) < 2:
        return Cell("said by one side only" if sides else "not said", total=said)
    cell = kappa(agreement.of(name))
    bounds = f"{cell.low:.2f} to {cell.high:.2f} · " if cell.low is not None and cell.high is not None else ""
    few = said < FEW
    return replace(
        cell, total=said, interval=f"{bounds}said in {count_text(said)}", mark="information" if few else "", note="few" if few else ""
    )


def _confusion(name: str, title: str, agreement: Agreement) -> Table:
    said = agreement.categories
    rows = tuple(Row(one, tuple(_crossing(agreement, one, other, said) for other in said)) for one in said)
    return Table(name, title, "", tuple(Column(other) for other in said), rows)


def _crossing(agreement: Agreement, one: str, other: str, said: Sequence[str]) -> Cell:
    times = agreement.counts.get((one, other), 0)
    whole = sum(agreement.counts.get((one, each), 0) for each in said)
    part = times / whole if whole else 0.0
    # A shade for every crossing that happened at all: one melanoma called a naevus must be seen.
    level = max(1, round(SHADES * part)) if times else 0
    interval = percent(part) if times else ""
    return Cell(count_text(times) if times else "·", times, total=whole, interval=interval, level=level)
