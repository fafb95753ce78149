"""Which case a dermatologist should see next: the whole policy, in one place.

1. The portal's urgency comes first: urgent, soon, routine.
2. Within it, the risk: the highest malignant probability among the case's images. Where the models do
   not answer (an image failed, or they abstain) the risk is at least ``UNKNOWN_RISK``: such a case must
   neither sink below lesions that look benign nor push aside those that look malignant.
3. Within equal risk, the case that has waited longest.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, func
from sqlalchemy.orm import InstrumentedAttribute

from services.records.states import Urgency

UNKNOWN_RISK = 0.5
# Steps of the risk by which cases are sorted: finer than any model is sure of.
RISK_LEVELS = 20


def urgency_rank(urgency: InstrumentedAttribute[Urgency]) -> ColumnElement[int]:
    """Return the sort key of an urgency column: 0 first."""
    return case({word: word.rank for word in Urgency}, value=urgency)


def risk(malignant_probability: ColumnElement[float], unanswered: ColumnElement[bool]) -> ColumnElement[float]:
    """Return a case's risk, 0..1; ``unanswered``: an image of it failed, or the models abstained."""
    floor = case((unanswered, UNKNOWN_RISK), else_=0.0)
    return func.greatest(func.coalesce(malignant_probability, UNKNOWN_RISK), floor)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the order of one case follows from."""

    urgency: Urgency
    malignant_probability: float | None
    unanswered: bool
    received_at: datetime
    due_at: datetime


def why(standing: Standing, now: datetime) -> str:
    """Say in one sentence why the case stands where it does: ``Urgent, malignant probability 0.71, waiting 3 h.``"""
    parts = [standing.urgency.value.capitalize(), _risk_words(standing), f"waiting {_span(now - standing.received_at)}"]
    if standing.due_at < now:
        parts.append(f"overdue by {_span(now - standing.due_at)}")
    return ", ".join(parts) + "."


def _risk_words(standing: Standing) -> str:
    if standing.malignant_probability is None:
        return "not analysed: ranked as of unknown risk"
    words = f"malignant probability {standing.malignant_probability:.2f}"
    if standing.unanswered and standing.malignant_probability < UNKNOWN_RISK:
        return f"{words}, but not every image has an answer: ranked as of unknown risk"
    return words


def _span(duration: timedelta) -> str:
    hours = duration / timedelta(hours=1)
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours:.0f} h" if hours >= 1 else f"{hours * 60:.0f} min"
