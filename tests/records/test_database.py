"""Transactions, and what a process is told when Postgres is away."""

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, IntegrityError

from services.records.database import Database
from services.records.errors import DatabaseUnavailable
from tests.records.worlds import Logins, Portal

NOWHERE = "postgresql+psycopg2://nobody:secret-word@127.0.0.1:1/none"


def test_a_database_that_is_not_there_is_unavailable_and_its_password_stays_secret() -> None:
    database = Database.open(NOWHERE)
    assert not database.ready()
    with pytest.raises(DatabaseUnavailable) as caught, database.transaction(tenants=[]):
        pytest.fail("there was a connection")
    assert not caught.value.permanent
    assert "secret-word" not in str(caught.value)


def test_a_database_that_is_there_is_ready(logins: Logins) -> None:
    assert all(database.ready() for database in (logins.owner, logins.intake, logins.review, logins.worker))


def test_a_connection_cut_within_a_transaction_is_unavailable_and_the_next_one_works(logins: Logins, behind: Connection) -> None:
    def work_while_cut() -> None:
        with logins.intake.transaction() as session:
            pid = session.scalar(text("SELECT pg_backend_pid()"))
            behind.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            session.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailable):
        work_while_cut()
    assert logins.intake.ready()


def test_connections_cut_while_idle_are_not_noticed(logins: Logins, behind: Connection) -> None:
    assert logins.worker.ready()
    behind.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'worker'"))
    assert logins.worker.ready()


def test_a_full_pool_is_unavailable(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins.review.engine.pool, "_timeout", 0.1)
    held = [logins.review.engine.connect() for _ in range(5)]
    with pytest.raises(DatabaseUnavailable, match="busy"), logins.review.transaction(tenants=[]):
        pytest.fail("there was a sixth connection")
    for connection in held:
        connection.close()


def test_a_fault_of_ours_is_not_taken_for_an_outage(logins: Logins) -> None:
    with pytest.raises(DataError), logins.intake.transaction() as session:
        session.execute(text("SELECT 1 / 0"))


def test_an_error_does_not_repeat_the_values_of_a_row(portal: Portal) -> None:
    with pytest.raises(IntegrityError) as caught:
        portal.submit(fitzpatrick=9, clinical_notes="grows since spring")
    assert "grows" not in str(caught.value)
