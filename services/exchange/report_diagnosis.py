"""Diagnoses and decisions in a report's words."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.exchange.report_words import Words
from services.records.diagnoses import DIAGNOSES
from services.records.reading import OTHER
from services.records.states import Decision, Management
from services.records.views import ReviewView

Taxonomy = Mapping[str, tuple[str, bool]]


def taxonomy(finding: Mapping[str, Any] | None) -> Taxonomy:
    """Class code → English name and whether it is malignant or a precursor: the model's own list, else the desk's."""
    listed: Sequence[Mapping[str, Any]] = (finding or {}).get("taxonomy") or ()
    if listed:
        return {str(entry["code"]): (str(entry["name"]), bool(entry["malignant"])) for entry in listed}
    return {diagnosis.code: (diagnosis.name, diagnosis.malignant) for diagnosis in DIAGNOSES}


def diagnosis_name(code: str, classes: Taxonomy, words: Words) -> str:
    """`Melanoma`; of a class that the catalogue does not know the model's own name."""
    return words.known("diagnosis", code, classes.get(code, (code, False))[0])


def diagnosis_words(review: ReviewView, classes: Taxonomy, words: Words) -> str:
    """`Melanoma (MEL)`, `Not assessable`, or that the note names it."""
    if review.decision is Decision.NOT_ASSESSABLE:
        return words("result.not_assessable")
    if review.diagnosis is None:
        return words("read.second_opinion")
    if review.diagnosis == OTHER:
        return words("result.other")
    return f"{diagnosis_name(review.diagnosis, classes, words)} ({review.diagnosis})"


def decision_words(review: ReviewView, classes: Taxonomy, words: Words) -> str:
    """`Confirmed Melanoma (MEL)` …"""
    name = diagnosis_words(review, classes, words)
    if review.decision is Decision.CONFIRM:
        return words("read.confirmed", name=name)
    if review.decision is Decision.CORRECT:
        return words("read.corrected", name=name)
    return words("read.not_assessable") if review.decision is Decision.NOT_ASSESSABLE else words("read.second_opinion")


def plan_words(management: Management | None, months: int | None, words: Words) -> str:
    """`Follow-up in 6 months`; says it where nothing was stated."""
    if management is None:
        return words("result.no_management")
    if management is Management.FOLLOW_UP:
        return words("management.follow_up_one") if months == 1 else words("management.follow_up", months=months)
    return words(f"management.{management}")
