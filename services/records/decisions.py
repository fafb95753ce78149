"""The decisions of many cases at once, for lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from services.records.states import Decision
from services.records.tables import Review, User


@dataclass(frozen=True, slots=True)
class DecisionView:
    """What was decided, by whom and when."""

    decision: Decision
    diagnosis: str | None
    reviewer: str
    created_at: datetime


def latest_decisions(*, session: Session, case_ids: Sequence[UUID]) -> dict[UUID, DecisionView]:
    """Return the latest decision of each case that has one, in one statement."""
    query = (
        select(Review.case_id, Review.decision, Review.diagnosis, User.name, Review.created_at)
        .join(User, User.id == Review.user_id)
        .where(Review.case_id.in_(case_ids))
        .ext(distinct_on(Review.case_id))
        .order_by(Review.case_id, Review.created_at.desc())
    )
    rows = session.execute(query)
    return {case_id: DecisionView(decision, diagnosis, reviewer, at) for case_id, decision, diagnosis, reviewer, at in rows}
