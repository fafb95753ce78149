"""The quiet bar: what was just decided, said on whatever page comes next, with the way back for ten seconds."""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from uuid import UUID

from flask import session, url_for
from sqlalchemy.orm import Session

from services.records.access import SignedIn
from services.records.errors import CaseNotFound
from services.records.reading import BEFORE, UNDO_SECONDS
from services.records.states import CaseState, ReviewKind
from services.records.views import CaseView, ReviewView, load_case
from services.review.decision import review_words

FOLLOWS = {
    CaseState.AWAITING_SECOND_READ: "a second reader follows",
    CaseState.AWAITING_ADJUDICATION: "a lead resolves the difference",
}


@dataclass(frozen=True, slots=True)
class Undo:
    """The way back. `seconds` are left when the page is made; the records' own clock has the last word."""

    action: str
    review: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """One line and, while it is offered, the way back."""

    text: str
    undo: Undo | None


def last_decision(records: Session, user: SignedIn) -> Quiet | None:
    """What this reader just did. The cookie holds the case's id only: a patient's reference stays out of it."""
    case_id = session.pop("decided", None)
    if case_id is None:
        return None
    try:
        found = load_case(session=records, tenant_ids=user.tenant_ids, case_id=UUID(case_id))
    except CaseNotFound:
        return None
    own = [review for review in found.reviews if review.user_id == user.user_id]
    return _quiet(found, own[-1]) if own else None


def undo_offer(case: CaseView, user: SignedIn) -> Undo | None:
    """The way back from this reader's own last decision on the case, while it can be taken back."""
    own = [review for review in case.reviews if review.user_id == user.user_id]
    return _undo(case, own[-1]) if own else None


def _quiet(case: CaseView, review: ReviewView) -> Quiet:
    parts = [review_words(review), case.patient_reference]
    if review.kind is ReviewKind.UNDO:
        parts.append("decide again")
    elif case.state in FOLLOWS:
        parts.append(FOLLOWS[case.state])
    return Quiet(" · ".join(parts), _undo(case, review))


def _undo(case: CaseView, review: ReviewView) -> Undo | None:
    left = UNDO_SECONDS - (datetime.now(UTC) - review.created_at).total_seconds()
    if review.kind not in BEFORE or not review.standing or case.state is CaseState.QUEUED or left <= 0:
        return None
    return Undo(url_for("decisions.undo", case_id=case.id), str(review.id), min(ceil(left), UNDO_SECONDS))
