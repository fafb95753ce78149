"""What a dermatologist sees: the ordered queue, and one case."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import LateralFromClause

from services.records import priority
from services.records.audit import Actor, Subject, record_event
from services.records.states import AuditAction, CaseState, JobState, Laterality, Outcome, Urgency
from services.records.tables import Analysis, Case, Image, Job, Lesion, Patient, Tenant
from services.records.views import CaseView, load_case


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistRow:
    """One line. The answer is that of the leading image: the one with the highest malignant probability.

    ``outcome`` None: no image is analysed. ``not_analysed``: why an image of the case has no answer.
    """

    case_id: UUID
    tenant_id: UUID
    portal: str
    patient_reference: str
    body_site: str | None
    laterality: Laterality | None
    reference: str | None
    urgency: Urgency
    state: CaseState
    received_at: datetime
    due_at: datetime
    overdue: bool
    image_count: int
    image_id: UUID | None
    thumbnail_key: str | None
    outcome: Outcome | None
    classes: tuple[str, ...]
    top_class: str | None
    top_probability: float | None
    malignant_probability: float | None
    flags: tuple[str, ...]
    not_analysed: str | None
    why: str


def worklist(
    *,
    session: Session,
    tenant_ids: Sequence[UUID],
    user_id: UUID,
    states: Collection[CaseState] = (CaseState.AWAITING_REVIEW,),
    limit: int = 200,
) -> list[WorklistRow]:
    """Return the tenants' cases in the order of :mod:`services.records.priority`, in one statement; the reading is audited."""
    now = datetime.now(UTC)
    rows = [_row(row, now) for row in session.execute(_query(tenant_ids, states).limit(limit))]
    for tenant_id in sorted({row.tenant_id for row in rows}):
        _read(session, tenant_id, user_id, AuditAction.CASES_LISTED, Subject("case"))
    return rows


def case_page(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID, user_id: UUID) -> CaseView:
    """Return one case with everything a decision needs; the reading is audited.

    Raises:
        CaseNotFound: none of the tenants has such a case.
    """
    view = load_case(session=session, tenant_ids=tenant_ids, case_id=case_id)
    _read(session, view.tenant_id, user_id, AuditAction.CASE_READ, Subject("case", case_id))
    return view


def _read(session: Session, tenant_id: UUID, user_id: UUID, action: AuditAction, subject: Subject) -> None:
    record_event(session=session, tenant_id=tenant_id, actor=Actor.user(user_id), action=action, subject=subject)


def _query(tenant_ids: Sequence[UUID], states: Collection[CaseState]) -> Select[*tuple[Any, ...]]:
    lead, failed, counted = _lead(), _failed(), _counted()
    unanswered = failed.c.reason.is_not(None) | (func.coalesce(lead.c.outcome, Outcome.ABSTAIN) == Outcome.ABSTAIN)
    place = (Patient.reference.label("patient_reference"), Lesion.body_site, Lesion.laterality, Tenant.name.label("portal"))
    return (
        select(Case, *place, *lead.c, failed.c.reason, counted.c.image_count, unanswered.label("unanswered"))
        .join(Patient, Patient.id == Case.patient_id)
        .join(Tenant, Tenant.id == Case.tenant_id)
        .outerjoin(Lesion, Lesion.id == Case.lesion_id)
        .outerjoin(lead, true())
        .outerjoin(failed, true())
        .join(counted, true())
        .where(Case.tenant_id.in_(tenant_ids), Case.state.in_(states))
        .order_by(
            priority.urgency_rank(Case.urgency),
            priority.risk(lead.c.malignant_probability, unanswered).desc(),
            Case.received_at,
            Case.id,
        )
    )


def _lead() -> LateralFromClause:
    """The case's leading analysis: of each image the latest counts, of those the one of highest risk."""
    answer = (Analysis.outcome, Analysis.classes, Analysis.top_class, Analysis.top_probability, Analysis.malignant_probability)
    latest = (
        select(Analysis.image_id, *answer, Analysis.flags, Analysis.thumbnail_key)
        .join(Image, Image.id == Analysis.image_id)
        .where(Image.case_id == Case.id)
        .ext(distinct_on(Analysis.image_id))
        .order_by(Analysis.image_id, Analysis.created_at.desc())
        .correlate(Case)
        .subquery("latest")
    )
    return select(latest).order_by(latest.c.malignant_probability.desc(), latest.c.image_id).limit(1).lateral("lead")


def _failed() -> LateralFromClause:
    """Why an image of the case has no answer at all."""
    answered = select(Analysis.id).where(Analysis.image_id == Image.id).exists()
    failed = (Image.case_id == Case.id, Job.state == JobState.FAILED, ~answered)
    return select(Job.reason).join(Image, Image.id == Job.image_id).where(*failed).order_by(Image.position).limit(1).lateral("failed")


def _counted() -> LateralFromClause:
    return select(func.count().label("image_count")).where(Image.case_id == Case.id).lateral("counted")


def _row(row: Row[*tuple[Any, ...]], now: datetime) -> WorklistRow:
    case: Case = row.Case
    standing = priority.Standing(case.urgency, row.malignant_probability, row.unanswered, case.received_at, case.due_at)
    return WorklistRow(
        case_id=case.id,
        tenant_id=case.tenant_id,
        portal=row.portal,
        patient_reference=row.patient_reference,
        body_site=row.body_site,
        laterality=row.laterality,
        reference=case.reference,
        urgency=case.urgency,
        state=case.state,
        received_at=case.received_at,
        due_at=case.due_at,
        overdue=case.due_at < now and not case.state.terminal,
        image_count=row.image_count,
        image_id=row.image_id,
        thumbnail_key=row.thumbnail_key,
        outcome=row.outcome,
        classes=tuple(row.classes or ()),
        top_class=row.top_class,
        top_probability=row.top_probability,
        malignant_probability=row.malignant_probability,
        flags=tuple(row.flags or ()),
        not_analysed=row.reason,
        why=priority.why(standing, now),
    )
