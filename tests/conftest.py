"""Fixtures for every test: real servers, started once per test process in a folder of their own."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from playwright.sync_api import Playwright, sync_playwright
from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.exc import OperationalError

from infra.local import LocalStack
from infra.local.state import StateFolder
from services.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
STACKS = ROOT / ".local" / "tests"

SettingsFor = Callable[[str], Settings]


def remove_stale_stacks() -> None:
    """Delete what a killed test run left behind; a folder in use is locked and stays."""
    for folder in STACKS.glob("stack-*"):
        just_made = time.time() - folder.stat().st_mtime < 60  # another run may be about to lock it
        if not just_made and not StateFolder(folder).is_locked():
            shutil.rmtree(folder, ignore_errors=True)


def settings_from(environment: dict[str, str], **changes: Any) -> Settings:
    """Settings of a process that has these variables, without touching this process's own."""
    given: dict[str, Any] = {name.removeprefix("DERMATRAIL_").lower(): value for name, value in environment.items()}
    return Settings(**{**given, **changes})


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """Postgres (migrated), Valkey and SeaweedFS, empty at the start of the session. The application is not started."""
    STACKS.mkdir(parents=True, exist_ok=True)
    remove_stale_stacks()
    folder = Path(tempfile.mkdtemp(prefix="stack-", dir=STACKS))
    with LocalStack(folder) as running:
        yield running
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def settings_for(stack: LocalStack) -> SettingsFor:
    """`settings_for("intake")`: the settings of one role; also "owner", "review" and "worker"."""
    return lambda role: settings_from(stack.environment(role))


@pytest.fixture(scope="session")
def owner_settings(settings_for: SettingsFor) -> Settings:
    """The settings with the owner's login, for migrations and administration."""
    return settings_for("owner")


@pytest.fixture(scope="session")
def superuser_engine(stack: LocalStack) -> Iterator[Engine]:
    """A connection that row-level security does not bind: for looking behind the scenes, never for the product."""
    engine = create_engine(stack.database_url("superuser"), poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The browser's driver: one for all tests, because two in one process quarrel over the event loop."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture
def clean_database(superuser_engine: Engine) -> None:
    """Empty every table before the test. A browser of the last test may still have a request on its way: then once more."""
    for attempt in range(5):
        try:
            _empty_tables(superuser_engine)
        except OperationalError:  # a deadlock, of which this transaction was the victim
            if attempt == 4:
                raise
            time.sleep(0.5)
        else:
            return


def _empty_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        names = list(connection.exec_driver_sql(tables).scalars())
        if names:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # the append-only triggers refuse TRUNCATE
            connection.exec_driver_sql(f"TRUNCATE {', '.join(names)} CASCADE")


@pytest.fixture
def clean_broker(stack: LocalStack) -> None:
    """Empty the broker before the test."""
    with redis.Redis.from_url(stack.environment("worker")["DERMATRAIL_BROKER_URL"]) as client:
        client.flushall()
