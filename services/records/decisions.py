"""The decisions of many decided cases at once, for lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from services.records.reads import stands
from services.records.states import CaseState, Decision, Management
from services.records.tables import Case, Review, User


@dataclass(frozen=True, slots=True)
class DecisionView:
    """What was decided, by whom and when."""

    decision: Decision
    diagnosis: str | None
    management: Management | None
    reviewer: str
    created_at: datetime


def latest_decisions(*, session: Session, case_ids: Sequence[UUID]) -> dict[UUID, DecisionView]:
    """Return the standing decision of each decided case, in one statement. A case that is still read has none to show."""
    query = (
        select(Review.case_id, Review.decision, Review.diagnosis, Review.management, User.name, Review.created_at)
        .join(User, User.id == Review.user_id)
        .join(Case, Case.id == Review.case_id)
        .where(Review.case_id.in_(case_ids), Case.state == CaseState.REVIEWED, stands())
        .ext(distinct_on(Review.case_id))
        .order_by(Review.case_id, Review.created_at.desc())
    )
    return {row[0]: DecisionView(*row[1:]) for row in session.execute(query)}
