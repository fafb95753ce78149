"""The worker that compares visits: takes the trails that wait, lesion by lesion, at the lowest priority."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from models.bundle import BundleError
from services.logs import log_context
from services.objects import StoreUnavailable
from services.records.changes import Claim, claim_trail, count_waiting, fail_claim, release_claim
from services.records.errors import DatabaseUnavailable, RecordError
from workers.lesion_work import Interrupted, LesionWork, Overtaken, Tools
from workers.metrics import TRAILS, TRAILS_WAITING
from workers.registry import NotServable
from workers.trail_pictures import Store, Transaction

log = logging.getLogger(__name__)

# While the store is away, or no champion can be served, trails wait: that is not their fault, and costs them no attempt.
OUTAGE = timedelta(seconds=5)


class TrailWorker:
    """Brings trails up to date until none waits. One drain at a time."""

    def __init__(
        self,
        *,
        transaction: Transaction,
        store: Store,
        tools: Callable[[], Tools],
        lease: timedelta,
        max_attempts: int,
        stopping: threading.Event,
    ) -> None:
        """``tools`` gives the networks that serve now; it is first asked when there is something to compare.

        ``transaction`` opens one of the worker's login, which sees every tenant.
        """
        self.transaction, self.store, self.tools = transaction, store, tools
        self.lease, self.max_attempts, self.stopping = lease, max_attempts, stopping

    def drain(self) -> int:
        """Works until no trail is due, the process is asked to stop, or a server is away. Returns how many trails were looked at."""
        looked = 0
        try:
            while not self.stopping.is_set() and (claim := self._claim()) is not None:
                if not self._work(claim):
                    break
                looked += 1
        except DatabaseUnavailable as error:
            log.warning("trails wait: %s", error)  # the lease ends by itself
        return looked

    def _claim(self) -> Claim | None:
        with self.transaction() as session:
            claim = claim_trail(session=session, lease=self.lease, max_attempts=self.max_attempts)
            TRAILS_WAITING.set(count_waiting(session=session))
        return claim

    def _work(self, claim: Claim) -> bool:
        """Whether to go on with the next trail."""
        with log_context(case_id=claim.case_ids[0], tenant_id=claim.tenant_id):
            try:
                tools = self.tools()
            except (NotServable, BundleError, RecordError) as reason:
                return self._wait(claim, reason)
            work = LesionWork(claim, transaction=self.transaction, store=self.store, tools=tools, lease=self.lease, stopping=self.stopping)
            try:
                work.run()
            except (StoreUnavailable, Interrupted) as reason:
                return self._wait(work.claim, reason)
            except Overtaken:
                TRAILS.labels("overtaken").inc()
            except DatabaseUnavailable:
                raise
            except Exception as error:
                log.exception("the visits of a lesion could not be compared")
                self._fail(work.claim, type(error).__name__)
            else:
                TRAILS.labels("done").inc()
        return True

    def _wait(self, claim: Claim, reason: Exception) -> bool:
        log.warning("trails wait: %s", reason)
        self._release(claim)
        return False

    def _release(self, claim: Claim) -> None:
        TRAILS.labels("released").inc()
        with self.transaction() as session:
            release_claim(session=session, claim=claim, delay=timedelta() if self.stopping.is_set() else OUTAGE)

    def _fail(self, claim: Claim, name: str) -> None:
        TRAILS.labels("failed").inc()
        problem = f"Comparing the visits stopped with {name}: compare them by eye, and tell your administrator if this stays."
        with self.transaction() as session:
            fail_claim(session=session, claim=claim, problem=problem, max_attempts=self.max_attempts)
