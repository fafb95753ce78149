"""Serving follows the registry between batches, waits where it cannot, and scores in shadow only afterwards."""

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import cv2
import numpy as np
import pytest

from models.finding import Finding, Outcome
from services.objects import ObjectMissing
from services.records.errors import DatabaseUnavailable
from services.records.jobs import AnalysisResult, ClaimedJob, JobFailure
from services.records.registry import ActiveVersion
from services.records.states import ModelKind, ModelState
from services.records.states import Outcome as Answer
from workers import serving as serving_module
from workers.registry import Installed, NotServable, Pair, Plan, Shadow
from workers.serving import Serving, Watched
from workers.shadow import ShadowScorer, jaccard


def bundle(kind: ModelKind, digest: str) -> Installed:
    return Installed(f"{kind.value}_{digest}", kind, digest, {})


SEGMENTER = bundle(ModelKind.SEGMENTER, "aaaaaaaa")


def pair(classifier: str, segmenter: str = "aaaaaaaa") -> Pair:
    return Pair(bundle(ModelKind.SEGMENTER, segmenter), bundle(ModelKind.CLASSIFIER, classifier))


def plan(classifier: str, *shadows: Shadow) -> Plan:
    champion = ActiveVersion(uuid.uuid5(uuid.NAMESPACE_OID, classifier), ModelKind.CLASSIFIER, classifier, ModelState.CHAMPION)
    return Plan(frozenset({champion}), pair(classifier), shadows)


class Says:
    """Bundles whose registry says what a test tells it to."""

    def __init__(self, first: Plan | Exception) -> None:
        self.now: Plan | Exception = first

    def register(self) -> None: ...

    def active(self) -> frozenset[ActiveVersion]:
        return self.plan().active

    def plan(self) -> Plan:
        if isinstance(self.now, Exception):
            raise self.now
        return self.now


class Quiet:
    """Shadows that only remember what they were told to follow."""

    def __init__(self) -> None:
        self.followed: list[tuple[Pair, Sequence[Shadow]]] = []
        self.holding = 0

    def follow(self, *, served: Pair, shadows: Sequence[Shadow]) -> None:
        self.followed.append((served, shadows))

    def held(self) -> Any:
        return threading.Lock()


class World:
    """Serving with pipelines that count."""

    def __init__(self, first: Plan | Exception) -> None:
        self.says, self.shadows, self.stopping = Says(first), Quiet(), threading.Event()
        self.built: list[str] = []
        self.drained: list[str] = []
        self.during: Callable[[], None] = lambda: None
        self.serving = Serving(bundles=self.says, shadows=self.shadows, build=self.build, stopping=self.stopping)  # type: ignore[arg-type]

    def build(self, pair: Pair, changed: Callable[[], bool]) -> Any:
        name = pair.classifier.digest
        self.built.append(name)
        world = self

        class Counting:
            def drain(self) -> int:
                world.drained.append(name)
                world.during()
                changed()
                return 1

        return Counting()


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the registry and try again without waiting."""
    monkeypatch.setattr(serving_module, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(serving_module, "RETRY_SECONDS", 0.01)


def test_the_champions_are_loaded_once_for_many_drains() -> None:
    world = World(plan("11111111"))
    world.serving.start()
    assert [world.serving.drain() for _ in range(3)] == [1, 1, 1]
    assert world.built == ["11111111"]


def test_a_promotion_between_drains_changes_what_is_served() -> None:
    world = World(plan("11111111"))
    world.serving.start()
    world.serving.drain()
    world.says.now = plan("22222222")
    world.serving.drain()
    assert world.drained == ["11111111", "22222222"]


def test_a_promotion_during_a_drain_ends_it_and_the_new_champion_goes_on() -> None:
    world = World(plan("11111111"))
    world.serving.start()

    def promote() -> None:
        world.says.now = plan("22222222")

    world.during = promote
    assert world.serving.drain() == 2
    assert world.drained == ["11111111", "22222222"]


def test_a_new_shadow_is_followed_without_loading_the_champions_again() -> None:
    world = World(plan("11111111"))
    world.serving.start()
    shadow = Shadow(uuid.uuid4(), "33333333", pair("33333333"))
    world.says.now = plan("11111111", shadow)
    world.serving.drain()
    assert world.built == ["11111111"]
    assert world.shadows.followed[-1] == (pair("11111111"), (shadow,))


def test_jobs_wait_while_the_champion_is_missing_and_go_on_when_it_is_there(caplog: pytest.LogCaptureFixture) -> None:
    world = World(plan("11111111"))
    world.serving.start()
    world.says.now = NotServable("the champion is elsewhere: promote another")
    assert world.serving.drain() == 0
    assert "jobs wait: the champion is elsewhere" in caplog.text
    world.says.now = plan("11111111")
    assert world.serving.drain() == 1


def test_a_database_that_is_away_ends_a_drain_quietly() -> None:
    world = World(plan("11111111"))
    world.serving.start()
    world.says.now = DatabaseUnavailable("away")
    assert world.serving.drain() == 0
    assert world.serving.changed() is False


def test_a_worker_waits_at_its_start_and_says_once_for_what(caplog: pytest.LogCaptureFixture) -> None:
    world = World(NotServable("nothing to serve"))
    starting = threading.Thread(target=world.serving.start)
    starting.start()
    time.sleep(0.1)
    assert starting.is_alive()
    world.says.now = plan("11111111")
    starting.join(5)
    assert world.built == ["11111111"]
    assert caplog.text.count("not ready: nothing to serve") == 1


def test_a_worker_that_is_stopped_at_its_start_stops() -> None:
    world = World(NotServable("nothing to serve"))
    world.stopping.set()
    world.serving.start()
    assert world.built == []
    world.says.now = DatabaseUnavailable("away")
    assert world.serving.drain() == 0


class MemoryLedger:
    """A ledger that counts."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def claim(self, *, owner: str, limit: int) -> Sequence[ClaimedJob]:
        self.calls.append("claim")
        return [job()]

    def renew(self, *, owner: str, job_ids: Sequence[uuid.UUID]) -> None:
        self.calls.append("renew")

    def settle(
        self,
        *,
        owner: str,
        results: Sequence[AnalysisResult],
        failures: Sequence[JobFailure],
        released: Sequence[uuid.UUID],
        delay: timedelta,
    ) -> None:
        self.calls.append("settle")


def test_a_watched_ledger_hands_out_nothing_after_a_change_and_settles_what_is_held() -> None:
    inner, changed = MemoryLedger(), threading.Event()
    ledger = Watched(inner, changed.is_set)
    assert ledger.claim(owner="w", limit=1)
    changed.set()
    assert ledger.claim(owner="w", limit=1) == []
    ledger.renew(owner="w", job_ids=[])
    ledger.settle(owner="w", results=[], failures=[], released=[], delay=timedelta())
    assert inner.calls == ["claim", "renew", "settle"]


def job() -> ClaimedJob:
    return ClaimedJob(uuid.uuid4(), uuid.uuid4(), uuid.uuid4(), uuid.uuid4(), "original", "view", "image/jpeg", 1, 2)


def result(of: ClaimedJob) -> AnalysisResult:
    return AnalysisResult(
        job_id=of.job_id,
        pipeline_version="p1-a-b",
        outcome=Answer.PREDICTION,
        malignant_probability=0.3,
        finding={},
        classes=("MEL",),
        top_class="MEL",
        top_probability=0.6,
        mask_key="mask",
    )


def mask_png(*, filled: bool) -> bytes:
    mask = np.zeros((8, 8), np.uint8)
    mask[: 4 if not filled else 8] = 255
    return cv2.imencode(".png", mask)[1].tobytes()


class Scoring:
    """A scorer over a store in memory; remembers what was recorded."""

    def __init__(self, *, waiting: int = 10) -> None:
        self.stopping, self.recorded, self.loaded = threading.Event(), [], []  # type: threading.Event, list[dict[str, Any]], list[Pair]
        self.objects: dict[str, bytes] = {"original": b"picture", "mask": mask_png(filled=True)}
        self.finding = Finding(
            outcome=Outcome.PREDICTION,
            pipeline_version="p1-a-c",
            prediction="NV",
            classes=("NV",),
            probabilities={"MEL": 0.4, "NV": 0.6},
            malignant_probability=0.4,
            mask_png=mask_png(filled=False),
        )
        self.broken: Exception | None = None
        self.scorer = ShadowScorer(load=self.load, store=self, record=self.record, stopping=self.stopping, waiting=waiting)

    def get(self, key: str) -> bytes:
        if key not in self.objects:
            raise ObjectMissing(key)
        return self.objects[key]

    def load(self, pair: Pair) -> Any:
        self.loaded.append(pair)
        if self.broken:
            raise self.broken
        return self

    def analyse(self, images: Sequence[bytes]) -> list[Finding]:
        assert images == [b"picture"]
        return [self.finding]

    def record(self, **said: Any) -> None:
        self.recorded.append(said)

    def follow(self, *shadows: Shadow) -> None:
        self.scorer.follow(served=pair("11111111"), shadows=shadows)


CLASSIFIER_SHADOW = Shadow(uuid.uuid4(), "33333333", pair("33333333"))
SEGMENTER_SHADOW = Shadow(uuid.uuid4(), "44444444", pair("11111111", "44444444"))


def outcomes(scoring: Scoring) -> list[Any]:
    return [(said["version_id"], said["result"].top_class, said["outline_jaccard"]) for said in scoring.recorded]


def test_every_shadow_scores_a_picture_and_only_another_segmenter_is_compared_by_its_outline() -> None:
    scoring, one = Scoring(), job()
    scoring.follow(CLASSIFIER_SHADOW, SEGMENTER_SHADOW)
    scoring.scorer.score(one, result(one))
    assert outcomes(scoring) == [(CLASSIFIER_SHADOW.version_id, "NV", None), (SEGMENTER_SHADOW.version_id, "NV", 0.5)]
    assert {said["job"] for said in scoring.recorded} == {one}


def test_networks_are_loaded_once_and_let_go_when_no_longer_in_shadow() -> None:
    scoring, one = Scoring(), job()
    for shadows in ([CLASSIFIER_SHADOW], [CLASSIFIER_SHADOW], [SEGMENTER_SHADOW], [CLASSIFIER_SHADOW]):
        scoring.follow(*shadows)
        scoring.scorer.score(one, result(one))
    assert scoring.loaded == [CLASSIFIER_SHADOW.pair, SEGMENTER_SHADOW.pair, CLASSIFIER_SHADOW.pair]


def test_a_version_that_cannot_be_loaded_is_tried_once_and_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    scoring, one = Scoring(), job()
    scoring.follow(CLASSIFIER_SHADOW)
    scoring.broken = MemoryError("no room on the card")
    for _ in range(3):
        scoring.scorer.score(one, result(one))
    assert len(scoring.loaded) == 1
    assert "could not be scored in shadow" in caplog.text
    scoring.broken = None
    scoring.follow(CLASSIFIER_SHADOW, SEGMENTER_SHADOW)
    scoring.scorer.score(one, result(one))
    assert [said["version_id"] for said in scoring.recorded] == [SEGMENTER_SHADOW.version_id]


def test_a_lost_picture_and_a_refused_one_record_nothing() -> None:
    scoring, one = Scoring(), job()
    scoring.follow(CLASSIFIER_SHADOW)
    del scoring.objects["original"]
    scoring.scorer.score(one, result(one))
    scoring.objects["original"] = b"picture"
    scoring.finding = Finding(outcome=Outcome.FAILED, pipeline_version="p", reason="truncated")
    scoring.scorer.score(one, result(one))
    assert scoring.recorded == []


def test_nothing_waits_in_line_while_nothing_is_in_shadow() -> None:
    scoring, one = Scoring(), job()
    scoring.scorer.offer([(one, result(one))])
    scoring.follow(CLASSIFIER_SHADOW)
    scoring.scorer.offer([(one, result(one))])
    assert scoring.scorer._answered.qsize() == 1


def test_a_full_line_leaves_pictures_out_and_never_blocks() -> None:
    scoring = Scoring(waiting=2)
    scoring.follow(CLASSIFIER_SHADOW)
    jobs = [job() for _ in range(5)]
    scoring.scorer.offer([(one, result(one)) for one in jobs])
    assert scoring.scorer._answered.qsize() == 2


def test_pictures_are_scored_between_drains_and_not_during_one() -> None:
    scoring, one = Scoring(), job()
    scoring.follow(CLASSIFIER_SHADOW)
    thread = scoring.scorer.start()
    with scoring.scorer.held():
        scoring.scorer.offer([(one, result(one))])
        time.sleep(0.3)
        assert scoring.recorded == []
    deadline = time.monotonic() + 10
    while not scoring.recorded and time.monotonic() < deadline:
        time.sleep(0.01)
    scoring.stopping.set()
    thread.join(5)
    assert len(scoring.recorded) == 1
    assert not thread.is_alive()


@pytest.mark.parametrize(("one", "other", "agreement"), [(255, 255, 1.0), (255, 0, 0.0), (0, 0, 1.0)])
def test_agreement_of_outlines(one: int, other: int, agreement: float) -> None:
    assert jaccard(np.full((2, 2), one, np.uint8), np.full((2, 2), other, np.uint8)) == agreement


def test_outlines_of_other_sizes_are_not_compared() -> None:
    assert jaccard(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8)) is None
