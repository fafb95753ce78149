"""What has changed on the lesion since its earlier visits, as a part of a report: alert, pictures, charts, figures with their errors."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.exchange.report_charts import ChartPoint, chart
from services.exchange.report_drawing import Drawing
from services.exchange.report_model import Block, Charts, Notice, Section, Table, Text, Tone
from services.exchange.report_pictures import Shelf, strip
from services.exchange.report_sizes import probabilities, read_changes, relative_sizes, scaled, sizes
from services.exchange.report_words import Words
from services.exchange.result import CaseResult, TrailSummary
from services.records.states import VisitSource
from services.records.visit_views import TrailAlert, Visit, VisitComparison

# Figures of a change: digits, unit; of shares of one the percentage.
FIGURES: dict[str, tuple[int, str]] = {
    "area": (1, ""),
    "major": (2, ""),
    "minor": (2, ""),
    "asymmetry": (2, ""),
    "colour_asymmetry": (1, ""),
    "border_irregularity": (2, ""),
    "colour_variegation": (1, ""),
    "colour": (1, ""),
    "new_structures": (0, "%"),
    "malignant_probability": (2, ""),
}
UNITS = {"mm²": 1, "mm": 2, "px²": 0, "px": 0, "ΔE": 1}
# Rules whose figure is a share of one, and those in ΔE.
SHOWN = 6
SHARES, DELTA_E = ("growth", "new_structures"), ("colour",)


def change_section(result: CaseResult, store: Shelf, words: Words) -> Section | None:
    """The lesion over its visits up to this case; None where this is the first one."""
    if result.trail is None:
        return None
    return Section("change", words("section.change"), tuple(_blocks(result.trail, store, words)))


def _blocks(trail: TrailSummary, store: Shelf, words: Words) -> Iterator[Block]:
    *_, before, last = trail.visits
    first = trail.visits[0]
    span = {"first": words.day(first.visited_at), "last": words.day(last.visited_at)}
    yield Text(words("change.visits", count=len(trail.visits), **span), soft=True)
    yield from _alerts(trail, last, words)
    seen = strip(_few(trail.visits), store, {visit.case_id: _visit_words(visit, words, this=visit is last) for visit in trail.visits})
    if seen:
        yield seen
    drawings = tuple(_charts(trail, words))
    if drawings:
        yield Charts(drawings)
    yield from _pair(trail, before, last, words("change.since_before"), words)
    if first is not before and trail.comparison(first.case_id, last.case_id) is not None:
        yield from _pair(trail, first, last, words("change.since_first"), words)
    yield from _sequence(trail, last, words)
    if drawings or read_changes(trail.comparison(before.case_id, last.case_id)):
        yield Text(words("change.errors"), soft=True)


def _few(visits: Sequence[Visit]) -> Sequence[Visit]:
    """What has room in a line: the first, and the last ones."""
    return visits if len(visits) <= SHOWN else (visits[0], *visits[-SHOWN + 1 :])


def _visit_words(visit: Visit, words: Words, *, this: bool) -> str:
    day = words.day(visit.visited_at, short=True)
    when = words("patient.visit_receipt", date=day) if visit.source is VisitSource.RECEIPT else day
    if this:
        return f"{when}\n{words('change.this_visit')}"
    if visit.decision is None:
        return f"{when}\n{words('change.undecided')}"
    return f"{when}\n{words.known('diagnosis', visit.decision.diagnosis, words('read.not_assessable'))}"


def _alerts(trail: TrailSummary, last: Visit, words: Words) -> Iterator[Notice]:
    alert = trail.alert(last.case_id)
    if alert:
        yield Notice(Tone.ATTENTION, words("change.alert"), " ".join(_rules(alert, trail, last, words)))
        return
    withdrawn = [found for found in trail.alerts if found.case_id == last.case_id]
    if withdrawn:
        why = words("change.withdrawn", why=withdrawn[-1].withdrawn_reason or "")
        yield Notice(Tone.INFORMATION, words("change.no_alert"), why)
    elif any(found.valid and found.later == last.case_id for found in trail.comparisons):
        yield Notice(Tone.INFORMATION, words("change.no_alert"))


def _rules(alert: TrailAlert, trail: TrailSummary, last: Visit, words: Words) -> Iterator[str]:
    """The rules that fired, each as a sentence; one that the catalogue does not know as the worker wrote it."""
    fresh = sorted({code for found in trail.comparisons if found.later == last.case_id for code in _about(found, "new_classes") or ()})
    for rule in alert.rules.get("fired", ()):
        name = rule.get("rule")
        if name in ("growth", "malignant_probability", "new_structures", "colour", "asymmetry"):
            yield words(f"change.{name}", **_rule_figures(name, rule, words))
        elif name == "new_class" and fresh:
            yield words("change.new_class", classes=words.listed([words.known("diagnosis", code) for code in fresh]))
        else:
            yield f"{rule.get('text', alert.headline)}."


def _rule_figures(name: str, rule: Mapping[str, Any], words: Words) -> dict[str, str]:
    value, error = float(rule["value"]), float(rule["error"])
    if name in SHARES:
        return {"value": words.percent(value), "error": words.percent(error)}
    digits = 1 if name in DELTA_E else 2
    return {"value": words.number(value, digits), "error": words.number(error, digits)}


def _charts(trail: TrailSummary, words: Words) -> Iterator[Drawing]:
    in_mm = scaled(trail)
    plots: tuple[tuple[str, list[ChartPoint], int, float | None], ...] = (
        ("area" if in_mm else "area_relative", sizes(trail, "area_px", 2) if in_mm else relative_sizes(trail, "area"), 1, None),
        ("major" if in_mm else "major_relative", sizes(trail, "major_px", 1) if in_mm else relative_sizes(trail, "major"), 1, None),
        ("malignant", probabilities(trail), 2, 1.0),
    )
    for name, points, digits, top in plots:
        if len(points) > 1:
            yield chart(
                words(f"chart.{name}"), points, words, now=trail.visits[-1].visited_at, digits=digits if in_mm or top else 0, top=top
            )


def _pair(trail: TrailSummary, earlier: Visit, later: Visit, title: str, words: Words) -> Iterator[Block]:
    found = trail.comparison(earlier.case_id, later.case_id)
    days = {"earlier": words.day(earlier.visited_at), "later": words.day(later.visited_at)}
    if found is None:
        failed = later.failed or earlier.failed
        title = words("change.failed", why=failed, **days) if failed else words("change.not_compared", **days)
        yield Notice(Tone.INFORMATION, title, words("change.invalid_beside"))
        return
    if not found.valid:
        why = words.known("why", found.why, words("why.unknown"))
        yield Notice(Tone.ATTENTION, words("change.invalid", why=why, **days), words("change.invalid_beside"))
        return
    yield _table(found, f"{title}: {words('change.period', **days)}", words)
    yield from (Text(note, soft=True) for note in _notes(found, words))


def _table(found: VisitComparison, caption: str, words: Words) -> Table:
    changes = read_changes(found)
    rows = tuple(_row(name, changes[name], words) for name in FIGURES if name in changes)
    names = ("figure", "earlier", "later", "difference", "judgement")
    return Table(
        caption, tuple(words(f"change.{name}") for name in names), rows, (False, True, True, True, False), (0.3, 0.15, 0.15, 0.2, 0.2)
    )


def _row(name: str, change: Mapping[str, Any], words: Words) -> tuple[str, ...]:
    digits = UNITS.get(change["unit"], FIGURES[name][0])
    unit = "%" if name == "new_structures" else "" if change["unit"] == "share" else change["unit"]
    times = 100.0 if unit == "%" else 1.0

    def figure(value: float | None) -> str:
        return words("change.none") if value is None else f"{words.number(value * times, digits)} {unit}".strip()

    judgement = words("change.beyond") if change.get("significant") else words("change.within")
    return (
        words(f"figure.{name}"),
        figure(change.get("earlier")),
        figure(change.get("later")),
        _difference(change, digits, times, unit, words),
        judgement,
    )


def _difference(change: Mapping[str, Any], digits: int, times: float, unit: str, words: Words) -> str:
    """The error is that of the relative change where there is one."""
    relative, absolute, error = change.get("relative"), change.get("absolute"), change.get("error")
    if relative is not None:
        return f"{words.signed(100 * relative, 0)} %" + ("" if error is None else f" ± {words.number(100 * error, 0)}")
    if absolute is None:
        return words("change.none")
    # What only two pictures together have is no difference of two figures.
    write = words.number if change.get("later") is None else words.signed
    return (
        f"{write(absolute * times, digits)}" + ("" if error is None else f" ± {words.number(error * times, digits)}") + f" {unit}".rstrip()
    )


def _notes(found: VisitComparison, words: Words) -> Iterator[str]:
    basis = _about(found, "basis")
    if basis in ("magnification", "registration"):
        yield words(f"basis.{basis}")
    if _about(found, "lower_bound"):
        yield words("change.lower_bound")
    yield from _about(found, "notes") or ()


def _about(found: VisitComparison, name: str) -> Any:
    return (found.changes or {}).get(name)


def _sequence(trail: TrailSummary, last: Visit, words: Words) -> Iterator[Text]:
    answer = next((answer for answer in trail.sequence if answer.case_id == last.case_id and answer.progressing is not None), None)
    if answer and answer.progressing is not None:
        said = {"malignant": words.probability(answer.malignant), "progressing": words.probability(answer.progressing)}
        yield Text(words("change.sequence", count=answer.visits, **said))
