"""Drains with the champions. A promotion or a rollback is noticed between two batches, without a restart."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from models.bundle import BundleError
from services.records.errors import RecordError
from services.records.jobs import AnalysisResult, ClaimedJob, JobFailure
from workers.metrics import SERVING
from workers.pipeline import Ledger
from workers.registry import Bundles, NotServable, Pair, Plan
from workers.shadow import ShadowScorer

log = logging.getLogger(__name__)

WATCH_SECONDS = 5.0
RETRY_SECONDS = 5.0


class Drains(Protocol):
    """What serving needs of a pipeline."""

    def drain(self) -> int:
        """Analyses until no job is due. Returns the number of batches."""


class Watched:
    """A ledger that hands out no more jobs once ``changed`` says so: the drain then ends with what it holds."""

    def __init__(self, ledger: Ledger, changed: Callable[[], bool]) -> None:
        self.ledger, self.changed = ledger, changed

    def claim(self, *, owner: str, limit: int) -> Sequence[ClaimedJob]:
        """Up to ``limit`` due jobs, or none where the registry has changed."""
        return [] if self.changed() else self.ledger.claim(owner=owner, limit=limit)

    def renew(self, *, owner: str, job_ids: Sequence[UUID]) -> None:
        """Extends the leases that ``owner`` still has."""
        self.ledger.renew(owner=owner, job_ids=job_ids)

    def settle(
        self,
        *,
        owner: str,
        results: Sequence[AnalysisResult],
        failures: Sequence[JobFailure],
        released: Sequence[UUID],
        delay: timedelta,
    ) -> None:
        """Completes, fails and gives back jobs of ``owner``."""
        self.ledger.settle(owner=owner, results=results, failures=failures, released=released, delay=delay)


class Serving:
    """Keeps the pipeline that the registry asks for, and drains with it."""

    def __init__(
        self, *, bundles: Bundles, shadows: ShadowScorer, build: Callable[[Pair, Callable[[], bool]], Drains], stopping: threading.Event
    ) -> None:
        """``build`` makes a pipeline of a pair; its ledger asks the given function whether to stop claiming."""
        self.bundles, self.shadows, self.build, self.stopping = bundles, shadows, build, stopping
        self.plan: Plan | None = None
        self.pipeline: Drains | None = None
        self._changed = False
        self._looked = 0.0

    def start(self) -> None:
        """Load the champions, however long the database or an administrator takes. Says what it waits for."""
        told = ""
        while not self.stopping.is_set():
            try:
                self.bundles.register()
                self._follow(self.bundles.plan())
                return
            except (NotServable, BundleError, RecordError) as error:
                if str(error) != told:
                    log.error("not ready: %s", error)
                told = str(error)
            except Exception:
                log.exception("not ready")
            SERVING.set(0)
            self.stopping.wait(RETRY_SECONDS)

    def drain(self) -> int:
        """Analyse until no job is due, with whatever is champion at the time. Returns the number of batches.

        Where this worker does not have the champion, the jobs wait: for another worker, or for an administrator.
        """
        batches = 0
        while True:
            try:
                self._follow(self.bundles.plan())
            except (NotServable, BundleError) as error:
                log.error("jobs wait: %s", error)
                SERVING.set(0)
                return batches
            except RecordError as error:
                log.warning("the registry cannot be read: %s", error)
                return batches
            if self.pipeline is None:
                return batches
            with self.shadows.held():
                batches += self.pipeline.drain()
            if not self._changed or self.stopping.is_set():
                return batches

    def changed(self) -> bool:
        """Whether the registry says something else than what is loaded; looks every few seconds."""
        if self._changed or time.monotonic() - self._looked < WATCH_SECONDS:
            return self._changed
        self._looked = time.monotonic()
        try:
            self._changed = self.plan is not None and self.bundles.active() != self.plan.active
        except RecordError:
            return False  # claiming will say so itself
        return self._changed

    def _follow(self, plan: Plan) -> None:
        self._changed, self._looked = False, time.monotonic()
        if self.pipeline is None or self.plan is None or plan.pair.digests != self.plan.pair.digests:
            log.info("serving segmenter %s and classifier %s", plan.pair.segmenter.label, plan.pair.classifier.label)
            self.pipeline = None  # two pairs side by side may not fit into a card's memory
            self.pipeline = self.build(plan.pair, self.changed)
        self.plan = plan
        self.shadows.follow(served=plan.pair, shadows=plan.shadows)
        SERVING.set(1)
