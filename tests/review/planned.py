"""Lesions that are to be seen again: decided some time ago, through the records' own functions."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from services.records.reviews import record_review
from services.records.states import Decision, Management
from tests.review.seeds import MELANOMA, Clinic, Seen

# Days since the decision, whose follow-up is in three months.
AGES = {"overdue": 200, "due": 95, "upcoming": 30}
DATE = "((created_at - make_interval(secs => :past)) AT TIME ZONE 'UTC' + make_interval(months => follow_up_months))::date"
SET_BACK = f"UPDATE reviews SET created_at = created_at - make_interval(secs => :past), follow_up_on = {DATE} WHERE id = :id"


def plan_follow_up(clinic: Clinic, engine: Engine, tenant: UUID, reader: UUID, *, days_ago: int, months: int = 3, **facts: Any) -> UUID:
    """A case that was decided so many days ago, with a follow-up some months later."""
    visited = datetime.now(UTC) - timedelta(days=days_ago + 1)
    case_id = clinic.case(tenant, Seen(MELANOMA), visited_at=visited, **facts)
    with clinic.owner.transaction(tenants=[tenant]) as session:
        review_id = record_review(
            session=session,
            tenant_ids=[tenant],
            case_id=case_id,
            user_id=reader,
            decision=Decision.CORRECT,
            diagnosis="NV",
            reason=None,
            note="",
            shown={},
            management=Management.FOLLOW_UP,
            follow_up_months=months,
        )
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # the trigger refuses every change of a decision
        connection.execute(text(SET_BACK), {"past": days_ago * 86_400, "id": review_id})
    return case_id


def one_of_each(clinic: Clinic, engine: Engine, tenant: UUID, reader: UUID) -> dict[str, UUID]:
    """One overdue, one due, one upcoming; each of a patient of its own, P-overdue and so on."""
    return {
        state: plan_follow_up(clinic, engine, tenant, reader, days_ago=days, patient_reference=f"P-{state}", lesion_reference="L-2")
        for state, days in AGES.items()
    }
