"""Reminders of follow-ups: each once, whoever gives them and however late."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from infra.local import LocalStack
from services.records.follow_ups import GRACE_DAYS, NOTICE_DAYS, FollowUp
from services.records.portal_events import PortalEventView, list_events
from services.records.reminders import remind
from services.records.states import ReminderKind, ReviewKind
from tests.conftest import ROOT
from tests.records.test_follow_ups import DISCHARGE, LATER, Clinic
from tests.records.worlds import Portal, Worker

UPCOMING, DUE, OVERDUE = ReminderKind


@pytest.fixture
def clinic(portal: Portal, worker: Worker, behind: Connection) -> Clinic:
    return Clinic(portal, worker, behind)


@pytest.fixture
def awaited(clinic: Clinic) -> FollowUp:
    """A follow-up whose decision can no longer be taken back."""
    found = clinic.next(clinic.decided(days_ago=2))
    assert found is not None
    return found


def run(clinic: Clinic, today: date, *, limit: int = 100) -> dict[ReminderKind, int]:
    """One turn of the upkeep on that day: how many reminders of each kind it gave."""
    given = {}
    for kind in ReminderKind:
        with clinic.portal.logins.worker.transaction() as session:
            given[kind] = remind(session=session, kind=kind, limit=limit, today=today)
    return {kind: number for kind, number in given.items() if number}


def told(portal: Portal) -> list[PortalEventView]:
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        page = list_events(session=session, tenant_id=portal.tenant_id, actor=portal.actor)
    return [event for event in page.events if event.kind.startswith("followup.")]


def kinds(portal: Portal) -> list[str]:
    return [event.kind for event in told(portal)]


def test_a_portal_is_told_when_it_comes_near_is_due_and_is_overdue_once_each(clinic: Clinic, awaited: FollowUp) -> None:
    day = awaited.follow_up_on
    first = day - timedelta(days=NOTICE_DAYS)
    assert run(clinic, first - timedelta(days=1)) == {}
    given = {today: run(clinic, today) for today in (first + timedelta(days=turn) for turn in range(NOTICE_DAYS + GRACE_DAYS + 30))}
    assert {today: kinds for today, kinds in given.items() if kinds} == {
        first: {UPCOMING: 1},
        day: {DUE: 1},
        day + timedelta(days=GRACE_DAYS + 1): {OVERDUE: 1},
    }
    assert kinds(clinic.portal) == ["followup.upcoming", "followup.due", "followup.overdue"]


def test_the_event_carries_ids_dates_and_the_portals_references_and_nothing_clinical(clinic: Clinic, awaited: FollowUp) -> None:
    run(clinic, awaited.follow_up_on)
    (event,) = told(clinic.portal)
    uid = clinic.behind.execute(text("SELECT tracking_uid FROM lesions")).scalar_one()
    assert (event.subject_kind, event.subject_id) == ("lesion", awaited.lesion_id)
    assert event.payload == {
        "follow_up_on": awaited.follow_up_on.isoformat(),
        "case_id": str(awaited.case_id),
        "lesion_id": str(awaited.lesion_id),
        "patient_id": str(awaited.patient_id),
        "case_reference": None,
        "lesion_reference": "L-1",
        "tracking_uid": uid,
    }


@pytest.mark.parametrize(("late", "kind"), [(-1, UPCOMING), (0, DUE), (GRACE_DAYS, DUE), (GRACE_DAYS + 1, OVERDUE), (400, OVERDUE)])
def test_a_beat_that_was_stopped_sends_the_newest_reminder_only(clinic: Clinic, awaited: FollowUp, late: int, kind: ReminderKind) -> None:
    today = awaited.follow_up_on + timedelta(days=late)
    assert run(clinic, today) == {kind: 1}
    assert run(clinic, today) == {}


def test_two_workers_at_once_remind_once(clinic: Clinic) -> None:
    found = [clinic.next(clinic.decided(f"L-{number}", days_ago=2)) for number in range(12)]
    today = max(each.follow_up_on for each in found if each)
    with ThreadPoolExecutor(4) as pool:
        turns = list(pool.map(lambda _: run(clinic, today).get(DUE, 0), range(4)))
    assert sum(turns) == 12
    assert len(told(clinic.portal)) == 12
    assert clinic.behind.execute(text("SELECT count(*) FROM reminders")).scalar_one() == 12


def test_a_worker_that_dies_before_its_commit_has_told_nobody(clinic: Clinic, awaited: FollowUp) -> None:
    class DiedError(Exception):
        pass

    def dies() -> None:
        with clinic.portal.logins.worker.transaction() as session:
            assert remind(session=session, kind=DUE, limit=10, today=awaited.follow_up_on) == 1
            raise DiedError

    with pytest.raises(DiedError):
        dies()
    assert told(clinic.portal) == []
    assert run(clinic, awaited.follow_up_on) == {DUE: 1}


def test_a_backlog_is_worked_off_in_parts(clinic: Clinic) -> None:
    found = [clinic.next(clinic.decided(f"L-{number}", days_ago=2)) for number in range(5)]
    today = max(each.follow_up_on for each in found if each)
    assert [run(clinic, today, limit=2) for _ in range(4)] == [{DUE: 2}, {DUE: 2}, {DUE: 1}, {}]


def test_who_has_been_seen_is_not_reminded(clinic: Clinic, awaited: FollowUp) -> None:
    clinic.visit()
    assert run(clinic, awaited.follow_up_on) == {}


def test_an_amended_decision_is_reminded_of_anew_and_the_old_one_no_more(clinic: Clinic, awaited: FollowUp) -> None:
    assert run(clinic, awaited.follow_up_on + timedelta(days=90)) == {OVERDUE: 1}
    said = LATER | {"follow_up_months": 60}
    clinic.portal.review(awaited.case_id, kind=ReviewKind.AMENDMENT, amends=awaited.review_id, rationale="why", **said)
    clinic.set_back(awaited.case_id, days=1)
    moved = clinic.next(awaited.case_id)
    assert moved is not None
    assert run(clinic, awaited.follow_up_on + timedelta(days=90)) == {}
    assert run(clinic, moved.follow_up_on) == {DUE: 1}
    clinic.portal.review(awaited.case_id, kind=ReviewKind.AMENDMENT, amends=moved.review_id, rationale="why", **DISCHARGE)
    assert run(clinic, moved.follow_up_on + timedelta(days=300)) == {}


def test_nothing_is_told_of_a_decision_that_may_still_be_taken_back(clinic: Clinic) -> None:
    case = clinic.visit()
    clinic.portal.review(case.id, **LATER)
    found = clinic.next(case.id)
    assert found is not None
    assert run(clinic, found.follow_up_on) == {}
    clinic.set_back(case.id, days=11 / 86_400)
    assert run(clinic, found.follow_up_on) == {DUE: 1}


def test_each_portal_is_told_of_its_own(clinic: Clinic, other: Portal, awaited: FollowUp) -> None:
    theirs = Clinic(other, clinic.worker, clinic.behind)
    case_id = theirs.decided(days_ago=2)
    assert run(clinic, awaited.follow_up_on) == {DUE: 2}
    assert [[UUID(event.payload["case_id"]) for event in told(portal)] for portal in (clinic.portal, other)] == [
        [awaited.case_id],
        [case_id],
    ]


def test_reminding_is_audited_by_number(clinic: Clinic, awaited: FollowUp) -> None:
    run(clinic, awaited.follow_up_on)
    found = clinic.behind.execute(text("SELECT actor_id, details FROM audit_events WHERE action = 'follow_ups.reminded'")).all()
    assert [tuple(row) for row in found] == [("upkeep", {"kind": "due", "reminders": 1})]


BEAT = """
import json
from workers.app import app
from workers.follow_ups import remind_portals
turn = app.conf.beat_schedule["reminders"]
print(json.dumps([turn["task"], turn["schedule"], turn["options"]["queue"], remind_portals(), remind_portals()]))
"""


def test_beat_asks_for_it_every_hour_and_a_turn_works_off_every_kind(clinic: Clinic, stack: LocalStack) -> None:
    for number, age in enumerate((85, 100, 300)):
        clinic.decided(f"L-{number}", days_ago=age)
    # Celery's application reads the settings of its process: this one has its own.
    environment = os.environ | stack.environment("worker")
    done = subprocess.run([sys.executable, "-c", BEAT], env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["workers.follow_ups.remind_portals", 3600, "upkeep", 3, 0]
    assert kinds(clinic.portal) == ["followup.upcoming", "followup.due", "followup.overdue"]
