"""The queue's rules, on one connection at a time."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from services.records.errors import InvalidRecord
from services.records.jobs import Settled
from services.records.states import CaseState, JobState, Outcome, Urgency
from tests.records.conftest import Statements
from tests.records.worlds import Portal, Worker, result


def expire_leases(behind: Connection) -> None:
    behind.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 second' WHERE state = 'leased'"))


def skip_backoff(behind: Connection) -> None:
    behind.execute(text("UPDATE jobs SET not_before = now() WHERE state = 'queued'"))


def test_an_image_travels_from_queued_to_awaiting_review(portal: Portal, worker: Worker) -> None:
    case = portal.submit()
    [job] = worker.claim()
    assert (job.attempts, job.case_id, job.tenant_id) == (1, case.id, portal.tenant_id)
    assert worker.complete([job]).done == {job.job_id}
    view = portal.status(case.id)
    assert view.state is CaseState.AWAITING_REVIEW
    assert view.images[0].job_state is JobState.DONE
    assert view.images[0].analysis is not None
    assert view.images[0].analysis.classes == ("MEL",)


def test_a_case_waits_for_its_last_image(portal: Portal, worker: Worker) -> None:
    case = portal.submit(images=2)
    first, last = worker.claim()
    worker.complete([first])
    assert portal.status(case.id).state is CaseState.QUEUED
    worker.fail([last])
    assert portal.status(case.id).state is CaseState.AWAITING_REVIEW


def test_urgent_cases_are_claimed_first_then_those_due_first(portal: Portal, worker: Worker) -> None:
    routine, soon, urgent = (portal.submit(urgency=urgency) for urgency in (Urgency.ROUTINE, Urgency.SOON, Urgency.URGENT))
    second = portal.submit(urgency=Urgency.URGENT)
    assert [job.case_id for job in worker.claim()] == [urgent.id, second.id, soon.id, routine.id]


def test_portals_take_turns(portal: Portal, other: Portal, worker: Worker) -> None:
    portal.submit(images=10)
    late = [other.submit().id, other.submit().id]
    claimed = worker.claim(limit=4)
    assert [job.case_id for job in claimed if job.tenant_id == other.tenant_id] == late


def test_a_portal_with_an_urgent_case_does_not_wait_for_its_turn(portal: Portal, other: Portal, worker: Worker) -> None:
    other.submit(images=3)
    urgent = portal.submit(images=2, urgency=Urgency.URGENT)
    assert [job.case_id for job in worker.claim(limit=2)] == [urgent.id, urgent.id]


def test_a_job_that_was_tried_before_is_claimed_alone(portal: Portal, worker: Worker, behind: Connection) -> None:
    portal.submit(images=3)
    suspects = worker.claim(limit=2)
    expire_leases(behind)
    assert worker.sweep().requeued == 2
    batches = [worker.claim() for _ in range(4)]
    assert [len(batch) for batch in batches] == [1, 1, 1, 0]
    assert {job.job_id for batch in batches[:2] for job in batch} == {job.job_id for job in suspects}
    assert batches[0][0].attempts == 2


def test_fresh_jobs_ahead_of_a_suspect_are_claimed_without_it(portal: Portal, worker: Worker, behind: Connection) -> None:
    suspect = portal.submit()
    worker.claim()
    expire_leases(behind)
    worker.sweep()
    fresh = portal.submit(images=2, urgency=Urgency.URGENT)
    assert [job.case_id for job in worker.claim()] == [fresh.id, fresh.id]
    assert [job.case_id for job in worker.claim()] == [suspect.id]


def test_completing_twice_is_completing_once(portal: Portal, worker: Worker) -> None:
    case = portal.submit()
    claimed = worker.claim()
    worker.complete(claimed, probability=0.3)
    assert worker.complete(claimed, probability=0.9).done == frozenset()
    analysis = portal.status(case.id).images[0].analysis
    assert analysis is not None
    assert analysis.malignant_probability == 0.3


def test_a_second_job_with_the_same_pipeline_version_leaves_the_first_answer(portal: Portal, worker: Worker, behind: Connection) -> None:
    case = portal.submit()
    worker.complete(worker.claim(), probability=0.3)
    behind.execute(
        text(
            "INSERT INTO jobs (id, tenant_id, image_id, urgency_rank, due_at) SELECT gen_random_uuid(), tenant_id, id, 0, now() FROM images"
        )
    )
    assert len(worker.complete(worker.claim(), probability=0.9).done) == 1
    analysis = portal.status(case.id).images[0].analysis
    assert analysis is not None
    assert analysis.malignant_probability == 0.3


def test_a_worker_that_lost_its_lease_changes_nothing(portal: Portal, worker: Worker, second_worker: Worker, behind: Connection) -> None:
    portal.submit()
    stale = worker.claim()
    expire_leases(behind)
    worker.sweep()
    [job] = second_worker.claim()
    assert not worker.complete(stale).done
    assert worker.fail(stale) == Settled()
    assert worker.release(stale) == 0
    assert worker.renew(stale) == 0
    assert second_worker.complete([job]).done == {job.job_id}


def test_a_late_worker_may_finish_what_nobody_has_taken_back(portal: Portal, worker: Worker, behind: Connection) -> None:
    portal.submit()
    claimed = worker.claim()
    expire_leases(behind)
    assert len(worker.complete(claimed).done) == 1
    assert worker.sweep().requeued == 0


def test_expired_leases_are_tried_again_up_to_the_cap_and_then_read_by_hand(portal: Portal, worker: Worker, behind: Connection) -> None:
    case = portal.submit()
    for _ in range(2):
        worker.claim()
        expire_leases(behind)
        assert worker.sweep(cap=3).requeued == 1
    worker.claim()
    expire_leases(behind)
    swept = worker.sweep(cap=3)
    assert (swept.requeued, swept.failed, swept.waiting) == (0, 1, 0)
    view = portal.status(case.id)
    assert view.state is CaseState.AWAITING_REVIEW
    assert view.images[0].reason == "The worker stopped 3 times while analysing this image."


def test_a_failure_worth_a_retry_waits_longer_each_time_and_ends_at_the_cap(portal: Portal, worker: Worker, behind: Connection) -> None:
    case = portal.submit()
    waits = []
    for _ in range(2):
        assert len(worker.fail(worker.claim(), retry=True).requeued) == 1
        assert worker.claim() == []
        waits.append(behind.scalar(text("SELECT extract(epoch FROM not_before - now()) FROM jobs")))
        skip_backoff(behind)
    assert 0 < float(waits[0]) <= 2 < float(waits[1]) <= 8
    assert len(worker.fail(worker.claim(), retry=True).failed) == 1
    assert portal.status(case.id).images[0].reason == "file damaged"


def test_a_permanent_failure_is_not_tried_again(portal: Portal, worker: Worker) -> None:
    portal.submit(images=2)
    claimed = worker.claim()
    assert worker.fail(claimed).failed == {job.job_id for job in claimed}
    assert worker.sweep().waiting == 0


def test_a_released_job_costs_no_attempt_and_keeps_its_company(portal: Portal, worker: Worker, behind: Connection) -> None:
    portal.submit(images=3)
    assert worker.release(worker.claim(), delay=timedelta(seconds=5)) == 3
    assert worker.claim() == []
    skip_backoff(behind)
    assert [job.attempts for job in worker.claim()] == [1, 1, 1]


def test_a_renewed_lease_outlives_the_old_one(portal: Portal, worker: Worker, behind: Connection) -> None:
    portal.submit()
    claimed = worker.claim(lease=timedelta(seconds=-1))
    assert worker.renew(claimed) == 1
    assert worker.sweep().requeued == 0


def test_a_sweep_counts_due_jobs_that_wait(portal: Portal, worker: Worker) -> None:
    portal.submit(images=3)
    assert worker.sweep().waiting == 3
    worker.release(worker.claim(limit=1), delay=timedelta(minutes=1))
    assert worker.sweep().waiting == 2


def test_claiming_and_completing_a_batch_takes_the_same_few_statements_whatever_its_size(
    portal: Portal, worker: Worker, statements: Statements
) -> None:
    portal.submit(images=10)
    counts = []
    for size in (1, 8):
        statements.clear()
        claimed = worker.claim(limit=size)
        assert len(claimed) == size
        counts.append([len(statements)])
        worker.complete(claimed)
        counts[-1].append(len(statements))
    assert counts == [[2, 8], [2, 8]]


def test_nothing_to_do_takes_one_statement(portal: Portal, worker: Worker, statements: Statements) -> None:
    statements.clear()
    assert worker.claim() == []
    assert len(statements) == 1


def test_parts_of_a_batch_settle_together(portal: Portal, worker: Worker) -> None:
    case = portal.submit(images=3)
    done, failed, released = worker.claim()
    settled = worker.settle([done], [failed], [released])
    assert settled == Settled(done=frozenset({done.job_id}), failed=frozenset({failed.job_id}))
    view = portal.status(case.id)
    assert view.state is CaseState.QUEUED
    assert {image.id: image.job_state for image in view.images} == {
        done.image_id: JobState.DONE,
        failed.image_id: JobState.FAILED,
        released.image_id: JobState.QUEUED,
    }
    failure = view.image(failed.image_id)
    assert failure is not None
    assert failure.reason == "file damaged"


def test_settling_one_kind_takes_no_more_statements_than_that_kind(portal: Portal, worker: Worker, statements: Statements) -> None:
    portal.submit(images=3)
    claimed = worker.claim()
    statements.clear()
    worker.settle(claimed, [], [])
    # Four of them tell the portal: what failed, the references, the lock of the outbox, the event.
    assert len(statements) == 10


@pytest.mark.parametrize(
    "answer",
    [
        {"malignant_probability": 1.5},
        {"malignant_probability": float("nan")},
        {"top_probability": -0.1},
        {"top_class": None},
        {"outcome": Outcome.SET},
        {"finding": {"x": float("inf")}},
        {"finding": {"x": object()}},
        {"finding": {"x": "a\0b"}},
    ],
)
def test_an_answer_that_the_database_would_refuse_is_refused_alone(portal: Portal, worker: Worker, answer: dict[str, Any]) -> None:
    portal.submit()
    [job] = worker.claim()
    with pytest.raises(InvalidRecord):
        result(job, **answer)
