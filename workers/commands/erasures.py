"""``dermatrail erasures``: receipts, what retention would erase next, and erasing again after a restore.

Run it with the owner's ``DERMATRAIL_DATABASE_URL``; ``replay`` also needs the store's settings.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from services.admin import owner_transaction, owner_url
from services.records import replay
from services.records.access import tenant_by_slug
from services.records.audit import Actor
from services.records.database import Database
from services.records.erasure import erase_patient, list_receipts
from services.records.errors import RecordError
from services.records.retention import expired_trails
from workers.commands.models import actor_named


def register(main: click.Group) -> None:
    """Adds the group."""
    main.add_command(erasures)


@click.group()
def erasures() -> None:
    """What was erased, what will be, and what must be again."""


@erasures.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="How many, the newest first.")
def list_command(*, limit: int) -> None:
    """List receipts."""
    with owner_transaction() as session:
        names = replay.portal_names(session=session)
        page = list_receipts(session=session, tenant_ids=list(names), actor=actor_named(None), limit=limit)
    for receipt in page.receipts:
        records, waits = sum(receipt.counts.values()), f"\t{receipt.problem}" if receipt.problem else ""
        told = (receipt.id, names[receipt.tenant_id], f"{receipt.created_at:%Y-%m-%d %H:%M}", receipt.reason, receipt.state)
        click.echo("\t".join(map(str, told)) + f"\t{receipt.cases} cases, {records} records, {receipt.objects} objects{waits}")


@erasures.command("due")
@click.option("--portal", "slug", help="Only this portal's.")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1), help="How many, the oldest first.")
def due_command(*, slug: str | None, limit: int) -> None:
    """Show what retention would erase now; erases nothing."""
    with owner_transaction() as session:
        tenant_id = tenant_by_slug(session=session, slug=slug) if slug else None
        names = replay.portal_names(session=session)
        trails = expired_trails(session=session, tenant_id=tenant_id, limit=limit)
    for trail in trails:
        told = (names[trail.tenant_id], trail.lesion_id, f"{trail.cases} cases", f"last activity {trail.last_activity:%Y-%m-%d}")
        click.echo("\t".join(map(str, told)))
    click.echo(f"{len(trails)} trails, {sum(trail.cases for trail in trails)} cases would be erased.")


@erasures.command("save")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def save_command(*, file: Path) -> None:
    """Write all receipts to FILE, a line each. Keep it apart from the backups: it is needed after a restore."""
    with owner_transaction() as session:
        lines = [replay.to_line(saved) + "\n" for saved in replay.saved_receipts(session=session)]
    part = file.with_name(f".{file.name}.part")
    part.write_text("".join(lines), encoding="utf-8")
    part.replace(file)
    click.echo(f"{file}: {len(lines)} receipts.")


@erasures.command("replay")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--by", default=None, help="Who does it, for the audit trail; your login if left out.")
def replay_command(*, file: Path, by: str | None) -> None:
    """After a restore: erase again whom the receipts in FILE name, and delete the objects of their cases.

    Trails that ended by retention end again by themselves, as their time is over still.
    """
    from services.objects import ObjectStore, StoreError
    from services.settings import SettingsError, load_settings

    database, actor = Database.open(owner_url()), actor_named(by)
    again = objects = 0
    try:
        store = ObjectStore.connect(load_settings())
        with file.open(encoding="utf-8") as lines:
            for saved in replay.from_lines(lines):
                again += _erased_again(database, saved, actor)
                with database.transaction() as session:
                    prefixes = replay.gone_prefixes(session=session, saved=saved)
                for key in (key for prefix in prefixes for key in store.keys(prefix)):
                    store.delete(key)
                    objects += 1
    except (RecordError, StoreError, SettingsError) as error:
        raise click.ClickException(f"{error} Run the same again: what is erased is passed over.") from error
    finally:
        database.close()
    click.echo(f"{again} patients erased again, {objects} objects deleted.")


@erasures.command("orphans")
@click.option("--delete", is_flag=True, help="Delete them; without it they are only listed.")
@click.option("--days", default=2, show_default=True, type=click.IntRange(1), help="Only objects that are older than this.")
def orphans_command(*, delete: bool, days: int) -> None:
    """Find objects below cases that are not there: a request that died half-way has left them, and nobody knows whose they are."""
    from services.objects import ObjectStore, StoreError
    from services.settings import SettingsError, load_settings
    from workers.erasing import orphans

    database, found = Database.open(owner_url()), 0
    try:
        store = ObjectStore.connect(load_settings())
        for key in orphans(database=database, store=store, before=datetime.now(UTC) - timedelta(days=days)):
            found += 1
            click.echo(key)
            if delete:
                store.delete(key)
    except (RecordError, StoreError, SettingsError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        database.close()
    click.echo(f"{found} objects {'deleted' if delete else 'found'}.")


def _erased_again(database: Database, saved: replay.Saved, actor: Actor) -> bool:
    with database.transaction() as session:
        back = replay.is_back(session=session, saved=saved)
    if back:
        erase_patient(database=database, tenant_id=saved.tenant_id, patient_id=saved.patient_id, actor=actor)
    return back
