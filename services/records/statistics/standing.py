"""The decision that stands for each closed case, beside what the model said. Others count its rows."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Subquery, and_, any_, case, func, literal, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from services.records.diagnoses import DIAGNOSES
from services.records.states import CaseState, Decision, ReviewKind
from services.records.statistics.windows import Scope
from services.records.tables import Case, Review

NOT_ASSESSABLE = "not assessable"
CLOSING = timedelta(hours=1)
MALIGNANT = frozenset(diagnosis.code for diagnosis in DIAGNOSES if diagnosis.malignant)
KNOWN = tuple(diagnosis.code for diagnosis in DIAGNOSES)


def not_superseded() -> ColumnElement[bool]:
    """Whether no later review takes a review's place."""
    later = aliased(Review)
    return ~select(later.id).where(later.supersedes == Review.id).exists()


def not_undone() -> ColumnElement[bool]:
    """Whether a review was not taken back within its ten seconds. An amended one was still read as it says."""
    later = aliased(Review)
    return ~select(later.id).where(later.supersedes == Review.id, later.kind == ReviewKind.UNDO).exists()


def opinion() -> ColumnElement[str | None]:
    """A review as one word: its diagnosis, or that the case is not assessable; None where it decides nothing."""
    return case((Review.decision == Decision.NOT_ASSESSABLE, NOT_ASSESSABLE), else_=Review.diagnosis)


def count_closed(*, session: Session, scope: Scope) -> int:
    """Return how many cases were closed in the window, from an index alone."""
    return session.scalar(select(func.count()).select_from(Case).where(*_closed(scope))) or 0


def sample_below(share: float) -> UUID:
    """Return the id under which a random ``share`` (0..1) of all rows lies: ids are drawn evenly."""
    return UUID(int=min(int(share * 2**128), 2**128 - 1))


def closed_cases(scope: Scope, *, below: UUID | None = None) -> Subquery:
    """Return the cases closed in the window: one row each, the last standing decision beside the model's answer.

    The answer is the one kept beside the case, the latest about its leading image. ``suspicious`` is the side of the operating point
    that the answering model itself stated, and only where it answered about every image of the case; None otherwise. ``covered``:
    whether the classes that the model stood for hold the final diagnosis. ``below``: only cases of lower ids, a random sample.
    """
    # The review that closes a case is written moments before the case is: the last standing one is hardly older than the window.
    written = Review.created_at >= scope.window.start - CLOSING
    decisions = (Review.tenant_id.in_(scope.tenant_ids), written, Review.decision != Decision.WITHDRAWN)
    closed = (*_closed(scope), *([] if below is None else [Case.id < below, Review.case_id < below]))
    answered = and_(Case.lead_outcome.in_(("prediction", "set")), Case.not_analysed.is_(None))
    suspicious = case((answered, literal("suspicious") == any_(Case.flags)))
    answer = (Case.lead_outcome.label("outcome"), Case.lead_class, Case.lead_image_id, suspicious.label("suspicious"))
    covered = (Review.diagnosis == any_(Case.lead_classes)).label("covered")
    return (
        select(Case.id, Case.tenant_id, Case.patient_id, Case.lesion_id, Case.received_at, Case.reviewed_at, *answer)
        .add_columns(opinion().label("final"), covered, func.cardinality(Case.lead_classes).label("size"))
        .join(Review, Review.case_id == Case.id)
        .where(*closed, *decisions, opinion().is_not(None), not_superseded())
        .ext(distinct_on(Case.id))
        .order_by(Case.id, Review.created_at.desc())
        .subquery("closed")
    )


def _closed(scope: Scope) -> tuple[ColumnElement[bool], ...]:
    closed = (Case.tenant_id.in_(scope.tenant_ids), Case.state == CaseState.REVIEWED, scope.window.holds(Case.reviewed_at))
    return (*closed, *scope.counts(case_id=Case.id))
