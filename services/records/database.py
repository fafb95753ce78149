"""Transactions: the one way to the records, and the place where row-level security learns the tenants."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Self
from uuid import UUID

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from services.records.errors import DatabaseUnavailable
from services.settings import Settings

POOL_SIZE = 5
CONNECT_TIMEOUT_SECONDS = 5
# A connection used this recently is taken to be alive; an older one is asked first. Asking always would cost every
# transaction a round trip.
TRUSTED_SECONDS = 1.0
SET_LOCAL = text("SELECT set_config(:name, :value, true)")


class Database:
    """A small pool of connections of one login."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Return the database of a process. It connects when first used, so a process starts without Postgres."""
        return cls.open(settings.database_url.get_secret_value())

    @classmethod
    def open(cls, url: str) -> Self:
        """Return the database at an address."""
        engine = create_engine(
            url,
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_timeout=CONNECT_TIMEOUT_SECONDS,
            # An error text must not carry the values of a row: they are about patients.
            hide_parameters=True,
            # A peer that vanishes without a word (power, network) must not hold a connection for hours.
            connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS, "keepalives_idle": 30, "tcp_user_timeout": 20_000},
        )
        _ask_idle_connections(engine)
        return cls(engine)

    @contextmanager
    def transaction(self, *, tenants: Iterable[UUID] | None = None, user: UUID | None = None, admin: bool = False) -> Iterator[Session]:
        """Give a session; commit when the block ends, roll back when it raises.

        Args:
            tenants: whose rows the intake and review logins may see and write. None means nobody's;
                the worker's login sees all tenants either way.
            user: whose own rows (saved views) the review login may see and write.
            admin: let the review login see and write portals, keys and memberships, and read the audit trail. Never patients.

        Raises:
            DatabaseUnavailable: Postgres is away, or gave this transaction up (a deadlock, a shutdown).
        """
        try:
            with self._sessions.begin() as session:
                if tenants is not None:
                    bind_tenants(session=session, tenants=tenants)
                if user is not None:
                    set_local(session=session, name="user", value=str(user))
                if admin:
                    set_local(session=session, name="admin", value="on")
                yield session
        except PoolTimeout as error:
            raise DatabaseUnavailable("All database connections are busy: try again.") from error
        except DBAPIError as error:
            if isinstance(error, OperationalError) or error.connection_invalidated:
                raise DatabaseUnavailable("The database is not available: try again.") from error
            raise

    def ready(self) -> bool:
        """Whether a statement can be run now."""
        try:
            with self.transaction() as session:
                session.execute(text("SELECT 1"))
        except DatabaseUnavailable:
            return False
        return True

    def close(self) -> None:
        """Close the pooled connections; call it when the process ends, and in a child after a fork."""
        self.engine.dispose()


def _ask_idle_connections(engine: Engine) -> None:
    def returned(_: object, record: ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    def taken(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        if time.monotonic() - record.info.get("used", time.monotonic()) < TRUSTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            # The server was restarted: every pooled connection is as dead as this one.
            raise InvalidatePoolError from error

    event.listen(engine, "checkin", returned)
    event.listen(engine, "checkout", taken)


def bind_tenants(*, session: Session, tenants: Iterable[UUID]) -> None:
    """Name the tenants that this transaction works for. Lasts until its end."""
    set_local(session=session, name="tenants", value=",".join(str(tenant) for tenant in tenants))


def set_local(*, session: Session, name: str, value: str) -> None:
    """Set ``dermatrail.<name>``, which the row-level security policies read, for this transaction only."""
    session.execute(SET_LOCAL, {"name": f"dermatrail.{name}", "value": value})
