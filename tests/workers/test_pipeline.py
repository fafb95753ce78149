"""The pipeline against a store and a ledger that live in memory, so that faults can be placed exactly."""

import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import cv2
import numpy as np
import pytest

from models.analyzer import Analyzer, Inferred, Prepared
from models.finding import Finding, Outcome
from services.objects import MemoryStore, ObjectMissing, StoreUnavailable
from services.records.errors import DatabaseUnavailable
from services.records.jobs import AnalysisResult, ClaimedJob, JobFailure
from workers.pipeline import Pipeline


class BreakingStore(MemoryStore):
    """``broken`` keys raise what they are told to."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: dict[str, Exception] = {}

    @property
    def objects(self) -> dict[str, bytes]:
        return self._objects

    def get(self, key: str) -> bytes:
        if key in self.broken:
            raise self.broken[key]
        return super().get(key)


class MemoryLedger:
    """Hands out jobs once and remembers how each was settled."""

    def __init__(self) -> None:
        self.jobs: list[ClaimedJob] = []
        self.settled: dict[uuid.UUID, AnalysisResult | JobFailure | str] = {}
        self.owners: set[str] = set()
        self.fail_claims = 0
        self.renewed: list[uuid.UUID] = []

    def claim(self, *, owner: str, limit: int) -> Sequence[ClaimedJob]:
        if self.fail_claims:
            self.fail_claims -= 1
            raise DatabaseUnavailable("the database does not answer")
        assert owner not in self.owners, "every batch has its own lease owner"
        self.owners.add(owner)
        taken, self.jobs = self.jobs[:limit], self.jobs[limit:]
        return taken

    def renew(self, *, owner: str, job_ids: Sequence[uuid.UUID]) -> None:
        assert owner in self.owners
        self.renewed += job_ids

    def settle(
        self,
        *,
        owner: str,
        results: Sequence[AnalysisResult],
        failures: Sequence[JobFailure],
        released: Sequence[uuid.UUID],
        delay: timedelta,
    ) -> None:
        assert owner in self.owners
        outcomes: list[tuple[uuid.UUID, AnalysisResult | JobFailure | str]] = [
            *((result.job_id, result) for result in results),
            *((failure.job_id, failure) for failure in failures),
            *((job_id, "released") for job_id in released),
        ]
        for job_id, outcome in outcomes:
            assert job_id not in self.settled, "settled twice"
            self.settled[job_id] = outcome


class World:
    """A pipeline with its surroundings."""

    def __init__(self, analyzer: Analyzer, threads: int = 1) -> None:
        self.store, self.ledger, self.stopping = BreakingStore(), MemoryLedger(), threading.Event()
        self.pipeline = Pipeline(
            analyzer=analyzer,
            store=self.store,
            ledger=self.ledger,
            batch_size=8,
            renew_seconds=0.2,
            model_threads=threads,
            name="test",
            stopping=self.stopping,
        )

    def add(self, data: bytes) -> ClaimedJob:
        tenant, case, image = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
        key = f"{tenant}/{case}/{image}/original"
        job = ClaimedJob(
            job_id=uuid.uuid4(),
            image_id=image,
            tenant_id=tenant,
            case_id=case,
            original_key=key,
            view_key=key,
            media_type="image/jpeg",
            attempts=1,
            urgency_rank=2,
        )
        self.store.objects[key] = data
        self.ledger.jobs.append(job)
        return job

    def kinds(self) -> list[str]:
        return sorted(item if isinstance(item, str) else type(item).__name__ for item in self.ledger.settled.values())


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer.load(device="cpu")


@pytest.fixture
def world(analyzer: Analyzer) -> World:
    return World(analyzer)


def jpeg(seed: int = 0) -> bytes:
    picture = np.full((240, 320, 3), (150, 180, 225), np.uint8)
    cv2.circle(picture, (160, 120), 40 + seed % 20, (40, 60, 100), cv2.FILLED)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def answer(**changes: Any) -> Finding:
    """A finding that names melanoma."""
    values = {"prediction": "MEL", "classes": ("MEL",), "probabilities": {"MEL": 0.7, "NV": 0.3}, "malignant_probability": 0.7}
    return Finding(outcome=Outcome.PREDICTION, pipeline_version="p1", **{**values, **changes})


def failing_on(analyzer: Analyzer, spoiled: Callable[[Prepared], bool], monkeypatch: pytest.MonkeyPatch) -> None:
    infer = analyzer.infer

    def faulty(batch: Sequence[Prepared]) -> list[Inferred]:
        if any(spoiled(item) for item in batch):
            raise MemoryError("out of memory")
        return infer(batch)

    monkeypatch.setattr(analyzer, "infer", faulty)


@pytest.mark.parametrize("threads", [1, 3])
def test_every_job_is_settled_once_and_leaves_mask_and_thumbnail(analyzer: Analyzer, threads: int) -> None:
    world = World(analyzer, threads)
    jobs = [world.add(jpeg(seed)) for seed in range(21)]
    world.pipeline.drain()
    assert set(world.ledger.settled) == {job.job_id for job in jobs}
    assert world.kinds() == ["AnalysisResult"] * 21
    assert sum(key.endswith("/answer") for key in world.store.objects) == 21
    for settled in world.ledger.settled.values():
        assert isinstance(settled, AnalysisResult)
        assert world.store.get(str(settled.mask_key)).startswith(b"\x89PNG")
        assert world.store.get(str(settled.thumbnail_key)).startswith(b"\xff\xd8")


def test_a_heat_map_is_stored_where_the_row_names_one(world: World, analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter([b"\xff\xd8\xff heat", b""])
    monkeypatch.setattr(analyzer, "finish", lambda *_: answer(heatmap_jpeg=next(made)))
    for seed in range(2):
        world.add(jpeg(seed))
    world.pipeline.drain()
    keys = [settled.heatmap_key for settled in world.ledger.settled.values() if isinstance(settled, AnalysisResult)]
    assert len(keys) == 2
    (key,) = filter(None, keys)
    assert world.store.get(key) == b"\xff\xd8\xff heat"


def test_the_picture_without_hair_is_stored_where_there_is_one(world: World, analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter([b"\xff\xd8\xff clean", b""])
    monkeypatch.setattr(analyzer, "finish", lambda *_: answer(hairfree_jpeg=next(made)))
    for seed in range(2):
        world.add(jpeg(seed))
    world.pipeline.drain()
    keys = [settled.hairfree_key for settled in world.ledger.settled.values() if isinstance(settled, AnalysisResult)]
    assert len(keys) == 2
    (key,) = filter(None, keys)
    assert world.store.get(key) == b"\xff\xd8\xff clean"


def test_answers_are_told_of_once_they_are_settled_and_failures_are_not(world: World) -> None:
    told: list[tuple[ClaimedJob, AnalysisResult]] = []

    def note(answered: Sequence[tuple[ClaimedJob, AnalysisResult]]) -> None:
        assert all(job.job_id in world.ledger.settled for job, _ in answered)
        told.extend(answered)

    world.pipeline.answered = note
    bad, good = world.add(jpeg()[:600]), world.add(jpeg(1))
    world.pipeline.drain()
    assert [(job.job_id, result.job_id) for job, result in told] == [(good.job_id, good.job_id)]
    assert bad.job_id in world.ledger.settled


def test_a_broken_file_fails_alone_and_is_not_tried_again(world: World) -> None:
    bad = world.add(jpeg()[:600])
    for seed in range(7):
        world.add(jpeg(seed))
    world.pipeline.drain()
    failure = world.ledger.settled[bad.job_id]
    assert isinstance(failure, JobFailure)
    assert failure.retry is False
    assert world.kinds().count("AnalysisResult") == 7


def test_a_picture_that_the_networks_cannot_bear_is_found_by_bisection(
    world: World, analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_on(analyzer, lambda item: item.full_width == 500, monkeypatch)
    wide = cv2.imencode(".jpg", np.full((240, 500, 3), 120, np.uint8))[1].tobytes()
    for seed in range(5):
        world.add(jpeg(seed))
    heavy = world.add(wide)
    world.add(jpeg())
    world.pipeline.drain()
    failure = world.ledger.settled[heavy.job_id]
    assert isinstance(failure, JobFailure)
    assert failure.retry is True
    assert world.kinds().count("AnalysisResult") == 6


def test_a_store_that_is_away_costs_no_attempt(world: World) -> None:
    gone = world.add(jpeg())
    world.store.broken[gone.original_key] = StoreUnavailable("the store does not answer")
    world.add(jpeg())
    world.pipeline.drain()
    assert world.ledger.settled[gone.job_id] == "released"
    assert world.kinds() == ["AnalysisResult", "released"]


def test_a_missing_original_is_a_failure_with_its_reason(world: World) -> None:
    lost = world.add(jpeg())
    world.store.broken[lost.original_key] = ObjectMissing(lost.original_key)
    world.pipeline.drain()
    failure = world.ledger.settled[lost.job_id]
    assert isinstance(failure, JobFailure)
    assert "original is missing" in failure.reason


def test_a_database_that_is_away_while_claiming_ends_the_drain_quietly(world: World) -> None:
    world.add(jpeg())
    world.ledger.fail_claims = 1
    assert world.pipeline.drain() == 0
    assert world.pipeline.drain() == 1


def test_a_stopping_worker_finishes_what_it_holds_and_claims_no_more(
    world: World, analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    infer = analyzer.infer

    def stop_after_first(batch: Sequence[Prepared]) -> list[Inferred]:
        world.stopping.set()
        return infer(batch)

    monkeypatch.setattr(analyzer, "infer", stop_after_first)
    for seed in range(80):
        world.add(jpeg(seed))
    world.pipeline.drain()
    assert world.ledger.jobs, "it should have stopped claiming"
    assert len(world.ledger.settled) + len(world.ledger.jobs) == 80


def test_the_networks_work_while_the_next_batch_is_fetched_and_the_last_one_stored(
    world: World, analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch's networks finish only after a fetch of the next batch and a store of the previous one have happened."""
    get, put, infer = world.store.get, world.store.put, analyzer.infer
    fetched, stored, batches = threading.Semaphore(0), threading.Semaphore(0), 0

    def counted_get(key: str) -> bytes:
        fetched.release()
        return get(key)

    def counted_put(key: str, data: bytes, content_type: str) -> None:
        put(key, data, content_type)
        stored.release()

    def patient_infer(batch: Sequence[Prepared]) -> list[Inferred]:
        nonlocal batches
        batches += 1
        fetches_needed = 16 if batches == 1 else 8 if batches == 2 else 0
        assert all(fetched.acquire(timeout=20) for _ in range(fetches_needed)), "the next batch was not fetched meanwhile"
        assert batches == 1 or all(stored.acquire(timeout=20) for _ in range(8)), "the last batch was not stored meanwhile"
        return infer(batch)

    monkeypatch.setattr(world.store, "get", counted_get)
    monkeypatch.setattr(world.store, "put", counted_put)
    monkeypatch.setattr(analyzer, "infer", patient_infer)
    for seed in range(24):
        world.add(jpeg(seed))
    world.pipeline.drain()
    assert world.kinds() == ["AnalysisResult"] * 24


def test_leases_are_renewed_while_the_networks_are_slow(world: World, analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    infer, renewed = analyzer.infer, threading.Event()
    renew = world.ledger.renew

    def noted_renew(*, owner: str, job_ids: Sequence[uuid.UUID]) -> None:
        renew(owner=owner, job_ids=job_ids)
        renewed.set()

    def slow_infer(batch: Sequence[Prepared]) -> list[Inferred]:
        assert renewed.wait(20), "no lease was renewed meanwhile"
        return infer(batch)

    monkeypatch.setattr(world.ledger, "renew", noted_renew)
    monkeypatch.setattr(analyzer, "infer", slow_infer)
    job = world.add(jpeg())
    world.pipeline.drain()
    assert job.job_id in world.ledger.renewed
