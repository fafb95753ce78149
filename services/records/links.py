"""What a human says to a proposed link: the same lesion, not the same, or neither after all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.errors import CaseNotFound, LesionChanged
from services.records.lesion_history import MOVES, step_time, write_step
from services.records.lesions import AGAIN, Step, link_cases, lock_lesions, move_cases, restore_lesion, surviving_lesion
from services.records.states import AuditAction, LesionEventKind, ProposalState
from services.records.tables import Case, Lesion, LesionEvent, LinkProposal

CONFIRMED = "A proposed link was confirmed."
REJECTED = "A proposed link was rejected."
TAKEN_BACK = "A confirmed link was taken back."
OPEN_AGAIN = "A rejected link was opened again."


@dataclass(frozen=True, slots=True)
class _Proposal:
    id: UUID
    tenant_id: UUID
    case_id: UUID
    state: ProposalState
    lesion_id: UUID
    own_lesion_id: UUID


def confirm_link(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID, proposal_id: UUID, user_id: UUID) -> UUID:
    """Say that the case shows the proposed lesion; return that lesion. The case's own lesion, empty now, is merged into it.

    Raises:
        CaseNotFound: none of the tenants has such a proposal.
        LesionChanged: it was decided, or a lesion changed, meanwhile.
    """
    proposal = _find(session, tenant_ids, case_id, proposal_id)
    target_id = surviving_lesion(session=session, tenant_ids=tenant_ids, lesion_id=proposal.lesion_id)
    if target_id == proposal.own_lesion_id:
        raise LesionChanged(f"The case is linked to this lesion already: {AGAIN}")
    source, target = lock_lesions(session=session, tenant_ids=tenant_ids, lesion_ids=(proposal.own_lesion_id, target_id))
    _decide(session, proposal, ProposalState.CONFIRMED, user_id)
    step = Step(LesionEventKind.LINKED, user_id, CONFIRMED, step_time(session=session))
    link_cases(session=session, step=step, source=source, target=target, case_ids=[case_id])
    return target_id


def reject_link(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID, proposal_id: UUID, user_id: UUID) -> None:
    """Say that the case does not show the proposed lesion: the pair is kept apart and never proposed again.

    Raises:
        CaseNotFound, LesionChanged: as in `confirm_link`.
    """
    proposal = _find(session, tenant_ids, case_id, proposal_id)
    _decide(session, proposal, ProposalState.REJECTED, user_id)
    _tell(session, proposal, user_id, apart=True)


def reopen_link(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID, proposal_id: UUID, user_id: UUID) -> None:
    """Take back what was said: the proposal is open again, and a case that was linked has its own lesion again.

    Raises:
        CaseNotFound: none of the tenants has such a proposal.
        LesionChanged: the case was moved since; move it on the lesion's page.
    """
    proposal = _find(session, tenant_ids, case_id, proposal_id)
    if proposal.state is ProposalState.CONFIRMED:
        _unlink(session, tenant_ids, proposal, user_id)
    swap = _swap(proposal, proposal.state, {"state": ProposalState.OPEN, "decided_by": None, "decided_at": None})
    if proposal.state not in (ProposalState.CONFIRMED, ProposalState.REJECTED) or session.scalar(swap) is None:
        raise LesionChanged(f"There is nothing to take back any more: {AGAIN}")
    if proposal.state is ProposalState.REJECTED:
        _tell(session, proposal, user_id, apart=False)


def _find(session: Session, tenant_ids: Sequence[UUID], case_id: UUID, proposal_id: UUID) -> _Proposal:
    row = LinkProposal
    query = (
        select(row.id, row.tenant_id, row.case_id, row.state, row.lesion_id, Case.lesion_id.label("own_lesion_id"))
        .join(Case, Case.id == row.case_id)
        .where(row.id == proposal_id, row.case_id == case_id, row.tenant_id.in_(tenant_ids))
    )
    found = session.execute(query).one_or_none()
    if found is None:
        raise CaseNotFound(case_id)
    return _Proposal(*found)


def _decide(session: Session, proposal: _Proposal, state: ProposalState, user_id: UUID) -> None:
    said = {"state": state, "decided_by": user_id, "decided_at": func.now()}
    if session.scalar(_swap(proposal, ProposalState.OPEN, said)) is None:
        raise LesionChanged(f"This proposal was decided meanwhile: {AGAIN}")


def _swap(proposal: _Proposal, before: ProposalState, values: dict[str, Any]) -> Any:
    swap = update(LinkProposal).where(LinkProposal.id == proposal.id, LinkProposal.state == before).values(**values)
    return swap.returning(LinkProposal.id).execution_options(synchronize_session=False)


def _unlink(session: Session, tenant_ids: Sequence[UUID], proposal: _Proposal, user_id: UUID) -> None:
    """Give the case back to the lesion that it had when the link was confirmed."""
    row, case_id = LesionEvent, proposal.case_id
    last = select(row.other_lesion_id, row.lesion_id, row.reason).where(row.case_id == case_id, row.kind.in_(MOVES))
    move = session.execute(last.order_by(row.created_at.desc()).limit(1)).one_or_none()
    if move is None or move.reason != CONFIRMED or move.lesion_id != proposal.own_lesion_id:
        raise LesionChanged("The case was moved since it was linked: move it on the lesion's page.")
    before = move.other_lesion_id
    again: Callable[..., object] = partial(move_cases, lesion_id=proposal.own_lesion_id, to=before)
    if session.scalar(select(Lesion.merged_into).where(Lesion.id == before)) is not None:
        again = partial(restore_lesion, lesion_id=before)
    again(session=session, tenant_ids=tenant_ids, user_id=user_id, reason=TAKEN_BACK, case_ids=[case_id])


def _tell(session: Session, proposal: _Proposal, user_id: UUID, *, apart: bool) -> None:
    write_step(
        session=session,
        tenant_id=proposal.tenant_id,
        at=step_time(session=session),
        kind=LesionEventKind.KEPT_APART if apart else LesionEventKind.RESTORED,
        lesion_id=proposal.own_lesion_id,
        # What is opened again is no word about two lesions: without the other one it keeps nothing apart.
        other_lesion_id=proposal.lesion_id if apart else None,
        user_id=user_id,
        reason=REJECTED if apart else OPEN_AGAIN,
        case_ids=[None],
    )
    record_event(
        session=session,
        tenant_id=proposal.tenant_id,
        actor=Actor.user(user_id),
        action=AuditAction.LESION_KEPT_APART if apart else AuditAction.LESION_RESTORED,
        subject=Subject("lesion", proposal.own_lesion_id),
        details={"case": str(proposal.case_id), "other_lesion_id": str(proposal.lesion_id)},
    )
