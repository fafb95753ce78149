"""Scoring in shadow: versions that are not served answer live pictures, and nobody is shown what they say.

The pictures come after their real answers are settled, wait in a bounded line, and are scored one by one while no drain is
running. Whatever goes wrong here is logged and counted, and costs the real answers nothing.
"""

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from models.finding import Finding, Outcome
from models.pictures.masks import decode_png
from services.records.jobs import AnalysisResult, ClaimedJob
from workers.metrics import SHADOWED
from workers.registry import Pair, Shadow
from workers.results import analysis_result

log = logging.getLogger(__name__)

# Pictures that may wait, as keys of the store: an afternoon of a busy portal, a few megabytes.
WAITING = 10_000
LOOK_SECONDS = 0.5

Answered = tuple[ClaimedJob, AnalysisResult]


class Analyses(Protocol):
    """What scoring needs of an analyzer."""

    def analyse(self, images: Sequence[bytes]) -> list[Finding]:
        """One finding per image."""


class Originals(Protocol):
    """What scoring needs of the object store."""

    def get(self, key: str) -> bytes:
        """The bytes of a key."""


class Record(Protocol):
    """Keeps what a version said; one transaction."""

    def __call__(self, *, version_id: UUID, job: ClaimedJob, result: AnalysisResult, outline_jaccard: float | None) -> None: ...


class ShadowScorer:
    """One thread that scores what was answered, with every version in shadow."""

    def __init__(
        self, *, load: Callable[[Pair], Analyses], store: Originals, record: Record, stopping: threading.Event, waiting: int = WAITING
    ) -> None:
        self._load, self._store, self._record, self._stopping = load, store, record, stopping
        self._answered: queue.Queue[Answered] = queue.Queue(maxsize=waiting)
        self._shadows: tuple[Shadow, ...] = ()
        self._served: Pair | None = None
        self._loaded: dict[Shadow, Analyses | None] = {}
        self._quiet = threading.Event()
        self._quiet.set()

    def start(self) -> threading.Thread:
        """Begin; the thread ends when the process stops."""
        thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        thread.start()
        return thread

    def follow(self, *, served: Pair, shadows: Sequence[Shadow]) -> None:
        """Score with these from the next picture on; their networks are loaded by the scoring thread."""
        self._served, self._shadows = served, tuple(shadows)

    def offer(self, answered: Sequence[Answered]) -> None:
        """Take note of answers just settled. Returns at once; where the line is full, a picture is left out."""
        if not self._shadows:
            return
        for each in answered:
            try:
                self._answered.put_nowait(each)
            except queue.Full:
                SHADOWED.labels("left_out").inc()

    @contextmanager
    def held(self) -> Iterator[None]:
        """No picture is begun while the block runs; one may be finished."""
        self._quiet.clear()
        try:
            yield
        finally:
            self._quiet.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._quiet.wait(LOOK_SECONDS):
                continue
            try:
                job, result = self._answered.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            # A drain may have begun meanwhile.
            while not (self._quiet.wait(LOOK_SECONDS) or self._stopping.is_set()):
                pass
            self.score(job, result)

    def score(self, job: ClaimedJob, result: AnalysisResult) -> None:
        """Ask every version in shadow about one picture."""
        for shadow in self._shadows:
            try:
                outcome = self._score(shadow, job, result)
            except Exception:
                log.exception("a picture could not be scored in shadow by %s (job %s)", shadow.digest, job.job_id)
                outcome = "failed"
            SHADOWED.labels(outcome).inc()

    def _score(self, shadow: Shadow, job: ClaimedJob, served: AnalysisResult) -> str:
        analyzer = self._analyzer(shadow)
        if analyzer is None:
            return "failed"
        (finding,) = analyzer.analyse([self._store.get(job.original_key)])
        if finding.outcome is Outcome.FAILED:
            return "failed"
        own_outline = self._served is not None and shadow.pair.segmenter != self._served.segmenter
        agreement = self._agreement(finding, served) if own_outline else None
        said = analysis_result(job=job, finding=finding, keys={})
        self._record(version_id=shadow.version_id, job=job, result=said, outline_jaccard=agreement)
        return "scored"

    def _analyzer(self, shadow: Shadow) -> Analyses | None:
        """Load a version when its first picture comes; one that cannot be loaded is not tried again until it changes."""
        self._loaded = {each: analyzer for each, analyzer in self._loaded.items() if each in self._shadows}
        if shadow not in self._loaded:
            self._loaded[shadow] = None
            self._loaded[shadow] = self._load(shadow.pair)
        return self._loaded[shadow]

    def _agreement(self, finding: Finding, served: AnalysisResult) -> float | None:
        if served.mask_key is None:
            return None
        return jaccard(decode_png(finding.mask_png), decode_png(self._store.get(served.mask_key)))


def jaccard(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float | None:
    """Intersection over union of two masks of one picture, 0..1; 1 where both are empty, None where they differ in size."""
    if one.shape != other.shape:
        return None
    union = int(np.count_nonzero(one | other))
    return int(np.count_nonzero(one & other)) / union if union else 1.0
