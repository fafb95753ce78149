"""Trials on real Postgres: bounds, order, one worker at a time, expiry."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from services.records import trials
from services.records.database import Database
from services.records.errors import TooManyTrials, TrialNotFound
from services.records.states import TrialState
from services.records.trials import Bounds, TrialAnswer, TrialView
from tests.conftest import SettingsFor

FINDING = {"outcome": "prediction", "prediction": "NV"}


@pytest.fixture
def review(clean_database: None, settings_for: SettingsFor) -> Iterator[Database]:
    """The desk's login."""
    database = Database.connect(settings_for("review"))
    yield database
    database.close()


@pytest.fixture
def worker(settings_for: SettingsFor) -> Iterator[Database]:
    """The worker's login."""
    database = Database.connect(settings_for("worker"))
    yield database
    database.close()


def begun(review: Database, bounds: Bounds | None = None) -> TrialView:
    """A picture that waits."""
    with review.transaction() as session:
        return trials.begin_trial(session=session, trial_id=uuid4(), bounds=bounds or Bounds())


def loaded(review: Database, trial_id: UUID) -> TrialView:
    """What a visitor sees."""
    with review.transaction() as session:
        return trials.load_trial(session=session, trial_id=trial_id)


def aged(engine: Engine, trial_id: UUID, column: str, interval: str) -> None:
    """Turns a moment of a trial back."""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE trials SET {column} = now() - interval '{interval}' WHERE id = :id"), {"id": trial_id})


def test_a_picture_waits_until_it_is_answered(review: Database, worker: Database) -> None:
    trial = begun(review)
    assert (trial.state, trial.picture_key) == (TrialState.QUEUED, f"trials/{trial.id}/picture.jpg")
    with worker.transaction() as session:
        assert trials.next_trial(session=session) == trial
        trials.answer_trial(session=session, trial_id=trial.id, answer=TrialAnswer(finding=FINDING, mask_key="m"))
    seen = loaded(review, trial.id)
    assert (seen.state, seen.finding, seen.mask_key) == (TrialState.DONE, FINDING, "m")
    with worker.transaction() as session:
        assert trials.next_trial(session=session) is None


def test_pictures_are_taken_in_the_order_they_came(review: Database, worker: Database) -> None:
    first, second = begun(review), begun(review)
    with review.transaction() as session:
        assert [trials.waiting_before(session=session, trial=trial) for trial in (first, second)] == [0, 1]
    with worker.transaction() as session:
        taken = trials.next_trial(session=session)
    assert taken is not None
    assert taken.id == first.id


def test_two_workers_never_take_the_same_picture(review: Database, worker: Database) -> None:
    first, second = begun(review), begun(review)
    with worker.transaction() as one, worker.transaction() as other:
        taken = [trials.next_trial(session=session) for session in (one, other)]
    assert [trial.id for trial in taken if trial] == [first.id, second.id]


def test_the_second_answer_changes_nothing(review: Database, worker: Database) -> None:
    trial = begun(review)
    for answer in (TrialAnswer(reason="dark"), TrialAnswer(finding=FINDING)):
        with worker.transaction() as session:
            trials.answer_trial(session=session, trial_id=trial.id, answer=answer)
    assert (loaded(review, trial.id).state, loaded(review, trial.id).reason) == (TrialState.FAILED, "dark")


def test_no_more_pictures_wait_than_may(review: Database) -> None:
    bounds = Bounds(waiting=2)
    begun(review, bounds)
    begun(review, bounds)
    with pytest.raises(TooManyTrials):
        begun(review, bounds)


def test_no_more_pictures_are_kept_than_may(review: Database, worker: Database, superuser_engine: Engine) -> None:
    bounds = Bounds(kept=1)
    trial = begun(review, bounds)
    with worker.transaction() as session:
        trials.answer_trial(session=session, trial_id=trial.id, answer=TrialAnswer(finding=FINDING))
    with pytest.raises(TooManyTrials):
        begun(review, bounds)
    aged(superuser_engine, trial.id, "expires_at", "1 second")
    begun(review, bounds)


def test_after_its_hour_a_picture_is_gone_for_everybody(review: Database, worker: Database, superuser_engine: Engine) -> None:
    trial = begun(review)
    assert trial.expires_at - trial.created_at == trials.LIFETIME
    aged(superuser_engine, trial.id, "expires_at", "1 second")
    with pytest.raises(TrialNotFound):
        loaded(review, trial.id)
    with worker.transaction() as session:
        assert trials.next_trial(session=session) is None
        assert trials.expired_trials(session=session) == [trial.id]
        trials.delete_trials(session=session, trial_ids=[trial.id])
    with worker.transaction() as session:
        assert trials.expired_trials(session=session) == []


def test_a_visitor_can_end_it_at_once(review: Database, worker: Database) -> None:
    trial = begun(review)
    with review.transaction() as session:
        trials.end_trial(session=session, trial_id=trial.id)
    for ended in (trial.id, uuid4()):
        with pytest.raises(TrialNotFound):
            loaded(review, ended)
    with worker.transaction() as session:
        assert trials.expired_trials(session=session) == [trial.id]


def test_a_picture_that_is_being_answered_is_not_deleted(review: Database, worker: Database) -> None:
    trial = begun(review)
    with worker.transaction() as answering, worker.transaction() as upkeep:
        assert trials.next_trial(session=answering) is not None
        upkeep.execute(text("SET LOCAL lock_timeout = '1s'"))
        assert trials.expired_trials(session=upkeep) == []
        assert trials.tend_trials(session=upkeep) == 1
    assert loaded(review, trial.id).state is TrialState.QUEUED


def test_a_picture_that_waits_too_long_is_told_so(review: Database, worker: Database, superuser_engine: Engine) -> None:
    late, fresh = begun(review), begun(review)
    aged(superuser_engine, late.id, "created_at", "4 minutes")
    with worker.transaction() as session:
        assert trials.tend_trials(session=session) == 1
    assert (loaded(review, late.id).state, loaded(review, late.id).reason) == (TrialState.FAILED, trials.BUSY)
    assert loaded(review, fresh.id).state is TrialState.QUEUED


def test_the_desk_can_neither_answer_nor_delete(review: Database) -> None:
    trial = begun(review)
    for statement in ("UPDATE trials SET reason = 'x'", "DELETE FROM trials"):
        with pytest.raises(Exception, match="permission denied"), review.transaction() as session:
            session.execute(text(statement))
    assert loaded(review, trial.id) == trial
