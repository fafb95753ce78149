"""Makes the content of a report from a decided case: every word in its language, every picture at its size. Nothing depends on now."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime

from services.exchange.report_change import change_section
from services.exchange.report_diagnosis import Taxonomy, diagnosis_words, plan_words, taxonomy
from services.exchange.report_finding import finding_section, measures_section
from services.exchange.report_model import Fact, Facts, Notice, Report, Section, Summary, Text, Tone
from services.exchange.report_pictures import Shelf, pictures
from services.exchange.report_reading import about_section, reading_section
from services.exchange.report_words import Words
from services.exchange.result import CaseResult
from services.records.states import Decision, ReviewKind, VisitSource
from services.records.views import CaseView

DIGITS = 12


def report_content(result: CaseResult, store: Shelf, words: Words) -> Report:
    """The report of a decided case in a language; pictures come from the object store.

    Raises:
        StoreUnavailable: the store does not answer. A picture that is gone is no error: the report says so.
    """
    analysis = result.lead.analysis
    classes = taxonomy(analysis.finding if analysis else None)
    report = Report(
        language=words("form.language"),
        title=words("title.report"),
        subject=words("title.subject"),
        portal=result.case.portal,
        document=str(result.case.id),
        version=str(result.version),
        fingerprint="",
        dated=result.signed_at,
        masthead=(),
        summary=_summary(result, classes, words),
        sections=tuple(_sections(result, classes, store, words)),
        head=f"{words('patient.reference')} {result.case.patient_reference} · {words('title.report')} · {result.case.portal}",
        foot="",
        page=words("form.page"),
    )
    return _identified(report, words)


def _sections(result: CaseResult, classes: Taxonomy, store: Shelf, words: Words) -> Iterator[Section]:
    yield _patient(result.case, words)
    yield Section("pictures", words("section.pictures"), (pictures(result, store, words),))
    yield finding_section(result, words)
    optional = (measures_section(result, words), change_section(result, store, words))
    yield from (section for section in optional if section)
    yield reading_section(result, classes, words)
    yield about_section(result, words)


def _identified(report: Report, words: Words) -> Report:
    """With its fingerprint: of everything that it says and shows, so that two that differ have different ones."""
    said = json.dumps(asdict(report), sort_keys=True, ensure_ascii=False, default=_digest)
    fingerprint = hashlib.sha256(said.encode()).hexdigest()[:DIGITS]
    masthead = (
        Fact(words("title.document"), report.document),
        Fact(words("title.version"), report.version),
        Fact(words("title.fingerprint"), fingerprint),
    )
    foot = f"{report.document} · {words('title.version')} {report.version} · {fingerprint}"
    return replace(report, fingerprint=fingerprint, masthead=masthead, foot=foot)


def _digest(value: bytes | datetime) -> str:
    """What JSON cannot write: a picture by its hash."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else hashlib.sha256(value).hexdigest()


def _summary(result: CaseResult, classes: Taxonomy, words: Words) -> Summary:
    decision = result.decision
    facts = []
    if decision.follow_up_on:
        facts.append(Fact(words("result.follow_up_on"), words.day(decision.follow_up_on)))
    if decision.reason:
        facts.append(Fact(words("result.reason"), words.known("reason", decision.reason)))
    facts.append(Fact(words("result.signed"), words("result.signed_by", name=decision.reviewer, time=words.time(decision.created_at))))
    return Summary(
        label=words("result.decided"),
        headline=diagnosis_words(decision, classes, words),
        detail=_chosen(decision.decision, words),
        management=plan_words(decision.management, decision.follow_up_months, words),
        facts=tuple(facts),
        notices=tuple(_history(result, words)),
        note_label=words("result.note"),
        note=decision.note.strip(),
    )


def _chosen(decision: Decision, words: Words) -> str:
    said = {Decision.CONFIRM: "result.confirmed", Decision.CORRECT: "result.corrected"}
    return words(said[decision]) if decision in said else ""


def _history(result: CaseResult, words: Words) -> Iterator[Notice]:
    if result.version > 1:
        why = words("result.amended_why", why=result.decision.rationale or "")
        yield Notice(Tone.ATTENTION, words("result.amended", version=result.version), why)
    if any(read.kind is ReviewKind.ADJUDICATION for read in result.reads):
        yield Notice(Tone.INFORMATION, words("result.adjudicated"))


def _patient(case: CaseView, words: Words) -> Section:
    notes = (Text(words("patient.notes"), heading=True), Text(case.clinical_notes.strip())) if case.clinical_notes.strip() else ()
    return Section("patient", words("section.patient"), (Facts(tuple(_facts(case, words))), *notes))


def _facts(case: CaseView, words: Words) -> Iterator[Fact]:
    stated = {
        "reference": case.patient_reference,
        "sex": words(f"sex.{case.sex}") if case.sex else "",
        "born": str(case.birth_year or ""),
        "skin_type": str(case.fitzpatrick or ""),
        "site": _site(case.body_site, words),
        "side": words(f"laterality.{case.laterality}") if case.laterality else "",
        "lesion": case.lesion_reference or "",
        "case": case.reference or "",
        "visit": _visited(case, words),
        "received": words.time(case.received_at),
        "urgency": words(f"urgency.{case.urgency}"),
        "tracking": case.tracking_uid,
    }
    yield from (Fact(words(f"patient.{name}"), text, name == "tracking") for name, text in stated.items() if text)


def _visited(case: CaseView, words: Words) -> str:
    day = words.day(case.visited_at)
    return words("patient.visit_receipt", date=day) if case.visit_source is VisitSource.RECEIPT else day


def _site(body_site: str | None, words: Words) -> str:
    """A site's own words where the catalogue knows them: portals send any."""
    if body_site is None:
        return words("patient.not_stated")
    known = re.sub(r"[^a-z]+", "_", body_site.strip().lower())
    return words.known("site", known, body_site)
