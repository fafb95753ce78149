"""One login per role, an empty database for each test, and a portal."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine, event, text

from services.records import access
from services.records.database import Database
from tests.conftest import SettingsFor
from tests.records.worlds import Logins, Portal, Worker, new_portal

ROLES = ("owner", "intake", "review", "worker")


@pytest.fixture(scope="session")
def logins(settings_for: SettingsFor) -> Iterator[Logins]:
    made = Logins(**{role: Database.connect(settings_for(role)) for role in ROLES})
    yield made
    made.close()


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Argon2 is slow on purpose; here it need not be."""
    with pytest.MonkeyPatch.context() as patch:
        cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        patch.setattr(access, "_hasher", lambda: cheap)
        yield


@pytest.fixture
def portal(clean_database: None, logins: Logins) -> Portal:
    return new_portal(logins, "north")


@pytest.fixture
def other(portal: Portal) -> Portal:
    return new_portal(portal.logins, "south")


@pytest.fixture
def worker(logins: Logins) -> Worker:
    return Worker(logins)


@pytest.fixture
def second_worker(logins: Logins) -> Worker:
    return Worker(logins, "worker-2")


@pytest.fixture
def case_id(portal: Portal, worker: Worker) -> UUID:
    """A case that awaits its first read."""
    case = portal.submit()
    worker.complete(worker.claim())
    return case.id


@pytest.fixture
def second_reads(portal: Portal, behind: Connection) -> None:
    """Every case of the portal has a second reader."""
    behind.execute(text("UPDATE tenants SET second_read_share = 1"))


class Statements(list[str]):
    """The statements that an engine was given, without what starts and ends a transaction."""


@pytest.fixture
def statements(logins: Logins) -> Iterator[Statements]:
    """Records what any login executes; clear it before the part that matters."""
    seen = Statements()

    def note(connection: Connection, cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    engines: list[Engine] = [getattr(logins, role).engine for role in ROLES]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def behind(superuser_engine: Engine) -> Iterator[Connection]:
    """The superuser's connection, each statement committed at once: to look, to set the clock, to tamper."""
    with superuser_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
