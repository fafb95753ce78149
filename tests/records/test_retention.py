"""Retention: what is erased when its time is over, and what is kept however old it is."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from services.records.erasure import Receipt
from services.records.errors import LegalHold
from services.records.retention import ExpiredTrail, erase_expired, expired_trails
from services.records.states import ErasureReason, Management
from tests.records import identities as ids
from tests.records.worlds import Portal, Worker
from workers import erasing

YEAR = 365


@pytest.fixture
def kept_a_year(portal: Portal, behind: Connection) -> Portal:
    behind.execute(text("UPDATE tenants SET retention_days = 365 WHERE id = :id"), {"id": portal.tenant_id})
    return portal


def decided(portal: Portal, worker: Worker, behind: Connection, *, days_ago: int, decide: bool = True, **said: Any) -> UUID:
    """A case of so many days ago."""
    case_id = ids.visit(portal, worker, **said)
    if decide:
        portal.review(case_id)
    age(behind, case_id, days_ago)
    return case_id


def age(behind: Connection, case_id: UUID, days: int) -> None:
    values = {"case": case_id, "past": timedelta(days=days)}
    behind.execute(text("SET session_replication_role = replica"))
    behind.execute(text("UPDATE reviews SET created_at = created_at - :past WHERE case_id = :case"), values)
    behind.execute(text("SET session_replication_role = origin"))
    columns = ("received_at", "due_at", "visited_at", "reviewed_at")
    behind.execute(text(f"UPDATE cases SET {', '.join(f'{name} = {name} - :past' for name in columns)} WHERE id = :case"), values)


def due(portal: Portal) -> list[ExpiredTrail]:
    with portal.logins.worker.transaction() as session:
        return expired_trails(session=session)


def end(portal: Portal, trail: ExpiredTrail) -> Receipt | None:
    with portal.logins.worker.transaction(tenants=[trail.tenant_id]) as session:
        return erase_expired(session=session, trail=trail)


def left(behind: Connection) -> set[UUID]:
    return set(behind.scalars(text("SELECT id FROM cases")))


def test_a_trail_ends_when_its_time_is_over(kept_a_year: Portal, worker: Worker, behind: Connection) -> None:
    old = decided(kept_a_year, worker, behind, days_ago=YEAR + 1, patient="P-1")
    young = decided(kept_a_year, worker, behind, days_ago=YEAR - 1, patient="P-2")
    (trail,) = due(kept_a_year)
    assert (trail.lesion_id, trail.cases) == (ids.lesion_of(kept_a_year, old), 1)
    assert erasing.erase_expired(database=kept_a_year.logins.worker) == 1
    assert left(behind) == {young}
    receipt = behind.execute(text("SELECT reason, whole, case_ids FROM erasures")).one()
    assert tuple(receipt) == (ErasureReason.RETENTION, True, [old])
    event = behind.execute(text("SELECT actor_kind, actor_id FROM audit_events WHERE action = 'trail.expired'")).one()
    assert tuple(event) == ("system", "erasure")


def test_the_patient_stays_while_another_trail_does(kept_a_year: Portal, worker: Worker, behind: Connection) -> None:
    decided(kept_a_year, worker, behind, days_ago=YEAR + 1, lesion_reference="L-1")
    young = decided(kept_a_year, worker, behind, days_ago=1, lesion_reference="L-2")
    receipt = end(kept_a_year, due(kept_a_year)[0])
    assert receipt is not None
    assert not receipt.whole
    assert left(behind) == {young}
    assert behind.scalar(text("SELECT count(*) FROM patients")) == 1


def test_an_old_visit_is_as_young_as_the_newest_of_its_lesion(kept_a_year: Portal, worker: Worker, behind: Connection) -> None:
    decided(kept_a_year, worker, behind, days_ago=2 * YEAR, lesion_reference="L-1")
    decided(kept_a_year, worker, behind, days_ago=1, lesion_reference="L-1")
    assert due(kept_a_year) == []


def test_merged_lesions_end_together(kept_a_year: Portal, worker: Worker, behind: Connection) -> None:
    one, other = (decided(kept_a_year, worker, behind, days_ago=YEAR + 1) for _ in range(2))
    stays, goes = ids.lesion_of(kept_a_year, one), ids.lesion_of(kept_a_year, other)
    ids.merge(kept_a_year, stays, goes)
    (trail,) = due(kept_a_year)
    assert end(kept_a_year, trail) is not None
    assert behind.scalar(text("SELECT count(*) FROM lesions")) == 0


def test_an_undecided_case_is_never_erased(kept_a_year: Portal, worker: Worker, behind: Connection) -> None:
    decided(kept_a_year, worker, behind, days_ago=9 * YEAR, decide=False)
    decided(kept_a_year, worker, behind, days_ago=9 * YEAR, lesion_reference="L-1")
    decided(kept_a_year, worker, behind, days_ago=9 * YEAR, lesion_reference="L-1", decide=False)
    assert due(kept_a_year) == []


def test_a_planned_visit_keeps_its_trail_until_its_day(kept_a_year: Portal, worker: Worker, behind: Connection) -> None:
    case_id = ids.visit(kept_a_year, worker)
    kept_a_year.review(case_id, management=Management.FOLLOW_UP, follow_up_months=24)
    age(behind, case_id, YEAR + 1)
    assert due(kept_a_year) == []


def test_without_a_policy_nothing_ends(portal: Portal, worker: Worker, behind: Connection) -> None:
    decided(portal, worker, behind, days_ago=30 * YEAR)
    assert due(portal) == []


def test_a_legal_hold_keeps_what_is_old(kept_a_year: Portal, worker: Worker, behind: Connection) -> None:
    decided(kept_a_year, worker, behind, days_ago=YEAR + 1)
    (trail,) = due(kept_a_year)
    behind.execute(text("UPDATE patients SET legal_hold = true"))
    assert due(kept_a_year) == []
    with pytest.raises(LegalHold):
        end(kept_a_year, trail)


def test_a_trail_in_which_something_has_happened_meanwhile_is_kept(kept_a_year: Portal, worker: Worker, behind: Connection) -> None:
    decided(kept_a_year, worker, behind, days_ago=YEAR + 1, lesion_reference="L-1")
    (trail,) = due(kept_a_year)
    kept_a_year.submit(lesion_reference="L-1")
    assert end(kept_a_year, trail) is None
    assert len(left(behind)) == 2
