"""What the chaos tests do with a running system, and how they look behind its scenes."""

import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import Engine, Row, text

from infra.demo.cases import Submission, Upload
from infra.demo.portal import Accepted, Portal, PortalError
from infra.local import LocalStack
from infra.local.seed import Access

CASES, IMAGES_PER_CASE = 20, 2
ENOUGH_SECONDS = 100.0

IMAGES_OF_PORTAL = """
    SELECT i.id AS image_id, i.case_id, c.state AS case_state, j.state AS job_state, j.reason, j.attempts,
           (SELECT count(*) FROM jobs WHERE jobs.image_id = i.id) AS jobs,
           (SELECT count(*) FROM analyses a WHERE a.image_id = i.id) AS analyses,
           (SELECT count(DISTINCT a.pipeline_version) FROM analyses a WHERE a.image_id = i.id) AS versions
    FROM images i JOIN cases c ON c.id = i.case_id JOIN jobs j ON j.image_id = i.id
    WHERE i.case_id = ANY(:cases)
"""


@dataclass(frozen=True)
class System:
    """The running system and one portal's way into it."""

    stack: LocalStack
    portal: Portal
    access: Access
    engine: Engine
    pictures: Sequence[bytes]

    def submissions(self, count: int = CASES) -> list[Submission]:
        """Cases of two images each; every file differs."""
        return [self._submission(number) for number in range(count)]

    def submit(self, submissions: Sequence[Submission]) -> list[uuid.UUID]:
        """Send all, trying again until the intake accepts, as a portal does. The ids of the accepted cases."""
        return [self._insist(submission) for submission in submissions]

    def submit_meanwhile(self, submissions: Sequence[Submission]) -> "Future[list[uuid.UUID]]":
        """``submit`` in the background."""
        pool = ThreadPoolExecutor(1)
        future = pool.submit(self.submit, submissions)
        pool.shutdown(wait=False)
        return future

    def jobs(self, state: str) -> int:
        """How many jobs of the portal are in this state now."""
        query = "SELECT count(*) FROM jobs WHERE state = :state AND tenant_id = :tenant"
        with self.engine.begin() as connection:
            return int(connection.execute(text(query), {"state": state, "tenant": self.access.tenant_id}).scalar_one())

    def cases(self) -> int:
        """How many cases the portal has, accepted or not."""
        with self.engine.begin() as connection:
            query = text("SELECT count(*) FROM cases WHERE tenant_id = :tenant")
            return int(connection.execute(query, {"tenant": self.access.tenant_id}).scalar_one())

    def settled(self, case_ids: Sequence[uuid.UUID]) -> Sequence[Row[*tuple[object, ...]]]:
        """One row for each image once no job of these cases is open. Fails when that takes too long."""
        wait_until(lambda: all(row.job_state in ("done", "failed") for row in self._rows(case_ids)), what="every job is settled")
        return self._rows(case_ids)

    def _rows(self, case_ids: Sequence[uuid.UUID]) -> Sequence[Row[*tuple[object, ...]]]:
        with self.engine.begin() as connection:
            return connection.execute(text(IMAGES_OF_PORTAL), {"cases": list(case_ids)}).all()

    def _insist(self, submission: Submission) -> uuid.UUID:
        for _ in range(4):
            try:
                outcome = self.portal.submit(submission)
            except PortalError:
                continue
            assert isinstance(outcome, Accepted), f"a good case was refused: {outcome}"
            return outcome.case_id
        raise AssertionError("the intake did not come back")

    def _submission(self, number: int) -> Submission:
        case = {"patient": {"reference": f"CHAOS-{number}"}, "urgency": ("routine", "urgent")[number % 2]}
        chosen = [(number * IMAGES_PER_CASE + index) % len(self.pictures) for index in range(IMAGES_PER_CASE)]
        uploads = tuple(Upload(f"{name}.jpg", lambda name=name: self.pictures[name]) for name in chosen)  # type: ignore[misc]
        return Submission(case=case, uploads=uploads)


def wait_until(reached: Callable[[], bool], *, what: str, timeout: float = ENOUGH_SECONDS, pause: float = 0.1) -> None:
    """Wait for something to become true; AssertionError after ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while not reached():
        assert time.monotonic() < end, f"{what}: not within {timeout:.0f} s"
        time.sleep(pause)
