"""First opinions: what a reader thinks before they see what the model thinks. Kept beside the decision, never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.errors import InvalidRecord, NotReady, OpinionGiven
from services.records.reads import lock_case
from services.records.states import AuditAction, CaseState
from services.records.tables import FirstOpinion, User

OPEN = (CaseState.AWAITING_REVIEW, CaseState.AWAITING_SECOND_READ)


@dataclass(frozen=True, slots=True)
class OpinionView:
    """One reader's first opinion. ``diagnosis`` None: they found the case not assessable."""

    user_id: UUID
    reader: str
    diagnosis: str | None
    note: str
    created_at: datetime


def give_opinion(
    *, session: Session, tenant_ids: Sequence[UUID], case_id: UUID, user_id: UUID, diagnosis: str | None, assessable: bool, note: str
) -> UUID:
    """Keep a reader's first opinion and return its id.

    Raises:
        InvalidRecord: an assessable case without a diagnosis, or the other way round.
        CaseNotFound: none of the tenants has such a case.
        NotReady: the case awaits no read.
        OpinionGiven: the reader has given one already.
    """
    if assessable != bool(diagnosis):
        raise InvalidRecord("diagnosis: name one, or say that the case is not assessable.")
    case = lock_case(session=session, tenant_ids=tenant_ids, case_id=case_id)
    if case.state not in OPEN:
        raise NotReady("This case awaits no read: an opinion is given before one.")
    whose = {"id": uuid4(), "tenant_id": case.tenant_id, "case_id": case_id, "user_id": user_id}
    row = insert(FirstOpinion).values(**whose, diagnosis=diagnosis, assessable=assessable, note=note)
    opinion_id: UUID | None = session.scalar(row.on_conflict_do_nothing().returning(FirstOpinion.id))
    if opinion_id is None:
        raise OpinionGiven("Your first opinion is on file already: it is never changed. Decide now.")
    details = {"opinion": str(opinion_id)}
    actor, subject = Actor.user(user_id), Subject("case", case_id)
    record_event(session=session, tenant_id=case.tenant_id, actor=actor, action=AuditAction.OPINION_GIVEN, subject=subject, details=details)
    return opinion_id


def has_opinion(*, session: Session, case_id: UUID, user_id: UUID) -> bool:
    """Whether the reader has given their first opinion on the case."""
    mine = select(FirstOpinion.id).where(FirstOpinion.case_id == case_id, FirstOpinion.user_id == user_id)
    return session.scalar(mine) is not None


def case_opinions(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID) -> tuple[OpinionView, ...]:
    """Return the first opinions on a case, oldest first. Who has not given theirs must not see another's: the caller's duty."""
    query = (
        select(FirstOpinion, User.name)
        .join(User, User.id == FirstOpinion.user_id)
        .where(FirstOpinion.case_id == case_id, FirstOpinion.tenant_id.in_(tenant_ids))
        .order_by(FirstOpinion.created_at)
    )
    return tuple(OpinionView(row.user_id, name, row.diagnosis, row.note, row.created_at) for row, name in session.execute(query))
