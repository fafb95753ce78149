"""The set-up commands, as an administrator runs them."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Connection, text

from services.admin import register
from services.records import access
from services.settings import Settings
from tests.records.worlds import Logins


@pytest.fixture
def cli() -> click.Group:
    group = click.Group("dermatrail")
    register(group)
    return group


@pytest.fixture
def owner(owner_settings: Settings, monkeypatch: pytest.MonkeyPatch, clean_database: None) -> str:
    """The owner's address, in the environment."""
    url = owner_settings.database_url.get_secret_value()
    monkeypatch.setenv("DERMATRAIL_DATABASE_URL", url)
    return url


def run(cli: click.Group, *words: str) -> Result:
    return CliRunner().invoke(cli, words)


def test_a_machine_is_set_up_from_nothing(cli: click.Group, owner: str, logins: Logins) -> None:
    assert run(cli, "migrate").output == "The database is at revision head.\n"
    assert "north-clinic" in run(cli, "portal", "create", "North Clinic").output
    key = run(cli, "portal", "key", "north-clinic")
    made = run(cli, "user", "create", "dr@derma.example", "--role", "lead", "--portal", "north-clinic")
    assert (key.exit_code, made.exit_code) == (0, 0)
    with logins.intake.transaction() as session:
        portal = access.authenticate_key(session=session, plain=key.stdout.strip())
    with logins.review.transaction() as session:
        person = access.authenticate_user(session=session, email="dr@derma.example", password=made.stdout.strip())
    assert (person.role, person.tenant_ids) == ("lead", (portal.tenant_id,))


def test_a_key_is_revoked_by_its_prefix(cli: click.Group, owner: str) -> None:
    run(cli, "portal", "create", "North")
    key = run(cli, "portal", "key", "north").stdout
    assert run(cli, "portal", "revoke", "north", key.split("_")[1]).exit_code == 0
    assert run(cli, "portal", "revoke", "north", key.split("_")[1]).exit_code == 1


def test_a_second_factor_is_reset_by_the_address(cli: click.Group, owner: str, logins: Logins, behind: Connection) -> None:
    run(cli, "user", "create", "dr@derma.example")
    behind.execute(text("UPDATE users SET totp_secret = 'sealed', totp_confirmed_at = now(), recovery_hashes = '{x}'"))
    assert run(cli, "user", "reset-second-factor", "Dr@derma.example").exit_code == 0
    row = behind.execute(text("SELECT totp_secret, totp_confirmed_at, recovery_hashes, session_epoch FROM users")).one()
    assert tuple(row) == (None, None, [], 1)
    assert run(cli, "user", "reset-second-factor", "nobody@derma.example").exit_code == 1


@pytest.mark.parametrize("words", ["portal key nowhere", "user create a@b.c --portal nowhere", "portal create !"])
def test_a_refusal_is_a_plain_message(cli: click.Group, owner: str, words: str) -> None:
    result = run(cli, *words.split())
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.output


def test_without_an_address_the_variable_is_named(cli: click.Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DERMATRAIL_DATABASE_URL", raising=False)
    result = run(cli, "audit", "verify")
    assert result.exit_code == 1
    assert "DERMATRAIL_DATABASE_URL" in result.stderr


def test_the_address_may_come_from_a_file(cli: click.Group, owner: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(owner + "\n", encoding="utf-8")
    monkeypatch.delenv("DERMATRAIL_DATABASE_URL")
    monkeypatch.setenv("DERMATRAIL_DATABASE_URL_FILE", str(tmp_path / "url"))
    assert run(cli, "audit", "verify").exit_code == 0


def test_verify_reports_each_chain_and_fails_on_a_broken_one(cli: click.Group, owner: str, behind: Connection) -> None:
    run(cli, "portal", "create", "North")
    intact = run(cli, "audit", "verify")
    assert intact.exit_code == 0
    assert "north\t1 events\tintact" in intact.stdout
    behind.execute(text("SET session_replication_role = replica"))
    behind.execute(text("UPDATE audit_events SET action = 'nothing'"))
    broken = run(cli, "audit", "verify")
    assert broken.exit_code == 1
    assert "Event 1 was changed." in broken.stdout
