"""``dermatrail dataset``: what dermatologists have decided, as a data set to train on.

Run it where a worker runs, with the owner's ``DERMATRAIL_DATABASE_URL``: it reads patients, which the worker's login may not.
"""

from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy.exc import ProgrammingError

from services.admin import owner_transaction
from services.objects import ObjectStore, StoreError
from services.records.audit import Actor
from services.records.export import Teaching, portals_to_export, read_teaching_cases
from services.settings import SettingsError, load_settings
from workers.commands.models import actor_named

FORBIDDEN = "42501"  # PostgreSQL: insufficient_privilege


def register(main: click.Group) -> None:
    """Adds the group."""
    main.add_command(dataset)


@click.group()
def dataset() -> None:
    """Decided cases as a data set to train on."""


@dataset.command("export")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write; it must be new or empty.")
@click.option("--portal", "slugs", multiple=True, help="Only this portal's cases; repeatable. Default: all portals'.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Only cases decided on this day (UTC) or later.")
@click.option("--by", default=None, help="Who exports, for the audit trail; your login if left out.")
def export(*, out: Path, slugs: tuple[str, ...], since: datetime | None, by: str | None) -> None:
    """Write the confirmed and corrected cases of patients who agreed: pictures, masks and cases.csv, under fresh names.

    An interrupted export goes on when the same command is run again. Train on it with the source dermatrail.
    """
    from workers.dataset import ExportRefused, unfinished, write

    day = since.replace(tzinfo=UTC) if since else None
    try:
        with unfinished(out) as folder:
            portals = _read(slugs, day, actor_named(by), out.name)
            store = ObjectStore.connect(load_settings())
            written = write(folder=folder, portals=portals, store=store, out=out, since=day, transaction=owner_transaction)
    except StoreError as error:
        raise click.ClickException(f"{error} Run the same command again: it goes on where it stopped.") from error
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) != FORBIDDEN:
            raise
        raise click.ClickException("This login may not read patients: set DERMATRAIL_DATABASE_URL to the owner's address.") from error
    except (ExportRefused, SettingsError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{out}: {written.images} pictures of {written.cases} cases, {written.patients} patients.")
    for what, counts in (("cases left out", written.left_out), ("pictures and masks that stay", written.incomplete)):
        if counts:
            click.echo(f"{what}: " + ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in sorted(counts.items())))


@dataset.command("prune")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--by", default=None, help="Who does it, for the audit trail; your login if left out.")
def prune_command(*, folder: Path, by: str | None) -> None:
    """Rid FOLDER, an exported data set, of the pictures of patients who were erased since. Copies of it must be pruned, too."""
    from workers.pruning import NoExport, prune

    try:
        pruned = prune(folder=folder, transaction=owner_transaction, actor=actor_named(by))
    except NoExport as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{folder}: {pruned.removed} pictures removed, {pruned.left} left.")


def _read(slugs: tuple[str, ...], since: datetime | None, actor: Actor, name: str) -> dict[str, Teaching]:
    """What each portal's cases teach: read and audited in one transaction."""
    with owner_transaction() as session:
        return {
            slug: read_teaching_cases(session=session, tenant_id=tenant_id, since=since, actor=actor, dataset=name)
            for slug, tenant_id in portals_to_export(session=session, slugs=slugs).items()
        }
