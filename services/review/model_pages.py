"""What the models are: every reader may know what stands behind a finding. Leads and administrators move versions, with a reason."""

from collections.abc import Sequence
from uuid import UUID

from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from services.records import registry
from services.records.access import names_of
from services.records.audit import Actor
from services.records.errors import InvalidRecord, WrongModelState
from services.records.registry import ModelEventView, ModelVersionView
from services.records.states import ActorKind, ModelAction, ModelKind, ModelState, Role
from services.review import reader
from services.review.models_view import model_card, model_cards
from services.review.registry_view import BUTTONS, PAST, past_steps, step_view

blueprint = Blueprint("models", __name__)

STEPS = {"promote": ModelAction.PROMOTED, "shadow": ModelAction.SHADOWED, "retire": ModelAction.RETIRED}
MOVES = {ModelAction.PROMOTED: registry.promote, ModelAction.SHADOWED: registry.shadow, ModelAction.RETIRED: registry.retire}
MOVERS = (Role.LEAD, Role.ADMIN)
STALE = "The version in use has changed since the page was opened. Nothing was done: compare with the one that is in use now."


@blueprint.get("/models")
@reader.signed_in
def models_page() -> ResponseReturnValue:
    """Every model version with its licence, data, figures and limits; those in use come first."""
    moves = reader.reader().role in MOVERS
    with reader.desk().database.transaction() as records:
        versions = registry.list_model_versions(session=records)
        events = registry.history(session=records)
        people = names_of(session=records, user_ids=_people(events))
        rollbacks = [kind.value for kind in ModelKind if moves and registry.earlier_champion(session=records, kind=kind)]
    paths = {action: path for path, action in STEPS.items()}
    return render_template(
        "models.html",
        cards=model_cards(versions),
        steps={action: (BUTTONS[action], paths[action]) for action in MOVES} if moves else {},
        rollbacks=rollbacks,
        history=past_steps(events, people),
        done=session.pop("model_moved", ""),
    )


@blueprint.get("/models/<uuid:version_id>/<any(promote, shadow, retire):step>")
@reader.only(*MOVERS)
def step_form(version_id: UUID, step: str) -> ResponseReturnValue:
    """Shows the figures of the wanted version beside those of the one in use, and asks for the reason."""
    with reader.desk().database.transaction() as records:
        wanted = registry.get_model_version(session=records, version_id=version_id)
        return _step_page(records, STEPS[step], wanted)


@blueprint.post("/models/<uuid:version_id>/<any(promote, shadow, retire):step>")
@reader.only(*MOVERS)
def take_step(version_id: UUID, step: str) -> ResponseReturnValue:
    """Moves a version to another state."""
    action = STEPS[step]
    return _take(action, version_id)


@blueprint.get("/models/rollback/<any(segmenter, classifier, sequence):kind>")
@reader.only(*MOVERS)
def rollback_form(kind: str) -> ResponseReturnValue:
    """Shows the version before beside the one in use, and asks for the reason."""
    with reader.desk().database.transaction() as records:
        wanted = registry.earlier_champion(session=records, kind=ModelKind(kind))
        if wanted is None:
            abort(404)
        return _step_page(records, ModelAction.ROLLED_BACK, wanted)


@blueprint.post("/models/rollback/<any(segmenter, classifier, sequence):kind>")
@reader.only(*MOVERS)
def roll_back(kind: str) -> ResponseReturnValue:
    """Brings the version before back into use."""
    with reader.desk().database.transaction() as records:
        wanted = registry.earlier_champion(session=records, kind=ModelKind(kind))
    if wanted is None:
        abort(404)
    return _take(ModelAction.ROLLED_BACK, wanted.id)


def _take(action: ModelAction, version_id: UUID) -> ResponseReturnValue:
    reason, seen = request.form.get("reason", "").strip(), request.form.get("in_use", "")
    try:
        with reader.desk().database.transaction() as records:
            wanted = registry.get_model_version(session=records, version_id=version_id)
            _still(records, wanted.kind, seen)
            moved = _move(records, action, wanted, reason)
    except (InvalidRecord, WrongModelState) as error:
        with reader.desk().database.transaction() as records:
            wanted = registry.get_model_version(session=records, version_id=version_id)
            return _step_page(records, action, wanted, problem=_said(error), reason=reason), 409 if reason else 422
    session["model_moved"] = f"{moved.name} {moved.version}: {PAST[action]}."
    return redirect(url_for("models.models_page"), 303)


def _move(records: Session, action: ModelAction, wanted: ModelVersionView, reason: str) -> ModelVersionView:
    actor = Actor.user(reader.reader().user_id)
    if action is ModelAction.ROLLED_BACK:
        return registry.rollback(session=records, kind=wanted.kind, actor=actor, reason=reason)
    return MOVES[action](session=records, version_id=wanted.id, actor=actor, reason=reason)


def _still(records: Session, kind: ModelKind, seen: str) -> None:
    # Whoever confirms has compared with one version in use: if that is another by now, they have compared with nothing.
    champion = _champion(records, kind)
    if seen != (str(champion.id) if champion else ""):
        raise WrongModelState(STALE)


def _champion(records: Session, kind: ModelKind) -> ModelVersionView | None:
    found = registry.list_model_versions(session=records, kind=kind, states=[ModelState.CHAMPION])
    return found[0] if found else None


def _step_page(records: Session, action: ModelAction, wanted: ModelVersionView, *, problem: str = "", reason: str = "") -> str:
    champion = _champion(records, wanted.kind)
    present = model_card(champion) if champion and champion.id != wanted.id else None
    view = step_view(action, model_card(wanted), present)
    in_use = str(champion.id) if champion else ""
    return render_template("model_step.html", step=view, in_use=in_use, action=request.path, problem=problem, reason=reason)


def _people(events: Sequence[ModelEventView]) -> list[UUID]:
    return [UUID(event.actor_id) for event in events if event.actor_kind is ActorKind.USER and event.actor_id]


def _said(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]
