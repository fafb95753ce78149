"""What is told of decisions: not before they can no longer be taken back, never if they were, and nothing gets lost behind them."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from services.records import reading, reviews
from services.records.portal_events import EventPage, PortalEventKind, list_events
from services.records.states import Decision, Management, ReviewKind
from tests.delivery.conftest import Hook, Receiver, hook, tell
from tests.records.worlds import Portal, Worker, new_reader
from workers.delivering import Deliverer

REVIEWED, RETAKE = "case.reviewed", "image.retake_requested"
UNCLEAR = {"decision": Decision.NOT_ASSESSABLE, "diagnosis": None, "reason": "out of focus", "management": Management.RETAKE}


@pytest.fixture
def told(portal: Portal, receiver: Receiver, case_id: UUID) -> Hook:
    # The case is analysed by now: what is told from here on is about its decision.
    return hook(portal, f"http://127.0.0.1:{receiver.port}/")


def pass_by(behind: Connection, seconds: float) -> None:
    """Let everything that was decided be older, and what is held back be nearer."""
    behind.execute(text("SET session_replication_role = replica"))
    behind.execute(text(f"UPDATE reviews SET created_at = created_at - make_interval(secs => {seconds})"))
    behind.execute(text(f"UPDATE portal_events SET not_before = not_before - make_interval(secs => {seconds})"))
    behind.execute(text("SET session_replication_role = DEFAULT"))


def undo(portal: Portal, case: UUID, review_id: UUID) -> UUID:
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return reviews.undo_review(
            session=session, tenant_ids=[portal.tenant_id], case_id=case, user_id=portal.user_id, review_id=review_id
        )


def read(portal: Portal, cursor: str | None = None) -> EventPage:
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        return list_events(session=session, tenant_id=portal.tenant_id, actor=portal.actor, cursor=cursor)


def kinds(page: EventPage) -> list[str]:
    return [event.kind for event in page.events]


def heard(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in receiver.heard]


def test_a_decision_is_told_when_it_can_no_longer_be_taken_back(
    *,
    portal: Portal,
    receiver: Receiver,
    told: Hook,
    case_id: UUID,
    deliverer: Deliverer,
    behind: Connection,
) -> None:
    review_id = portal.review(case_id)
    deliverer.drain()
    assert (receiver.heard, kinds(read(portal))) == ([], ["case.analysed"])
    pass_by(behind, reading.UNDO_SECONDS + 0.1)
    deliverer.drain()
    (said,) = heard(receiver)
    assert said["type"] == REVIEWED
    about = {"case_id": str(case_id), "decision_id": str(review_id), "amendment": False, "replaces": None, "case_reference": None}
    assert about.items() <= said["data"].items()
    # Never what was decided, nor by whom.
    assert not {"diagnosis", "decision", "management", "note", "reviewer"} & said["data"].keys()
    assert b"MEL" not in receiver.heard[0].body


def test_a_decision_that_was_taken_back_is_never_told(
    *,
    portal: Portal,
    receiver: Receiver,
    told: Hook,
    case_id: UUID,
    deliverer: Deliverer,
    behind: Connection,
) -> None:
    undo(portal, case_id, portal.review(case_id, **UNCLEAR))
    standing = portal.review(case_id, diagnosis="NV")
    pass_by(behind, reading.UNDO_SECONDS + 0.1)
    deliverer.drain()
    assert [(said["type"], said["data"]["decision_id"]) for said in heard(receiver)] == [(REVIEWED, str(standing))]
    assert kinds(read(portal)) == ["case.analysed", REVIEWED]


def test_an_amendment_is_told_apart_and_at_once(
    *,
    portal: Portal,
    receiver: Receiver,
    told: Hook,
    case_id: UUID,
    deliverer: Deliverer,
    behind: Connection,
) -> None:
    first = portal.review(case_id)
    pass_by(behind, reading.UNDO_SECONDS + 0.1)
    again = portal.review(case_id, kind=ReviewKind.AMENDMENT, diagnosis="NV", rationale="seen again", amends=first)
    deliverer.drain()
    said = sorted(heard(receiver), key=lambda each: each["data"]["sequence"])
    assert [each["data"]["amendment"] for each in said] == [False, True]
    assert (said[1]["data"]["decision_id"], said[1]["data"]["replaces"]) == (str(again), str(first))


def test_new_pictures_are_asked_for_with_the_decision(
    *,
    portal: Portal,
    receiver: Receiver,
    told: Hook,
    case_id: UUID,
    deliverer: Deliverer,
    behind: Connection,
) -> None:
    portal.review(case_id, **UNCLEAR)
    pass_by(behind, reading.UNDO_SECONDS + 0.1)
    deliverer.drain()
    by_kind = {said["type"]: said["data"] for said in heard(receiver)}
    assert set(by_kind) == {REVIEWED, RETAKE}
    images = [str(image.id) for image in portal.status(case_id).images]
    assert by_kind[RETAKE]["image_ids"] == images
    assert b"out of focus" not in receiver.heard[0].body + receiver.heard[1].body


@pytest.mark.usefixtures("second_reads")
def test_a_first_read_that_a_second_follows_is_no_decision(
    *,
    portal: Portal,
    case_id: UUID,
    behind: Connection,
) -> None:
    portal.review(case_id)
    pass_by(behind, reading.UNDO_SECONDS + 0.1)
    assert kinds(read(portal)) == ["case.analysed"]
    portal.review(case_id, kind=ReviewKind.SECOND, user_id=new_reader(portal))
    pass_by(behind, reading.UNDO_SECONDS + 0.1)
    assert kinds(read(portal)) == ["case.analysed", REVIEWED]


def test_what_happens_behind_a_held_decision_waits_and_the_cursor_passes_nothing(
    portal: Portal,
    case_id: UUID,
    behind: Connection,
) -> None:
    start = read(portal)
    portal.review(case_id)
    tell(portal, number=2)
    held = read(portal, start.cursor)
    assert (kinds(held), held.more, held.cursor) == ([], False, start.cursor)
    pass_by(behind, reading.UNDO_SECONDS + 0.1)
    assert kinds(read(portal, held.cursor)) == [REVIEWED, "lesion.alert", "lesion.alert"]


def test_a_taking_back_that_is_just_committing_is_waited_for(
    portal: Portal,
    case_id: UUID,
    behind: Connection,
) -> None:
    """It looked at the clock in time and commits late: whoever tells, and whoever lists, waits for it."""
    review_id = portal.review(case_id)
    pass_by(behind, reading.UNDO_SECONDS - 1.5)
    with ThreadPoolExecutor(1) as pool:
        with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
            reviews.undo_review(
                session=session, tenant_ids=[portal.tenant_id], case_id=case_id, user_id=portal.user_id, review_id=review_id
            )
            time.sleep(1.7)
            listed = pool.submit(read, portal)
            time.sleep(0.4)
            assert not listed.done()
        assert kinds(listed.result(timeout=10)) == ["case.analysed"]


def test_portals_are_told_which_pictures_could_not_be_analysed(portal: Portal, worker: Worker) -> None:
    case = portal.submit(images=2, reference="C-7", lesion_reference="L-7")
    first, second = worker.claim()
    worker.complete([first])
    assert kinds(read(portal)) == []
    worker.fail([second])
    (event,) = read(portal).events
    assert (event.kind, event.subject_id) == (PortalEventKind.CASE_FAILED.value, case.id)
    assert event.payload["image_ids"] == [str(second.image_id)]
    assert (event.payload["case_reference"], event.payload["lesion_reference"]) == ("C-7", "L-7")
    assert "damaged" not in json.dumps(event.payload)


def test_a_case_is_analysed_once_all_its_pictures_are_and_again_after_new_ones(portal: Portal, worker: Worker) -> None:
    case = portal.submit(images=2)
    for job in worker.claim():
        worker.complete([job])
    assert kinds(read(portal)) == ["case.analysed"]
    portal.add(case.id)
    worker.complete(worker.claim())
    assert kinds(read(portal)) == ["case.analysed", "case.analysed"]
