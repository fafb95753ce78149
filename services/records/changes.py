"""Which lesions' trails wait for the worker that compares visits: flag them, claim one, finish it, give it back.

The flag is ``cases.trail_due_at``: from that moment on the trail of the case's lesion is to be looked at. A claim is a lease: it moves
the flag into the future and counts an attempt. Finishing takes away only the flag that was claimed, so that a flag that was set anew in
between is not lost. What there is to do follows from the records each time (which comparisons are missing); a trail may therefore be
looked at once too often at no harm, and never once too few.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from services.records.audit import Actor, Subject, record_event
from services.records.states import AuditAction
from services.records.tables import Case, Image, Lesion

# How many due cases a claim looks at: those without anything to compare are settled together, of the others one lesion is taken.
LOOK_AHEAD = 64
FIRST_RETRY = timedelta(seconds=2)
MOST_COUNTED = 1_000
DIED = "The comparison of this lesion's visits was tried several times and stopped each time: compare them by eye."
WORKER = "change"


@dataclass(frozen=True, slots=True)
class Claim:
    """A lesion whose trail is to be brought up to date. ``until``: the flag's value, and so the end of the lease.

    ``case_ids``: its flagged cases. ``attempts`` counts this one.
    """

    tenant_id: UUID
    patient_id: UUID
    lesion_id: UUID
    case_ids: tuple[UUID, ...]
    until: datetime
    attempts: int


def mark_due(*, session: Session, tenant_id: UUID, lesion_ids: Collection[UUID]) -> int:
    """Let the trails of these lesions be looked at anew: a visit was linked or taken away, or anything else that comparisons rest on.

    Returns how many have a visit at all. Ring ``CHANGE_BELL`` after the commit, or the sweep does so within seconds.
    """
    if not lesion_ids:
        return 0
    newest = select(Case.id).where(Case.lesion_id.in_(lesion_ids), Case.tenant_id == tenant_id).ext(distinct_on(Case.lesion_id))
    newest = newest.order_by(Case.lesion_id, Case.visited_at.desc(), Case.received_at.desc(), Case.id.desc())
    return _mark(session, Case.id.in_(newest))


def mark_image_due(*, session: Session, image_id: UUID) -> int:
    """The same for the lesion that an image shows: its outline or its scale has changed. Images beside the leading one are not compared."""
    return _mark(session, Case.id.in_(select(Image.case_id).where(Image.id == image_id)) & (Case.lead_image_id == image_id))


def any_work(*, session: Session, max_attempts: int) -> bool:
    """Whether a trail is due that there is anything to do for; what there is nothing to do for is settled on the way."""
    return bool(_waiting(session, max_attempts))


def claim_trail(*, session: Session, lease: timedelta, max_attempts: int) -> Claim | None:
    """Lease the trail that has waited longest; None when none waits that somebody else does not have."""
    waiting = _waiting(session, max_attempts)
    return _leased(session, [row for row in waiting if row.lesion_id == waiting[0].lesion_id], lease) if waiting else None


def renew_claim(*, session: Session, claim: Claim, lease: timedelta) -> Claim | None:
    """Extend the lease of the cases that were not flagged anew; None when all were: the trail is to be begun again."""
    renewed = update(Case).where(_mine(claim)).values(trail_due_at=func.now() + lease).returning(Case.id, Case.trail_due_at)
    rows = session.execute(renewed.execution_options(synchronize_session=False)).all()
    return replace(claim, case_ids=tuple(row.id for row in rows), until=rows[0].trail_due_at) if rows else None


def finish_claim(*, session: Session, claim: Claim, problem: str | None = None) -> int:
    """Take the claimed flags away; those that were set anew stay. ``problem``: what could not be done, in words for a dermatologist."""
    finished = _change(session, _mine(claim), {"trail_due_at": None, "trail_attempts": 0, "trail_failed": problem})
    if problem and finished:
        _record_failure(session, claim.tenant_id, claim.lesion_id)
    return finished


def fail_claim(*, session: Session, claim: Claim, problem: str, max_attempts: int) -> None:
    """Try again, later each time, or give up with ``problem``; alerts stay as they are."""
    if claim.attempts >= max_attempts:
        finish_claim(session=session, claim=claim, problem=problem)
        return
    later = func.now() + FIRST_RETRY * 4 ** (claim.attempts - 1)
    _change(session, _mine(claim), {"trail_due_at": later})


def release_claim(*, session: Session, claim: Claim, delay: timedelta = timedelta()) -> None:
    """Give a trail back without costing it an attempt (shutdown, an outage that is not its own)."""
    _change(session, _mine(claim), {"trail_due_at": func.now() + delay, "trail_attempts": func.greatest(Case.trail_attempts - 1, 0)})


def lock_visits(*, session: Session, lesion_id: UUID) -> None:
    """Let nobody else change the visits of a lesion until this transaction ends."""
    session.execute(select(Case.id).where(Case.lesion_id == lesion_id).order_by(Case.id).with_for_update(key_share=True))


def count_waiting(*, session: Session) -> int:
    """How many cases' trails are due now; never counted beyond ``MOST_COUNTED``."""
    due = select(Case.id).where(Case.trail_due_at <= func.now()).limit(MOST_COUNTED)
    return session.scalar(select(func.count()).select_from(due.subquery())) or 0


def _mark(session: Session, which: ColumnElement[bool]) -> int:
    # Locked in the order that every other transaction locks cases in.
    locked = select(Case.id).where(which).order_by(Case.id).with_for_update(key_share=True)
    return _change(session, Case.id.in_(session.scalars(locked).all()), {"trail_due_at": func.now(), "trail_attempts": 0})


def _waiting(session: Session, max_attempts: int) -> list[Row[*tuple[Any, ...]]]:
    """Lock the first due cases that there is anything to do for.

    Cases of lesions with one visit, and nothing that could be proposed for it, are settled on the way, and a trail is given up when it
    has stopped its worker too often.
    """
    while due := session.execute(_due()).all():
        _set(session, [row.id for row in due if not row.work], {"trail_due_at": None, "trail_attempts": 0, "trail_failed": None})
        _give_up(session, [row for row in due if row.work and row.trail_attempts >= max_attempts])
        if waiting := [row for row in due if row.work and row.trail_attempts < max_attempts]:
            return waiting
    return []


def _due() -> Select[*tuple[Any, ...]]:
    """The first due cases that nobody else has locked, each with whether there is anything to do."""
    columns = (Case.id, Case.tenant_id, Case.patient_id, Case.lesion_id, Case.trail_attempts, _work().label("work"))
    due = select(*columns).join(Lesion, Lesion.id == Case.lesion_id).where(Case.trail_due_at <= func.now())
    return due.order_by(Case.trail_due_at, Case.id).limit(LOOK_AHEAD).with_for_update(of=Case, skip_locked=True, key_share=True)


def _work() -> ColumnElement[bool]:
    """Two visits to compare, an alert to take back, or another lesion that an unnamed one may be the same as."""
    visit, other = aliased(Case), aliased(Case)
    visits = select(func.count()).where(visit.lesion_id == Case.lesion_id, visit.lead_image_id.is_not(None)).scalar_subquery()
    alerted = exists().where(visit.lesion_id == Case.lesion_id, visit.alert.is_not(None))
    known = exists().where(other.patient_id == Case.patient_id, other.lesion_id != Case.lesion_id, other.lead_image_id.is_not(None))
    unnamed = and_(Lesion.reference.is_(None), Case.lead_image_id.is_not(None), known)
    return or_(visits > 1, alerted, unnamed)


def _leased(session: Session, rows: Sequence[Row[*tuple[Any, ...]]], lease: timedelta) -> Claim:
    first = rows[0]
    leased = update(Case).where(Case.id.in_([row.id for row in rows]))
    leased = leased.values(trail_due_at=func.now() + lease, trail_attempts=Case.trail_attempts + 1)
    until: Any = session.scalars(leased.returning(Case.trail_due_at).execution_options(synchronize_session=False)).all()[0]
    attempts = 1 + max(row.trail_attempts for row in rows)
    return Claim(first.tenant_id, first.patient_id, first.lesion_id, tuple(row.id for row in rows), until, attempts)


def _give_up(session: Session, spent: Sequence[Row[*tuple[Any, ...]]]) -> None:
    _set(session, [row.id for row in spent], {"trail_due_at": None, "trail_attempts": 0, "trail_failed": DIED})
    for tenant_id, lesion_id in sorted({(row.tenant_id, row.lesion_id) for row in spent}):
        _record_failure(session, tenant_id, lesion_id)


def _mine(claim: Claim) -> ColumnElement[bool]:
    return and_(Case.id.in_(claim.case_ids), Case.trail_due_at == claim.until)


def _set(session: Session, case_ids: Collection[UUID], values: dict[str, Any]) -> None:
    if case_ids:
        _change(session, Case.id.in_(case_ids), values)


def _change(session: Session, which: ColumnElement[bool], values: dict[str, Any]) -> int:
    changed = update(Case).where(which).values(values).returning(Case.id).execution_options(synchronize_session=False)
    return len(session.execute(changed).all())


def _record_failure(session: Session, tenant_id: UUID, lesion_id: UUID) -> None:
    subject = Subject("lesion", lesion_id)
    record_event(session=session, tenant_id=tenant_id, actor=Actor.system(WORKER), action=AuditAction.TRAIL_FAILED, subject=subject)
