"""Any order of claims, answers, failures, deaths and sweeps: no job is lost, none is tried too often, all end."""

from collections import defaultdict
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, text

from services.records.jobs import ClaimedJob
from services.records.states import JobState
from tests.records.worlds import Portal, Worker

CAP = 3


class Queue(RuleBasedStateMachine):
    """Two workers and a sweeper on a real queue; ``make`` gives each run an empty one."""

    portal: Portal
    behind: Connection

    def __init__(self) -> None:
        super().__init__()
        self.workers = [Worker(self.portal.logins, f"worker-{number}") for number in range(2)]
        self.held: list[list[ClaimedJob]] = [[], []]
        self.submitted = 0
        self.refunds: dict[UUID, int] = defaultdict(int)
        self.claims: dict[UUID, int] = defaultdict(int)

    @initialize()
    def start_empty(self) -> None:
        self.behind.execute(text("SET session_replication_role = replica"))
        self.behind.execute(text("TRUNCATE cases, images, jobs, analyses CASCADE"))
        self.behind.execute(text("SET session_replication_role = origin"))

    @rule(images=st.integers(1, 3))
    def submit(self, images: int) -> None:
        self.portal.submit(images=images)
        self.submitted += images

    @rule(number=st.integers(0, 1), limit=st.integers(1, 4))
    def claim(self, number: int, limit: int) -> None:
        batch = self.workers[number].claim(limit=limit)
        self.held[number] += batch
        for job in batch:
            self.claims[job.job_id] += 1
        assert len(batch) <= limit
        assert len(batch) == 1 or all(job.attempts == 1 for job in batch)

    @rule(number=st.integers(0, 1), forget=st.booleans())
    def complete(self, number: int, forget: bool) -> None:
        self.workers[number].complete(self.held[number])
        if forget:
            self.held[number] = []

    @rule(number=st.integers(0, 1), retry=st.booleans())
    def fail(self, number: int, retry: bool) -> None:
        self.workers[number].fail(self.held[number], retry=retry, cap=CAP)
        self.behind.execute(text("UPDATE jobs SET not_before = now()"))

    @rule(number=st.integers(0, 1))
    def release(self, number: int) -> None:
        before = self.attempts()
        self.workers[number].release(self.held[number])
        for job_id, attempts in self.attempts().items():
            self.refunds[job_id] += before[job_id] - attempts

    @rule(number=st.integers(0, 1))
    def die_and_be_swept(self, number: int) -> None:
        expire = text("UPDATE jobs SET lease_expires_at = now() - interval '1 s' WHERE lease_owner = :owner")
        self.behind.execute(expire, {"owner": self.workers[number].name})
        self.workers[1 - number].sweep(cap=CAP)

    @invariant()
    def no_job_is_lost_or_tried_too_often(self) -> None:
        attempts = self.attempts()
        assert len(attempts) == self.submitted
        assert all(0 <= count <= CAP for count in attempts.values())
        assert all(self.claims[job] <= CAP + self.refunds[job] for job in attempts)

    def teardown(self) -> None:
        """Whatever has happened, working on until the queue is empty ends every job, done xor failed."""
        self.die_and_be_swept(0)
        self.die_and_be_swept(1)
        while batch := self.workers[0].claim():
            self.workers[0].complete(batch)
        ends = text(
            "SELECT jobs.state, (SELECT count(*) FROM analyses WHERE job_id = jobs.id), cases.state"
            " FROM jobs JOIN images ON images.id = image_id JOIN cases ON cases.id = case_id"
        )
        for state, answers, case_state in self.behind.execute(ends):
            assert (JobState(state), answers) in {(JobState.DONE, 1), (JobState.FAILED, 0)}
            assert case_state == "awaiting_review"

    def attempts(self) -> dict[UUID, int]:
        """Attempts of every job."""
        return {row.id: row.attempts for row in self.behind.execute(text("SELECT id, attempts FROM jobs"))}


@pytest.mark.timeout(120)
def test_whatever_happens_every_job_ends_done_or_failed(portal: Portal, behind: Connection) -> None:
    machine = type("PortalQueue", (Queue,), {"portal": portal, "behind": behind})
    limits = settings(max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=limits)
