"""What the models said about the leading picture, and what was measured in it, as parts of a report."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.exchange.report_diagnosis import Taxonomy, diagnosis_name, taxonomy
from services.exchange.report_model import Bar, Block, Notice, Ranking, Section, Table, Text, Tone
from services.exchange.report_words import Words
from services.exchange.result import CaseResult
from services.records.states import Outcome
from services.records.views import AnalysisView

Json = Mapping[str, Any]
# Classes under this probability share the last line of the bars.
LISTED = 8


def finding_section(result: CaseResult, words: Words) -> Section:
    """The automatic answer, or why there is none."""
    analysis = result.lead.analysis
    blocks: list[Block] = [_not_analysed(result, words)] if analysis is None else list(_finding(analysis, words))
    return Section("finding", words("section.finding"), (*blocks, Text(words("finding.informs"), soft=True)))


def measures_section(result: CaseResult, words: Words) -> Section | None:
    """The figures of the outline that counts; None where nothing was outlined."""
    outlined, measures = result.lead.outline, result.measures
    notes = [words("measure.by_reader", name=outlined.author)] if outlined else []
    if outlined and not measures:
        notes.append(words("measure.unmeasured", reason=outlined.reason) if outlined.reason else words("measure.waiting"))
    if measures and measures.get("touches_border"):
        notes.append(words("measure.border_touched"))
    rows = tuple(_measures(measures, words)) if measures else ()
    if not rows and not notes:
        return None
    head = (words("measure.name"), words("measure.value"), words("measure.scale"))
    table = Table("", head, rows, (False, True, False), (0.44, 0.22, 0.34))
    return Section("measures", words("section.measures"), (*([table] if rows else []), *(Text(note, soft=True) for note in notes)))


def _not_analysed(result: CaseResult, words: Words) -> Notice:
    reason = result.lead.reason
    detail = words("finding.not_analysed_why", reason=reason) if reason else words("finding.not_analysed_plain")
    return Notice(Tone.ATTENTION, words("finding.not_analysed"), detail)


def _finding(analysis: AnalysisView, words: Words) -> Iterator[Block]:
    finding, classes = analysis.finding, taxonomy(analysis.finding)
    yield _answer(analysis, classes, words)
    suspicion = _suspicion(analysis, words)
    if suspicion:
        yield suspicion
    ranking = _ranking(analysis, classes, words)
    if ranking.bars:
        yield ranking
    yield from _distribution(finding, words)
    yield from _quality(finding.get("quality"), words)


def _answer(analysis: AnalysisView, classes: Taxonomy, words: Words) -> Notice:
    if analysis.outcome is Outcome.ABSTAIN:
        why = words.known("abstention", analysis.finding.get("reason"), words("abstention.uncertain"))
        return Notice(Tone.ATTENTION, words("finding.abstained"), f"{why} {words('finding.abstained_use')}")
    if analysis.outcome is Outcome.SET:
        named = words.listed([f"{diagnosis_name(code, classes, words)} ({code})" for code in analysis.classes])
        coverage = analysis.finding.get("coverage")
        detail = words("finding.set_coverage", count=words.number(100 * coverage, 0)) if coverage else ""
        return Notice(Tone.INFORMATION, words("finding.set", classes=named), detail)
    code, probability = analysis.top_class or "", words.probability(analysis.top_probability or 0.0)
    title = words("finding.prediction", name=diagnosis_name(code, classes, words), code=code, probability=probability)
    return Notice(Tone.INFORMATION, title)


def _suspicion(analysis: AnalysisView, words: Words) -> Notice | None:
    """The malignant probability, and on which side of the operating point it lies where the model states one."""
    if analysis.outcome is Outcome.ABSTAIN:
        return None
    said = words.probability(analysis.malignant_probability)
    title = words("finding.malignant", probability=said)
    limit = (analysis.finding.get("operating_point") or {}).get("malignant_probability")
    suspicious = analysis.finding.get("suspicious")
    if suspicious is None or limit is None:
        return Notice(Tone.INFORMATION, title)
    if suspicious:
        return Notice(Tone.ATTENTION, title, words("finding.suspicious", probability=said, limit=words.probability(limit)))
    return Notice(Tone.INFORMATION, title, words("finding.not_suspicious", limit=words.probability(limit)))


def _ranking(analysis: AnalysisView, classes: Taxonomy, words: Words) -> Ranking:
    probabilities: Mapping[str, float] = analysis.finding.get("probabilities") or {}
    ranked = sorted(probabilities.items(), key=lambda item: (-item[1], item[0]))[:LISTED]
    named = {Outcome.PREDICTION: (analysis.top_class,), Outcome.SET: analysis.classes, Outcome.ABSTAIN: ()}[analysis.outcome]
    bars = tuple(
        Bar(
            label=f"{diagnosis_name(code, classes, words)} ({code})",
            text=words.probability(value),
            share=min(max(float(value), 0.0), 1.0),
            malignant=classes.get(code, ("", False))[1],
            named=code in named,
        )
        for code, value in ranked
    )
    return Ranking(words("finding.probabilities"), bars, words("result.malignant"))


def _distribution(finding: Json, words: Words) -> Iterator[Notice]:
    if "ood" not in finding:
        return
    ood = finding["ood"]
    if not ood:
        yield Notice(Tone.ATTENTION, words("finding.not_checked"))
    elif ood.get("in_distribution"):
        yield Notice(Tone.GOOD, words("finding.in_distribution"))
    else:
        yield Notice(Tone.ATTENTION, words("finding.out_of_distribution"))


def _quality(quality: Json | None, words: Words) -> Iterator[Notice]:
    if not quality:
        return
    issues = words.listed([words.known("issue", issue) for issue in quality.get("issues") or ()])
    if quality.get("acceptable", not issues):
        yield Notice(Tone.GOOD, words("finding.quality_noted", issues=issues) if issues else words("finding.quality_good"))
    else:
        yield Notice(Tone.ATTENTION, words("finding.quality_poor", issues=issues) if issues else words("finding.quality_bad"))


def _measures(measures: Json, words: Words) -> Iterator[tuple[str, str, str]]:
    bound = "≥ " if measures.get("touches_border") else ""
    source = words.known("scale", measures.get("scale_source")) if measures.get("scale_source") else ""
    yield from _sizes(measures, bound, source, words)
    shown = (
        ("asymmetry", "measure.asymmetry", 2, "measure.of_unity"),
        ("colour_asymmetry", "measure.colour_asymmetry", 1, "measure.delta_e"),
        ("border_irregularity", "measure.border", 2, "measure.of_unity"),
        ("abrupt_segments", "measure.abrupt", 0, "measure.of_eight"),
        ("colour_count", "measure.colours", 0, "measure.of_six"),
        ("colour_variegation", "measure.variegation", 1, "measure.delta_e"),
    )
    for name, label, digits, scale in shown:
        value = measures.get(name)
        if value is not None:
            yield words(label), words.number(float(value), digits), words(scale)


def _sizes(measures: Json, bound: str, source: str, words: Words) -> Iterator[tuple[str, str, str]]:
    """In millimetres only with a named scale: without one they would be a guess that looks like a measurement."""
    square, across = measures.get("area_mm2"), measures.get("major_diameter_mm")
    share, pixels = measures.get("area_share"), measures.get("major_diameter_px")
    if source and square is not None:
        yield words("measure.area"), f"{bound}{words.number(square, 1)} mm²", words("measure.scaled", source=source)
    elif share is not None:
        yield words("measure.area_share"), bound + words.percent(share, 1), words("measure.relative")
    if source and across is not None:
        yield words("measure.diameter"), f"{bound}{words.number(across, 1)} mm", words("measure.scaled", source=source)
    elif pixels is not None:
        yield words("measure.diameter"), f"{bound}{words.number(pixels, 0)} px", words("measure.relative")
