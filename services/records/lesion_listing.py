"""A patient's lesions and a lesion's visits, as a portal reads them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, true, tuple_
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.cursors import read_cursor, write_cursor
from services.records.errors import LesionNotFound, PatientNotFound
from services.records.follow_ups import FollowUp, next_follow_up
from services.records.states import AuditAction, CaseState, Laterality, MapView, Sex, VisitSource
from services.records.tables import Case, Image, Lesion, Patient

LIST = "lesions"


@dataclass(frozen=True, slots=True)
class PatientSummary:
    """Who: known by the portal's pseudonym alone."""

    id: UUID
    reference: str
    sex: Sex | None
    birth_year: int | None
    fitzpatrick: int | None
    consent_training: bool | None


@dataclass(frozen=True, slots=True)
class LesionSummary:
    """One lesion. ``last_case_id``, ``alert``: of its last visit; ``map_x``, ``map_y``: 0..1 of the figure ``map_view``."""

    id: UUID
    patient_id: UUID
    tracking_uid: str
    reference: str | None
    body_site: str | None
    laterality: Laterality | None
    map_view: MapView | None
    map_x: float | None
    map_y: float | None
    visits: int
    first_visit_at: datetime | None
    last_visit_at: datetime | None
    last_case_id: UUID | None
    alert: str | None
    follow_up: FollowUp | None


@dataclass(frozen=True, slots=True)
class LesionPage:
    """Some lesions, in the order in which they became known; ``next_cursor`` is None on the last page."""

    lesions: tuple[LesionSummary, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class LesionVisit:
    """One case of a lesion. ``image_id``: its leading picture."""

    case_id: UUID
    case_reference: str | None
    visited_at: datetime
    source: VisitSource
    received_at: datetime
    state: CaseState
    reviewed_at: datetime | None
    image_id: UUID | None
    thumbnail_key: str | None
    image_count: int
    alert: str | None


@dataclass(frozen=True, slots=True)
class LesionView:
    """A lesion with its visits, from the first to the last."""

    lesion: LesionSummary
    patient_reference: str
    visits: tuple[LesionVisit, ...]


def find_patient(*, session: Session, tenant_id: UUID, actor: Actor, reference: str) -> PatientSummary | None:
    """Return the tenant's patient of this reference, or None; the reading is audited."""
    columns = select(Patient.id, Patient.reference, Patient.sex, Patient.birth_year, Patient.fitzpatrick, Patient.consent_training)
    row = session.execute(columns.where(Patient.tenant_id == tenant_id, Patient.reference == reference)).one_or_none()
    if row is None:
        return None
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.PATIENT_READ, subject=Subject("patient", row.id))
    return PatientSummary(*row)


def list_lesions(
    *, session: Session, tenant_id: UUID, actor: Actor, patient_id: UUID, cursor: str | None = None, limit: int = 50
) -> LesionPage:
    """Return a patient's lesions that have visits, without those that were merged into another, in three statements; audited.

    Args:
        cursor: ``next_cursor`` of the page before.
        limit: most lesions of a page, at least 1.

    Raises:
        PatientNotFound: the tenant has no such patient.
        InvalidCursor: the cursor is not one of this list.
    """
    if session.scalar(select(Patient.id).where(Patient.id == patient_id, Patient.tenant_id == tenant_id)) is None:
        raise PatientNotFound(patient_id)
    query = _summaries(tenant_id).where(Lesion.patient_id == patient_id, Lesion.merged_into.is_(None), _seen())
    if cursor:
        query = query.where(tuple_(Lesion.created_at, Lesion.id) > tuple_(*read_cursor(cursor, LIST, _moment, UUID)))
    rows = session.execute(query.order_by(Lesion.created_at, Lesion.id).limit(limit + 1)).all()
    page = rows[:limit]
    due = next_follow_up(session=session, tenant_ids=[tenant_id], lesion_ids=[row.id for row in page], for_portal=True)
    subject, details = Subject("patient", patient_id), {"lesions": len(page)}
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.LESIONS_LISTED, subject=subject, details=details)
    last = page[-1] if len(rows) > limit else None
    return LesionPage(
        tuple(_summary(row, due.get(row.id)) for row in page),
        write_cursor(LIST, last.created_at.isoformat(), last.id) if last else None,
    )


def read_lesion(*, session: Session, tenant_id: UUID, actor: Actor, lesion_id: UUID) -> LesionView:
    """Return a lesion of the tenant with its visits, in three statements; the reading is audited.

    Raises:
        LesionNotFound: the tenant has no such lesion.
    """
    query = _summaries(tenant_id).where(Lesion.id == lesion_id).join(Patient, Patient.id == Lesion.patient_id)
    row = session.execute(query.add_columns(Patient.reference.label("patient_reference"))).one_or_none()
    if row is None:
        raise LesionNotFound(lesion_id)
    due = next_follow_up(session=session, tenant_ids=[tenant_id], lesion_ids=[lesion_id], for_portal=True)
    visits = tuple(LesionVisit(*visit) for visit in session.execute(_visits(tenant_id, lesion_id)))
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.LESION_READ, subject=Subject("lesion", lesion_id))
    return LesionView(_summary(row, due.get(lesion_id)), row.patient_reference, visits)


def _summaries(tenant_id: UUID) -> Select[*tuple[Any, ...]]:
    mine = (Case.lesion_id == Lesion.id, Case.tenant_id == tenant_id)
    newest = select(Case.id, Case.visited_at, Case.alert).where(*mine)
    last = newest.order_by(Case.visited_at.desc(), Case.received_at.desc(), Case.id.desc()).limit(1).correlate(Lesion).lateral("last")
    number = select(func.count()).select_from(Case).where(*mine).correlate(Lesion).scalar_subquery()
    first = select(func.min(Case.visited_at)).where(*mine).correlate(Lesion).scalar_subquery()
    whose = (Lesion.id, Lesion.patient_id, Lesion.tracking_uid, Lesion.reference, Lesion.body_site, Lesion.laterality)
    place = (Lesion.map_view, Lesion.map_x, Lesion.map_y)
    columns = select(*whose, *place).add_columns(number, first, last.c.visited_at, last.c.id, last.c.alert, Lesion.created_at)
    return columns.select_from(Lesion).outerjoin(last, true()).where(Lesion.tenant_id == tenant_id)


def _seen() -> ColumnElement[bool]:
    return select(Case.id).where(Case.lesion_id == Lesion.id).correlate(Lesion).exists()


def _summary(row: Any, follow_up: FollowUp | None) -> LesionSummary:
    values: list[Any] = [*row[:14], follow_up]
    return LesionSummary(*values)


def _visits(tenant_id: UUID, lesion_id: UUID) -> Select[*tuple[Any, ...]]:
    of_case = Image.case_id == Case.id
    first = select(Image.id).where(of_case).order_by(Image.position).limit(1).correlate(Case).scalar_subquery()
    count = select(func.count()).select_from(Image).where(of_case).correlate(Case).scalar_subquery()
    when = (Case.visited_at, Case.visit_source, Case.received_at, Case.state, Case.reviewed_at)
    columns = select(Case.id, Case.reference, *when).add_columns(func.coalesce(Case.lead_image_id, first), Case.lead_thumbnail_key, count)
    mine = columns.add_columns(Case.alert).where(Case.lesion_id == lesion_id, Case.tenant_id == tenant_id)
    return mine.order_by(Case.visited_at, Case.received_at, Case.id)


def _moment(text: str) -> datetime:
    """A point in time with its offset. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without an offset is no point in time")
    return moment
