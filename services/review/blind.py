"""What a reader must not see yet: the model's answer before their own first opinion, and what others said of an undecided case."""

from collections.abc import Sequence
from dataclasses import replace

from flask import abort
from sqlalchemy.orm import Session

from services.records.access import SignedIn
from services.records.opinions import OpinionView, has_opinion
from services.records.states import CaseState, ReviewKind, Role
from services.records.views import CaseView, ReviewView

BEFORE_OPINION = (CaseState.QUEUED, CaseState.AWAITING_REVIEW, CaseState.AWAITING_SECOND_READ)
READS = (ReviewKind.FIRST, ReviewKind.SECOND)


def is_blind(case: CaseView, user: SignedIn, opinions: Sequence[OpinionView]) -> bool:
    """Whether this reader sees nothing of the model's answer yet."""
    return _asks_first(case, user) and user.user_id not in {opinion.user_id for opinion in opinions}


def refuse_before_opinion(records: Session, case: CaseView, user: SignedIn) -> None:
    """Answers 403 for a mask or a heat map that this reader must not see yet."""
    if _asks_first(case, user) and not has_opinion(session=records, case_id=case.id, user_id=user.user_id):
        abort(403, "Give your first opinion first: this portal asks for a blind first read.")


def without_others(case: CaseView, user: SignedIn) -> CaseView:
    """The case as this reader may see it: reads of others only once it is decided, or for the lead who resolves it."""
    if sees_all(case, user):
        return case
    return replace(case, reviews=tuple(review for review in case.reviews if review.user_id == user.user_id))


def visible_opinions(case: CaseView, user: SignedIn, opinions: Sequence[OpinionView]) -> tuple[OpinionView, ...]:
    """The first opinions by the same rule."""
    return tuple(opinion for opinion in opinions if sees_all(case, user) or opinion.user_id == user.user_id)


def sees_all(case: CaseView, user: SignedIn) -> bool:
    """Whether reads of others are open to this reader."""
    if case.state is CaseState.AWAITING_ADJUDICATION:
        return user.role is Role.LEAD and user.user_id not in {review.user_id for review in readers(case)}
    return case.state is CaseState.REVIEWED


def readers(case: CaseView) -> tuple[ReviewView, ...]:
    """The reads that stand."""
    return tuple(review for review in case.standing if review.kind in READS)


def asks_first(state: CaseState, role: Role, *, blind_first_read: bool) -> bool:
    """Whether a case in this state, of a portal that asks for it or not, wants a first opinion before anything else is seen."""
    return blind_first_read and state in BEFORE_OPINION and role is not Role.ADMIN


def _asks_first(case: CaseView, user: SignedIn) -> bool:
    return asks_first(case.state, user.role, blind_first_read=case.blind_first_read)
