"""Runs the migrations on the address that ``services.records.migrate`` hands over."""

from alembic import context
from sqlalchemy import create_engine, text

from services.records.tables import Base

# Two processes that start together must not migrate together. Any constant will do.
LOCK = 7_365_736


def run() -> None:
    """Migrate in one transaction: a revision happens wholly or not at all."""
    engine = create_engine(context.config.attributes["database_url"])
    try:
        with engine.connect() as connection:
            context.configure(connection=connection, target_metadata=Base.metadata)
            with context.begin_transaction():
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
                context.run_migrations()
    finally:
        engine.dispose()


run()
