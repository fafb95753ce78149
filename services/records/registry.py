"""The registry of model versions: candidate → shadow → champion → retired, with who and why.

At most one version of each kind is champion; that is what workers serve. Every step is a
compare-and-swap that names the state it starts from, adds an event with its reason and is audited.
Workers register; the desk and the owner's login move versions from state to state.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import exists, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.errors import InvalidRecord, ModelNotFound, WrongModelState
from services.records.states import ActorKind, ModelAction, ModelKind, ModelState
from services.records.tables import ModelEvent, ModelVersion

FIRST_START = "first start"
# Two workers that start together on an empty registry must not both find it empty. Any constant will do.
LOCK = 7_365_737
FASTER = "Somebody else has changed the {kind} at this moment: look at the list of models again."


@dataclass(frozen=True, slots=True)
class ModelVersionView:
    """One version. ``card`` is its bundle.json: what it is, was trained on, may be used for and how well it does."""

    id: UUID
    kind: ModelKind
    digest: str
    name: str
    version: str
    state: ModelState
    card: dict[str, Any]
    created_at: datetime
    changed_at: datetime

    @property
    def licence(self) -> str:
        """Under which terms its answers may be used."""
        return str(self.card.get("licence", "not stated"))

    @property
    def non_commercial(self) -> bool:
        """Whether its training data forbid commercial use; unknown counts as forbidden."""
        return bool(self.card.get("non_commercial", True))


@dataclass(frozen=True, slots=True)
class ActiveVersion:
    """A version that serves or scores in shadow."""

    id: UUID
    kind: ModelKind
    digest: str
    state: ModelState


@dataclass(frozen=True, slots=True)
class _Step:
    action: ModelAction
    to: ModelState
    actor: Actor
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise InvalidRecord("reason: say why, for those who read the history later.")


@dataclass(frozen=True, slots=True)
class ModelEventView:
    """One step of one version's life."""

    sequence: int
    at: datetime
    kind: ModelKind
    digest: str
    name: str
    version: str
    action: ModelAction
    actor_kind: ActorKind
    actor_id: str | None
    from_state: ModelState | None
    to_state: ModelState
    reason: str


def register_model_version(
    *, session: Session, kind: ModelKind, digest: str, name: str, version: str, card: dict[str, Any], actor: Actor, reason: str
) -> ModelVersionView:
    """Make a bundle known, once; return it with the state it has.

    The first version of a kind becomes champion, with the reason "first start": a fresh machine answers.

    Args:
        digest: names everything that could change an answer, in hex digits; a repeat changes nothing.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    known = session.scalars(select(ModelVersion).where(ModelVersion.kind == kind, ModelVersion.digest == digest)).one_or_none()
    if known is not None:
        return _view(known)
    first = not session.scalar(select(exists().where(ModelVersion.kind == kind)))
    state = ModelState.CHAMPION if first else ModelState.CANDIDATE
    step = _Step(ModelAction.REGISTERED, state, actor, FIRST_START if first else reason)
    values = {"id": uuid4(), "kind": kind, "digest": digest, "name": name, "version": version, "card": card, "state": state}
    added = session.scalars(insert(ModelVersion).values(values).returning(ModelVersion)).one()
    _record(session, added, None, step)
    return _view(added)


def promote(*, session: Session, version_id: UUID, actor: Actor, reason: str) -> ModelVersionView:
    """Make a version the champion of its kind; the previous champion retires.

    Raises:
        InvalidRecord: no reason is given.
        ModelNotFound: there is no such version.
        WrongModelState: it is the champion already, or somebody else was faster.
    """
    version = get_model_version(session=session, version_id=version_id)
    if version.state is ModelState.CHAMPION:
        raise WrongModelState(f"{version.digest} is the champion already.")
    return _crown(session, version, _Step(ModelAction.PROMOTED, ModelState.CHAMPION, actor, reason))


def rollback(*, session: Session, kind: ModelKind, actor: Actor, reason: str) -> ModelVersionView:
    """Undo the last promotion of a kind: the champion before it serves again, and the present one retires.

    Raises:
        InvalidRecord: no reason is given.
        WrongModelState: there was no champion before this one, or somebody else was faster.
    """
    reigns = _reigns(session, kind)
    if len(reigns) < 2:
        raise WrongModelState(f"There is no earlier {kind.value} to go back to: promote another version instead.")
    before = get_model_version(session=session, version_id=reigns[-2])
    return _crown(session, before, _Step(ModelAction.ROLLED_BACK, ModelState.CHAMPION, actor, reason))


def earlier_champion(*, session: Session, kind: ModelKind) -> ModelVersionView | None:
    """Return the version that a rollback would bring back, or None."""
    reigns = _reigns(session, kind)
    return get_model_version(session=session, version_id=reigns[-2]) if len(reigns) > 1 else None


def shadow(*, session: Session, version_id: UUID, actor: Actor, reason: str) -> ModelVersionView:
    """Let a version score live traffic without being shown.

    Raises:
        InvalidRecord: no reason is given.
        ModelNotFound: there is no such version.
        WrongModelState: it is in shadow already, or it is the champion, which somebody else must first replace, or it reads series,
            which nothing scores in shadow.
    """
    if get_model_version(session=session, version_id=version_id).kind is ModelKind.SEQUENCE:
        raise WrongModelState("Sequence models do not score in shadow: promote it, or leave it as it is.")
    before = (ModelState.CANDIDATE, ModelState.RETIRED)
    return _move(session, version_id, before, _Step(ModelAction.SHADOWED, ModelState.SHADOW, actor, reason))


def retire(*, session: Session, version_id: UUID, actor: Actor, reason: str) -> ModelVersionView:
    """Take a version out of use. A champion retires by the promotion of another, so that there always is one.

    Raises:
        InvalidRecord: no reason is given.
        ModelNotFound: there is no such version.
        WrongModelState: it is retired already, or it is the champion.
    """
    before = (ModelState.CANDIDATE, ModelState.SHADOW)
    return _move(session, version_id, before, _Step(ModelAction.RETIRED, ModelState.RETIRED, actor, reason))


def get_model_version(*, session: Session, version_id: UUID) -> ModelVersionView:
    """Return one version.

    Raises:
        ModelNotFound: there is no such version.
    """
    found = session.scalars(select(ModelVersion).where(ModelVersion.id == version_id)).one_or_none()
    if found is None:
        raise ModelNotFound(f"There is no model version {version_id}.")
    return _view(found)


def find_model_version(*, session: Session, digest: str, kind: ModelKind | None = None) -> ModelVersionView:
    """Return the version whose digest begins so.

    Raises:
        ModelNotFound: none or several do.
    """
    versions = list_model_versions(session=session, kind=kind)
    found = [version for version in versions if version.digest.startswith(digest)] if digest else []
    if len(found) == 1:
        return found[0]
    known = (
        ", ".join(f"{version.digest} ({version.kind.value})" for version in found or versions)
        or "none; start a worker to register its bundles"
    )
    what = "More than one model version begins with" if found else "There is no model version with the digest"
    raise ModelNotFound(f"{what} {digest!r}. Known: {known}.")


def list_model_versions(
    *, session: Session, kind: ModelKind | None = None, states: Collection[ModelState] = tuple(ModelState)
) -> list[ModelVersionView]:
    """Return the versions in these states, segmenters first, champions first within a kind, then the newest."""
    query = select(ModelVersion).where(ModelVersion.state.in_(states))
    if kind is not None:
        query = query.where(ModelVersion.kind == kind)
    kinds, order = list(ModelKind), [ModelState.CHAMPION, ModelState.SHADOW, ModelState.CANDIDATE, ModelState.RETIRED]
    found = session.scalars(query.order_by(ModelVersion.created_at.desc(), ModelVersion.digest)).all()
    return sorted(map(_view, found), key=lambda version: (kinds.index(version.kind), order.index(version.state)))


def active_versions(*, session: Session) -> frozenset[ActiveVersion]:
    """Return the champions and what scores in shadow: all that a worker must know, in one small statement."""
    columns = (ModelVersion.id, ModelVersion.kind, ModelVersion.digest, ModelVersion.state)
    active = select(*columns).where(ModelVersion.state.in_([ModelState.CHAMPION, ModelState.SHADOW]))
    return frozenset(ActiveVersion(*row) for row in session.execute(active))


def history(*, session: Session, version_id: UUID | None = None, kind: ModelKind | None = None) -> list[ModelEventView]:
    """Return what happened, oldest first: to one version, to one kind, or to all."""
    query = select(ModelEvent, ModelVersion).join(ModelVersion, ModelVersion.id == ModelEvent.model_version_id)
    if version_id is not None:
        query = query.where(ModelVersion.id == version_id)
    if kind is not None:
        query = query.where(ModelVersion.kind == kind)
    return [_event_view(event, version) for event, version in session.execute(query.order_by(ModelEvent.sequence))]


def _crown(session: Session, version: ModelVersionView, step: _Step) -> ModelVersionView:
    """Retire the champion and put the version in its place, each by compare-and-swap.

    Of two promotions at once the second waits for the first one's row, then finds it no longer a champion. Where
    there was no champion at all, both would find none: then the unique index stops the second.
    """
    reigning = session.scalar(select(ModelVersion.id).where(ModelVersion.kind == version.kind, ModelVersion.state == ModelState.CHAMPION))
    try:
        with session.begin_nested():
            if reigning is not None:
                _swap(session, reigning, ModelState.CHAMPION, replace(step, to=ModelState.RETIRED, action=ModelAction.RETIRED))
            return _swap(session, version.id, version.state, step)
    except IntegrityError as error:
        raise WrongModelState(FASTER.format(kind=version.kind.value)) from error


def _move(session: Session, version_id: UUID, before: Sequence[ModelState], step: _Step) -> ModelVersionView:
    version = get_model_version(session=session, version_id=version_id)
    if version.state is ModelState.CHAMPION:
        raise WrongModelState(f"{version.digest} is the champion and serves: promote another {version.kind.value} first.")
    if version.state not in before:
        raise WrongModelState(f"{version.digest} is {version.state.value} already.")
    return _swap(session, version.id, version.state, step)


def _swap(session: Session, version_id: UUID, before: ModelState, step: _Step) -> ModelVersionView:
    swap = update(ModelVersion).where(ModelVersion.id == version_id, ModelVersion.state == before)
    values = {"state": step.to, "changed_at": func.now()}
    changed = session.scalars(swap.values(values).returning(ModelVersion), execution_options={"populate_existing": True}).one_or_none()
    if changed is None:
        kind = get_model_version(session=session, version_id=version_id).kind
        raise WrongModelState(FASTER.format(kind=kind.value))
    _record(session, changed, before, step)
    return _view(changed)


def _reigns(session: Session, kind: ModelKind) -> list[UUID]:
    """Replay who was champion: a promotion adds a reign, a rollback takes the last one back."""
    steps = select(ModelEvent.action, ModelEvent.model_version_id).join(ModelVersion, ModelVersion.id == ModelEvent.model_version_id)
    crowned = steps.where(ModelVersion.kind == kind, ModelEvent.to_state == ModelState.CHAMPION).order_by(ModelEvent.sequence)
    reigns: list[UUID] = []
    for action, version_id in session.execute(crowned):
        if action is ModelAction.ROLLED_BACK:
            reigns.pop()
        else:
            reigns.append(version_id)
    return reigns


def _record(session: Session, version: ModelVersion, before: ModelState | None, step: _Step) -> None:
    who = {"actor_kind": step.actor.kind, "actor_id": step.actor.id}
    what = {"action": step.action, "from_state": before, "to_state": step.to, "reason": step.reason}
    session.execute(insert(ModelEvent.__table__).values(id=uuid4(), model_version_id=version.id, **who, **what))  # type: ignore[arg-type]
    record_event(
        session=session,
        tenant_id=None,
        actor=step.actor,
        action=step.action.audited,
        subject=Subject("model_version", version.id),
        details={"kind": version.kind, "digest": version.digest, "from": before, "to": step.to},
    )


def _view(row: ModelVersion) -> ModelVersionView:
    return ModelVersionView(
        id=row.id,
        kind=row.kind,
        digest=row.digest,
        name=row.name,
        version=row.version,
        state=row.state,
        card=row.card,
        created_at=row.created_at,
        changed_at=row.changed_at,
    )


def _event_view(event: ModelEvent, version: ModelVersion) -> ModelEventView:
    return ModelEventView(
        sequence=event.sequence,
        at=event.created_at,
        kind=version.kind,
        digest=version.digest,
        name=version.name,
        version=version.version,
        action=event.action,
        actor_kind=event.actor_kind,
        actor_id=event.actor_id,
        from_state=event.from_state,
        to_state=event.to_state,
        reason=event.reason,
    )
