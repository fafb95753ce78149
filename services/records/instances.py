"""DICOM instances: what a portal sent, and the results made of it. Rows are added and read, never changed.

A study of the portal is one case as long as the case is undecided; what comes later is a new case of the same study. Two requests may
bring instances of one study at the same moment: ``hold_studies`` puts them in a row, one tenant at a time, for the commit alone.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

from sqlalchemy import Select, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.errors import InstanceNotFound, InstanceTaken
from services.records.states import AuditAction, CaseState, InstanceKind
from services.records.tables import Case, DicomInstance, Image, Patient

# The first number is this lock's own, so that no other lock of ours is taken by accident.
LOCK = text("SELECT pg_advisory_xact_lock(1164, hashtext(:tenant))")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInstance:
    """An instance whose file (PS3.10) already lies in the object store under ``object_key``.

    ``sha256`` in hex, of the ``byte_size`` bytes of the file. ``attributes``: what a query is answered with, in the DICOM JSON model
    (PS3.18 F), without pixel data, names and birth dates. Of kind received or photograph: ``image_id``; of a result: ``review_id``.
    """

    case_id: UUID
    kind: InstanceKind
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    object_key: str
    byte_size: int
    sha256: str
    attributes: dict[str, Any]
    image_id: UUID | None = None
    review_id: UUID | None = None
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedInstance:
    """Which instance a picture of a portal is: what :class:`NewInstance` says of it beyond the picture itself."""

    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    attributes: dict[str, Any]


class Original(Protocol):
    """A picture as it is about to be stored."""

    @property
    def id(self) -> UUID: ...
    @property
    def byte_size(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def original_key(self) -> str: ...
    @property
    def instance(self) -> ReceivedInstance | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceView(NewInstance):
    """A stored instance."""

    tenant_id: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StudyCase:
    """The undecided case of a study and the portal's reference of its patient."""

    case_id: UUID
    patient_reference: str


def store_instances(*, session: Session, tenant_id: UUID, instances: Sequence[NewInstance], keep_known: bool = False) -> list[UUID]:
    """Add rows for instances whose files lie in the store, and return the ids of those that were added.

    What is written is told to the audit trail by the caller, who knows why (case.accepted, results.made).

    Args:
        keep_known: pass over instances whose SOP Instance UID the tenant has already, instead of raising.

    Raises:
        InstanceTaken: the tenant has an instance with one of these SOP Instance UIDs.
    """
    if not instances:
        return []
    # The clock's time and not the transaction's: what comes together is listed in its order.
    beside = {"tenant_id": tenant_id, "created_at": func.clock_timestamp()}
    rows = [{name: getattr(instance, name) for name in NEW} | beside for instance in instances]
    adding = insert(DicomInstance).values(rows).on_conflict_do_nothing(index_elements=["tenant_id", "sop_instance_uid"])
    added = list(session.scalars(adding.returning(DicomInstance.id)))
    if len(added) < len(rows) and not keep_known:
        raise InstanceTaken("The portal has an instance with one of these SOP Instance UIDs already.")
    return added


def keep_received(*, session: Session, tenant_id: UUID, case_id: UUID, images: Sequence[Original]) -> None:
    """Make pictures that are DICOM files known as instances; one that was sent before, in another case, stays what it was."""
    instances = [
        NewInstance(
            case_id=case_id,
            image_id=image.id,
            kind=InstanceKind.RECEIVED,
            object_key=image.original_key,
            byte_size=image.byte_size,
            sha256=image.sha256,
            **asdict(image.instance),
        )
        for image in images
        if image.instance
    ]
    store_instances(session=session, tenant_id=tenant_id, instances=instances, keep_known=True)


def hold_studies(*, session: Session, tenant_id: UUID) -> None:
    """Let nobody else bring instances for this tenant until the transaction ends: what is looked up now stays true."""
    session.execute(LOCK, {"tenant": str(tenant_id)})


def open_case_of_study(*, session: Session, tenant_id: UUID, study_uid: str) -> StudyCase | None:
    """Return the undecided case that instances of this study belong to; None: the next one begins a new case."""
    query = (
        select(Case.id, Patient.reference)
        .join(DicomInstance, DicomInstance.case_id == Case.id)
        .join(Patient, Patient.id == Case.patient_id)
        .where(DicomInstance.tenant_id == tenant_id, DicomInstance.study_uid == study_uid, DicomInstance.kind == InstanceKind.RECEIVED)
        .where(Case.state != CaseState.REVIEWED)
        .order_by(Case.received_at.desc(), Case.id)
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    return StudyCase(*row) if row else None


def known_instances(*, session: Session, tenant_id: UUID, sop_instance_uids: Sequence[str]) -> dict[str, InstanceView]:
    """Those of the instances that the tenant has, by SOP Instance UID."""
    query = _owned_by(tenant_id).where(DicomInstance.sop_instance_uid.in_(sop_instance_uids))
    return {row.sop_instance_uid: _view(row) for row in session.scalars(query)}


def instances_of_study(
    *,
    session: Session,
    tenant_id: UUID,
    actor: Actor,
    study_uid: str,
    series_uid: str | None = None,
    sop_instance_uid: str | None = None,
) -> list[InstanceView]:
    """Return the instances of a study, or of one of its series, or one instance, in the order of series and arrival; it is audited.

    Raises:
        InstanceNotFound: the tenant has nothing of that kind.
    """
    query = _owned_by(tenant_id).where(DicomInstance.study_uid == study_uid)
    if series_uid is not None:
        query = query.where(DicomInstance.series_uid == series_uid)
    if sop_instance_uid is not None:
        query = query.where(DicomInstance.sop_instance_uid == sop_instance_uid)
    found = [_view(row) for row in session.scalars(query.order_by(DicomInstance.series_uid, DicomInstance.created_at, DicomInstance.id))]
    if not found:
        raise InstanceNotFound("There is no such study, series or instance.")
    subject, details = Subject("case", found[0].case_id), {"instances": [str(instance.id) for instance in found[:20]], "count": len(found)}
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.INSTANCES_READ, subject=subject, details=details)
    return found


def instances_of_case(*, session: Session, tenant_id: UUID, case_id: UUID, kinds: Sequence[InstanceKind] = ()) -> list[InstanceView]:
    """Return the instances of a case, oldest first, of these kinds (none: all), in one statement. For our own processes: not audited."""
    query = _owned_by(tenant_id).where(DicomInstance.case_id == case_id)
    if kinds:
        query = query.where(DicomInstance.kind.in_(kinds))
    return [_view(row) for row in session.scalars(query.order_by(DicomInstance.created_at, DicomInstance.id))]


def view_key_of(*, session: Session, tenant_id: UUID, image_id: UUID) -> str:
    """Return where the rendition of a picture lies that people see. Raises InstanceNotFound."""
    key = session.scalar(select(Image.view_key).where(Image.tenant_id == tenant_id, Image.id == image_id))
    if key is None:
        raise InstanceNotFound("There is no picture of this instance.")
    return key


NEW = tuple(each.name for each in fields(NewInstance))
VIEWED = tuple(each.name for each in fields(InstanceView))


def _owned_by(tenant_id: UUID) -> Select[DicomInstance]:
    return select(DicomInstance).where(DicomInstance.tenant_id == tenant_id)


def _view(row: DicomInstance) -> InstanceView:
    return InstanceView(**{name: getattr(row, name) for name in VIEWED})
