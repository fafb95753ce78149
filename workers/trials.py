"""What the models say of visitors' pictures: one at a time, and only while no patient's case is due."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from models.finding import Finding, Outcome
from services.objects import ObjectMissing, Objects, StoreUnavailable
from services.records import trials
from services.records.database import Database
from services.records.errors import RecordError
from services.records.trials import TrialAnswer, TrialView

log = logging.getLogger(__name__)

# The row comes first and the picture a moment later; this long after it, none will come.
ARRIVAL = timedelta(seconds=15)
LOST = "The picture did not arrive. Send it again."
FAILED = "The picture could not be analysed. Try another one."


class Analyses(Protocol):
    """What is needed of an analyzer."""

    def analyse(self, images: Sequence[bytes], *, batch: int = 8) -> list[Finding]:
        """One finding per picture; never raises for a picture's sake."""


class Trials:
    """Answers trials with whatever analyzer serves at the time."""

    def __init__(self, *, database: Database, store: Objects, analyzer: Callable[[], Analyses | None]) -> None:
        self._database, self._store, self._analyzer = database, store, analyzer

    def answer_next(self) -> bool:
        """Answer the picture that has waited longest. Returns whether there was one; False also when it must be tried again later.

        The row stays locked meanwhile, so that no other worker takes it; a worker that dies gives it back by dying.
        """
        analyzer = self._analyzer()
        if analyzer is None:
            return False
        try:
            with self._database.transaction() as session:
                trial = trials.next_trial(session=session)
                answer = self._answer(analyzer, trial) if trial else None
                if trial is None or answer is None:
                    return False
                trials.answer_trial(session=session, trial_id=trial.id, answer=answer)
        except (RecordError, StoreUnavailable) as error:
            log.warning("a trial waits: %s", type(error).__name__)
            return False
        return True

    def _answer(self, analyzer: Analyses, trial: TrialView) -> TrialAnswer | None:
        try:
            picture = self._store.get(trial.picture_key)
        except ObjectMissing:
            return TrialAnswer(reason=LOST) if datetime.now(UTC) - trial.created_at > ARRIVAL else None
        try:
            (finding,) = analyzer.analyse([picture])
        except Exception:
            log.exception("a trial could not be analysed")
            return TrialAnswer(reason=FAILED)
        if finding.outcome is Outcome.FAILED:
            return TrialAnswer(reason=finding.detail or FAILED)
        return self._stored(trial, finding)

    def _stored(self, trial: TrialView, finding: Finding) -> TrialAnswer:
        _, mask_key, heatmap_key = trials.object_keys(trial.id)
        self._store.put(mask_key, finding.mask_png, "image/png")
        if finding.heatmap_jpeg:
            self._store.put(heatmap_key, finding.heatmap_jpeg, "image/jpeg")
        return TrialAnswer(finding=finding.as_json(), mask_key=mask_key, heatmap_key=heatmap_key if finding.heatmap_jpeg else None)


def forget_expired(*, database: Database, store: Objects) -> int:
    """Delete the objects, then the rows, of trials whose hour is over: a row that stays is tried again. Returns how many.

    Raises:
        StoreUnavailable, DatabaseUnavailable: the rest waits for the next time.
    """
    with database.transaction() as session:
        expired = trials.expired_trials(session=session)
        for trial_id in expired:
            for key in trials.object_keys(trial_id):
                store.delete(key)
        trials.delete_trials(session=session, trial_ids=expired)
    return len(expired)
