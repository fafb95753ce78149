"""One drain of the queue: claim → fetch and prepare → networks → finish and store → one transaction per batch.

Three stages overlap over bounded queues: while the networks work on one batch, threads fetch and decode the next one and
write the last one back. A model thread does nothing else, so it is never idle while there is work.
"""

import logging
import queue
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from models.analyzer import Analyzer, Inferred, Prepared, infer_bisecting
from models.finding import Finding, Outcome
from services.objects import ObjectMissing, StoreUnavailable
from services.records.jobs import AnalysisResult, ClaimedJob, JobFailure
from workers.metrics import (
    FETCH_SECONDS,
    IMAGES,
    MODEL_SECONDS,
    MODEL_WAITING_SECONDS,
    PREPARE_SECONDS,
    SETTLE_SECONDS,
    STORE_SECONDS,
)
from workers.results import analysis_result, answer_files
from workers.sandbox import as_asked

log = logging.getLogger(__name__)

PREPARED_AHEAD = 2  # batches waiting for the networks; more would only hold leases longer
UNWRITTEN = 2  # batches a model thread may be ahead of its writer
GATHER_SECONDS = 0.2
# A batch that hangs must not hold its images for ever: after this many renewals its lease runs out.
MAX_RENEWALS = 20
IO_THREADS = 4  # fetching, decoding and storing wait for the store or run in C without the GIL
TRANSIENT_DELAY = timedelta(seconds=2)


class Store(Protocol):
    """What the pipeline needs of the object store."""

    def get(self, key: str) -> bytes:
        """The bytes of a key; ObjectMissing or StoreUnavailable."""

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Stores durably before it returns; StoreUnavailable."""


class Ledger(Protocol):
    """What the pipeline needs of the records: each call is one transaction."""

    def claim(self, *, owner: str, limit: int) -> Sequence[ClaimedJob]:
        """Up to ``limit`` due jobs, leased to ``owner``."""

    def renew(self, *, owner: str, job_ids: Sequence[uuid.UUID]) -> None:
        """Extends the leases that ``owner`` still has."""

    def settle(
        self,
        *,
        owner: str,
        results: Sequence[AnalysisResult],
        failures: Sequence[JobFailure],
        released: Sequence[uuid.UUID],
        delay: timedelta,
    ) -> None:
        """Completes, fails and gives back jobs of ``owner``, all or nothing."""


@dataclass(frozen=True, slots=True)
class Released:
    """A job given back because the store was away: not the image's fault, so it costs no attempt."""

    job_id: uuid.UUID


@dataclass(slots=True)
class Item:
    """One claimed job on its way through the stages."""

    job: ClaimedJob
    prepared: Future[Prepared | Finding]
    inferred: Inferred | Exception | None = None


@dataclass(slots=True)
class Batch:
    """Jobs claimed together under one lease owner: a batch that outlives its lease cannot settle what another one took."""

    owner: str
    items: list[Item]
    renewals: int = 0


class Pipeline:
    """Runs drains. One instance per process, one drain at a time."""

    def __init__(
        self,
        *,
        analyzer: Analyzer,
        store: Store,
        ledger: Ledger,
        batch_size: int,
        renew_seconds: float,
        model_threads: int,
        name: str,
        stopping: threading.Event,
        answered: Callable[[Sequence[tuple[ClaimedJob, AnalysisResult]]], None] = lambda _: None,
    ) -> None:
        """``renew_seconds``: how often the leases of batches in hand are extended; well under the lease itself.

        ``model_threads``: how many batches the networks work on side by side; 1 for a card. ``answered`` is told what was settled.
        """
        self.analyzer = analyzer
        self.store = store
        self.ledger = ledger
        self.batch_size = batch_size
        self.renew_seconds = renew_seconds
        self.model_threads = model_threads
        self.name = name
        self.stopping = stopping
        self.answered = answered
        self._held: dict[str, Batch] = {}

    def drain(self) -> int:
        """Analyses until no job is due or the process is asked to stop. Returns the number of batches written."""
        ready: queue.Queue[Batch | None] = queue.Queue(maxsize=PREPARED_AHEAD)
        halted = threading.Event()
        with ThreadPoolExecutor(IO_THREADS, "io") as io, ThreadPoolExecutor(self.model_threads, "model") as models:
            feeder = threading.Thread(target=self._feed, args=(ready, io, halted), name="claim")
            renewer = threading.Thread(target=self._renew, args=(halted,), name="renew")
            feeder.start()
            renewer.start()
            try:
                loops = [models.submit(self._work, ready, io) for _ in range(self.model_threads)]
                return sum(loop.result() for loop in loops)
            finally:
                halted.set()
                _unblock(ready, feeder)
                renewer.join()

    def _work(self, ready: "queue.Queue[Batch | None]", io: ThreadPoolExecutor) -> int:
        """One model thread: it only ever runs the networks; a writer of its own takes each finished batch off its hands."""
        batches = 0
        unwritten = threading.Semaphore(UNWRITTEN)
        with ThreadPoolExecutor(1, "write") as writer:
            for batch in iter(ready.get, None):
                self._infer(batch)
                unwritten.acquire()
                writer.submit(self._write, batch, io).add_done_callback(lambda _: unwritten.release())
                batches += 1
            ready.put(None)  # for the next model thread
        return batches

    def _feed(self, ready: "queue.Queue[Batch | None]", io: ThreadPoolExecutor, halted: threading.Event) -> None:
        try:
            while not (halted.is_set() or self.stopping.is_set()):
                owner = f"{self.name}:{uuid.uuid4().hex[:12]}"
                jobs = self.ledger.claim(owner=owner, limit=self.batch_size)
                if not jobs:
                    return
                batch = Batch(owner, [Item(job, io.submit(self._prepare, job)) for job in jobs])
                self._held[owner] = batch
                ready.put(batch)
                if len(jobs) < self.batch_size:
                    # Uploads trickle in: a moment's wait fills the next batch, and full batches cost the networks less.
                    halted.wait(GATHER_SECONDS)
        except Exception:
            # The database is away: what was claimed goes on, the sweeper rings again when it is back.
            log.exception("claiming stopped")
        finally:
            ready.put(None)

    def _renew(self, halted: threading.Event) -> None:
        while not halted.wait(self.renew_seconds):
            for batch in list(self._held.values()):
                if batch.renewals >= MAX_RENEWALS:
                    continue
                batch.renewals += 1
                try:
                    self.ledger.renew(owner=batch.owner, job_ids=[item.job.job_id for item in batch.items])
                except Exception:
                    log.exception("a lease could not be renewed")

    def _prepare(self, job: ClaimedJob) -> Prepared | Finding:
        with FETCH_SECONDS.time():
            data = self.store.get(job.original_key)
        with PREPARE_SECONDS.time():
            return self.analyzer.prepare_or_fail(data)

    def _infer(self, batch: Batch) -> None:
        with MODEL_WAITING_SECONDS.time():
            outcomes = [(item, _outcome(item.prepared)) for item in batch.items]
        fit = [(item, prepared) for item, prepared in outcomes if isinstance(prepared, Prepared)]
        with MODEL_SECONDS.time():
            inferred = infer_bisecting(self.analyzer.infer, [prepared for _, prepared in fit])
        for (item, _), answer in zip(fit, inferred, strict=True):
            item.inferred = answer

    def _write(self, batch: Batch, io: ThreadPoolExecutor) -> None:
        try:
            settlements = list(io.map(self._settlement, batch.items))
            self._settle(batch, settlements)
        except Exception:
            # Nothing is lost: the leases run out and the sweeper queues the jobs again.
            log.exception("a batch could not be written back")
        finally:
            self._held.pop(batch.owner, None)

    def _settlement(self, item: Item) -> "AnalysisResult | JobFailure | Released":
        try:
            return self._result(item.job, self._finding(item))
        except StoreUnavailable:
            return Released(item.job.job_id)
        except ObjectMissing:
            return JobFailure(job_id=item.job.job_id, reason="the stored original is missing: ask the portal to send it again", retry=True)
        except Exception as error:
            log.exception("an image could not be analysed", extra={"job_id": str(item.job.job_id)})
            return JobFailure(job_id=item.job.job_id, reason=f"the analysis stopped with {type(error).__name__}", retry=True)

    def _finding(self, item: Item) -> Finding:
        prepared = item.prepared.result()
        if isinstance(prepared, Finding):
            return prepared
        if item.inferred is None:
            raise RuntimeError("the networks were never asked about this image")
        return self.analyzer.finish_or_fail(prepared, item.inferred)

    def _result(self, job: ClaimedJob, finding: Finding) -> AnalysisResult | JobFailure:
        if finding.outcome is Outcome.FAILED:
            # A refused picture stays refused; a network that failed (memory, driver) deserves another try.
            return JobFailure(job_id=job.job_id, reason=finding.detail or str(finding.reason), retry=finding.reason == "model_error")
        asked = as_asked(job, finding)
        if isinstance(asked, JobFailure):
            return asked
        pack = answer_files(job=job, finding=asked)
        with STORE_SECONDS.time():
            self.store.put(pack.key, pack.data, "application/octet-stream")
        return analysis_result(job=job, finding=asked, keys=pack.keys)

    def _settle(self, batch: Batch, settlements: "Sequence[AnalysisResult | JobFailure | Released]") -> None:
        results = [settled for settled in settlements if isinstance(settled, AnalysisResult)]
        failures = [settled for settled in settlements if isinstance(settled, JobFailure)]
        released = [settled.job_id for settled in settlements if isinstance(settled, Released)]
        with SETTLE_SECONDS.time():
            self.ledger.settle(owner=batch.owner, results=results, failures=failures, released=released, delay=TRANSIENT_DELAY)
        for outcome, count in (("analysed", len(results)), ("failed", len(failures)), ("released", len(released))):
            IMAGES.labels(outcome).inc(count)
        pairs = zip(batch.items, settlements, strict=True)
        self.answered([(item.job, settled) for item, settled in pairs if isinstance(settled, AnalysisResult)])


def _outcome(future: "Future[Prepared | Finding]") -> Prepared | Finding | None:
    return None if future.exception() else future.result()


def _unblock(ready: "queue.Queue[Batch | None]", feeder: threading.Thread) -> None:
    while feeder.is_alive():
        try:
            ready.get(timeout=0.1)
        except queue.Empty:
            continue
    feeder.join()
