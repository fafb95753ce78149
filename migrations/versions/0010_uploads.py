"""Files on their way to the store, and batches of many cases."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
MINE = "ANY ((SELECT string_to_array(nullif(current_setting('dermatrail.tenants', true), ''), ',')::uuid[])::uuid[])"
SETTLED = "state, submission, attempts, not_before, case_id, reason, detail, finished_at"
GRANTS = {
    # Upkeep locks and deletes what nobody has used in time.
    "uploads": {"intake": "SELECT, INSERT, UPDATE (state)", "worker": "SELECT, UPDATE (state), DELETE"},
    "batches": {"intake": "SELECT, INSERT"},
    "batch_items": {"intake": f"SELECT, INSERT, UPDATE ({SETTLED})"},
}


def upgrade() -> None:
    """Add the tables, their rights, and the question whose items wait."""
    for create in TABLES.values():
        create()
    for table, rights in GRANTS.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        for role, what in rights.items():
            op.execute(f"GRANT {what} ON {table} TO dermatrail_{role}")
            rows = "true" if role == "worker" else f"tenant_id = {MINE}"
            op.execute(f"CREATE POLICY {role} ON {table} TO dermatrail_{role} USING ({rows}) WITH CHECK ({rows})")
    op.execute(WAITING)
    op.execute("REVOKE EXECUTE ON FUNCTION tenants_with_waiting_items() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION tenants_with_waiting_items() TO dermatrail_intake")


def downgrade() -> None:
    """Drop what was made here."""
    op.execute("DROP FUNCTION tenants_with_waiting_items()")
    for table in reversed(TABLES):
        op.drop_table(table)


# Intake sees only tenants that it names. This tells it whom to name: ids of tenants, and nothing of theirs.
WAITING = """
    CREATE FUNCTION tenants_with_waiting_items() RETURNS SETOF uuid
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
        SELECT DISTINCT tenant_id FROM public.batch_items WHERE state = 'waiting' AND not_before <= now()
    $$
"""


def refers(table: str, column: str, to: str, *, nullable: bool = False) -> tuple[SchemaItem, ...]:
    """Return a column that names a row of another table."""
    key = sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))
    return (sa.Column(column, sa.Uuid(), nullable=nullable), key)


def owned(table: str) -> tuple[SchemaItem, ...]:
    """Return the columns of every row of a tenant."""
    return (
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        *refers(table, "tenant_id", "tenants"),
    )


def word(name: str, *values: str, server_default: str) -> sa.Column[Any]:
    """Return a column that admits only these words."""
    kind = sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)
    return sa.Column(name, kind, nullable=False, server_default=server_default)


def create_uploads() -> None:
    op.create_table(
        "uploads",
        *owned("uploads"),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("byte_size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        word("state", "pending", "ready", "reserved", "used", server_default="pending"),
        sa.Column("expires_at", TIME, nullable=False),
        sa.CheckConstraint("byte_size > 0", name=op.f("ck_uploads_byte_size")),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_uploads_sha256")),
    )
    op.create_index("ix_uploads_expires_at", "uploads", ["expires_at"])


def create_batches() -> None:
    op.create_table(
        "batches",
        *owned("batches"),
        *refers("batches", "key_id", "api_keys"),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("manifest_sha256", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.CheckConstraint("item_count > 0", name=op.f("ck_batches_item_count")),
        sa.UniqueConstraint("tenant_id", "idempotency_key", name=op.f("uq_batches_tenant_id_idempotency_key")),
    )


def create_batch_items() -> None:
    op.create_table(
        "batch_items",
        *owned("batch_items"),
        *refers("batch_items", "batch_id", "batches"),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("submission", postgresql.JSONB(), nullable=True),
        sa.Column("upload_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        word("state", "waiting", "accepted", "refused", server_default="waiting"),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("not_before", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.CheckConstraint("(state = 'accepted') = (case_id IS NOT NULL)", name=op.f("ck_batch_items_accepted")),
        sa.CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name=op.f("ck_batch_items_refused")),
        sa.CheckConstraint("(state = 'waiting') = (finished_at IS NULL)", name=op.f("ck_batch_items_finished")),
        sa.UniqueConstraint("batch_id", "line", name=op.f("uq_batch_items_batch_id_line")),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index("ix_batch_items_waiting", "batch_items", ["tenant_id", "created_at", "line"], postgresql_where=waiting)


# In this order; dropped in the other.
TABLES = {"uploads": create_uploads, "batches": create_batches, "batch_items": create_batch_items}
