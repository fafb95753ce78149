"""What has changed on a lesion, as a portal reads it: comparisons, alerts and what the sequence model said, as the worker wrote them.

Automatic findings, shown as those of ``GET /v1/cases`` are: beside the state of their case, whether or not it is decided.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from services.records.audit import Actor, Subject, record_event
from services.records.errors import LesionNotFound
from services.records.states import AuditAction, CaseState
from services.records.tables import Alert, Case, Comparison, Lesion, SequenceAnswer, VisitMeasure


@dataclass(frozen=True, slots=True)
class ComparedVisit:
    """One side of a comparison. ``scale_source``: what says how large a pixel is (dicom, stated, ruler); None where nothing does."""

    case_id: UUID
    image_id: UUID
    visited_at: datetime
    state: CaseState
    scale_source: str | None


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """Two visits beside each other. ``why``: the word for why they cannot be compared; then ``registration`` and ``changes`` are None."""

    id: UUID
    created_at: datetime
    earlier: ComparedVisit
    later: ComparedVisit
    valid: bool
    why: str | None
    registration: dict[str, Any] | None
    changes: dict[str, Any] | None
    version: str


@dataclass(frozen=True, slots=True)
class AlertView:
    """Rules that fired for a visit; ``withdrawn_at`` where that was taken back."""

    case_id: UUID
    state: CaseState
    headline: str
    rules: dict[str, Any]
    rule_version: str
    created_at: datetime
    withdrawn_at: datetime | None
    withdrawn_reason: str | None


@dataclass(frozen=True, slots=True)
class SequenceAnswerView:
    """What the sequence model said about the visits up to a case, which are its pictures in order. Probabilities 0..1."""

    case_id: UUID
    state: CaseState
    image_ids: tuple[UUID, ...]
    malignant_probability: float
    progressing_probability: float | None
    digest: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LesionChanges:
    """Everything, from the first visit to the last; of each pair of pictures the newest comparison, of each case the newest answer."""

    lesion_id: UUID
    comparisons: tuple[ComparisonView, ...]
    alerts: tuple[AlertView, ...]
    sequence: tuple[SequenceAnswerView, ...]


def lesion_changes(*, session: Session, tenant_id: UUID, actor: Actor, lesion_id: UUID) -> LesionChanges:
    """Return what has changed on a lesion of the tenant, in five statements; the reading is audited.

    Raises:
        LesionNotFound: the tenant has no such lesion.
    """
    if session.scalar(select(Lesion.id).where(Lesion.id == lesion_id, Lesion.tenant_id == tenant_id)) is None:
        raise LesionNotFound(lesion_id)
    cases = session.scalars(select(Case.id).where(Case.lesion_id == lesion_id, Case.tenant_id == tenant_id)).all()
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.LESION_READ, subject=Subject("lesion", lesion_id))
    return LesionChanges(lesion_id, _comparisons(session, cases), _alerts(session, cases), _sequence(session, cases))


def _comparisons(session: Session, case_ids: Collection[UUID]) -> tuple[ComparisonView, ...]:
    pair = (Comparison.earlier_image_id, Comparison.later_image_id)
    within = (Comparison.earlier_case_id.in_(case_ids), Comparison.later_case_id.in_(case_ids))
    ordered = select(Comparison.id).where(*within).order_by(*pair, Comparison.created_at.desc())
    earlier, later = aliased(Case), aliased(Case)
    columns = (earlier.visited_at, earlier.state, _scale(Comparison.earlier_image_id))
    query: Select[*tuple[Any, ...]] = (
        select(Comparison, *columns, later.visited_at, later.state, _scale(Comparison.later_image_id))
        .join(earlier, earlier.id == Comparison.earlier_case_id)
        .join(later, later.id == Comparison.later_case_id)
        .where(Comparison.id.in_(ordered.ext(distinct_on(*pair))))
        .order_by(later.visited_at, earlier.visited_at, Comparison.id)
    )
    return tuple(_comparison(row) for row in session.execute(query))


def _scale(image_id: Any) -> Any:
    """What gave the scale with which the picture was measured last."""
    source = cast(VisitMeasure.measures["scale_source"].astext, Text)
    newest = select(source).where(VisitMeasure.image_id == image_id).order_by(VisitMeasure.created_at.desc()).limit(1)
    return newest.correlate(Comparison).scalar_subquery()


def _comparison(row: Any) -> ComparisonView:
    found: Comparison = row[0]
    return ComparisonView(
        id=found.id,
        created_at=found.created_at,
        earlier=ComparedVisit(found.earlier_case_id, found.earlier_image_id, *row[1:4]),
        later=ComparedVisit(found.later_case_id, found.later_image_id, *row[4:7]),
        valid=found.valid,
        why=found.why,
        registration=found.registration,
        changes=found.changes,
        version=found.version,
    )


def _alerts(session: Session, case_ids: Collection[UUID]) -> tuple[AlertView, ...]:
    said = (Alert.headline, Alert.rules, Alert.rule_version, Alert.created_at, Alert.withdrawn_at, Alert.withdrawn_reason)
    query = select(Alert.case_id, Case.state, *said).join(Case, Case.id == Alert.case_id).where(Alert.case_id.in_(case_ids))
    return tuple(AlertView(*row) for row in session.execute(query.order_by(Case.visited_at, Alert.created_at)))


def _sequence(session: Session, case_ids: Collection[UUID]) -> tuple[SequenceAnswerView, ...]:
    answer = SequenceAnswer
    newest = select(answer.id).where(answer.case_id.in_(case_ids)).ext(distinct_on(answer.case_id))
    chosen = newest.order_by(answer.case_id, answer.created_at.desc())
    said = (answer.malignant_probability, answer.progressing_probability, answer.digest, answer.created_at)
    query = select(answer.case_id, Case.state, answer.image_ids, *said).join(Case, Case.id == answer.case_id).where(answer.id.in_(chosen))
    rows = session.execute(query.order_by(Case.visited_at, Case.received_at, func.cardinality(answer.image_ids)))
    return tuple(SequenceAnswerView(row[0], row[1], tuple(row[2]), *row[3:]) for row in rows)
