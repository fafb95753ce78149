"""Visitors' pictures in the worker: after the patients, one at a time, deleted on time. On real Postgres and the real store."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from uuid import UUID, uuid4

import cv2
import numpy as np
import pytest
from sqlalchemy import Engine, text

from infra.local import LocalStack
from models.analyzer import Analyzer
from models.finding import Finding, Outcome
from models.synthetic import Kind, draw
from services.objects import MemoryStore, ObjectStore, StoreUnavailable
from services.records import trials
from services.records.database import Database
from services.records.states import TrialState
from services.records.trials import TrialView
from tests.conftest import ROOT, SettingsFor
from tests.workers.conftest import Folder
from workers import runtime
from workers.trials import LOST, Trials, forget_expired

ANSWER = Finding(outcome=Outcome.PREDICTION, pipeline_version="p1", prediction="NV", probabilities={"NV": 0.9}, mask_png=b"mask")


class Says:
    """An analyzer that says one thing."""

    def __init__(self, answer: Finding | Exception = ANSWER) -> None:
        self.answer = answer
        self.asked: list[bytes] = []

    def analyse(self, images: Sequence[bytes], *, batch: int = 8) -> list[Finding]:
        self.asked += images
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer] * len(images)


@pytest.fixture
def review(clean_database: None, settings_for: SettingsFor) -> Iterator[Database]:
    """The desk's login."""
    database = Database.connect(settings_for("review"))
    yield database
    database.close()


@pytest.fixture
def store(settings_for: SettingsFor) -> ObjectStore:
    """The real store."""
    return ObjectStore.connect(settings_for("worker"))


Offer = Callable[..., UUID]


@pytest.fixture
def offer(review: Database, store: ObjectStore) -> Offer:
    """Sends a picture as the desk does."""

    def offered(data: bytes = b"picture", *, arrives: bool = True) -> UUID:
        with review.transaction() as session:
            trial = trials.begin_trial(session=session, trial_id=uuid4())
        if arrives:
            store.put(trial.picture_key, data, "image/jpeg")
        return trial.id

    return offered


def seen(review: Database, trial_id: UUID) -> TrialView:
    """What the visitor sees."""
    with review.transaction() as session:
        return trials.load_trial(session=session, trial_id=trial_id)


def test_it_answers_with_finding_and_mask(review: Database, worker_database: Database, store: ObjectStore, offer: Offer) -> None:
    trial_id, analyzer = offer(), Says()
    visitors = Trials(database=worker_database, store=store, analyzer=lambda: analyzer)
    assert [visitors.answer_next() for _ in range(2)] == [True, False]
    trial = seen(review, trial_id)
    assert analyzer.asked == [b"picture"]
    assert (trial.state, trial.heatmap_key) == (TrialState.DONE, None)
    assert trial.finding is not None
    assert trial.finding["prediction"] == "NV"
    assert store.get(trial.mask_key or "") == b"mask"


def test_the_real_models_answer(review: Database, worker_database: Database, store: ObjectStore, offer: Offer, folder: Folder) -> None:
    bgr = np.ascontiguousarray(draw(seed=0, kind=Kind.NAEVUS, width=640, height=480).rgb[..., ::-1])
    trial_id = offer(cv2.imencode(".jpg", bgr)[1].tobytes())
    analyzer = Analyzer.load(bundles=folder.path, device="cpu")
    assert Trials(database=worker_database, store=store, analyzer=lambda: analyzer).answer_next()
    trial = seen(review, trial_id)
    assert trial.state is TrialState.DONE
    assert trial.finding is not None
    assert len(trial.finding["probabilities"]) == len(analyzer.codes)
    assert (trial.finding["width"], trial.finding["height"]) == (640, 480)
    assert store.get(trial.mask_key or "").startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (RuntimeError("out of memory"), "could not be analysed"),
        (Finding(outcome=Outcome.FAILED, pipeline_version="p1", reason="x", detail="The file is damaged."), "The file is damaged."),
    ],
)
def test_a_failure_is_told_and_does_not_come_again(
    worker_database: Database, store: ObjectStore, offer: Offer, answer: Finding | Exception, reason: str
) -> None:
    trial_id = offer()
    visitors = Trials(database=worker_database, store=store, analyzer=lambda: Says(answer))
    assert [visitors.answer_next() for _ in range(2)] == [True, False]
    trial = seen(worker_database, trial_id)
    assert trial.state is TrialState.FAILED
    assert reason in (trial.reason or "")


def test_a_picture_still_on_its_way_is_waited_for(
    review: Database, worker_database: Database, store: ObjectStore, offer: Offer, superuser_engine: Engine
) -> None:
    trial_id = offer(arrives=False)
    visitors = Trials(database=worker_database, store=store, analyzer=Says)
    assert visitors.answer_next() is False
    assert seen(review, trial_id).state is TrialState.QUEUED
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE trials SET created_at = now() - interval '20 seconds'"))
    assert visitors.answer_next() is True
    assert seen(review, trial_id).reason == LOST


class Away(MemoryStore):
    """A store that does not answer."""

    def get(self, key: str) -> bytes:
        raise StoreUnavailable("away")

    def delete(self, key: str) -> None:
        raise StoreUnavailable("away")


def test_an_outage_leaves_it_waiting(review: Database, worker_database: Database, store: ObjectStore, offer: Offer) -> None:
    trial_id = offer()
    assert Trials(database=worker_database, store=Away(), analyzer=Says).answer_next() is False
    assert Trials(database=worker_database, store=store, analyzer=lambda: None).answer_next() is False
    assert seen(review, trial_id).state is TrialState.QUEUED


def test_expired_pictures_are_deleted_with_all_that_was_said(
    review: Database, worker_database: Database, store: ObjectStore, offer: Offer, superuser_engine: Engine
) -> None:
    over, fresh = offer(), offer()
    visitors = Trials(database=worker_database, store=store, analyzer=Says)
    assert visitors.answer_next()
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE trials SET expires_at = now() WHERE id = :id"), {"id": over})
    with pytest.raises(StoreUnavailable):
        forget_expired(database=worker_database, store=Away())
    assert forget_expired(database=worker_database, store=store) == 1
    assert not any(store.exists(key) for key in trials.object_keys(over))
    assert store.exists(trials.object_keys(fresh)[0])
    with superuser_engine.connect() as connection:
        assert list(connection.execute(text("SELECT id FROM trials")).scalars()) == [fresh]


def test_patients_come_before_every_single_visitor() -> None:
    steps: list[str] = []
    visits = iter([True, True, False])

    def drain() -> int:
        steps.append("patients")
        return 0

    def answer_visitor() -> bool:
        steps.append("visitor")
        return next(visits)

    runtime.work(drain=drain, answer_visitor=answer_visitor)
    assert steps == ["patients", "visitor", "patients", "visitor", "patients", "visitor"]


def test_a_worker_that_stops_takes_no_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = threading.Event()
    stopping.set()
    monkeypatch.setattr(runtime, "stopping", stopping)
    runtime.work(drain=lambda: 0, answer_visitor=lambda: pytest.fail("a visitor was taken"))


UPKEEP = """
import json
from workers.app import app
from workers.upkeep import tend_trials
print(json.dumps([app.conf.beat_schedule["trials"]["task"], app.conf.beat_schedule["trials"]["schedule"], tend_trials()]))
"""


def test_upkeep_deletes_them_within_the_hour(
    review: Database, store: ObjectStore, offer: Offer, superuser_engine: Engine, stack: LocalStack
) -> None:
    over = offer()
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE trials SET expires_at = now()"))
    # Celery's application reads the settings of its process: this one has its own.
    command = [sys.executable, "-c", UPKEEP]
    done = subprocess.run(command, env=os.environ | stack.environment("worker"), cwd=ROOT, capture_output=True, text=True, check=True)
    task, seconds, deleted = json.loads(done.stdout)
    assert (task, deleted) == ("workers.upkeep.tend_trials", 1)
    assert trials.LIFETIME.total_seconds() + seconds < 3600
    assert not store.exists(trials.object_keys(over)[0])
