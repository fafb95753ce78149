"""Set-up commands of ``dermatrail``: run them with the owner's ``DERMATRAIL_DATABASE_URL``.

Only that one setting is read, so that a machine can be set up before there is a store or a broker.
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.records import access, accounts, migrate, second_factor
from services.records.audit import verify_chain
from services.records.database import Database
from services.records.errors import RecordError
from services.records.sandbox import create_sandbox
from services.records.states import Role
from services.records.tables import Tenant

ROLES = click.Choice([role.value for role in Role])


@contextmanager
def owner_transaction() -> Iterator[Session]:
    """Give a session of the owner; a refusal becomes a plain message."""
    database = Database.open(owner_url())
    try:
        with database.transaction() as session:
            yield session
    except RecordError as error:
        raise click.ClickException(str(error)) from error
    finally:
        database.close()


def owner_url() -> str:
    """Return the owner's database address, from the variable or its ``_FILE``."""
    if file := os.environ.get("DERMATRAIL_DATABASE_URL_FILE"):
        return Path(file).read_text(encoding="utf-8").removesuffix("\n")
    if url := os.environ.get("DERMATRAIL_DATABASE_URL"):
        return url
    raise click.ClickException("Set DERMATRAIL_DATABASE_URL (or DERMATRAIL_DATABASE_URL_FILE) to the owner's database address.")


def slugify(name: str) -> str:
    """Return ``name`` as lower-case words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def register(cli: click.Group) -> None:
    """Add the set-up commands to the ``dermatrail`` command."""
    for command in (migrate_command, portal, user, audit):
        cli.add_command(command)


@click.command("migrate")
@click.option("--revision", default="head", show_default=True, help="Revision to go to.")
def migrate_command(revision: str) -> None:
    """Bring the database to the newest revision."""
    migrate.upgrade(owner_url(), revision)
    click.echo(f"The database is at revision {revision}.")


@click.group
def portal() -> None:
    """Portals and their API keys."""


@portal.command("create")
@click.argument("name")
@click.option("--slug", help="Short name for commands; made from NAME if left out.")
@click.option("--sandbox", is_flag=True, help="Answers and decisions come from a script, for those who connect a portal. It stays so.")
def portal_create(name: str, slug: str | None, sandbox: bool) -> None:
    """Create a portal called NAME."""
    create = create_sandbox if sandbox else access.create_tenant
    with owner_transaction() as session:
        made = create(session=session, name=name, slug=slug or slugify(name))
        kind = "Sandbox" if sandbox else "Portal"
        click.echo(f"{kind} {made.slug} created. Give it a key: dermatrail portal key {made.slug}")


@portal.command("key")
@click.argument("slug")
@click.option("--name", default="default", show_default=True, help="What the key is for.")
def portal_key(slug: str, name: str) -> None:
    """Create an API key for the portal SLUG and print it, once."""
    with owner_transaction() as session:
        tenant_id = access.tenant_by_slug(session=session, slug=slug)
        _, plain = access.create_api_key(session=session, tenant_id=tenant_id, name=name)
    click.echo(plain)
    click.echo("Keep this key now: it is not shown again.", err=True)


@portal.command("revoke")
@click.argument("slug")
@click.argument("prefix")
def portal_revoke(slug: str, prefix: str) -> None:
    """Revoke the key dmt_PREFIX_… of the portal SLUG."""
    with owner_transaction() as session:
        access.revoke_api_key(session=session, tenant_id=access.tenant_by_slug(session=session, slug=slug), prefix=prefix)
    click.echo(f"Key dmt_{prefix}_… is revoked.")


@click.group
def user() -> None:
    """People who sign in."""


@user.command("create")
@click.argument("email")
@click.option("--role", type=ROLES, default=Role.DERMATOLOGIST.value, show_default=True)
@click.option("--name", help="Name shown on decisions; EMAIL if left out.")
@click.option("--portal", "slugs", multiple=True, help="Portal whose cases they may read; repeat for several.")
def user_create(email: str, role: str, name: str | None, slugs: tuple[str, ...]) -> None:
    """Create a user and print a generated password, once. They choose their own when they first sign in."""
    password = secrets.token_urlsafe(15)
    with owner_transaction() as session:
        tenants = [access.tenant_by_slug(session=session, slug=slug) for slug in slugs]
        access.create_user(
            session=session,
            email=email,
            name=name or email,
            role=Role(role),
            password=password,
            tenants=tenants,
            password_once=True,
        )
    click.echo(password)
    click.echo("Hand this password over now: it is not shown again.", err=True)


@user.command("reset-second-factor")
@click.argument("email")
def user_reset_second_factor(email: str) -> None:
    """Forget the second factor of EMAIL, whose phone and recovery codes are lost, and end their sessions."""
    with owner_transaction() as session:
        user_id = access.user_by_email(session=session, email=email)
        second_factor.remove_second_factor(session=session, user_id=user_id, actor=access.SETUP)
        accounts.end_sessions(session=session, user_id=user_id, actor=access.SETUP, why="sessions")
    click.echo(f"{email} has no second factor any more. Where one is required, the next sign-in sets up another.")


@click.group
def audit() -> None:
    """The audit trail."""


@audit.command("verify")
def audit_verify() -> None:
    """Recompute every hash chain; exit 1 if one is broken.

    Keep the printed heads somewhere else: whoever can rewrite the whole database cannot rewrite those.
    """
    broken = False
    with owner_transaction() as session:
        chains = [("system", None), *session.execute(select(Tenant.slug, Tenant.id).order_by(Tenant.slug))]
        for slug, tenant_id in chains:
            report = verify_chain(session=session, tenant_id=tenant_id)
            broken = broken or not report.intact
            click.echo(f"{slug}\t{report.events} events\t{report.problem or 'intact'}\thead {report.head_hash}")
    if broken:
        raise click.ClickException("The audit trail has been tampered with.")
