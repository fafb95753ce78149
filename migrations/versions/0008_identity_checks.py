"""What in a picture may tell who the patient is, and what a human said about it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
MINE = "ANY ((SELECT string_to_array(nullif(current_setting('dermatrail.tenants', true), ''), ',')::uuid[])::uuid[])"
STATES = "unchecked", "clear", "suspected", "cleared", "held"
# Whether a picture may leave is asked by all; what was seen in it and said about it, by those who look at it.
GRANTS = {
    "cases": {"review": "UPDATE (flags)"},
    "images": {"review": "UPDATE (identity_state)", "worker": "UPDATE (identity_state)"},
    "identity_findings": {"intake": "SELECT", "review": "SELECT", "worker": "SELECT, INSERT"},
    "identity_verdicts": {"intake": "SELECT", "review": "SELECT, INSERT", "worker": "SELECT"},
}
TABLES = "identity_findings", "identity_verdicts"


def upgrade() -> None:
    """Add the state to the pictures, then the tables and their rights."""
    kind = sa.Enum(*STATES, name="identity_state", native_enum=False, create_constraint=True, length=32)
    op.add_column("images", sa.Column("identity_state", kind, nullable=False, server_default="unchecked"))
    waits = sa.text("identity_state IN ('suspected', 'held')")
    op.create_index("ix_images_identity", "images", ["tenant_id", "created_at"], postgresql_where=waits)
    create_identity_findings()
    create_identity_verdicts()
    secure()


def downgrade() -> None:
    """Drop what was made here."""
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute("REVOKE UPDATE (flags) ON cases FROM dermatrail_review")
    op.drop_index("ix_images_identity", "images")
    op.drop_column("images", "identity_state")


def secure() -> None:
    """Give rights and row security."""
    for table, rights in GRANTS.items():
        for role, what in rights.items():
            op.execute(f"GRANT {what} ON {table} TO dermatrail_{role}")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        for role in GRANTS[table]:
            rows = "true" if role == "worker" else f"tenant_id = {MINE}"
            op.execute(f"CREATE POLICY {role} ON {table} TO dermatrail_{role} USING ({rows}) WITH CHECK ({rows})")
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
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


def create_identity_findings() -> None:
    op.create_table(
        "identity_findings",
        *owned("identity_findings"),
        *refers("identity_findings", "image_id", "images"),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column(
            "kind", sa.Enum("text", "face", "declared", name="kind", native_enum=False, create_constraint=True, length=32), nullable=False
        ),
        sa.Column("box", postgresql.JSONB(), nullable=True),
        sa.Column("score", sa.Double(), nullable=False),
        sa.CheckConstraint("score BETWEEN 0 AND 1", name=op.f("ck_identity_findings_score")),
        sa.CheckConstraint("(kind = 'declared') = (box IS NULL)", name=op.f("ck_identity_findings_box")),
    )
    op.create_index("ix_identity_findings_image_id", "identity_findings", ["image_id", "created_at"])


def create_identity_verdicts() -> None:
    op.create_table(
        "identity_verdicts",
        *owned("identity_verdicts"),
        *refers("identity_verdicts", "image_id", "images"),
        *refers("identity_verdicts", "user_id", "users"),
        sa.Column(
            "verdict", sa.Enum("clear", "hold", name="verdict", native_enum=False, create_constraint=True, length=32), nullable=False
        ),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
    )
    op.create_index("ix_identity_verdicts_image_id", "identity_verdicts", ["image_id", "created_at"])
