"""Two processes at the same moment. Each race is arranged, not hoped for: one transaction is held open."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from sqlalchemy import Connection, text

from services.records import jobs
from services.records.states import CaseState
from tests.records.worlds import LEASE, Portal, Worker, result


def test_two_open_claims_never_share_a_job(portal: Portal, worker: Worker, second_worker: Worker) -> None:
    portal.submit(images=6)
    with worker.logins.worker.transaction() as session:
        first = jobs.claim_jobs(session=session, owner=worker.name, limit=4, lease=LEASE)
        second = second_worker.claim(limit=4)
    assert (len(first), len(second)) == (4, 2)
    assert not {job.job_id for job in first} & {job.job_id for job in second}


def test_many_workers_claim_each_job_once(portal: Portal, other: Portal, worker: Worker) -> None:
    for _ in range(5):
        portal.submit(images=5)
        other.submit(images=3)

    def drain(number: int) -> list[UUID]:
        mine = Worker(worker.logins, f"worker-{number}")
        taken: list[UUID] = []
        while batch := mine.claim(limit=3):
            taken += [job.job_id for job in batch]
        return taken

    with ThreadPoolExecutor(4) as pool:
        claimed = Counter(job for batch in pool.map(drain, range(4)) for job in batch)
    # A claim that finds every candidate locked by others comes back empty; the next doorbell takes the rest.
    while rest := worker.claim():
        claimed.update(job.job_id for job in rest)
    assert len(claimed) == 40
    assert set(claimed.values()) == {1}


def test_the_last_two_images_of_a_case_finished_at_once_still_hand_it_over(portal: Portal, worker: Worker, second_worker: Worker) -> None:
    case = portal.submit(images=2)
    [mine], [theirs] = worker.claim(limit=1), second_worker.claim(limit=1)
    with ThreadPoolExecutor(1) as pool:
        with worker.logins.worker.transaction() as session:
            jobs.complete_jobs(session=session, owner=worker.name, results=[result(mine)])
            waiting = pool.submit(second_worker.complete, [theirs])
            threading.Event().wait(0.3)
            assert not waiting.done()
        waiting.result(timeout=10)
    assert portal.status(case.id).state is CaseState.AWAITING_REVIEW


def test_completing_the_same_job_in_two_threads_stores_one_answer(portal: Portal, worker: Worker, behind: Connection) -> None:
    portal.submit(images=4)
    claimed = worker.claim()
    with ThreadPoolExecutor(3) as pool:
        settled = list(pool.map(lambda _: worker.complete(claimed), range(3)))
    assert sorted(len(outcome.done) for outcome in settled) == [0, 0, 4]
    assert behind.scalar(text("SELECT count(*) FROM analyses")) == 4


def test_a_sweep_leaves_what_is_being_completed(portal: Portal, worker: Worker, behind: Connection) -> None:
    portal.submit()
    claimed = worker.claim()
    behind.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 second'"))
    with worker.logins.worker.transaction() as session:
        jobs.complete_jobs(session=session, owner=worker.name, results=[result(job) for job in claimed])
        assert worker.sweep().requeued == 0
        assert worker.renew(claimed) == 0


def test_workers_that_finish_mixed_batches_of_shared_cases_do_not_block_each_other(
    portal: Portal, other: Portal, worker: Worker, second_worker: Worker
) -> None:
    for owner in (portal, other):
        for _ in range(4):
            owner.submit(images=2)
    batches = [(worker, worker.claim()), (second_worker, second_worker.claim())]
    with ThreadPoolExecutor(2) as pool:
        settled = list(pool.map(lambda pair: pair[0].settle(pair[1][::3], pair[1][1::3], pair[1][2::3]), batches))
    assert [(len(part.done), len(part.failed)) for part in settled] == [(3, 3), (3, 3)]
