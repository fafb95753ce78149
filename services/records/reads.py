"""What a step of reading starts from: the locked case, the person, and the reviews that stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from services.records import reading
from services.records.diagnoses import DIAGNOSES
from services.records.errors import CaseNotFound, ReadRefused
from services.records.states import CaseState, Outcome, ReviewKind, Role
from services.records.tables import Analysis, Case, Review, Tenant, User


@dataclass(frozen=True, slots=True)
class LockedCase:
    """A case that nobody else can decide until this transaction ends. ``named``: the classes that the model stands for."""

    id: UUID
    tenant_id: UUID
    state: CaseState
    risk: float | None
    named: tuple[str, ...]
    lead_image_id: UUID | None
    policy: reading.Policy
    blind_first_read: bool


@dataclass(frozen=True, slots=True)
class StandingRead:
    """A review that no later one supersedes; ``age_seconds`` by the database's clock."""

    id: UUID
    kind: ReviewKind
    read: reading.Read
    created_at: datetime
    age_seconds: float


def lock_case(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID) -> LockedCase:
    """Lock a case of one of the tenants and return it.

    Raises:
        CaseNotFound: there is none, or it is another tenant's.
    """
    query = select(Case, Tenant).join(Tenant, Tenant.id == Case.tenant_id).where(Case.id == case_id, Case.tenant_id.in_(tenant_ids))
    row = session.execute(query.with_for_update(of=Case, key_share=True)).one_or_none()
    if row is None:
        raise CaseNotFound(case_id)
    case, tenant = row
    return LockedCase(
        id=case.id,
        tenant_id=case.tenant_id,
        state=case.state,
        risk=case.risk,
        named=_named(case),
        lead_image_id=case.lead_image_id,
        policy=reading.Policy(tenant.second_read_risk, tenant.second_read_share, tenant.second_read_disagreement),
        blind_first_read=tenant.blind_first_read,
    )


def find_person(*, session: Session, user_id: UUID) -> reading.Person:
    """Return who reads.

    Raises:
        ReadRefused: there is no such user.
    """
    row = session.execute(select(User.role, User.trainee).where(User.id == user_id)).one_or_none()
    if row is None:
        raise ReadRefused("This account does not exist any more.")
    return reading.Person(user_id, row.role, row.trainee)


def standing_reads(*, session: Session, case_id: UUID) -> dict[ReviewKind, StandingRead]:
    """Return the reviews of a case that stand, by kind: there is at most one of each."""
    age = func.extract("epoch", func.clock_timestamp() - Review.created_at)
    query = select(Review, age).where(Review.case_id == case_id, stands()).order_by(Review.created_at)
    return {row.kind: _standing(row, float(seconds)) for row, seconds in session.execute(query)}


def stands() -> ColumnElement[bool]:
    """Condition on a review: no later one supersedes it, and it is a decision (not the taking back of one)."""
    later = aliased(Review)
    # Of one column, so that the worker, which may not read what was decided, can ask it.
    return and_(Review.kind != ReviewKind.UNDO, ~select(later.id).where(later.supersedes == Review.id).exists())


def waits_for(*, user_id: UUID, role: Role) -> ColumnElement[bool]:
    """Condition on a case: it awaits a step that this reader may take, as :func:`reading.refusal` has it."""
    mine = and_(Review.case_id == Case.id, Review.user_id == user_id, stands())
    read_first = exists().where(mine, Review.kind == ReviewKind.FIRST).correlate(Case)
    read_either = exists().where(mine, Review.kind.in_((ReviewKind.FIRST, ReviewKind.SECOND))).correlate(Case)
    trainee = exists().where(User.id == user_id, User.trainee)
    second = and_(Case.state == CaseState.AWAITING_SECOND_READ, ~trainee, ~read_first)
    settled_by = [and_(Case.state == CaseState.AWAITING_ADJUDICATION, ~read_either)] if role is Role.LEAD else []
    return or_(Case.state == CaseState.AWAITING_REVIEW, second, *settled_by)


def question(*, session: Session, case: LockedCase) -> reading.Question:
    """Return the case as the policy sees it; the model's list of classes is read only where the policy asks for it."""
    malignant = _malignant(session, case.lead_image_id) if case.policy.disagreement else None
    return reading.Question(case.id, case.risk, case.named, malignant)


def _named(case: Case) -> tuple[str, ...]:
    if case.lead_outcome is Outcome.PREDICTION and case.lead_class:
        return (case.lead_class,)
    return tuple(case.lead_classes) if case.lead_outcome is Outcome.SET else ()


def _malignant(session: Session, image_id: UUID | None) -> dict[str, bool]:
    """Class code → malignant: the model's own list, over the desk's."""
    known = {diagnosis.code: diagnosis.malignant for diagnosis in DIAGNOSES}
    query = select(Analysis.finding["taxonomy"]).where(Analysis.image_id == image_id).order_by(Analysis.created_at.desc()).limit(1)
    listed = session.scalar(query) if image_id else None
    return known | {entry["code"]: bool(entry["malignant"]) for entry in listed or ()}


def _standing(row: Review, seconds: float) -> StandingRead:
    read = reading.Read(row.user_id, row.decision, row.diagnosis, row.management)
    return StandingRead(row.id, row.kind, read, row.created_at, seconds)
