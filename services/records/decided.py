"""Decided cases as a list: of each what its report says at a glance. A case is here once its decision can no longer be taken back,
and as long as its patient has not withdrawn the consent to care."""

import operator
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from services.records.audit import Actor, Subject, record_event
from services.records.cursors import read_cursor, write_cursor
from services.records.follow_ups import decides, settled
from services.records.identity import STAYS, may_leave
from services.records.reads import stands
from services.records.states import (
    AuditAction,
    CaseState,
    Decision,
    InstanceKind,
    Laterality,
    Management,
    Modality,
    ReviewKind,
)
from services.records.tables import Analysis, Case, DicomInstance, Image, Lesion, Order, Patient, Review, User

LIST = "results"
COMPARED = {"ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt, "eq": operator.eq}
PICTURES = (InstanceKind.RECEIVED, InstanceKind.PHOTOGRAPH)


class ResultStatus(StrEnum):
    """How final a result is: the first decision; one that was changed; one whose diagnosis was changed."""

    FINAL = "final"
    AMENDED = "amended"
    CORRECTED = "corrected"


@dataclass(frozen=True, slots=True)
class DecidedPicture:
    """A picture that may leave. ``width``, ``height``: upright pixels; ``has_thumbnail``: a small JPEG of it can be read."""

    id: UUID
    position: int
    modality: Modality
    width: int
    height: int
    has_thumbnail: bool


@dataclass(frozen=True, slots=True)
class DecidedInstance:
    """A DICOM instance of the case: a picture, or a result of the standing decision."""

    kind: InstanceKind
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    modality: str
    image_id: UUID | None

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture itself, and not about one."""
        return self.kind in PICTURES


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedCase:
    """A decided case at its standing decision, ``version`` 1 being the first. ``order_id``: of the order that asked for it."""

    case_id: UUID
    reference: str | None
    visited_at: datetime
    patient_id: UUID
    patient_reference: str
    lesion_id: UUID
    tracking_uid: str
    lesion_reference: str | None
    body_site: str | None
    laterality: Laterality | None
    status: ResultStatus
    version: int
    review_id: UUID
    user_id: UUID
    reviewer: str
    decision: Decision
    diagnosis: str | None
    reason: str | None
    management: Management | None
    follow_up_months: int | None
    follow_up_on: date | None
    note: str
    signed_at: datetime
    order_id: UUID | None
    pictures: tuple[DecidedPicture, ...]
    instances: tuple[DecidedInstance, ...]


@dataclass(frozen=True, slots=True)
class DecidedPage:
    """Some decided cases, the longest decided first; ``next_cursor`` is None on the last page."""

    cases: tuple[DecidedCase, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What to look for; whatever is not said is not asked. ``signed``: (ge, gt, le, lt, or eq; time of the decision)."""

    case_ids: tuple[UUID, ...] = ()
    reference: str | None = None
    patient_id: UUID | None = None
    patient_reference: str | None = None
    order_id: UUID | None = None
    statuses: tuple[ResultStatus, ...] = ()
    signed: tuple[tuple[str, datetime], ...] = ()


def list_decided(
    *, session: Session, tenant_id: UUID, actor: Actor, sought: Sought, cursor: str | None = None, limit: int = 20
) -> DecidedPage:
    """Return the tenant's decided cases in the order of their decisions, in three statements; the reading is audited.

    Args:
        cursor: ``next_cursor`` of the page before.
        limit: most cases of a page, at least 1.

    Raises:
        InvalidCursor: the cursor is not one of this list.
    """
    query = _query(tenant_id, sought)
    if cursor:
        query = query.where(tuple_(Review.created_at, Review.id) > tuple_(*read_cursor(cursor, LIST, _moment, UUID)))
    rows = session.execute(query.order_by(Review.created_at, Review.id).limit(limit + 1)).all()
    page = rows[:limit]
    pictures, instances = _pictures(session, tenant_id, page), _instances(session, tenant_id, page)
    details = {"cases": [str(row.case_id) for row in page]}
    record_event(
        session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.RESULTS_LISTED, subject=Subject("case"), details=details
    )
    more = write_cursor(LIST, page[-1].signed_at.isoformat(), page[-1].review_id) if len(rows) > limit else None
    return DecidedPage(tuple(_decided(row, pictures, instances) for row in page), more)


def find_reference(*, session: Session, tenant_id: UUID, actor: Actor, patient_id: UUID) -> str | None:
    """Return the portal's own pseudonym of its patient, or None; the reading is audited."""
    mine = (Patient.id == patient_id, Patient.tenant_id == tenant_id)
    found = session.scalar(select(Patient.reference).where(*mine))
    if found is not None:
        subject = Subject("patient", patient_id)
        record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.PATIENT_READ, subject=subject)
    return found


def _query(tenant_id: UUID, sought: Sought) -> Select[*tuple[Any, ...]]:
    before, amendment = aliased(Review), aliased(Review)
    amendments = select(func.count()).where(amendment.case_id == Review.case_id, amendment.kind == ReviewKind.AMENDMENT)
    status = _status(before)
    query = select(Case.id.label("case_id"), Case.reference, Case.visited_at, Case.patient_id, Patient.reference.label("patient_reference"))
    where = (Case.lesion_id, Lesion.tracking_uid, Lesion.reference.label("lesion_reference"), Lesion.body_site, Lesion.laterality)
    who = (Review.id.label("review_id"), Review.user_id, User.name.label("reviewer"), Review.created_at.label("signed_at"))
    what = (Review.decision, Review.diagnosis, Review.reason, Review.management, Review.follow_up_months, Review.follow_up_on, Review.note)
    version = (amendments.correlate(Review).scalar_subquery() + 1).label("version")
    return (
        query.add_columns(*where, status.label("status"), version, *who, *what, Order.id.label("order_id"))
        .select_from(Review)
        .join(Case, Case.id == Review.case_id)
        .join(Patient, Patient.id == Case.patient_id)
        .join(Lesion, Lesion.id == Case.lesion_id)
        .join(User, User.id == Review.user_id)
        .outerjoin(before, before.id == Review.supersedes)
        .outerjoin(Order, and_(Order.case_id == Case.id, Order.tenant_id == Case.tenant_id))
        .where(Review.tenant_id == tenant_id, Case.tenant_id == tenant_id, Case.state == CaseState.REVIEWED)
        .where(Patient.consent_care.is_not(False), stands(), decides(), settled(), *_conditions(sought, status))
    )


def _status(before: Any) -> ColumnElement[str]:
    """An amendment that names another diagnosis corrects an error; any other one changes what was said beside it."""
    return case(
        (Review.kind != ReviewKind.AMENDMENT, ResultStatus.FINAL.value),
        (before.diagnosis.is_distinct_from(Review.diagnosis), ResultStatus.CORRECTED.value),
        else_=ResultStatus.AMENDED.value,
    )


def _conditions(sought: Sought, status: ColumnElement[str]) -> list[ColumnElement[bool]]:
    equal = {
        Case.reference: sought.reference,
        Case.patient_id: sought.patient_id,
        Patient.reference: sought.patient_reference,
        Order.id: sought.order_id,
    }
    found: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value is not None]
    found += [COMPARED[how](Review.created_at, moment) for how, moment in sought.signed]
    found += [Case.id.in_(sought.case_ids)] if sought.case_ids else []
    return found + ([status.in_([word.value for word in sought.statuses])] if sought.statuses else [])


def _pictures(session: Session, tenant_id: UUID, page: Sequence[Any]) -> dict[UUID, list[DecidedPicture]]:
    """Of each case the pictures that may leave, in their order."""
    newest = select(Analysis.thumbnail_key).where(Analysis.image_id == Image.id).order_by(Analysis.created_at.desc()).limit(1)
    thumbnail = newest.correlate(Image).scalar_subquery().label("thumbnail_key")
    columns = (Image.case_id, Image.id, Image.position, Image.modality, Image.width, Image.height, Image.identity_state, thumbnail)
    mine = (Image.tenant_id == tenant_id, Image.case_id.in_([row.case_id for row in page]))
    found: dict[UUID, list[DecidedPicture]] = defaultdict(list)
    for row in session.execute(select(*columns).where(*mine).order_by(Image.case_id, Image.position)) if page else ():
        if may_leave(row):
            shown = row.thumbnail_key is not None
            found[row.case_id].append(DecidedPicture(row.id, row.position, row.modality, row.width, row.height, shown))
    return found


def _instances(session: Session, tenant_id: UUID, page: Sequence[Any]) -> dict[UUID, list[DecidedInstance]]:
    """Of each case the instances of its pictures that may leave, and those that were made of the standing decision."""
    instance = DicomInstance
    uids = (instance.kind, instance.study_uid, instance.series_uid, instance.sop_instance_uid, instance.sop_class_uid, instance.modality)
    leaves = or_(Image.id.is_(None), Image.identity_state.not_in(STAYS))
    current = or_(instance.kind.in_(PICTURES), instance.review_id.in_([row.review_id for row in page]))
    query = select(instance.case_id, *uids, instance.image_id).outerjoin(Image, Image.id == instance.image_id)
    mine = query.where(instance.tenant_id == tenant_id, instance.case_id.in_([row.case_id for row in page]), leaves, current)
    found: dict[UUID, list[DecidedInstance]] = defaultdict(list)
    for row in session.execute(mine.order_by(instance.created_at, instance.id)) if page else ():
        found[row.case_id].append(DecidedInstance(*row[1:]))
    return found


def _decided(row: Any, pictures: dict[UUID, list[DecidedPicture]], instances: dict[UUID, list[DecidedInstance]]) -> DecidedCase:
    said = {**row._mapping, "status": ResultStatus(row.status)}  # noqa: SLF001  # SQLAlchemy's public name for a row as a mapping
    return DecidedCase(**said, pictures=tuple(pictures.get(row.case_id, ())), instances=tuple(instances.get(row.case_id, ())))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without an offset is no point in time")
    return moment
