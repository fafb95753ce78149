"""Submitting cases and following them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydicom.uid import UID
from sqlalchemy import Connection, text

from services.records import cases
from services.records.errors import CaseClosed, CaseNotFound, IdempotencyConflict, InvalidCursor, InvalidRecord
from services.records.listing import CaseList, list_cases
from services.records.states import CaseState, JobState, Laterality, Sex, Urgency, VisitSource
from tests.records.conftest import Statements
from tests.records.worlds import Portal, Worker, new_image

KEY = cases.Idempotency("retry-1", "00" * 32)


def count(behind: Connection, table: str) -> int:
    return int(behind.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def page(portal: Portal, **asked: Any) -> CaseList:
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        return list_cases(session=session, tenant_id=portal.tenant_id, actor=portal.actor, **asked)


def test_an_accepted_case_reads_back_as_it_was_sent(portal: Portal) -> None:
    said: dict[str, Any] = {"sex": Sex.FEMALE, "birth_year": 1960, "fitzpatrick": 2, "lesion_reference": "L-2", "body_site": "back"}
    accepted = portal.submit(images=2, laterality=Laterality.LEFT, reference="R-7", clinical_notes="grows", urgency=Urgency.SOON, **said)
    view = portal.status(accepted.id)
    assert {name: getattr(view, name) for name in said} == said
    assert (view.patient_reference, view.reference, view.clinical_notes, view.portal) == ("P-1", "R-7", "grows", "North")
    assert (view.laterality, view.urgency, view.state) == (Laterality.LEFT, Urgency.SOON, CaseState.QUEUED)
    assert [(image.position, image.job_state, image.analysis) for image in view.images] == [
        (0, JobState.QUEUED, None),
        (1, JobState.QUEUED, None),
    ]
    assert accepted == cases.AcceptedCase(view.id, view.state, view.received_at, view.due_at)


@pytest.mark.parametrize(("urgency", "hours"), [(Urgency.URGENT, 24), (Urgency.SOON, 72), (Urgency.ROUTINE, 336)])
def test_a_case_is_due_as_the_portal_and_its_urgency_say(portal: Portal, urgency: Urgency, hours: int) -> None:
    accepted = portal.submit(urgency=urgency)
    assert accepted.due_at - accepted.received_at == timedelta(hours=hours)


def test_accepting_a_case_takes_seven_statements_whatever_its_size_and_one_for_its_key(portal: Portal, statements: Statements) -> None:
    statements.clear()
    portal.submit(key=KEY)
    assert len(statements) == 8
    assert "audit_events" in statements[-1]
    statements.clear()
    portal.submit(images=20, lesion_reference="L-1")
    assert len(statements) == 7


def test_a_case_without_images_is_refused(portal: Portal) -> None:
    with pytest.raises(InvalidRecord, match="images"):
        portal.submit(images=0)
    accepted = portal.submit()
    with pytest.raises(InvalidRecord, match="images"):
        portal.add(accepted.id, images=0)


def test_a_refused_case_leaves_nothing_behind(portal: Portal, behind: Connection) -> None:
    with pytest.raises(Exception, match="fitzpatrick"):
        portal.submit(fitzpatrick=9, key=KEY)
    assert [count(behind, table) for table in ("patients", "cases", "images", "jobs", "idempotency_keys")] == [0] * 5


def test_the_same_patient_and_lesion_are_met_again_and_gaps_are_filled(portal: Portal, behind: Connection) -> None:
    first = portal.submit(lesion_reference="L-1", body_site="back", birth_year=1960)
    portal.submit(lesion_reference="L-1", laterality=Laterality.LEFT, sex=Sex.MALE)
    assert (count(behind, "patients"), count(behind, "lesions")) == (1, 1)
    view = portal.status(first.id)
    assert (view.birth_year, view.sex, view.body_site, view.laterality) == (1960, Sex.MALE, "back", Laterality.LEFT)


def test_consent_is_what_was_said_last_and_nothing_said_changes_nothing(portal: Portal) -> None:
    case = portal.submit()
    assert portal.status(case.id).consent_training is None
    for said, known in ((True, True), (None, True), (False, False)):
        portal.submit(consent_training=said)
        assert portal.status(case.id).consent_training is known


def test_a_lesion_without_a_reference_is_a_new_one_each_time(portal: Portal, behind: Connection) -> None:
    portal.submit(body_site="back")
    portal.submit(body_site="back")
    portal.submit()
    assert count(behind, "lesions") == 3


def test_a_visit_is_dated_by_the_portal_else_by_its_receipt(portal: Portal, behind: Connection) -> None:
    taken = datetime(2024, 3, 1, 9, 30, tzinfo=UTC)
    for case_id, source in (
        (portal.submit(visited_at=taken, visit_source=VisitSource.PORTAL).id, "portal"),
        (portal.submit().id, "receipt"),
    ):
        query = text("SELECT visited_at, received_at, visit_source FROM cases WHERE id = :id")
        row = behind.execute(query, {"id": case_id}).one()
        assert (row.visited_at, row.visit_source) == (taken if source == "portal" else row.received_at, source)


def test_every_lesion_has_a_dicom_uid_of_its_own_from_the_first_case_on(portal: Portal, behind: Connection) -> None:
    query = "SELECT tracking_uid FROM lesions"
    portal.submit(lesion_reference="L-1")
    minted = behind.exec_driver_sql(query).scalars().all()
    portal.submit(lesion_reference="L-1")
    assert behind.exec_driver_sql(query).scalars().all() == minted
    portal.submit()
    uids = behind.exec_driver_sql(query).scalars().all()
    assert len(set(uids)) == 2
    assert all(UID(uid).is_valid for uid in uids)


def test_first_cases_of_one_patient_at_once_share_the_patient(portal: Portal, behind: Connection) -> None:
    barrier = threading.Barrier(4)

    def submit(_: int) -> None:
        barrier.wait()
        portal.submit(lesion_reference="L-1")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(submit, range(4)))
    assert (count(behind, "patients"), count(behind, "lesions"), count(behind, "cases")) == (1, 1, 4)


def test_an_equal_request_gets_the_first_answer(portal: Portal, behind: Connection) -> None:
    first = portal.submit(key=KEY)
    again = portal.submit(key=KEY)
    assert (again.id, again.replayed, first.replayed) == (first.id, True, False)
    assert count(behind, "cases") == 1
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        assert cases.find_idempotent(session=session, tenant_id=portal.tenant_id, idempotency=KEY) == first.id


def test_another_request_with_the_same_key_is_refused(portal: Portal) -> None:
    portal.submit(key=KEY)
    with pytest.raises(IdempotencyConflict, match="retry-1"):
        portal.submit(key=cases.Idempotency("retry-1", "11" * 32))


def test_two_portals_may_use_the_same_key(portal: Portal, other: Portal) -> None:
    assert portal.submit(key=KEY).id != other.submit(key=KEY).id


def test_equal_requests_at_once_make_one_case(portal: Portal, behind: Connection) -> None:
    barrier = threading.Barrier(4)

    def submit(_: int) -> cases.AcceptedCase:
        barrier.wait()
        return portal.submit(key=KEY)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(submit, range(4)))
    assert len({answer.id for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False, True, True, True]
    assert (count(behind, "cases"), count(behind, "images")) == (1, 1)


def test_a_key_whose_request_failed_can_be_used_again(portal: Portal) -> None:
    with pytest.raises(Exception, match="fitzpatrick"):
        portal.submit(fitzpatrick=9, key=KEY)
    assert not portal.submit(key=KEY).replayed


def test_added_images_come_last_and_make_the_case_wait_again(portal: Portal, worker: Worker) -> None:
    accepted = portal.submit(images=2)
    worker.complete(worker.claim())
    assert portal.add(accepted.id, images=2).state is CaseState.QUEUED
    assert [image.position for image in portal.status(accepted.id).images] == [0, 1, 2, 3]
    worker.complete(worker.claim())
    assert portal.status(accepted.id).state is CaseState.AWAITING_REVIEW


def test_images_added_at_once_do_not_collide(portal: Portal) -> None:
    accepted = portal.submit()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: portal.add(accepted.id), range(4)))
    assert [image.position for image in portal.status(accepted.id).images] == [0, 1, 2, 3, 4]


def test_a_decided_case_takes_no_more_images(portal: Portal, worker: Worker) -> None:
    accepted = portal.submit()
    worker.complete(worker.claim())
    portal.review(accepted.id)
    with pytest.raises(CaseClosed):
        portal.add(accepted.id)


def test_an_unknown_case_is_not_found(portal: Portal) -> None:
    for attempt in (portal.status, portal.add):
        with pytest.raises(CaseNotFound):
            attempt(uuid4())


def test_reading_a_case_takes_the_same_statements_whatever_its_size(portal: Portal, statements: Statements) -> None:
    small, large = portal.submit(), portal.submit(images=20)
    counts = []
    for accepted in (small, large):
        statements.clear()
        portal.status(accepted.id)
        counts.append(len(statements))
    assert counts == [5, 5]


def test_the_list_goes_through_all_cases_once_in_the_order_of_receipt(portal: Portal) -> None:
    sent = [portal.submit(patient=f"P-{number}").id for number in range(5)]
    first = page(portal, limit=2)
    second = page(portal, limit=2, cursor=first.next_cursor)
    third = page(portal, limit=2, cursor=second.next_cursor)
    assert [case.id for found in (first, second, third) for case in found.cases] == sent
    assert third.next_cursor is None


def test_cases_received_at_the_same_moment_are_not_skipped(portal: Portal, behind: Connection) -> None:
    sent = {portal.submit().id for _ in range(4)}
    behind.execute(text("UPDATE cases SET received_at = date_trunc('second', now())"))
    first = page(portal, limit=3)
    second = page(portal, limit=3, cursor=first.next_cursor)
    assert {case.id for found in (first, second) for case in found.cases} == sent


def test_the_list_is_filtered_by_state_and_time(portal: Portal, worker: Worker) -> None:
    done, waiting = portal.submit(), portal.submit(images=3)
    worker.complete(worker.claim(limit=1))
    assert [case.id for case in page(portal, status=CaseState.AWAITING_REVIEW).cases] == [done.id]
    [later] = page(portal, since=waiting.received_at).cases
    assert (later.id, later.image_count) == (waiting.id, 3)
    assert page(portal, since=datetime.now(UTC)).cases == ()


def test_the_list_takes_one_statement_and_its_audit(portal: Portal, statements: Statements) -> None:
    for _ in range(5):
        portal.submit(images=2)
    statements.clear()
    assert len(page(portal).cases) == 5
    assert len(statements) == 3


@pytest.mark.parametrize(
    "cursor", ["", "x", "bm8=", "MjAyNnxub3BlfA==", "ÿ", "MjAyNi0wMS0wMXwwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDA="]
)
def test_a_cursor_of_another_make_is_refused(portal: Portal, cursor: str) -> None:
    with pytest.raises(InvalidCursor, match="next_cursor"):
        page(portal, cursor=cursor)


def test_the_leading_image_is_the_one_most_likely_malignant(portal: Portal, worker: Worker) -> None:
    accepted = portal.submit(images=3)
    first, second, _ = worker.claim()
    assert portal.status(accepted.id).leading_image.position == 0
    worker.complete([first], probability=0.2)
    worker.complete([second], probability=0.7)
    view = portal.status(accepted.id)
    assert view.leading_image.id == second.image_id
    assert view.image(second.image_id) == view.leading_image
    assert view.image(new_image().id) is None
