"""Pictures that visitors try: accepted within bounds, answered one at a time after the patients' cases, gone within the hour.

A trial belongs to no tenant and no patient. Whoever knows its id may see it, and nobody can guess one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, null, select, text, update
from sqlalchemy.orm import Session

from services.records.errors import TooManyTrials, TrialNotFound
from services.records.states import TrialState
from services.records.tables import Trial

# Upkeep comes by twice a minute: together within the hour that visitors are promised.
LIFETIME = timedelta(minutes=59)
# A visitor does not wait for longer; it also ends a picture that no worker survives.
PATIENCE = timedelta(minutes=3)
BUSY = "Patients' cases come first, and there are many just now. Nobody has looked at your picture. Try again later."
# Any number: it only has to be the same in every process that accepts trials.
ACCEPTING = text("SELECT pg_advisory_xact_lock(8214)")


@dataclass(frozen=True, slots=True)
class TrialView:
    """One picture; ``finding`` is the analyzer's JSON once ``state`` is done, ``reason`` says why there is none where it failed."""

    id: UUID
    state: TrialState
    picture_key: str
    finding: dict[str, Any] | None
    mask_key: str | None
    heatmap_key: str | None
    reason: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialAnswer:
    """What the worker says: a finding with the keys of its files, or a reason in words for the visitor."""

    finding: dict[str, Any] | None = None
    mask_key: str | None = None
    heatmap_key: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many pictures may wait for the worker, and how many may lie in the store, at any time."""

    waiting: int = 20
    kept: int = 1000


def folder_of(trial_id: UUID) -> str:
    """Where the objects of a trial lie; nothing else lies there."""
    return f"trials/{trial_id}"


def object_keys(trial_id: UUID) -> tuple[str, ...]:
    """Every object that a trial can have."""
    return tuple(f"{folder_of(trial_id)}/{name}" for name in ("picture.jpg", "mask.png", "heatmap.jpg"))


def begin_trial(*, session: Session, trial_id: UUID, bounds: Bounds = Bounds()) -> TrialView:
    """Make room for a picture, before it is stored: an object without a row would never be deleted.

    Raises:
        TooManyTrials: as many wait, or are kept, as may.
    """
    # Two visitors at once must not both take the last place.
    session.execute(ACCEPTING)
    kept = select(func.count(), func.count().filter(Trial.state == TrialState.QUEUED)).where(Trial.expires_at > func.now())
    count, waiting = session.execute(kept).one()
    if waiting >= bounds.waiting or count >= bounds.kept:
        raise TooManyTrials("Too many pictures are being tried just now. Try again in a few minutes.")
    trial = Trial(id=trial_id, picture_key=object_keys(trial_id)[0], expires_at=func.now() + LIFETIME)
    session.add(trial)
    session.flush()
    session.refresh(trial)
    return _view(trial)


def load_trial(*, session: Session, trial_id: UUID) -> TrialView:
    """Return one trial. Raises TrialNotFound where there is none, or none any more."""
    found = session.scalar(select(Trial).where(Trial.id == trial_id, Trial.expires_at > func.now()))
    if found is None:
        raise TrialNotFound(trial_id)
    return _view(found)


def waiting_before(*, session: Session, trial: TrialView) -> int:
    """How many pictures the worker takes before this one."""
    before = (Trial.state == TrialState.QUEUED, Trial.created_at < trial.created_at, Trial.expires_at > func.now())
    return session.scalar(select(func.count()).where(*before)) or 0


def end_trial(*, session: Session, trial_id: UUID) -> None:
    """Let a trial expire now; its objects are deleted by the next upkeep. Raises TrialNotFound."""
    live = (Trial.id == trial_id, Trial.expires_at > func.now())
    if session.scalar(update(Trial).where(*live).values(expires_at=func.now()).returning(Trial.id)) is None:
        raise TrialNotFound(trial_id)


def next_trial(*, session: Session) -> TrialView | None:
    """Lock the picture that has waited longest; other workers pass it over until this transaction ends."""
    waiting = select(Trial).where(Trial.state == TrialState.QUEUED, Trial.expires_at > func.now())
    found = session.scalar(waiting.order_by(Trial.created_at, Trial.id).limit(1).with_for_update(skip_locked=True))
    return _view(found) if found else None


def answer_trial(*, session: Session, trial_id: UUID, answer: TrialAnswer) -> None:
    """Settle a trial that was locked with ``next_trial``; the second of two answers changes nothing."""
    state = TrialState.FAILED if answer.finding is None else TrialState.DONE
    finding = null() if answer.finding is None else answer.finding  # None alone would become the JSON word null
    values = {"finding": finding, "mask_key": answer.mask_key, "heatmap_key": answer.heatmap_key, "reason": answer.reason}
    queued = update(Trial).where(Trial.id == trial_id, Trial.state == TrialState.QUEUED)
    session.execute(queued.values(state=state, finished_at=func.now(), **values))


def tend_trials(*, session: Session) -> int:
    """Give up what has waited too long. Returns how many still wait."""
    late = (Trial.state == TrialState.QUEUED, Trial.created_at < func.now() - PATIENCE)
    given_up = select(Trial.id).where(*late).with_for_update(skip_locked=True)
    failed = {"state": TrialState.FAILED, "reason": BUSY, "finished_at": func.now()}
    session.execute(update(Trial).where(Trial.id.in_(given_up)).values(failed).execution_options(synchronize_session=False))
    waiting = (Trial.state == TrialState.QUEUED, Trial.expires_at > func.now())
    return session.scalar(select(func.count()).where(*waiting)) or 0


def expired_trials(*, session: Session, limit: int = 100) -> list[UUID]:
    """Lock up to ``limit`` trials whose hour is over; one that is being answered is left for the next time."""
    over = select(Trial.id).where(Trial.expires_at <= func.now()).order_by(Trial.expires_at)
    return list(session.scalars(over.limit(limit).with_for_update(skip_locked=True)))


def delete_trials(*, session: Session, trial_ids: Sequence[UUID]) -> None:
    """Delete rows whose objects are deleted."""
    session.execute(delete(Trial).where(Trial.id.in_(trial_ids)))


def _view(row: Trial) -> TrialView:
    return TrialView(
        id=row.id,
        state=row.state,
        picture_key=row.picture_key,
        finding=row.finding,
        mask_key=row.mask_key,
        heatmap_key=row.heatmap_key,
        reason=row.reason,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
