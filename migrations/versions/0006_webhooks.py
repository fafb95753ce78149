"""Where a portal wants to be told, and every attempt to tell it."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
MINE = "ANY ((SELECT string_to_array(nullif(current_setting('dermatrail.tenants', true), ''), ',')::uuid[])::uuid[])"
ADMIN = "(SELECT current_setting('dermatrail.admin', true)) = 'on'"
# An administrator's transaction sees addresses and the log, which hold nothing about patients.
ROWS = {"intake": f"tenant_id = {MINE}", "review": f"tenant_id = {MINE} OR {ADMIN}", "worker": "true"}
AGAIN = "state, attempts, due_at, give_up_at, finished_at, status, reason"
GRANTS = {
    "webhook_endpoints": {
        "intake": "SELECT, INSERT, UPDATE",
        "review": "SELECT, INSERT, UPDATE",
        "worker": "SELECT, UPDATE (state, disabled_at, disabled_reason, told, failures, failing_since, succeeded_at, slow, rest_until)",
    },
    "deliveries": {
        "intake": f"SELECT, UPDATE ({AGAIN})",
        "review": f"SELECT, UPDATE ({AGAIN})",
        "worker": f"SELECT, INSERT, UPDATE ({AGAIN}, lease_owner, lease_expires_at)",
    },
    "delivery_attempts": {"intake": "SELECT", "review": "SELECT", "worker": "SELECT, INSERT"},
}


def upgrade() -> None:
    """Add tables, and what holds an event back until it may be told."""
    op.add_column("portal_events", sa.Column("not_before", TIME, nullable=True))
    op.add_column("portal_events", sa.Column("review_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_portal_events_review_id"), "portal_events", "reviews", ["review_id"], ["id"])
    create_endpoints()
    create_deliveries()
    create_attempts()
    secure()


def downgrade() -> None:
    """Drop what was made here."""
    for table in reversed(GRANTS):
        op.drop_table(table)
    op.drop_column("portal_events", "review_id")
    op.drop_column("portal_events", "not_before")


def secure() -> None:
    """Give rights and row security."""
    for table, rights in GRANTS.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        for role, what in rights.items():
            op.execute(f"GRANT {what} ON {table} TO dermatrail_{role}")
            op.execute(f"CREATE POLICY {role} ON {table} TO dermatrail_{role} USING ({ROWS[role]}) WITH CHECK ({ROWS[role]})")
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON delivery_attempts "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def refers(table: str, column: str, to: str) -> tuple[SchemaItem, ...]:
    """Return a column that names a row of another table."""
    key = sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))
    return (sa.Column(column, sa.Uuid(), nullable=False), key)


def owned(table: str) -> tuple[SchemaItem, ...]:
    """Return the columns of every row of a tenant."""
    return (
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        *refers(table, "tenant_id", "tenants"),
    )


def word(name: str, *values: str, server_default: str | None = None) -> sa.Column[Any]:
    """Return a column that admits only these words."""
    kind = sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)
    return sa.Column(name, kind, nullable=False, server_default=server_default)


def create_endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        *owned("webhook_endpoints"),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        word("state", "active", "disabled", "removed", server_default="active"),
        sa.Column("disabled_at", TIME, nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.Text(), nullable=True),
        sa.Column("previous_until", TIME, nullable=True),
        sa.Column("told", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failing_since", TIME, nullable=True),
        sa.Column("succeeded_at", TIME, nullable=True),
        sa.Column("slow", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("rest_until", TIME, nullable=True),
        sa.CheckConstraint("(previous_secret IS NULL) = (previous_until IS NULL)", name=op.f("ck_webhook_endpoints_previous_secret")),
        sa.CheckConstraint("(state = 'disabled') = (disabled_reason IS NOT NULL)", name=op.f("ck_webhook_endpoints_disabled_reason")),
        sa.CheckConstraint("(disabled_reason IS NULL) = (disabled_at IS NULL)", name=op.f("ck_webhook_endpoints_disabled_at")),
        sa.CheckConstraint("failures >= 0 AND (failures = 0) = (failing_since IS NULL)", name=op.f("ck_webhook_endpoints_failures")),
    )
    op.create_index("ix_webhook_endpoints_tenant_id", "webhook_endpoints", ["tenant_id"])


def create_deliveries() -> None:
    op.create_table(
        "deliveries",
        *owned("deliveries"),
        *refers("deliveries", "endpoint_id", "webhook_endpoints"),
        *refers("deliveries", "event_id", "portal_events"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("happened_at", TIME, nullable=False),
        word("state", "waiting", "leased", "delivered", "dead", server_default="waiting"),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("give_up_at", TIME, nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_expires_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(state = 'leased') = (lease_owner IS NOT NULL)", name=op.f("ck_deliveries_lease_owner")),
        sa.CheckConstraint("(lease_owner IS NULL) = (lease_expires_at IS NULL)", name=op.f("ck_deliveries_lease")),
        sa.CheckConstraint("(state IN ('delivered', 'dead')) = (finished_at IS NOT NULL)", name=op.f("ck_deliveries_finished_at")),
        sa.CheckConstraint("state <> 'dead' OR reason IS NOT NULL", name=op.f("ck_deliveries_reason")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_deliveries_attempts")),
        sa.UniqueConstraint("endpoint_id", "event_id", name=op.f("uq_deliveries_endpoint_id_event_id")),
    )
    op.create_index("ix_deliveries_log", "deliveries", ["endpoint_id", "sequence"])
    op.create_index("ix_deliveries_event_id", "deliveries", ["event_id"])
    unfinished = sa.text("state IN ('waiting', 'leased')")
    op.create_index("ix_deliveries_due", "deliveries", ["endpoint_id", "due_at"], postgresql_where=unfinished)


def create_attempts() -> None:
    op.create_table(
        "delivery_attempts",
        *owned("delivery_attempts"),
        *refers("delivery_attempts", "delivery_id", "deliveries"),
        sa.Column("attempted_at", TIME, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.CheckConstraint("seconds >= 0", name=op.f("ck_delivery_attempts_seconds")),
    )
    op.create_index("ix_delivery_attempts_delivery_id", "delivery_attempts", ["delivery_id", "attempted_at"])
