"""The worker that makes DICOM results: takes the decided cases that wait, one after the other."""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from models.pictures.errors import PictureRefused
from services.logs import log_context
from services.objects import ObjectMissing, Objects, StoreUnavailable
from services.records.errors import CaseNotFound, DatabaseUnavailable, NotDecided
from services.records.results import ResultsClaim, claim_results, count_results_waiting, fail_results, finish_results, release_results
from workers.metrics import RESULTS, RESULTS_SECONDS, RESULTS_WAITING

if TYPE_CHECKING:
    from workers.results_making import Transaction

log = logging.getLogger(__name__)

OUTAGE = timedelta(seconds=5)
# An outline is measured within about a second.
MEASURING = timedelta(seconds=2)


class ResultsWorker:
    """Makes results until none waits. One drain at a time."""

    def __init__(
        self,
        *,
        claims: Callable[[], AbstractContextManager[Session]],
        records: "Transaction",
        store: Objects,
        lease: timedelta,
        max_attempts: int,
        max_pixels: int,
        captures: bool,
        stopping: threading.Event,
    ) -> None:
        """``claims`` opens transactions of the worker's login, which sees every tenant; ``records`` those of one that reads decisions."""
        self.claims, self.records, self.store, self.stopping = claims, records, store, stopping
        self.lease, self.max_attempts, self.max_pixels, self.captures = lease, max_attempts, max_pixels, captures

    def drain(self) -> int:
        """Works until nothing is due, the process is asked to stop, or a server is away. Returns how many cases were looked at."""
        looked = 0
        try:
            while not self.stopping.is_set() and (claim := self._claim()) is not None:
                if not self._work(claim):
                    break
                looked += 1
        except DatabaseUnavailable as error:
            log.warning("results wait: %s", error)  # the lease ends by itself
        return looked

    def _claim(self) -> ResultsClaim | None:
        with self.claims() as session:
            RESULTS_WAITING.set(count_results_waiting(session=session))
            return claim_results(session=session, lease=self.lease, max_attempts=self.max_attempts)

    def _work(self, claim: ResultsClaim) -> bool:
        """Whether to go on with the next case."""
        with log_context(case_id=claim.case_id, tenant_id=claim.tenant_id):
            try:
                self._make(claim)
            except StoreUnavailable as reason:
                log.warning("results wait: %s", reason)
                self._release(claim, OUTAGE)
                return False
            except DatabaseUnavailable:
                raise
            except (CaseNotFound, NotDecided) as reason:
                self._nothing_to_tell(claim, reason)
            except (ObjectMissing, PictureRefused) as fault:
                self._fail(claim, f"No DICOM results could be made: {fault}")
            except ImportError as missing:  # there is no highdicom for every Python yet
                self._fail(claim, f"DICOM results need the package {missing.name}, which is not installed here.")
            except Exception as error:
                log.exception("the results of a case could not be made")
                self._fail(claim, f"Making the DICOM results stopped with {type(error).__name__}. The log says where.")
        return True

    @RESULTS_SECONDS.time()
    def _make(self, claim: ResultsClaim) -> None:
        # highdicom is loaded when the first case is due, and not before.
        from workers.results_making import ResultsMaking, Unmeasured

        making = ResultsMaking(claim, transaction=self.records, store=self.store, max_pixels=self.max_pixels, captures=self.captures)
        try:
            making.run()
        except Unmeasured:
            self._release(claim, MEASURING)
        else:
            RESULTS.labels("made").inc()

    def _nothing_to_tell(self, claim: ResultsClaim, reason: CaseNotFound | NotDecided) -> None:
        """The decision was taken back, or can be for a moment longer; or the case is no more."""
        left = reason.left if isinstance(reason, NotDecided) else None
        if left is not None:
            self._release(claim, left + timedelta(milliseconds=50))
            return
        RESULTS.labels("withdrawn").inc()
        with self.claims() as session:
            finish_results(session=session, claim=claim)

    def _release(self, claim: ResultsClaim, delay: timedelta) -> None:
        RESULTS.labels("released").inc()
        with self.claims() as session:
            release_results(session=session, claim=claim, delay=timedelta() if self.stopping.is_set() else delay)

    def _fail(self, claim: ResultsClaim, problem: str) -> None:
        RESULTS.labels("failed").inc()
        with self.claims() as session:
            fail_results(session=session, claim=claim, problem=problem, max_attempts=self.max_attempts)
