"""Erasing a patient: rows in one transaction together with the receipt, objects afterwards until none is left.

The database function behind it (:mod:`services.records.erasure_plan`) waits for nobody: where something is being written about the
patient it gives up at once, and is asked again. What else was under way finds the rows gone: a worker's answer belongs to no job any
more, and a case that arrives after the erasure begins with a new patient.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select, func, select, text, tuple_, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.cursors import read_cursor, write_cursor
from services.records.database import Database
from services.records.erasure_plan import HELD
from services.records.errors import LegalHold, PatientBusy, PatientNotFound, ReceiptNotFound
from services.records.states import AuditAction, ErasureReason, ErasureState
from services.records.tables import Case, DatasetExport, DatasetImage, Erasure, Patient, Tenant

LIST = "receipts"
# States of SQL: a row is locked, there is none.
LOCKED, NONE = "55P03", "P0002"
PATIENCE_SECONDS, PAUSE_SECONDS = 8.0, 0.1
# Who held an image's job, an upload or a comparison when its rows went may still store an object; no lease lasts as long as this.
LATE = timedelta(hours=1)
UPKEEP = Actor.system("erasure")


@dataclass(frozen=True, slots=True)
class ExportShare:
    """How many of the erased pictures an exported data set holds, and of how many its folder was rid."""

    export_id: UUID
    name: str
    images: int
    pruned: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was erased. ``counts``: rows by table; ``cases``: how many. ``objects``: deleted from the store, so far.

    ``created_at``: when the rows went; ``objects_gone_at``: when the store held nothing any more; ``done_at``: it still held nothing
    when the last worker that could have stored something late was out of time.
    """

    id: UUID
    tenant_id: UUID
    reason: ErasureReason
    state: ErasureState
    patient_id: UUID
    whole: bool
    cases: int
    counts: dict[str, int]
    objects: int
    created_at: datetime
    objects_gone_at: datetime | None
    done_at: datetime | None
    problem: str | None
    exports: tuple[ExportShare, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """Some receipts, the newest first."""

    receipts: tuple[Receipt, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Leftovers:
    """The objects of an erasure that may still be in the store: beginnings of keys (with a "/" at their end), and whole keys."""

    id: UUID
    tenant_id: UUID
    prefixes: tuple[str, ...]
    last_look: bool


def patient_of(*, session: Session, tenant_id: UUID, ref: str) -> UUID | None:
    """Return the id of the tenant's patient with this id, or else with this reference of the portal's own."""
    mine = select(Patient.id).where(Patient.tenant_id == tenant_id)
    try:
        found = session.scalar(mine.where(Patient.id == UUID(ref)))
    except ValueError:
        found = None
    return found or session.scalar(mine.where(Patient.reference == ref))


def erase_patient(*, database: Database, tenant_id: UUID, patient_id: UUID, actor: Actor) -> Receipt:
    """Erase everything of a patient and return the receipt; one that was erased before gives the receipt of then.

    Raises:
        PatientNotFound: the tenant has, and had, no such patient.
        LegalHold: everything is to be kept.
        PatientBusy: something was being written about them all the time; nothing was erased.
    """
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with database.transaction(tenants=[tenant_id]) as session:
                return _erased(session, tenant_id, patient_id, actor)
        except PatientBusy:
            if time.monotonic() > give_up:
                raise
            time.sleep(PAUSE_SECONDS)


def _erased(session: Session, tenant_id: UUID, patient_id: UUID, actor: Actor) -> Receipt:
    receipt_id = uuid4()
    try:
        call(session=session, function="erase_patient", arguments=(receipt_id, tenant_id, patient_id))
    except PatientNotFound:
        before = receipt_of(session=session, tenant_id=tenant_id, patient_id=patient_id)
        if before is None:
            raise
        return before
    return note_erasure(session=session, tenant_id=tenant_id, receipt_id=receipt_id, action=AuditAction.PATIENT_ERASED, actor=actor)


def call(*, session: Session, function: str, arguments: Sequence[UUID]) -> None:
    """Call one of the functions that erase; ``arguments``: receipt, tenant, patient, and whatever else it takes.

    Raises:
        PatientNotFound, LegalHold, PatientBusy: as they say; the transaction can then only be given up, but for PatientNotFound.
    """
    names = ", ".join(f":a{place}" for place in range(len(arguments)))
    statement, values = text(f"SELECT {function}({names})"), {f"a{place}": value for place, value in enumerate(arguments)}
    try:
        with session.begin_nested():
            session.execute(statement, values)
    except DBAPIError as error:
        known: dict[str | None, Exception] = {LOCKED: PatientBusy(BUSY), HELD: LegalHold(), NONE: PatientNotFound(arguments[2])}
        refusal = known.get(getattr(error.orig, "pgcode", None))
        if refusal is None:
            raise
        raise refusal from error


BUSY = "Something is being written about the patient at this moment. Nothing was erased: try again."


def note_erasure(*, session: Session, tenant_id: UUID, receipt_id: UUID, action: AuditAction, actor: Actor) -> Receipt:
    """Write the audit event of an erasure of this transaction, and return its receipt."""
    receipt = _load(session, select(Erasure).where(Erasure.id == receipt_id))[0]
    details = {"receipt": str(receipt_id), "whole": receipt.whole, "cases": receipt.cases}
    subject = Subject("patient", receipt.patient_id)
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=action, subject=subject, details=details)
    return receipt


def receipt_of(*, session: Session, tenant_id: UUID, patient_id: UUID) -> Receipt | None:
    """Return the receipt of the erasure of a whole patient."""
    mine = (Erasure.tenant_id == tenant_id, Erasure.patient_id == patient_id, Erasure.whole)
    found = _load(session, select(Erasure).where(*mine).order_by(Erasure.created_at.desc()).limit(1))
    return found[0] if found else None


def read_receipt(*, session: Session, tenant_id: UUID, receipt_id: UUID, actor: Actor) -> Receipt:
    """Return a receipt of the tenant; audited. Raises ReceiptNotFound."""
    found = _load(session, select(Erasure).where(Erasure.tenant_id == tenant_id, Erasure.id == receipt_id))
    if not found:
        raise ReceiptNotFound("There is no such receipt.")
    subject = Subject("receipt", receipt_id)
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.RECEIPTS_READ, subject=subject)
    return found[0]


def list_receipts(*, session: Session, tenant_ids: Sequence[UUID], actor: Actor, cursor: str | None = None, limit: int = 50) -> ReceiptPage:
    """Return receipts of the tenants, the newest first; audited in each tenant's trail.

    Raises:
        InvalidCursor: the cursor is not one of this list.
    """
    query = select(Erasure).where(Erasure.tenant_id.in_(tenant_ids))
    if cursor:
        query = query.where(tuple_(Erasure.created_at, Erasure.id) < tuple_(*read_cursor(cursor, LIST, _moment, UUID)))
    found = _load(session, query.order_by(Erasure.created_at.desc(), Erasure.id.desc()).limit(limit + 1))
    page = tuple(found[:limit])
    for tenant_id in sorted({receipt.tenant_id for receipt in page}):
        details = {"receipts": sum(receipt.tenant_id == tenant_id for receipt in page)}
        action, subject = AuditAction.RECEIPTS_READ, Subject("receipt")
        record_event(session=session, tenant_id=tenant_id, actor=actor, action=action, subject=subject, details=details)
    return ReceiptPage(page, write_cursor(LIST, page[-1].created_at.isoformat(), page[-1].id) if len(found) > limit else None)


def erased_case(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID) -> datetime | None:
    """Return when a case of one of the tenants was erased; None where none of this id was."""
    return session.scalar(
        select(func.max(Erasure.created_at)).where(Erasure.tenant_id.in_(tenant_ids), Erasure.case_ids.contains([case_id]))
    )


def tenant_ids(*, session: Session) -> list[UUID]:
    """Return all tenants (the worker's or the owner's login)."""
    return list(session.scalars(select(Tenant.id).order_by(Tenant.id)))


def case_is_there(*, session: Session, tenant_id: UUID, case_id: UUID) -> bool:
    """Whether a tenant has this case."""
    return session.scalar(select(Case.id).where(Case.id == case_id, Case.tenant_id == tenant_id)) is not None


def next_leftovers(*, session: Session, skip: Sequence[UUID]) -> Leftovers | None:
    """Lock the oldest erasure whose objects are to be looked for now, but for ``skip``; None when there is none (the worker's login)."""
    late = Erasure.created_at <= func.now() - LATE
    due = (Erasure.state == ErasureState.PENDING, Erasure.objects_gone_at.is_(None) | late, Erasure.id.not_in(skip))
    columns = select(Erasure.id, Erasure.tenant_id, Erasure.prefixes, late)
    row = session.execute(columns.where(*due).order_by(Erasure.created_at).limit(1).with_for_update(skip_locked=True)).one_or_none()
    return None if row is None else Leftovers(row[0], row[1], tuple(row[2]), row[3])


def note_deleted(*, session: Session, leftovers: Leftovers, deleted: int, problem: str | None = None) -> bool:
    """Note how many objects were deleted, and why not all. Returns whether the erasure is done: nothing was found at the last look."""
    done = problem is None and not deleted and leftovers.last_look
    values: dict[str, Any] = {"objects": Erasure.objects + deleted, "problem": problem}
    if problem is None:
        values["objects_gone_at"] = func.coalesce(Erasure.objects_gone_at, func.now())
    if done:
        values |= {"state": ErasureState.DONE, "done_at": func.now(), "prefixes": []}
    change = update(Erasure).where(Erasure.id == leftovers.id, Erasure.state == ErasureState.PENDING).values(values)
    session.execute(change.execution_options(synchronize_session=False))
    if done:
        action, subject = AuditAction.ERASURE_DONE, Subject("receipt", leftovers.id)
        record_event(session=session, tenant_id=leftovers.tenant_id, actor=UPKEEP, action=action, subject=subject)
    return done


def _load(session: Session, query: Select[Erasure]) -> list[Receipt]:
    rows = session.scalars(query).all()
    shares: defaultdict[UUID, list[ExportShare]] = defaultdict(list)
    for row in session.execute(_shares([row.id for row in rows])) if rows else ():
        shares[row.erasure_id].append(ExportShare(row.id, row.name, row.images, row.pruned))
    return [_receipt(row, tuple(shares[row.id])) for row in rows]


def _shares(receipt_ids: Sequence[UUID]) -> Select[*tuple[Any, ...]]:
    counted = (func.count().label("images"), func.count(DatasetImage.pruned_at).label("pruned"))
    which = (DatasetImage.erasure_id, DatasetExport.id, DatasetExport.name)
    joined = select(*which, *counted).join(DatasetExport, DatasetExport.id == DatasetImage.export_id)
    return joined.where(DatasetImage.erasure_id.in_(receipt_ids)).group_by(*which)


def _receipt(row: Erasure, exports: tuple[ExportShare, ...]) -> Receipt:
    return Receipt(
        id=row.id,
        tenant_id=row.tenant_id,
        reason=row.reason,
        state=row.state,
        patient_id=row.patient_id,
        whole=row.whole,
        cases=len(row.case_ids),
        counts=dict(row.counts),
        objects=row.objects,
        created_at=row.created_at,
        objects_gone_at=row.objects_gone_at,
        done_at=row.done_at,
        problem=row.problem,
        exports=exports,
    )


def _moment(said: str) -> datetime:
    """A point in time with its offset. Raises ValueError."""
    moment = datetime.fromisoformat(said)
    if moment.tzinfo is None:
        raise ValueError("a time without an offset is no point in time")
    return moment
