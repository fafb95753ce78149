"""The pool outlives the server."""

import time

import pytest
from sqlalchemy import text

from infra.local import LocalStack
from services.records import database
from services.records.database import Database
from tests.conftest import SettingsFor


def test_connections_that_lay_idle_over_a_restart_are_replaced_unseen(
    stack: LocalStack, settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = database.TRUSTED_SECONDS
    monkeypatch.setattr(database, "TRUSTED_SECONDS", 0.0)
    pool = Database.connect(settings_for("worker"))
    with pool.transaction() as first, pool.transaction() as second:  # two connections in the pool
        assert first.scalar(text("SELECT 1")) == second.scalar(text("SELECT 1"))
    stack.restart("postgres")
    for _ in range(3):
        with pool.transaction() as session:
            assert session.scalar(text("SELECT 1")) == 1
    pool.close()
    time.sleep(trusted)  # or the pools that other tests share would take their dead connections for live ones
