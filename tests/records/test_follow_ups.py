"""Follow-ups: when a lesion is to be seen again, and whether it was."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from services.records import reviews
from services.records.cases import AcceptedCase
from services.records.errors import InvalidCursor
from services.records.follow_up_listing import FollowUpList, count_follow_ups, list_follow_ups
from services.records.follow_ups import GRACE_DAYS, FollowUp, FollowUpState, follow_up_day, next_follow_up, utc_today
from services.records.states import Decision, Management, ReviewKind, Role
from tests.records.conftest import Statements
from tests.records.worlds import Portal, Worker, new_reader

UPCOMING, DUE, OVERDUE, FULFILLED = FollowUpState
LATER = {"management": Management.FOLLOW_UP, "follow_up_months": 3}
DISCHARGE = {"management": Management.DISCHARGE}


@dataclass(frozen=True)
class Clinic:
    """A portal whose lesions are seen, decided and seen again."""

    portal: Portal
    worker: Worker
    behind: Connection

    def visit(self, lesion: str = "L-1", *, days_ago: float = 0.0, patient: str = "P-1") -> AcceptedCase:
        """A case of the lesion, analysed, whose pictures were taken so long ago."""
        case = self.portal.submit(lesion_reference=lesion, patient=patient, body_site="back")
        self.worker.complete(self.worker.claim())
        at = datetime.now(UTC) - timedelta(days=days_ago)
        self.behind.execute(text("UPDATE cases SET visited_at = :at WHERE id = :id"), {"at": at, "id": case.id})
        return case

    def decided(self, lesion: str = "L-1", *, days_ago: float = 0.0, patient: str = "P-1", **said: Any) -> UUID:
        """A visit that was decided an hour after its pictures were taken."""
        case = self.visit(lesion, days_ago=days_ago, patient=patient)
        self.portal.review(case.id, **(LATER | said))
        self.set_back(case.id, days=days_ago - 1 / 24)
        return case.id

    def set_back(self, case_id: UUID, *, days: float) -> None:
        """Let the case have been decided so many days ago, with the date of its follow-up."""
        self.behind.execute(text("SET session_replication_role = replica"))  # the trigger refuses every change of a decision
        self.behind.execute(
            text(
                "UPDATE reviews SET created_at = created_at - make_interval(secs => :seconds), follow_up_on ="
                " ((created_at - make_interval(secs => :seconds)) AT TIME ZONE 'UTC' + make_interval(months => follow_up_months))::date"
                " WHERE case_id = :id"
            ),
            {"seconds": days * 86_400, "id": case_id},
        )
        told = "UPDATE portal_events SET not_before = not_before - make_interval(secs => :seconds) WHERE subject_id = :id"
        self.behind.execute(text(told), {"seconds": days * 86_400, "id": case_id})
        self.behind.execute(text("SET session_replication_role = origin"))

    def lesion_of(self, case_id: UUID) -> UUID:
        return UUID(str(self.behind.execute(text("SELECT lesion_id FROM cases WHERE id = :id"), {"id": case_id}).scalar_one()))

    def next(self, case_id: UUID, *, today: date | None = None) -> FollowUp | None:
        lesion_id = self.lesion_of(case_id)
        with self.portal.logins.review.transaction(tenants=[self.portal.tenant_id]) as session:
            found = next_follow_up(session=session, tenant_ids=[self.portal.tenant_id], lesion_ids=[lesion_id], today=today)
        return found.get(lesion_id)

    def of(self, case_id: UUID) -> FollowUp | None:
        """What the case's decision asks for, in whatever state it is."""
        found = [row.follow_up for row in self.listed(states=list(FollowUpState)).rows]
        return next((each for each in found if each.case_id == case_id), None)

    def listed(self, **asked: Any) -> FollowUpList:
        with self.portal.logins.intake.transaction(tenants=[self.portal.tenant_id]) as session:
            return list_follow_ups(session=session, tenant_ids=[self.portal.tenant_id], actor=self.portal.actor, **asked)


@pytest.fixture
def clinic(portal: Portal, worker: Worker, behind: Connection) -> Clinic:
    return Clinic(portal, worker, behind)


def state(found: FollowUp | None) -> FollowUpState | None:
    return found.state if found else None


# The day


@pytest.mark.parametrize(
    ("decided", "months", "day"),
    [
        ("2026-01-31T12:00:00+00:00", 1, date(2026, 2, 28)),
        ("2028-01-31T12:00:00+00:00", 1, date(2028, 2, 29)),
        ("2028-02-29T12:00:00+00:00", 12, date(2029, 2, 28)),
        ("2026-08-31T12:00:00+00:00", 6, date(2027, 2, 28)),
        ("2026-12-15T12:00:00+00:00", 1, date(2027, 1, 15)),
        ("2026-11-30T12:00:00+00:00", 60, date(2031, 11, 30)),
        # Half past midnight in Berlin is still the day before in UTC.
        ("2026-06-01T00:30:00+02:00", 1, date(2026, 6, 30)),
        ("2026-05-31T23:59:59-01:00", 1, date(2026, 7, 1)),
    ],
)
def test_the_day_is_that_of_the_decision_in_utc_some_months_on(decided: str, months: int, day: date) -> None:
    assert follow_up_day(decided_at=datetime.fromisoformat(decided), months=months) == day


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)), st.integers(1, 60))  # noqa: DTZ001
def test_it_lies_in_the_right_month_on_the_same_day_or_its_last(decided: datetime, months: int) -> None:
    day = follow_up_day(decided_at=decided, months=months)
    assert (day.year - decided.year) * 12 + day.month - decided.month == months
    assert day.day == decided.day or (day.day < decided.day and (day + timedelta(days=1)).day == 1)


def test_a_decision_is_written_with_the_day(clinic: Clinic) -> None:
    case = clinic.visit()
    clinic.portal.review(case.id, **LATER)
    (review,) = clinic.portal.status(case.id).reviews
    assert clinic.behind.execute(text("SELECT follow_up_on FROM reviews")).scalar_one() == follow_up_day(
        decided_at=review.created_at, months=3
    )


def test_postgres_agrees_on_every_day_of_four_years(behind: Connection) -> None:
    days = text(
        "SELECT d, m, (d + make_interval(months => m))::date FROM generate_series('2025-01-01'::date, '2028-12-31', '1 day') AS d,"
        " unnest(ARRAY[1, 3, 6, 12, 59]) AS m"
    )
    wrong = [
        (at, months)
        for at, months, day in behind.execute(days)
        if follow_up_day(decided_at=at.replace(tzinfo=UTC, hour=12), months=months) != day
    ]
    assert wrong == []


# One of each state


def test_it_is_upcoming_then_due_then_overdue(clinic: Clinic) -> None:
    case_id = clinic.decided(days_ago=30)
    found = clinic.next(case_id)
    assert found is not None
    day = found.follow_up_on
    expected = {
        day - timedelta(days=1): UPCOMING,
        day: DUE,
        day + timedelta(days=GRACE_DAYS): DUE,
        day + timedelta(days=GRACE_DAYS + 1): OVERDUE,
        day + timedelta(days=5000): OVERDUE,
    }
    assert {today: state(clinic.next(case_id, today=today)) for today in expected} == expected


def test_the_first_visit_after_the_decision_fulfils_it(clinic: Clinic) -> None:
    case_id = clinic.decided(days_ago=100)
    first, _ = clinic.visit(days_ago=5), clinic.visit(days_ago=1)
    found = clinic.of(case_id)
    assert found is not None
    assert (found.state, found.fulfilled_by) == (FULFILLED, first.id)
    assert clinic.next(case_id) is None


def test_pictures_taken_before_the_decision_fulfil_nothing_however_late_they_arrive(clinic: Clinic) -> None:
    case_id = clinic.decided(days_ago=100)
    clinic.visit(days_ago=101)
    assert state(clinic.of(case_id)) is OVERDUE or state(clinic.of(case_id)) is DUE


def test_a_visit_of_another_lesion_fulfils_nothing(clinic: Clinic) -> None:
    case_id = clinic.decided(days_ago=60)
    clinic.visit("L-2")
    assert state(clinic.next(case_id)) is UPCOMING


def test_the_decision_on_a_later_visit_says_what_comes_next(clinic: Clinic) -> None:
    earlier, later = clinic.visit(days_ago=10), clinic.visit(days_ago=9)
    clinic.portal.review(later.id, **LATER | {"follow_up_months": 12})
    clinic.portal.review(earlier.id, **LATER)
    found = clinic.next(earlier.id)
    assert found is not None
    assert found.case_id == later.id
    assert clinic.of(earlier.id) is None


def test_a_later_visit_that_is_not_decided_yet_leaves_it_standing(clinic: Clinic) -> None:
    earlier, _ = clinic.visit(days_ago=10), clinic.visit(days_ago=9)
    clinic.portal.review(earlier.id, **LATER)
    assert state(clinic.next(earlier.id)) is UPCOMING


def test_a_later_visit_that_ends_in_discharge_ends_it(clinic: Clinic) -> None:
    earlier, later = clinic.visit(days_ago=10), clinic.visit(days_ago=9)
    clinic.portal.review(earlier.id, **LATER)
    clinic.portal.review(later.id, **DISCHARGE)
    assert clinic.next(earlier.id) is None


def test_no_plan_no_follow_up(clinic: Clinic) -> None:
    case = clinic.visit()
    assert clinic.next(case.id) is None
    clinic.portal.review(case.id, **DISCHARGE)
    assert clinic.next(case.id) is None


# What becomes of the decision


def test_a_decision_taken_back_takes_it_away(clinic: Clinic) -> None:
    case = clinic.visit()
    review_id = clinic.portal.review(case.id, **LATER)
    assert state(clinic.next(case.id)) is UPCOMING
    portal = clinic.portal
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        whose: dict[str, Any] = {"tenant_ids": [portal.tenant_id], "case_id": case.id, "user_id": portal.user_id}
        reviews.undo_review(session=session, **whose, review_id=review_id)
    assert clinic.next(case.id) is None
    portal.review(case.id, **LATER | {"follow_up_months": 6})
    found = clinic.next(case.id)
    assert found is not None
    assert found.follow_up_on == follow_up_day(decided_at=found.decided_at, months=6)


def test_an_amendment_moves_it_to_its_own_day_and_may_end_it(clinic: Clinic) -> None:
    case_id = clinic.decided(days_ago=40)
    before = clinic.next(case_id)
    assert before is not None
    clinic.portal.review(case_id, kind=ReviewKind.AMENDMENT, amends=before.review_id, rationale="why", **LATER | {"follow_up_months": 1})
    moved = clinic.next(case_id)
    assert moved is not None
    assert moved.follow_up_on == follow_up_day(decided_at=datetime.now(UTC), months=1)
    clinic.portal.review(case_id, kind=ReviewKind.AMENDMENT, amends=moved.review_id, rationale="why", **DISCHARGE)
    assert clinic.next(case_id) is None


def test_an_amended_decision_on_an_old_visit_leaves_the_newer_visits_follow_up(clinic: Clinic) -> None:
    old = clinic.decided(days_ago=100)
    new = clinic.decided(days_ago=10)
    portal = clinic.portal
    amended = clinic.portal.status(old).reviews[0].id
    portal.review(old, kind=ReviewKind.AMENDMENT, amends=amended, rationale="a slip", **LATER | {"follow_up_months": 1})
    found = clinic.next(old)
    assert found is not None
    assert found.case_id == new


@pytest.mark.usefixtures("second_reads")
def test_it_is_that_of_the_last_read_and_only_once_the_case_is_decided(clinic: Clinic) -> None:
    case, portal = clinic.visit(), clinic.portal
    portal.review(case.id, **LATER)
    assert clinic.next(case.id) is None
    second = portal.review(case.id, user_id=new_reader(portal), kind=ReviewKind.SECOND, **LATER | {"follow_up_months": 6})
    found = clinic.next(case.id)
    assert found is not None
    assert (found.review_id, found.follow_up_on) == (second, follow_up_day(decided_at=found.decided_at, months=6))


@pytest.mark.usefixtures("second_reads")
def test_a_lead_who_resolves_otherwise_ends_it(clinic: Clinic) -> None:
    case, portal = clinic.visit(), clinic.portal
    portal.review(case.id, **LATER)
    portal.review(case.id, user_id=new_reader(portal), kind=ReviewKind.SECOND, diagnosis="NV", **LATER)
    lead = new_reader(portal, role=Role.LEAD)
    portal.review(case.id, user_id=lead, kind=ReviewKind.ADJUDICATION, rationale="why", decision=Decision.CORRECT, **DISCHARGE)
    assert clinic.next(case.id) is None


def test_a_lesion_that_is_merged_takes_its_follow_up_along(clinic: Clinic) -> None:
    case_id, other = clinic.decided("L-1", days_ago=60), clinic.visit("L-2", days_ago=70)
    survivor = clinic.lesion_of(other.id)
    clinic.behind.execute(text("UPDATE cases SET lesion_id = :into WHERE id = :id"), {"into": survivor, "id": case_id})
    found = clinic.next(other.id)
    assert found is not None
    assert (found.case_id, found.lesion_id) == (case_id, survivor)


def test_a_visit_that_comes_by_a_merge_fulfils_it(clinic: Clinic) -> None:
    case_id, other = clinic.decided("L-1", days_ago=60), clinic.visit("L-2", days_ago=1)
    lesion_id = clinic.lesion_of(case_id)
    clinic.behind.execute(text("UPDATE cases SET lesion_id = :into WHERE id = :id"), {"into": lesion_id, "id": other.id})
    found = clinic.of(case_id)
    assert found is not None
    assert (found.state, found.fulfilled_by) == (FULFILLED, other.id)


# Lists


@pytest.fixture
def four(clinic: Clinic) -> dict[FollowUpState, UUID]:
    """One case of each state, each of a lesion and a patient of its own."""
    ages = {UPCOMING: 30, DUE: 95, OVERDUE: 200, FULFILLED: 150}
    cases = {state: clinic.decided(f"L-{state}", days_ago=age, patient=f"P-{state}") for state, age in ages.items()}
    clinic.visit(f"L-{FULFILLED}", patient=f"P-{FULFILLED}")
    return cases


@pytest.mark.parametrize("wanted", FollowUpState)
def test_each_state_has_its_list(clinic: Clinic, four: dict[FollowUpState, UUID], wanted: FollowUpState) -> None:
    (row,) = clinic.listed(states=[wanted]).rows
    assert (row.follow_up.case_id, row.follow_up.state) == (four[wanted], wanted)
    assert (row.patient_reference, row.lesion_reference, row.body_site) == (f"P-{wanted}", f"L-{wanted}", "back")
    assert row.diagnosis == "MEL"


def test_what_is_awaited_longest_comes_first_and_pages_follow(clinic: Clinic, four: dict[FollowUpState, UUID]) -> None:
    whole = [row.follow_up.state for row in clinic.listed(states=list(FollowUpState)).rows]
    assert whole == [OVERDUE, FULFILLED, DUE, UPCOMING]
    first = clinic.listed(states=list(FollowUpState), limit=3)
    last = clinic.listed(states=list(FollowUpState), limit=3, cursor=first.next_cursor)
    assert [row.follow_up.state for row in (*first.rows, *last.rows)] == whole
    assert last.next_cursor is None


def test_a_list_ends_before_a_day(clinic: Clinic, four: dict[FollowUpState, UUID]) -> None:
    today = utc_today()
    assert [row.follow_up.state for row in clinic.listed(due_before=today + timedelta(days=1)).rows] == [OVERDUE, DUE]


def test_the_states_are_counted(clinic: Clinic, four: dict[FollowUpState, UUID]) -> None:
    portal = clinic.portal
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        counts = count_follow_ups(session=session, tenant_ids=[portal.tenant_id])
    assert (counts.upcoming, counts.due, counts.overdue) == (1, 1, 1)


def test_a_portal_does_not_hear_of_a_decision_that_may_still_be_taken_back(clinic: Clinic) -> None:
    case = clinic.visit()
    clinic.portal.review(case.id, **LATER)
    assert clinic.listed(for_portal=True).rows == ()
    clinic.set_back(case.id, days=11 / 86_400)
    assert len(clinic.listed(for_portal=True).rows) == 1


def test_tenants_are_kept_apart_by_the_query_too(clinic: Clinic, other: Portal, four: dict[FollowUpState, UUID]) -> None:
    lesion_id = clinic.lesion_of(four[DUE])
    with other.logins.owner.transaction() as session:
        theirs: dict[str, Any] = {"session": session, "tenant_ids": [other.tenant_id]}
        assert list_follow_ups(**theirs, actor=other.actor).rows == ()
        assert next_follow_up(**theirs, lesion_ids=[lesion_id]) == {}
        assert count_follow_ups(**theirs).due == 0


def test_reading_is_audited(clinic: Clinic, four: dict[FollowUpState, UUID]) -> None:
    clinic.listed()
    found = clinic.behind.execute(text("SELECT details FROM audit_events WHERE action = 'follow_ups.listed'")).scalars().all()
    assert found == [{"follow_ups": 3}]


def test_a_cursor_of_another_list_is_refused(clinic: Clinic) -> None:
    for cursor in ("x", "ZXZlbnRzfDE=", "Zm9sbG93LXVwc3wyMDI2LTEzLTAxfDE="):
        with pytest.raises(InvalidCursor):
            clinic.listed(cursor=cursor)


def test_the_next_follow_ups_of_many_lesions_are_one_statement(clinic: Clinic, statements: Statements) -> None:
    lesions = [clinic.lesion_of(clinic.decided(f"L-{number}", days_ago=10)) for number in range(5)]
    portal = clinic.portal
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        statements.clear()
        found = next_follow_up(session=session, tenant_ids=[portal.tenant_id], lesion_ids=lesions)
        assert len(statements) == 1
        assert next_follow_up(session=session, tenant_ids=[portal.tenant_id], lesion_ids=[]) == {}
        assert len(statements) == 1
    assert set(found) == set(lesions)
