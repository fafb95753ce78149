"""Which trails wait for the worker that compares visits: no flag is lost, none is worked on for nothing, and none for ever."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Connection, Row, text

from services.records import changes
from services.records.changes import Claim
from services.records.visits import load_visits
from tests.records.conftest import Statements
from tests.records.worlds import Portal, Worker

LEASE = timedelta(seconds=60)
DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 5, tzinfo=UTC)


class Trails:
    """A portal's trails, and the worker that compares visits."""

    def __init__(self, portal: Portal, worker: Worker, behind: Connection) -> None:
        self.portal, self.worker, self.behind = portal, worker, behind

    def visit(self, lesion: str | None = "L-1", *, patient: str = "P-1", day: int = 0) -> UUID:
        """An analysed case."""
        case = self.portal.submit(patient=patient, lesion_reference=lesion, visited_at=FIRST + day * DAY)
        self.worker.complete(self.worker.claim(), mask_key="mask.png")
        return case.id

    def claim(self, *, cap: int = 3, lease: timedelta = LEASE) -> Claim | None:
        with self.portal.logins.worker.transaction() as session:
            return changes.claim_trail(session=session, lease=lease, max_attempts=cap)

    def claimed(self, *, cap: int = 3, lease: timedelta = LEASE) -> Claim:
        claim = self.claim(cap=cap, lease=lease)
        assert claim is not None
        return claim

    def finish(self, claim: Claim, problem: str | None = None) -> int:
        with self.portal.logins.worker.transaction() as session:
            return changes.finish_claim(session=session, claim=claim, problem=problem)

    def fail(self, claim: Claim, *, cap: int = 3) -> None:
        with self.portal.logins.worker.transaction() as session:
            changes.fail_claim(session=session, claim=claim, problem="no memory", max_attempts=cap)

    def mark(self, *lesions: UUID) -> int:
        with self.portal.logins.review.transaction(tenants=[self.portal.tenant_id]) as session:
            return changes.mark_due(session=session, tenant_id=self.portal.tenant_id, lesion_ids=lesions)

    def waiting(self) -> int:
        with self.portal.logins.worker.transaction() as session:
            return changes.count_waiting(session=session)

    def settle_all(self) -> None:
        while claim := self.claim():
            self.finish(claim)

    def row(self, case_id: UUID) -> Row[*tuple[object, ...]]:
        query = "SELECT trail_due_at, trail_attempts, trail_failed, lesion_id FROM cases WHERE id = :id"
        return self.behind.execute(text(query), {"id": case_id}).one()

    def wait_is_over(self) -> None:
        self.behind.execute(text("UPDATE cases SET trail_due_at = now() - interval '1 second' WHERE trail_due_at IS NOT NULL"))
        self.behind.commit()


@pytest.fixture
def trails(portal: Portal, worker: Worker, behind: Connection) -> Trails:
    return Trails(portal, worker, behind)


def test_the_first_case_of_a_patient_flags_nothing(trails: Trails) -> None:
    trails.visit()
    assert trails.waiting() == 0


def test_the_second_visit_of_a_lesion_is_claimed_once(trails: Trails) -> None:
    trails.visit()
    second = trails.visit(day=90)
    assert trails.waiting() == 1
    claim = trails.claimed()
    assert (claim.case_ids, claim.attempts) == ((second,), 1)
    assert trails.claim() is None
    assert trails.finish(claim) == 1
    assert trails.row(second)[:3] == (None, 0, None)
    assert trails.claim() is None


def test_answers_in_one_batch_flag_each_other(trails: Trails) -> None:
    cases = [trails.portal.submit(lesion_reference="L-1") for _ in range(2)]
    settled = trails.worker.complete(trails.worker.claim())
    assert settled.trails
    assert set(trails.claimed().case_ids) == {case.id for case in cases}


def test_a_case_whose_pictures_are_not_all_settled_is_not_flagged_yet(trails: Trails) -> None:
    trails.visit()
    trails.portal.submit(images=2, lesion_reference="L-1")
    first, second = trails.worker.claim()
    assert not trails.worker.complete([first]).trails
    assert trails.worker.complete([second]).trails


def test_images_that_are_added_flag_the_trail_again(trails: Trails) -> None:
    trails.visit()
    case_id = trails.visit(day=30)
    trails.settle_all()
    trails.portal.add(case_id)
    trails.worker.complete(trails.worker.claim())
    assert trails.claimed().case_ids == (case_id,)


def test_what_cannot_be_compared_or_proposed_is_settled_without_a_claim(trails: Trails) -> None:
    cases = [trails.visit(lesion=f"L-{number}") for number in range(4)]
    assert trails.waiting() == 3
    assert trails.claim() is None
    assert trails.waiting() == 0
    assert [trails.row(case_id).trail_due_at for case_id in cases] == [None] * 4


def test_a_lesion_that_nobody_named_is_claimed_for_a_proposal(trails: Trails) -> None:
    trails.visit()
    unnamed = trails.visit(lesion=None)
    assert trails.claimed().case_ids == (unnamed,)


def test_a_flag_set_during_the_work_is_not_lost(trails: Trails) -> None:
    trails.visit()
    case_id = trails.visit(day=30)
    claim = trails.claimed()
    assert trails.mark(claim.lesion_id) == 1
    assert trails.finish(claim) == 0
    again = trails.claimed()
    assert (again.case_ids, again.attempts) == ((case_id,), 1)


def test_marking_flags_the_newest_visit_by_its_own_date(trails: Trails) -> None:
    newest = trails.visit(day=200)
    trails.visit(day=10)
    trails.settle_all()
    assert trails.mark(trails.row(newest).lesion_id) == 1
    assert trails.claimed().case_ids == (newest,)


def test_another_tenants_lesion_cannot_be_marked(trails: Trails, other: Portal) -> None:
    trails.visit()
    trails.visit(day=30)
    claim = trails.claimed()
    trails.finish(claim)
    with other.logins.review.transaction(tenants=[other.tenant_id]) as session:
        assert changes.mark_due(session=session, tenant_id=trails.portal.tenant_id, lesion_ids=[claim.lesion_id]) == 0


def test_a_renewed_lease_is_the_one_to_finish(trails: Trails) -> None:
    trails.visit()
    trails.visit(day=30)
    claim = trails.claimed()
    with trails.portal.logins.worker.transaction() as session:
        renewed = changes.renew_claim(session=session, claim=claim, lease=2 * LEASE)
    assert renewed is not None
    assert trails.finish(claim) == 0
    assert trails.finish(renewed) == 1


def test_a_claim_that_was_flagged_anew_cannot_be_renewed(trails: Trails) -> None:
    trails.visit()
    trails.visit(day=30)
    claim = trails.claimed()
    trails.mark(claim.lesion_id)
    with trails.portal.logins.worker.transaction() as session:
        assert changes.renew_claim(session=session, claim=claim, lease=LEASE) is None


def test_a_trail_of_a_dead_worker_is_claimed_again_when_its_lease_is_over(trails: Trails) -> None:
    trails.visit()
    trails.visit(day=30)
    trails.claimed(lease=timedelta(0))
    assert trails.claimed().attempts == 2


def test_a_trail_that_stops_its_worker_each_time_is_given_up_in_words(trails: Trails) -> None:
    trails.visit()
    case_id = trails.visit(day=30)
    for _ in range(3):
        trails.claimed(lease=timedelta(0))
    assert trails.claim() is None
    row = trails.row(case_id)
    assert row.trail_due_at is None
    assert "compare them by eye" in str(row.trail_failed)


def test_a_failure_is_tried_again_later_and_then_given_up_with_its_reason(trails: Trails) -> None:
    trails.visit()
    case_id = trails.visit(day=30)
    for attempt in range(3):
        claim = trails.claimed()
        assert claim.attempts == attempt + 1
        trails.fail(claim)
        assert trails.claim() is None
        trails.wait_is_over()
    assert trails.row(case_id)[:3] == (None, 0, "no memory")
    assert audited(trails.behind, "trail.failed") == 1


def test_a_trail_given_back_costs_no_attempt(trails: Trails) -> None:
    trails.visit()
    trails.visit(day=30)
    with trails.portal.logins.worker.transaction() as session:
        changes.release_claim(session=session, claim=trails.claimed())
    assert trails.claimed().attempts == 1


def test_visits_come_in_the_order_of_their_dates_whatever_the_order_of_arrival(trails: Trails) -> None:
    late, early, middle = trails.visit(day=200), trails.visit(day=10), trails.visit(day=100)
    same = trails.visit(day=100)
    lesion = trails.row(late).lesion_id
    with trails.portal.logins.worker.transaction() as session:
        visits = load_visits(session=session, lesion_id=lesion)
    assert [visit.case_id for visit in visits] == [early, middle, same, late]


def test_a_claim_costs_three_statements_however_many_cases_are_settled_on_the_way(trails: Trails, statements: Statements) -> None:
    for number in range(8):
        trails.visit(lesion=f"L-{number}")
    trails.visit(lesion="L-0", day=30)
    statements.clear()
    trails.claimed()
    assert len(statements) == 3


def audited(behind: Connection, action: str) -> int:
    return int(behind.execute(text("SELECT count(*) FROM audit_events WHERE action = :action"), {"action": action}).scalar_one())
