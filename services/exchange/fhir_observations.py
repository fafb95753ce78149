"""FHIR Observations of a decided case, one for each thing that was observed, and by whom.

``-diagnosis`` is the dermatologist's and has the others as members. ``-finding`` (the models' answer with its probabilities), ``-measures``
(of the leading picture's outline), ``-change`` (since the visit before) and ``-alert`` were observed by a device, and say so.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from services.exchange.codes import (
    DECISIONS,
    DIAGNOSIS,
    DISEASES,
    MALIGNANT_PROBABILITY,
    MANAGEMENT,
    MANAGEMENTS,
    READERS_DECISION,
    Coded,
    diagnosis_code,
    probability_code,
)
from services.exchange.fhir_base import (
    DISCLAIMER,
    Json,
    Release,
    concept,
    filled,
    instant,
    note,
    observation_id,
    ours,
    person,
    quantity,
    reference,
    references,
    resource,
    term,
)
from services.exchange.fhir_changes import alert_observation, change_observation
from services.exchange.fhir_device import device_id
from services.exchange.fhir_images import picture_id, picture_kind, shown
from services.exchange.fhir_lesion import located
from services.exchange.fhir_measures import measures_observation
from services.exchange.fhir_report import conclusion, diagnosis_concept, plan_words
from services.exchange.result import CaseResult
from services.records.decided import DecidedCase
from services.records.states import Decision, Outcome
from services.records.views import AnalysisView

FINDING = ours("FINDING", "Automatic finding of the models")


def observations(found: DecidedCase, result: CaseResult, *, release: Release) -> list[Json]:
    """The diagnosis first, then everything else that there is."""
    about = common(found, result, release)
    analysis = result.lead.analysis
    others = [
        _finding(found, analysis, about) if analysis else None,
        measures_observation(found.case_id, result, about),
        change_observation(found.case_id, result, about),
        alert_observation(found.case_id, result, about),
    ]
    present = [other for other in others if other]
    return [_diagnosis(found, about, [other["id"] for other in present]), *present]


def common(found: DecidedCase, result: CaseResult, release: Release) -> Json:
    """Whom and where and when it is about, and on which picture: the leading one, where it may leave."""
    lead = next((picture for picture in shown(found) if picture.id == result.lead.id), None)
    return filled(
        subject=reference("Patient", found.patient_id),
        effectiveDateTime=instant(found.visited_at),
        **located(found, release=release),
        derivedFrom=references(picture_kind(release), [picture_id(found, lead)]) if lead else None,
    )


def _diagnosis(found: DecidedCase, about: Json, members: Sequence[str]) -> Json:
    diagnosis = diagnosis_concept(found.diagnosis)
    without = {**term("data-absent-reason", "unknown", "Unknown"), "text": conclusion(found)[0]} if diagnosis is None else None
    return resource(
        "Observation",
        observation_id(found.case_id, "diagnosis"),
        status=found.status.value,
        category=[term("observation-category", "exam", "Exam")],
        code=concept(DIAGNOSIS, text="Diagnosis of the dermatologist"),
        **about,
        issued=instant(found.signed_at),
        performer=[person(found.user_id, found.reviewer)],
        valueCodeableConcept=diagnosis,
        dataAbsentReason=without,
        note=note(found.note),
        hasMember=references("Observation", members),
        component=[part for part in (_component(READERS_DECISION, _decision(found.decision)), _plan(found)) if part],
    )


def _decision(decision: Decision) -> Json | None:
    return concept(DECISIONS.get(decision), text=decision.value.replace("_", " "))


def _plan(found: DecidedCase) -> Json | None:
    plan = concept(MANAGEMENTS[found.management], text=plan_words(found)) if found.management else None
    return _component(MANAGEMENT, plan) if plan else None


def _component(code: Coded, value: Json | None) -> Json:
    return {"code": concept(code), "valueCodeableConcept": value}


def _finding(found: DecidedCase, analysis: AnalysisView, about: Json) -> Json:
    value = _answer(analysis)
    absent = {
        **term("data-absent-reason", "unknown", "Unknown"),
        "text": f"The models abstain: {analysis.finding.get('reason') or 'unsure'}",
    }
    return resource(
        "Observation",
        observation_id(found.case_id, "finding"),
        status="final",
        category=[term("observation-category", "imaging", "Imaging")],
        code=concept(FINDING),
        **about,
        issued=instant(analysis.created_at),
        valueCodeableConcept=value,
        dataAbsentReason=None if value else absent,
        note=note(DISCLAIMER),
        device=reference("Device", device_id(analysis.pipeline_version)),
        component=[*_probabilities(analysis.finding), _probability(MALIGNANT_PROBABILITY, analysis.malignant_probability)],
    )


def _answer(analysis: AnalysisView) -> Json | None:
    """One class as a code, several in words: a concept has one meaning."""
    if analysis.outcome is Outcome.PREDICTION and analysis.top_class:
        return concept(diagnosis_code(analysis.top_class))
    names = [DISEASES[code].name if code in DISEASES else code for code in analysis.classes]
    return concept(text=f"One of: {', '.join(names)}") if analysis.outcome is Outcome.SET else None


def _probabilities(finding: Mapping[str, Any]) -> list[Json]:
    probabilities: Mapping[str, float] = finding.get("probabilities") or {}
    return [_probability(probability_code(code), value) for code, value in probabilities.items()]


def _probability(code: Coded, value: float) -> Json:
    return {"code": concept(code), "valueQuantity": quantity(value, "1")}
