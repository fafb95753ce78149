"""``dermatrail models``: which model versions serve, and why. Run it with the owner's ``DERMATRAIL_DATABASE_URL``."""

import getpass
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.admin import owner_transaction
from services.records import registry
from services.records.audit import Actor
from services.records.registry import ModelEventView, ModelVersionView
from services.records.shadows import ShadowSummary, shadow_summaries
from services.records.states import ModelKind, ModelState
from workers.commands import bundle

KINDS = click.Choice([kind.value for kind in ModelKind])
COLOURS = {ModelState.CHAMPION: "green", ModelState.SHADOW: "cyan", ModelState.RETIRED: "dim"}
UNGUARDED = "It has no out-of-distribution check: it will name a diagnosis for a picture of anything. Measure and package it first."
WHEN = "%Y-%m-%d %H:%M"

Command = TypeVar("Command", bound=Callable[..., Any])


def register(main: click.Group) -> None:
    """Adds ``models`` and ``bundle`` to the ``dermatrail`` command."""
    main.add_command(models)
    main.add_command(bundle.bundle)


def reasoned(command: Command) -> Command:
    """Give a command the options that every step of a version needs: who and why."""
    command = click.option("--by", default=None, help="Who decides; your login if left out.")(command)
    return click.option("--reason", required=True, help="Why, for those who read the history later.")(command)


@click.group("models")
def models() -> None:
    """Model versions: which one serves, which one scores in shadow, and why."""


@models.command("list")
@click.option("--kind", type=KINDS, help="Only this kind.")
@click.option("--json", "as_json", is_flag=True, help="JSON, with the whole cards.")
def list_versions(kind: str | None, as_json: bool) -> None:
    """List the versions: champions first, then what scores in shadow."""
    with owner_transaction() as session:
        versions = registry.list_model_versions(session=session, kind=ModelKind(kind) if kind else None)
        summaries = shadow_summaries(session=session)
    if as_json:
        click.echo(json.dumps([_version_json(version, summaries.get(version.id)) for version in versions], indent=1))
    elif not versions:
        click.echo("No version is known yet: a worker registers its bundles when it starts.")
    else:
        Console().print(_version_table(versions, summaries))


@models.command("register")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@reasoned
def add(folder: Path, reason: str, by: str | None) -> None:
    """Make the bundle in FOLDER known as a candidate, before a worker that has it starts."""
    from models.bundle import BundleError, load_bundle
    from models.card import kind_of

    try:
        found = load_bundle(folder)
    except BundleError as error:
        raise click.ClickException(str(error)) from error
    with owner_transaction() as session:
        version = registry.register_model_version(
            session=session,
            kind=ModelKind(kind_of(found.card)),
            digest=found.digest,
            name=found.card["name"],
            version=found.card["version"],
            card=found.card,
            actor=actor_named(by),
            reason=reason,
        )
        click.echo(_told(version, "is known:"))


@models.command("promote")
@click.argument("digest")
@reasoned
def promote(digest: str, reason: str, by: str | None) -> None:
    """Make the version DIGEST (its first digits) the champion of its kind; the present one retires."""
    _step(registry.promote, digest, reason, by)


@models.command("shadow")
@click.argument("digest")
@reasoned
def shadow(digest: str, reason: str, by: str | None) -> None:
    """Let the version DIGEST score live pictures without being shown."""
    _step(registry.shadow, digest, reason, by)


@models.command("retire")
@click.argument("digest")
@reasoned
def retire(digest: str, reason: str, by: str | None) -> None:
    """Take the version DIGEST out of use."""
    _step(registry.retire, digest, reason, by)


@models.command("rollback")
@click.argument("kind", type=KINDS)
@reasoned
def rollback(kind: str, reason: str, by: str | None) -> None:
    """Undo the last promotion of KIND: the champion before it serves again."""
    with owner_transaction() as session:
        click.echo(_told(registry.rollback(session=session, kind=ModelKind(kind), actor=actor_named(by), reason=reason)))


@models.command("history")
@click.argument("digest", required=False)
@click.option("--kind", type=KINDS, help="Only this kind.")
@click.option("--json", "as_json", is_flag=True)
def history(digest: str | None, kind: str | None, as_json: bool) -> None:
    """Tell what happened to the version DIGEST, or to all: when, who, from which state to which, and why."""
    with owner_transaction() as session:
        version = registry.find_model_version(session=session, digest=digest).id if digest else None
        events = registry.history(session=session, version_id=version, kind=ModelKind(kind) if kind else None)
    if as_json:
        click.echo(json.dumps([asdict(event) for event in events], indent=1, default=str))
    else:
        Console().print(_event_table(events))


def _step(step: Callable[..., ModelVersionView], digest: str, reason: str, by: str | None) -> None:
    with owner_transaction() as session:
        version = registry.find_model_version(session=session, digest=digest)
        click.echo(_told(step(session=session, version_id=version.id, actor=actor_named(by), reason=reason)))


def actor_named(by: str | None) -> Actor:
    """Who runs the command, for the trail: the name given, else the login's. Raises ClickException where there is neither."""
    return Actor.system(f"dermatrail:{by or _login()}")


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # a container's user may have a number and no name
        raise click.ClickException("Your login has no name here: say who decides with --by.") from error


def _told(version: ModelVersionView, verb: str = "is now") -> str:
    said = f"{version.kind.value} {version.digest} ({version.name} {version.version}) {verb} {version.state.value}."
    if version.state in (ModelState.CHAMPION, ModelState.SHADOW):
        said += f" Licence: {version.licence}."
    if version.state is ModelState.CHAMPION and version.kind is ModelKind.CLASSIFIER and not version.card.get("ood"):
        said += f"\n{UNGUARDED}"
    return said


def _version_table(versions: list[ModelVersionView], summaries: dict[Any, ShadowSummary]) -> Table:
    table = Table(
        "kind", "digest", "name", "version", "state", "since", "licence", "in shadow", box=None, pad_edge=False, header_style="bold"
    )
    for version in versions:
        state = f"[{COLOURS.get(version.state, 'default')}]{version.state.value}[/]"
        licence = f"[yellow]{escape(version.licence)}[/]" if version.non_commercial else escape(version.licence)
        since, scored = version.changed_at.strftime(WHEN), _summary(summaries.get(version.id))
        table.add_row(version.kind.value, version.digest, escape(version.name), escape(version.version), state, since, licence, scored)
    return table


def _summary(summary: ShadowSummary | None) -> str:
    if summary is None:
        return ""
    outline = f", outlines agree {summary.outline_jaccard:.2f}" if summary.outline_jaccard is not None else ""
    return f"{summary.images} pictures, {summary.same_answer:.0%} as served{outline}"


def _event_table(events: list[ModelEventView]) -> Table:
    table = Table("when", "kind", "digest", "step", "from", "to", "who", "why", box=None, pad_edge=False, header_style="bold")
    for event in events:
        came = event.from_state.value if event.from_state else ""
        step = (event.action.value, came, event.to_state.value)
        table.add_row(event.at.strftime(WHEN), event.kind.value, event.digest, *step, escape(event.actor_id or ""), escape(event.reason))
    return table


def _version_json(version: ModelVersionView, summary: ShadowSummary | None) -> dict[str, Any]:
    times = {"created_at": version.created_at.isoformat(), "changed_at": version.changed_at.isoformat()}
    terms = {"licence": version.licence, "non_commercial": version.non_commercial}
    return {**asdict(version), "id": str(version.id), **times, **terms, "in_shadow": asdict(summary) if summary else None}
