"""The model's page: its answers against the final diagnoses, and how often it gives none."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from services.records.statistics.abstentions import Answers, abstained, sets
from services.records.statistics.performance import Performance, Promise, Tally, performance
from services.records.statistics.windows import Period
from services.review.lead_view import (
    Cell,
    Chart,
    Column,
    Headline,
    Kind,
    Page,
    Panel,
    Row,
    Table,
    at,
    count,
    largest,
    number,
    percent,
    period_head,
    share,
)

REASONS = {
    "out_of_distribution": "Unlike the training pictures",
    "poor_quality": "Poor picture",
    "no_lesion_found": "No lesion found",
    "unstated": "No reason stated",
}
FINAL = (
    "The final diagnosis is the decision that stands for a closed case; most are clinical, not histological. "
    "Readers see the model's answer before they decide, which flatters its figures."
)
SIDES = (
    "Accuracy is of answers with one class. Sensitivity and specificity are of final diagnoses that are malignant (or a precursor) "
    "and benign, at the operating point that the answering model stated. Cases without an answer are not among them: they stand beside."
)
RANGES = "Ranges are 95 % intervals (Wilson). The last period is not over."


def model_page(
    *, tallies: Sequence[Tally], answers: Sequence[Answers], starts: Sequence[datetime], period: Period, promise: Promise | None
) -> Page:
    """The page of the cases closed, and of the pictures analysed, in the window."""
    by_period = {start: performance(row for row in tallies if row.start == start) for start in starts}
    whole, head = performance(tallies), period.value.capitalize()
    over_time = partial(_over_time, by_period=by_period, whole=whole, period=period)
    safety = over_time(Table("safety", "Malignant against benign", head, SAFETY, ()), _safety)
    accuracy = over_time(Table("accuracy", "Answers confirmed", head, ACCURACY, ()), _accuracy)
    covered = over_time(Table("coverage", "Prediction sets", head, COVERAGE, ()), _coverage)
    silent = _abstentions(answers, starts, period)
    return Page(
        "model",
        _headlines(whole, answers, promise),
        (
            Panel(safety, Chart(safety, "%", period.value, "Sensitivity and specificity with 95 % bands.")),
            Panel(accuracy, Chart(accuracy, "%", period.value, "Single-class answers that were confirmed, with a 95 % band.")),
            Panel(covered, Chart(covered, "%", period.value, _promised(promise), promise.coverage if promise else None)),
            Panel(silent, Chart(silent, "%", period.value, "Pictures without an answer, and with several classes, with 95 % bands.")),
            Panel(_sides(whole)),
            Panel(_reasons(answers)),
        ),
        (*_in_use(promise), FINAL, SIDES, RANGES),
    )


def _in_use(promise: Promise | None) -> tuple[str, ...]:
    if promise is None:
        return ("No classifier is in use.",)
    if promise.operating_point is None:
        return (f"In use: {promise.name}. It states no operating point, so nothing counts as suspicious.",)
    return (f"In use: {promise.name}; suspicious from malignant probability {promise.operating_point:.2f}.",)


def _headlines(whole: Performance, answers: Sequence[Answers], promise: Promise | None) -> tuple[Headline, ...]:
    shipped = {"Sensitivity": promise.sensitivity, "Specificity": promise.specificity} if promise else {}
    parts = {"Accuracy": whole.accuracy, "Sensitivity": whole.sensitivity, "Specificity": whole.specificity}
    found = {**parts, "Sets hold the diagnosis": whole.coverage, "No answer": abstained(answers)}
    headlines = []
    for label, proportion in found.items():
        cell, stated = share(proportion), shipped.get(label)
        detail = f"95 % {cell.interval}" if cell.interval else ""
        beside = f", shipped with {percent(stated)}" if stated is not None and detail else ""
        headlines.append(Headline(label, cell.text, detail + beside, mark=cell.mark))
    return tuple(headlines)


def _promised(promise: Promise | None) -> str:
    if promise is None or promise.coverage is None:
        return "Share of answers that hold the final diagnosis, with its 95 % band."
    return f"Share of answers that hold the final diagnosis, with its 95 % band; the line is the {percent(promise.coverage)} of the design."


Cells = Callable[[Performance], tuple[Cell, ...]]
ACCURACY = (Column("Accuracy", Kind.FIGURE, series="line"), Column("Closed cases"), Column("Not assessable"))
SAFETY = (
    Column("Sensitivity", Kind.FIGURE, series="line"),
    Column("Specificity", Kind.FIGURE, series="dashed"),
    Column("Malignant, under the operating point"),
    Column("Malignant, no answer"),
)
COVERAGE = (Column("Holds the diagnosis", Kind.FIGURE, series="line"), Column("Classes in an answer", Kind.FIGURE))
SILENCE = (Column("No answer", Kind.FIGURE, series="line"), Column("Several classes", Kind.FIGURE, series="dashed"))


def _accuracy(one: Performance) -> tuple[Cell, ...]:
    return share(one.accuracy), count(one.cases), count(one.not_assessable)


def _safety(one: Performance) -> tuple[Cell, ...]:
    return share(one.sensitivity), share(one.specificity), count(one.missed), count(one.malignant_abstained)


def _coverage(one: Performance) -> tuple[Cell, ...]:
    return share(one.coverage), number(one.set_size, "{:.2f}")


def _over_time(table: Table, cells: Cells, by_period: Mapping[datetime, Performance], whole: Performance, period: Period) -> Table:
    """The table with a row for each period and one for all."""
    rows = [Row(period_head(period, start), cells(found), at(start)) for start, found in by_period.items()]
    return replace(table, rows=(*rows, Row("All", cells(whole), strong=True)))


def _abstentions(answers: Sequence[Answers], starts: Sequence[datetime], period: Period) -> Table:
    """A row for each period; a column for each reason that was given in the window."""
    reasons = sorted({row.reason for row in answers if row.reason is not None})
    rows = [_silence(period_head(period, start), [row for row in answers if row.start == start], reasons, start) for start in starts]
    columns = (*SILENCE, *(Column(_reason(reason)) for reason in reasons))
    head = period.value.capitalize()
    return Table("abstentions", "Pictures without an answer", head, columns, (*rows, _silence("All", answers, reasons, None)))


def _silence(head: str, answers: Sequence[Answers], reasons: Sequence[str], start: datetime | None) -> Row:
    counts = [count(abstained(answers, reason).hits) for reason in reasons]
    cells = (share(abstained(answers)), share(sets(answers)), *counts)
    return Row(head, cells, at(start) if start else None, strong=start is None)


def _reason(reason: str) -> str:
    return REASONS.get(reason, reason.replace("_", " "))


def _reasons(answers: Sequence[Answers]) -> Table:
    found = sorted({row.reason for row in answers if row.reason is not None})
    shares = {_reason(reason): abstained(answers, reason) for reason in found}
    ordered = sorted(shares.items(), key=lambda item: -item[1].hits)
    top = largest([part.hits for part in shares.values()])
    rows = tuple(Row(name, (count(part.hits, of=top), share(part))) for name, part in ordered)
    columns = (Column("Pictures", bar=True), Column("Of all pictures", Kind.FIGURE))
    return Table("abstention-reasons", "Why there is no answer", "Reason", columns, rows)


def _sides(whole: Performance) -> Table:
    """The operating point as a table of four: what a sensitivity hides is how many cases it is of."""
    bad, good = whole.sensitivity, whole.specificity
    rows = (
        Row(
            "Malignant",
            (count(bad.hits), count(bad.total - bad.hits), count(whole.malignant_abstained), count(bad.total + whole.malignant_abstained)),
        ),
        Row(
            "Benign",
            (count(good.total - good.hits), count(good.hits), count(whole.benign_abstained), count(good.total + whole.benign_abstained)),
        ),
    )
    columns = (Column("Suspicious"), Column("Under the operating point"), Column("No answer"), Column("All"))
    return Table("operating-point", "Sides of the operating point", "Final diagnosis", columns, rows)
