"""Which case a dermatologist should see next: the whole policy, in one place.

    priority = risk × (waited + head start) ÷ service level

* **Risk** is the highest malignant probability among the case's images, in steps of 1/20. Where the models do not answer (an image
  failed, or they abstain) it is at least ``UNKNOWN_RISK``: such a case must neither sink below lesions that look benign nor push
  aside those that look malignant. Where an alert stands it is at least ``CHANGED_RISK``: that a lesion has changed beyond the error of
  looking twice is seen, not merely unknown, and a single picture that looks benign does not outweigh it. The risk counts as
  ``LEAST_LEVEL`` steps at the least: a model that is sure of a harmless lesion is no reason to let the case become overdue, and among
  such cases the longest wait decides.
* **Waited** is the time since the portal sent the case, and every case starts with ``HEAD_START_HOURS``, a working day: a new case
  stands where its risk and its class put it from the first minute, not at the end.
* **Service level** is the class that the portal asked for, in hours from receipt to the due decision. An urgent case of 24 h gains in an
  hour what a routine one of two weeks gains in 14.

The priority of every case grows, at a pace of its own (risk ÷ service level). Two cases of one pace never overtake each other: among
them the older is the first at any time. The worklist's query rests on this.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Double, SQLColumnExpression, case, cast, func, literal

from services.records.states import Urgency

UNKNOWN_RISK = 0.5
CHANGED_RISK = 0.6
# Steps of the risk by which cases are sorted: finer than any model is sure of.
RISK_LEVELS = 20
LEAST_LEVEL = 4
HEAD_START_HOURS = 8
HEAD_START = timedelta(hours=HEAD_START_HOURS)
HOUR = timedelta(hours=1)


def risk(
    malignant_probability: ColumnElement[float], unanswered: ColumnElement[bool], changed: ColumnElement[bool]
) -> ColumnElement[float]:
    """Return a case's risk, 0..1; ``unanswered``: an image of it failed, or the models abstained; ``changed``: an alert stands."""
    floor = case((changed, CHANGED_RISK), (unanswered, UNKNOWN_RISK), else_=0.0)
    return func.greatest(func.coalesce(malignant_probability, UNKNOWN_RISK), floor)


def pace(risk_level: SQLColumnExpression[int], sla_hours: SQLColumnExpression[int]) -> ColumnElement[float]:
    """Return by how much the priority grows in an hour. ``risk_level``: 0..20; ``sla_hours`` > 0."""
    steps = cast(func.greatest(sla_hours, 1), Double) * RISK_LEVELS
    return cast(cast(func.greatest(risk_level, LEAST_LEVEL), Double) / steps, Double)


def priority(pace_: ColumnElement[float], received_at: SQLColumnExpression[datetime], moment: datetime) -> ColumnElement[float]:
    """Return the priority at a moment: about 1 where a case of certain malignancy becomes due."""
    waited = func.extract("epoch", literal(moment + HEAD_START) - received_at)
    return pace_ * cast(waited, Double) / 3600.0


def receipt_of(pace_: ColumnElement[float], value: ColumnElement[float], moment: datetime) -> ColumnElement[datetime]:
    """Return when a case was received that has the priority ``value`` at the moment: the other way round."""
    return literal(moment + HEAD_START) - func.make_interval(0, 0, 0, 0, 0, 0, value * 3600.0 / pace_)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the place of one case follows from. ``answered``: the models answered for every picture; ``changed``: an alert stands."""

    urgency: Urgency
    risk_level: int
    answered: bool
    sla_hours: int
    received_at: datetime
    due_at: datetime
    changed: bool = False


def why(standing: Standing, now: datetime) -> str:
    """Say why the case stands where it does: ``Risk 0.70 × (waited 3 h + 8 h) of 24 h (urgent) = 0.32.``"""
    waited = max(now - standing.received_at, timedelta())
    value = max(standing.risk_level, LEAST_LEVEL) / RISK_LEVELS * ((waited + HEAD_START) / HOUR) / max(standing.sla_hours, 1)
    shown = f"{_risk_words(standing)} × (waited {span(waited)} + {HEAD_START_HOURS} h) of {span(standing.sla_hours * HOUR)}"
    overdue = f" Overdue by {span(now - standing.due_at)}." if standing.due_at < now else ""
    return f"{shown} ({standing.urgency.value}) = {value:.2f}.{overdue}"


def _risk_words(standing: Standing) -> str:
    level = f"{max(standing.risk_level, LEAST_LEVEL) / RISK_LEVELS:.2f}"
    if standing.changed and standing.risk_level <= CHANGED_RISK * RISK_LEVELS:
        return f"Risk {level} (the least for a lesion that has changed)"
    if not standing.answered:
        return f"Risk {level} (counted as unknown: not every picture has an answer)"
    return f"Risk {level}" if standing.risk_level >= LEAST_LEVEL else f"Risk {level} (the least that counts)"


def span(duration: timedelta) -> str:
    """A duration in fitting units: ``4 min``, ``47 h``, ``14 days``."""
    hours = duration / HOUR
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours:.0f} h" if hours >= 1 else f"{hours * 60:.0f} min"
