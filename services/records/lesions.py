"""Which cases show the same lesion, and how a human says otherwise: merge, split, move, take a merge apart.

Nothing is deleted. A lesion that was merged stays on file and names its survivor; every case has one surviving lesion of its patient.
Each step locks the lesions that it touches, in the order of their ids, and then compares what it found with what the reader saw: of
two steps at once the second is refused (`LesionChanged`). Only a lesion that is merged into nothing can be merged or take another in,
so that no circle can come about.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.changes import mark_due
from services.records.errors import InvalidRecord, LesionChanged, LesionNotFound
from services.records.lesion_history import came_from, step_time, write_step
from services.records.portal_events import PortalEventKind, add_event
from services.records.proposals import withdraw
from services.records.states import AuditAction, Laterality, LesionEventKind
from services.records.tables import Case, Lesion
from services.records.tables.cases import tracking_uid

LONGEST_REASON = 500
AGAIN = "load the page again."


@dataclass(frozen=True, slots=True)
class LockedLesion:
    """A lesion that nobody else can change until this transaction ends."""

    id: UUID
    tenant_id: UUID
    patient_id: UUID
    reference: str | None
    body_site: str | None
    laterality: Laterality | None
    merged_into: UUID | None


@dataclass(frozen=True, slots=True)
class Step:
    """Who does what, why, and when."""

    kind: LesionEventKind
    user_id: UUID
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Kind:
    action: AuditAction
    told: PortalEventKind


# For a portal a merge that was taken apart is a split.
KINDS = {
    LesionEventKind.LINKED: _Kind(AuditAction.LESION_LINKED, PortalEventKind.LESION_LINKED),
    LesionEventKind.MERGED: _Kind(AuditAction.LESION_MERGED, PortalEventKind.LESION_MERGED),
    LesionEventKind.SPLIT: _Kind(AuditAction.LESION_SPLIT, PortalEventKind.LESION_SPLIT),
    LesionEventKind.RESTORED: _Kind(AuditAction.LESION_RESTORED, PortalEventKind.LESION_SPLIT),
}


def surviving_lesion(*, session: Session, tenant_ids: Sequence[UUID], lesion_id: UUID) -> UUID:
    """Return the lesion that this one was merged into, over any number of merges; itself where it was not.

    Raises:
        LesionNotFound: none of the tenants has such a lesion.
    """
    found = survivors(session=session, tenant_ids=tenant_ids, lesion_ids=[lesion_id])
    if lesion_id not in found:
        raise LesionNotFound(lesion_id)
    return found[lesion_id]


def survivors(*, session: Session, tenant_ids: Sequence[UUID], lesion_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return the survivor of each of these lesions that the tenants have, in one statement."""
    if not lesion_ids:
        return {}
    first = select(Lesion.id.label("start"), Lesion.id, Lesion.merged_into).where(
        Lesion.id.in_(lesion_ids), Lesion.tenant_id.in_(tenant_ids)
    )
    chain = first.cte("chain", recursive=True)
    chain = chain.union(select(chain.c.start, Lesion.id, Lesion.merged_into).join(chain, Lesion.id == chain.c.merged_into))
    rows = session.execute(select(chain.c.start, chain.c.id).where(chain.c.merged_into.is_(None)))
    return {row.start: row.id for row in rows}


def hold_survivor(*, session: Session, tenant_id: UUID, lesion_id: UUID) -> UUID:
    """Return the survivor of a lesion, which stays one until this transaction ends: a new case can be given to it.

    Raises:
        LesionNotFound: the tenant has no such lesion.
    """
    while True:
        # A merge at this moment is waited for; what it has changed is then read.
        held = select(Lesion.merged_into).where(Lesion.id == lesion_id, Lesion.tenant_id == tenant_id).with_for_update(read=True)
        row = session.execute(held).one_or_none()
        if row is None:
            raise LesionNotFound(lesion_id)
        if row.merged_into is None:
            return lesion_id
        lesion_id = row.merged_into


def merge_lesions(
    *, session: Session, tenant_ids: Sequence[UUID], lesion_id: UUID, merged_id: UUID, user_id: UUID, reason: str
) -> tuple[UUID, ...]:
    """Say that two lesions are one: ``lesion_id`` stays and gets the visits of ``merged_id``, whose ids are returned.

    Raises:
        LesionNotFound: none of the tenants has such a lesion.
        LesionChanged: one of them was merged meanwhile.
        InvalidRecord: they are one already or belong to two patients, or there is no reason.
    """
    said = proper_reason(reason)
    stays, goes = lock_lesions(session=session, tenant_ids=tenant_ids, lesion_ids=(lesion_id, merged_id))
    step = Step(LesionEventKind.MERGED, user_id, said, step_time(session=session))
    moved = take_cases(session=session, source=goes, target=stays)
    _close(session, goes, stays)
    finish_step(session=session, step=step, source=goes, target=stays, moved=moved, whole=True)
    return moved


def move_cases(
    *,
    session: Session,
    tenant_ids: Sequence[UUID],
    lesion_id: UUID,
    case_ids: Collection[UUID],
    to: UUID | None,
    user_id: UUID,
    reason: str,
) -> UUID:
    """Take visits away from a lesion, to another of the patient or (``to`` None) to a new one; return where they are now.

    A lesion without a portal's reference that has no visit left is merged into the one that took the last.

    Raises:
        LesionNotFound: none of the tenants has such a lesion.
        LesionChanged: a lesion was merged, or a visit moved away, meanwhile.
        InvalidRecord: no visits, all visits to a new lesion, another patient's lesion, or no reason.
    """
    said = proper_reason(reason)
    if not case_ids:
        raise InvalidRecord("visits: choose at least one.")
    if to is None:
        (source,) = lock_lesions(session=session, tenant_ids=tenant_ids, lesion_ids=(lesion_id,))
        target, kind = _new_like(session, source), LesionEventKind.SPLIT
    else:
        source, target = lock_lesions(session=session, tenant_ids=tenant_ids, lesion_ids=(lesion_id, to))
        kind = LesionEventKind.LINKED
    step = Step(kind, user_id, said, step_time(session=session))
    link_cases(session=session, step=step, source=source, target=target, case_ids=case_ids)
    return target.id


def restore_lesion(
    *, session: Session, tenant_ids: Sequence[UUID], lesion_id: UUID, user_id: UUID, reason: str, case_ids: Collection[UUID] | None = None
) -> tuple[UUID, ...]:
    """Take a merge apart: the lesion stands for itself again, with the visits that went with it and did not move since; return them.

    Args:
        case_ids: only these; the lesions are then not told apart, as a link between them was only taken back.

    Raises:
        LesionNotFound: none of the tenants has such a lesion.
        LesionChanged: it is not merged any more, or what it was merged into was itself merged: take that apart first.
        InvalidRecord: there is no reason.
    """
    said = proper_reason(reason)
    into = session.scalar(select(Lesion.merged_into).where(Lesion.id == lesion_id, Lesion.tenant_id.in_(tenant_ids)))
    if into is None:
        raise LesionNotFound(lesion_id)
    ids = (lesion_id, into)
    restored, survivor = lock_lesions(session=session, tenant_ids=tenant_ids, lesion_ids=ids, merged=lesion_id)
    if restored.merged_into != survivor.id:
        raise LesionChanged(f"This lesion is not merged there any more: {AGAIN}")
    step = Step(LesionEventKind.RESTORED, user_id, said, step_time(session=session))
    session.execute(update(Lesion).where(Lesion.id == restored.id).values(merged_into=None).execution_options(synchronize_session=False))
    back = _still_there(session, restored, survivor)
    moved = take_cases(session=session, source=survivor, target=restored, case_ids=back if case_ids is None else back & set(case_ids))
    finish_step(session=session, step=step, source=survivor, target=restored, moved=moved, whole=case_ids is None)
    return moved


def proper_reason(reason: str) -> str:
    """Return a reason without spaces around it.

    Raises:
        InvalidRecord: it is empty, too long or holds a NUL.
    """
    said = reason.strip()
    if not 0 < len(said) <= LONGEST_REASON or "\0" in said:
        raise InvalidRecord(f"reason: say why, in 1 to {LONGEST_REASON} characters.")
    return said


def lock_lesions(
    *, session: Session, tenant_ids: Sequence[UUID], lesion_ids: Sequence[UUID], merged: UUID | None = None
) -> tuple[LockedLesion, ...]:
    """Lock lesions of one patient and return them in the order asked for. None of them is merged, but the one that is named so.

    Raises:
        LesionNotFound, LesionChanged, InvalidRecord: as in `merge_lesions`.
    """
    if len(set(lesion_ids)) < len(lesion_ids):
        raise InvalidRecord("lesion: choose another one; a lesion cannot be merged with itself.")
    columns = (Lesion.id, Lesion.tenant_id, Lesion.patient_id, Lesion.reference, Lesion.body_site, Lesion.laterality, Lesion.merged_into)
    locked = select(*columns).where(Lesion.id.in_(lesion_ids), Lesion.tenant_id.in_(tenant_ids)).order_by(Lesion.id)
    found = {row.id: LockedLesion(*row) for row in session.execute(locked.with_for_update(key_share=True))}
    for lesion_id in lesion_ids:
        if lesion_id not in found:
            raise LesionNotFound(lesion_id)
        if found[lesion_id].merged_into is not None and lesion_id != merged:
            raise LesionChanged(f"A lesion of these was merged into another one meanwhile: {AGAIN}")
    if len({lesion.patient_id for lesion in found.values()}) > 1:
        raise InvalidRecord("lesion: choose one of the same patient.")
    return tuple(found[lesion_id] for lesion_id in lesion_ids)


def link_cases(*, session: Session, step: Step, source: LockedLesion, target: LockedLesion, case_ids: Collection[UUID]) -> None:
    """Give visits of one locked lesion to another, close the one that has none left, and tell everybody.

    Raises:
        LesionChanged, InvalidRecord: as in `move_cases`.
    """
    moved = take_cases(session=session, source=source, target=target, case_ids=case_ids)
    emptied = session.scalar(select(func.count()).where(Case.lesion_id == source.id)) == 0
    if emptied and step.kind is LesionEventKind.SPLIT:
        raise InvalidRecord("visits: leave at least one with this lesion; all of them together are this lesion.")
    finish_step(session=session, step=step, source=source, target=target, moved=moved, whole=False)
    if emptied and source.reference is None:
        _close(session, source, target)
        merged = Step(LesionEventKind.MERGED, step.user_id, step.reason, step.at)
        _write(session, merged, source, target, [None])


def take_cases(
    *, session: Session, source: LockedLesion, target: LockedLesion, case_ids: Collection[UUID] | None = None
) -> tuple[UUID, ...]:
    """Give cases (None: all) of a locked lesion to another; return them.

    Raises:
        LesionChanged: one of them is not with the lesion any more.
    """
    # All that the step may touch, in the order in which every transaction locks cases.
    both = select(Case.id, Case.lesion_id).where(Case.lesion_id.in_((source.id, target.id)), Case.tenant_id == source.tenant_id)
    rows = session.execute(both.order_by(Case.id).with_for_update(key_share=True))
    found = [row.id for row in rows if row.lesion_id == source.id and (case_ids is None or row.id in case_ids)]
    if case_ids is not None and len(found) < len(set(case_ids)):
        raise LesionChanged(f"A visit that you chose is not with this lesion any more: {AGAIN}")
    moved = update(Case).where(Case.id.in_(found)).values(lesion_id=target.id)
    session.execute(moved.execution_options(synchronize_session=False))
    return tuple(found)


def finish_step(*, session: Session, step: Step, source: LockedLesion, target: LockedLesion, moved: Sequence[UUID], whole: bool) -> None:
    """Write the history, let both trails be looked at anew, withdraw what was proposed for visits that now have company, tell the portal.

    ``whole``: the step was about the lesions, and not only about the visits that moved.
    """
    _write(session, step, source, target, [*([None] if whole else []), *moved])
    company = session.scalars(select(Case.id).where(Case.lesion_id == target.id)).all()
    withdraw(session=session, case_ids=company)
    mark_due(session=session, tenant_id=target.tenant_id, lesion_ids=[source.id, target.id])
    kind = KINDS[step.kind]
    ids = {"lesion_id": str(target.id), "other_lesion_id": str(source.id), "case_ids": [str(case_id) for case_id in moved]}
    record_event(
        session=session,
        tenant_id=target.tenant_id,
        actor=Actor.user(step.user_id),
        action=kind.action,
        subject=Subject("lesion", target.id),
        details=ids,
    )
    names = {"lesion_reference": target.reference, "other_lesion_reference": source.reference}
    add_event(
        session=session,
        tenant_id=target.tenant_id,
        kind=kind.told,
        subject_kind="lesion",
        subject_id=target.id,
        payload={**ids, **names},
    )


def _write(session: Session, step: Step, source: LockedLesion, target: LockedLesion, case_ids: Sequence[UUID | None]) -> None:
    write_step(
        session=session,
        tenant_id=target.tenant_id,
        at=step.at,
        kind=step.kind,
        lesion_id=target.id,
        other_lesion_id=source.id,
        user_id=step.user_id,
        reason=step.reason,
        case_ids=case_ids,
    )


def _close(session: Session, goes: LockedLesion, stays: LockedLesion) -> None:
    swap = update(Lesion).where(Lesion.id == goes.id, Lesion.merged_into.is_(None)).values(merged_into=stays.id)
    session.execute(swap.execution_options(synchronize_session=False))


def _new_like(session: Session, source: LockedLesion) -> LockedLesion:
    """A lesion at the same place, which nobody has a reference for yet."""
    made = LockedLesion(uuid4(), source.tenant_id, source.patient_id, None, source.body_site, source.laterality, None)
    place: dict[str, Any] = {"body_site": made.body_site, "laterality": made.laterality}
    whose = {"id": made.id, "tenant_id": made.tenant_id, "patient_id": made.patient_id}
    session.execute(insert(Lesion).values(**whose, **place, tracking_uid=tracking_uid()))
    return made


def _still_there(session: Session, restored: LockedLesion, survivor: LockedLesion) -> set[UUID]:
    there = select(Case.id).where(Case.lesion_id == survivor.id, Case.id.in_(came_from(restored.id)))
    return set(session.scalars(there))
