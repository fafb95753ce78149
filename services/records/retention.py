"""Retention: how long a portal's trails are kept after the last thing that happened in them, and their end.

A trail is a lesion with all its visits: an old visit is what a new one is compared with, so it is as young as the newest. A trail with
an undecided case, with a follow-up to come, or of a patient on legal hold is kept, whatever the policy says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from services.records.erasure import UPKEEP, Receipt, call, note_erasure
from services.records.erasure_plan import NOT_DUE
from services.records.states import AuditAction

EXPIRED = text("SELECT tenant_id, patient_id, lesion_id, cases, last_activity FROM expired_trails(:tenant) LIMIT :limit")


@dataclass(frozen=True, slots=True)
class ExpiredTrail:
    """A trail whose time is over. ``last_activity``: receipt, decision or planned visit, whichever came last."""

    tenant_id: UUID
    patient_id: UUID
    lesion_id: UUID
    cases: int
    last_activity: datetime


def expired_trails(*, session: Session, tenant_id: UUID | None = None, limit: int = 1000) -> list[ExpiredTrail]:
    """Return trails whose time is over, the oldest first: of one tenant, or of all (the worker's or the owner's login)."""
    return [ExpiredTrail(*row) for row in session.execute(EXPIRED, {"tenant": tenant_id, "limit": limit})]


def erase_expired(*, session: Session, trail: ExpiredTrail) -> Receipt | None:
    """Erase a trail, and the patient where it was their last; None where something has happened in it meanwhile.

    The database asks once more whether its time is over. The transaction must be bound to the trail's tenant.

    Raises:
        PatientNotFound, LegalHold, PatientBusy: as in `services.records.erasure`.
    """
    receipt_id = uuid4()
    arguments: Sequence[UUID] = (receipt_id, trail.tenant_id, trail.patient_id, trail.lesion_id)
    try:
        call(session=session, function="erase_expired", arguments=arguments)
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) == NOT_DUE:
            return None
        raise
    return note_erasure(session=session, tenant_id=trail.tenant_id, receipt_id=receipt_id, action=AuditAction.TRAIL_EXPIRED, actor=UPKEEP)
