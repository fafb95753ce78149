"""What a portal does with cases: submit them, add images, follow them.

Two requests may always run at the same moment: the same retry twice, or two cases of a new patient.
Each such race is decided by a unique index, in one statement, never by looking first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Executable, Table, bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.consent import CONSENTS, require_care
from services.records.errors import CareWithdrawn, CaseClosed, CaseNotFound, IdempotencyConflict, InvalidRecord
from services.records.instances import ReceivedInstance, hold_studies, keep_received
from services.records.lesions import hold_survivor
from services.records.states import AuditAction, CaseState, Laterality, Modality, Sex, SpacingSource, Urgency, VisitSource
from services.records.tables import Base, Case, IdempotencyKey, Image, Job, Lesion, Patient, Tenant
from services.records.tables.cases import tracking_uid
from services.records.views import CaseView, load_case


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCase:
    """What the portal says about the case. A lesion is followed over time where it has a reference.

    ``visited_at``: when the pictures were taken; None: nobody said so, and the time of receipt stands in.
    """

    patient_reference: str
    sex: Sex | None = None
    birth_year: int | None = None
    fitzpatrick: int | None = None
    consent_training: bool | None = None
    consent_care: bool | None = None
    consent_audit: bool | None = None
    lesion_reference: str | None = None
    body_site: str | None = None
    laterality: Laterality | None = None
    reference: str | None = None
    urgency: Urgency = Urgency.ROUTINE
    clinical_notes: str = ""
    visited_at: datetime | None = None
    visit_source: VisitSource = VisitSource.RECEIPT


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage:
    """A picture that already lies in the object store. Sizes in bytes and upright pixels; sha256 of the original, in hex.

    ``instance``: which DICOM instance the original is, where it is one.
    """

    id: UUID
    filename: str
    media_type: str
    byte_size: int
    sha256: str
    width: int
    height: int
    modality: Modality
    pixel_spacing_mm: float | None
    original_key: str
    view_key: str
    spacing_source: SpacingSource | None = None
    magnification: float | None = None
    instance: ReceivedInstance | None = None


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The portal's idempotency key and the SHA-256 (hex) of the request it stands for."""

    key: str
    request_sha256: str


@dataclass(frozen=True, slots=True)
class AcceptedCase:
    """The answer to a submission. ``replayed``: an equal request came first and this is its case."""

    id: UUID
    state: CaseState
    received_at: datetime
    due_at: datetime
    replayed: bool = False


def _table(mapped: type[Base]) -> Table:
    table = mapped.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{mapped.__name__} is not mapped to a table")
    return table


def _upsert(
    mapped: type[Base], *, unique: list[str], said: list[str], minted: Sequence[str] = (), told: Sequence[str] = ("id",)
) -> Executable:
    # Two first cases of one patient arrive together: DO UPDATE (not DO NOTHING) returns the winner's row to both.
    table = _table(mapped)
    names = ["id", "tenant_id", *(["patient_id"] if "patient_id" in unique else []), "reference", *said, *minted]
    statement = upsert(table).values({name: bindparam(name, type_=table.c[name].type) for name in names})
    newest = {name: func.coalesce(statement.excluded[name], table.c[name]) for name in said}
    return statement.on_conflict_do_update(index_elements=unique, set_=newest).returning(*(table.c[name] for name in told))


def _insert_due_case(urgency: Urgency) -> Executable:
    table = _table(Case)
    tenant = bindparam("tenant_id", type_=table.c.tenant_id.type)
    due = select(func.now() + func.make_interval(0, 0, 0, 0, Tenant.hours(urgency))).where(Tenant.id == tenant).scalar_subquery()
    names = ("id", "tenant_id", "patient_id", "lesion_id", "reference", "clinical_notes", "visit_source")
    given = {name: bindparam(name, type_=table.c[name].type) for name in names}
    # What is known of the lesion may come from an earlier case of it.
    site = select(Lesion.body_site).where(Lesion.id == given["lesion_id"]).scalar_subquery()
    visited = func.coalesce(bindparam("visited_at", type_=table.c.visited_at.type), func.now())
    fixed = {
        "visited_at": visited,
        "body_site": site,
        "urgency": urgency,
        "state": CaseState.QUEUED,
        "received_at": func.now(),
        "due_at": due,
    }
    return insert(table).values({**given, **fixed}).returning(table.c.received_at, table.c.due_at)


# Built once: building them for every upload cost more than running them.
CLAIM_KEY = upsert(_table(IdempotencyKey)).on_conflict_do_nothing().returning(_table(IdempotencyKey).c.id)
PATIENT_SAID = ["sex", "birth_year", "fitzpatrick", *CONSENTS]
UPSERT_PATIENT = _upsert(Patient, unique=["tenant_id", "reference"], said=PATIENT_SAID, told=["id", "consent_care"])
UPSERT_LESION = _upsert(
    Lesion, unique=["patient_id", "reference"], said=["body_site", "laterality"], minted=["tracking_uid"], told=["id", "merged_into"]
)
INSERT_CASE = {urgency: _insert_due_case(urgency) for urgency in Urgency}
INSERT_IMAGE = insert(_table(Image))
INSERT_JOB = insert(_table(Job))


def find_idempotent(*, session: Session, tenant_id: UUID, idempotency: Idempotency) -> UUID | None:
    """Return the case of an earlier equal request: ask before the files are stored, to save the work.

    Raises:
        IdempotencyConflict: the key stands for another request.
    """
    columns = select(IdempotencyKey.request_sha256, IdempotencyKey.case_id)
    row = session.execute(columns.where(IdempotencyKey.tenant_id == tenant_id, IdempotencyKey.key == idempotency.key)).one_or_none()
    if row is None:
        return None
    if row.request_sha256 != idempotency.request_sha256:
        raise IdempotencyConflict(f"The idempotency key {idempotency.key!r} was already used for another request.")
    case_id: UUID = row.case_id
    return case_id


def accept_case(
    *,
    session: Session,
    tenant_id: UUID,
    case_id: UUID,
    case: NewCase,
    images: Sequence[NewImage],
    actor: Actor,
    idempotency: Idempotency | None = None,
) -> AcceptedCase:
    """Store a case with its images and one job for each; once committed, it will be answered.

    Raises:
        IdempotencyConflict: the key stands for another request.
        CareWithdrawn: the patient does not consent to care.
        InvalidRecord: there are no images.
    """
    if not images:
        raise InvalidRecord("images: a case needs at least one.")
    _hold(session, tenant_id, images)
    if idempotency and not _own_key(session, tenant_id, case_id, idempotency):
        return _first_answer(session, tenant_id, idempotency)
    accepted = _insert_case(session, tenant_id, case_id, case)
    _insert_images(session, tenant_id, accepted, case.urgency, images, first=0)
    details = {"images": [str(image.id) for image in images]}
    record_event(
        session=session,
        tenant_id=tenant_id,
        actor=actor,
        action=AuditAction.CASE_ACCEPTED,
        subject=Subject("case", case_id),
        details=details,
    )
    return accepted


def add_images(*, session: Session, tenant_id: UUID, case_id: UUID, images: Sequence[NewImage], actor: Actor) -> AcceptedCase:
    """Add images to an undecided case, which then waits for their analysis.

    Raises:
        CaseNotFound: the tenant has no such case.
        CaseClosed: the case has been decided.
        CareWithdrawn: the patient has withdrawn their consent to care.
        InvalidRecord: there are no images.
    """
    if not images:
        raise InvalidRecord("images: send at least one.")
    _hold(session, tenant_id, images)
    # The lock orders two additions (positions) and an addition against a decision (state).
    locked = select(Case).where(Case.id == case_id, Case.tenant_id == tenant_id).with_for_update(key_share=True)
    case = session.scalars(locked).one_or_none()
    if case is None:
        raise CaseNotFound(case_id)
    if case.state.terminal:
        raise CaseClosed("The case has been decided: send further images as a new case.")
    require_care(session=session, tenant_id=tenant_id, case_id=case_id)
    case.state = CaseState.QUEUED
    session.flush()
    first = session.scalar(select(func.max(Image.position) + 1).where(Image.case_id == case_id)) or 0
    accepted = AcceptedCase(case.id, case.state, case.received_at, case.due_at)
    _insert_images(session, tenant_id, accepted, case.urgency, images, first=first)
    details = {"images": [str(image.id) for image in images]}
    record_event(
        session=session,
        tenant_id=tenant_id,
        actor=actor,
        action=AuditAction.IMAGES_ADDED,
        subject=Subject("case", case_id),
        details=details,
    )
    return accepted


def case_status(*, session: Session, tenant_id: UUID, case_id: UUID, actor: Actor) -> CaseView:
    """Return a case of the tenant with images, job states, latest analyses and decisions; the reading is audited.

    Raises:
        CaseNotFound: the tenant has no such case.
        CareWithdrawn: the patient has withdrawn their consent to care.
    """
    view = load_case(session=session, tenant_ids=[tenant_id], case_id=case_id)
    if view.consent_care is False:
        raise CareWithdrawn
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.CASE_READ, subject=Subject("case", case_id))
    return view


def _own_key(session: Session, tenant_id: UUID, case_id: UUID, idempotency: Idempotency) -> bool:
    # A portal that retries after a timeout may overtake its own first request. The insert waits for that
    # request's transaction: either it commits, and the key is found taken, or it rolls back, and the key is ours.
    values = {"id": uuid4(), "tenant_id": tenant_id, "case_id": case_id, "key": idempotency.key}
    return session.execute(CLAIM_KEY, values | {"request_sha256": idempotency.request_sha256}).first() is not None


def _first_answer(session: Session, tenant_id: UUID, idempotency: Idempotency) -> AcceptedCase:
    case_id = find_idempotent(session=session, tenant_id=tenant_id, idempotency=idempotency)
    case = session.scalars(select(Case).where(Case.id == case_id, Case.tenant_id == tenant_id)).one()
    return AcceptedCase(case.id, case.state, case.received_at, case.due_at, replayed=True)


def _insert_case(session: Session, tenant_id: UUID, case_id: UUID, case: NewCase) -> AcceptedCase:
    patient_id = _patient(session, tenant_id, case)
    values = {
        "id": case_id,
        "tenant_id": tenant_id,
        "patient_id": patient_id,
        "lesion_id": _lesion(session, tenant_id, patient_id, case),
        "reference": case.reference,
        "clinical_notes": case.clinical_notes,
        "visited_at": case.visited_at,
        "visit_source": case.visit_source,
    }
    dates = session.execute(INSERT_CASE[case.urgency], values).one()
    return AcceptedCase(case_id, CaseState.QUEUED, dates.received_at, dates.due_at)


def _patient(session: Session, tenant_id: UUID, case: NewCase) -> UUID:
    """Get or create; what the portal says now fills gaps and corrects what it said before.

    Raises:
        CareWithdrawn: the patient does not consent to care.
    """
    said = {name: getattr(case, name) for name in PATIENT_SAID}
    values = {"id": uuid4(), "tenant_id": tenant_id, "reference": case.patient_reference, **said}
    patient_id, consent_care = session.execute(UPSERT_PATIENT, values).one()
    if consent_care is False:
        raise CareWithdrawn
    return patient_id  # type: ignore[no-any-return]  # the statement is built by name


def _lesion(session: Session, tenant_id: UUID, patient_id: UUID, case: NewCase) -> UUID:
    """Get or create. A lesion without a reference is new with each case, until a reader links it to one that is known.

    A reference of a lesion that was merged into another one names the survivor.
    """
    said = {"body_site": case.body_site, "laterality": case.laterality, "tracking_uid": tracking_uid()}
    values = {"id": uuid4(), "tenant_id": tenant_id, "patient_id": patient_id, "reference": case.lesion_reference, **said}
    lesion_id, merged_into = session.execute(UPSERT_LESION, values).one()
    return lesion_id if merged_into is None else hold_survivor(session=session, tenant_id=tenant_id, lesion_id=merged_into)


def _insert_images(
    session: Session, tenant_id: UUID, case: AcceptedCase, urgency: Urgency, images: Sequence[NewImage], *, first: int
) -> None:
    rows = [_image_row(tenant_id, case.id, position, image) for position, image in enumerate(images, start=first)]
    session.execute(INSERT_IMAGE, rows)
    work = {"tenant_id": tenant_id, "urgency_rank": urgency.rank, "due_at": case.due_at}
    session.execute(INSERT_JOB, [{"id": uuid4(), "image_id": image.id, **work} for image in images])
    keep_received(session=session, tenant_id=tenant_id, case_id=case.id, images=images)


def _hold(session: Session, tenant_id: UUID, images: Sequence[NewImage]) -> None:
    # Before every other lock: who brings DICOM files waits here and nowhere else for another who does.
    if any(image.instance for image in images):
        hold_studies(session=session, tenant_id=tenant_id)


def _image_row(tenant_id: UUID, case_id: UUID, position: int, image: NewImage) -> dict[str, Any]:
    given = {name: getattr(image, name) for name in NewImage.__dataclass_fields__ if name != "instance"}
    return given | {"tenant_id": tenant_id, "case_id": case_id, "position": position}
