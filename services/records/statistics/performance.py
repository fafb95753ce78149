"""The model against the final diagnosis, over time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from services.records.states import ModelKind, ModelState, Outcome
from services.records.statistics.figures import Proportion
from services.records.statistics.standing import KNOWN, MALIGNANT, NOT_ASSESSABLE, closed_cases
from services.records.statistics.windows import Period, Scope, period_start
from services.records.tables import ModelVersion


@dataclass(frozen=True, slots=True)
class Tally:
    """How many closed cases of a period are alike; see :func:`services.records.statistics.standing.closed_cases`."""

    start: datetime
    final: str
    outcome: Outcome | None
    lead_class: str | None
    suspicious: bool | None
    covered: bool | None
    size: int
    cases: int

    @property
    def diagnosed(self) -> bool:
        """Whether the final word is a diagnosis."""
        return self.final != NOT_ASSESSABLE

    @property
    def malignant(self) -> bool | None:
        """Whether the final diagnosis is malignant; None for one outside the list, or none."""
        return self.final in MALIGNANT if self.final in KNOWN else None


@dataclass(frozen=True, slots=True)
class Performance:
    """Figures of some closed cases. Shares of nothing have no value.

    ``accuracy``: of single-class answers, those that the dermatologist confirmed. ``sensitivity``, ``specificity``: of malignant and
    benign final diagnoses, those on the right side of the operating point; abstentions are not among them. ``coverage``: of answers
    of one or more classes, those that hold the final diagnosis. ``missed``: malignant cases that the model put under its operating point.
    """

    cases: int
    accuracy: Proportion
    sensitivity: Proportion
    specificity: Proportion
    coverage: Proportion
    set_size: float | None
    abstained: Proportion
    malignant_abstained: int
    benign_abstained: int
    not_assessable: int

    @property
    def missed(self) -> int:
        """Malignant cases under the operating point."""
        return self.sensitivity.total - self.sensitivity.hits


def tallies(*, session: Session, scope: Scope, period: Period) -> list[Tally]:
    """Return the cases closed in the window, counted by period and outcome, in one statement."""
    closed = closed_cases(scope)
    each = select(period_start(period, closed.c.reviewed_at).label("start"), closed).subquery()
    alike = [each.c[name] for name in ("start", "final", "outcome", "lead_class", "suspicious", "covered", "size")]
    counted: list[ColumnElement[Any]] = [*alike, func.count()]
    return [Tally(*row) for row in session.execute(select(*counted).group_by(*alike))]


def performance(rows: Iterable[Tally]) -> Performance:
    """Return the figures of counted cases."""
    rows = list(rows)
    named = [row for row in rows if row.diagnosed and row.outcome is Outcome.PREDICTION]
    answered = [row for row in rows if row.diagnosed and row.outcome in (Outcome.PREDICTION, Outcome.SET)]
    sided = [row for row in rows if row.suspicious is not None]
    bad, good = [row for row in sided if row.malignant], [row for row in sided if row.malignant is False]
    abstained = [row for row in rows if row.outcome is Outcome.ABSTAIN]
    asked = [row for row in rows if row.outcome is not None]
    return Performance(
        cases=_count(rows),
        accuracy=Proportion(_count(row for row in named if row.lead_class == row.final), _count(named)),
        sensitivity=Proportion(_count(row for row in bad if row.suspicious), _count(bad)),
        specificity=Proportion(_count(row for row in good if not row.suspicious), _count(good)),
        coverage=Proportion(_count(row for row in answered if row.covered), _count(answered)),
        set_size=sum(row.size * row.cases for row in answered) / _count(answered) if answered else None,
        abstained=Proportion(_count(abstained), _count(asked)),
        malignant_abstained=_count(row for row in abstained if row.malignant),
        benign_abstained=_count(row for row in abstained if row.malignant is False),
        not_assessable=_count(row for row in rows if not row.diagnosed),
    )


def _count(rows: Iterable[Tally]) -> int:
    return sum(row.cases for row in rows)


@dataclass(frozen=True, slots=True)
class Promise:
    """What the classifier in use was shipped with; None where its card does not say."""

    name: str
    operating_point: float | None
    sensitivity: float | None
    specificity: float | None
    coverage: float | None


def promise(*, session: Session) -> Promise | None:
    """Return what the card of the classifier in use states, in one statement; None where none is in use."""
    champion = (ModelVersion.kind == ModelKind.CLASSIFIER, ModelVersion.state == ModelState.CHAMPION)
    version = session.scalars(select(ModelVersion).where(*champion)).one_or_none()
    if version is None:
        return None
    point = version.card.get("operating_point") or {}
    coverage = (version.card.get("conformal") or {}).get("coverage")
    figures = (point.get("malignant_probability"), point.get("sensitivity"), point.get("specificity"), coverage)
    return Promise(f"{version.name} {version.version}", *figures)
