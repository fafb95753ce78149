"""Orders that arrived by FHIR, and the right of the intake process to name the models behind a result."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
MINE = "ANY ((SELECT string_to_array(nullif(current_setting('dermatrail.tenants', true), ''), ',')::uuid[])::uuid[])"
# Which models there are belongs to no tenant and tells nothing about patients.
GRANTS = {
    "orders": {"intake": "SELECT, INSERT, UPDATE (case_id, state, reason, resource, changed_at)", "review": "SELECT"},
    "model_versions": {"intake": "SELECT"},
}
STATES = ("accepted", "rejected")


def upgrade() -> None:
    """Add what this step needs."""
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("identifier_system", sa.Text(), server_default="", nullable=False),
        sa.Column("identifier_value", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Enum(*STATES, name="state", native_enum=False, create_constraint=True, length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("resource", postgresql.JSONB(), nullable=False),
        sa.Column("changed_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_orders_tenant_id")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_orders_case_id")),
        sa.CheckConstraint("(state = 'accepted') = (case_id IS NOT NULL)", name=op.f("ck_orders_accepted")),
        sa.CheckConstraint("(state = 'rejected') = (reason IS NOT NULL)", name=op.f("ck_orders_rejected")),
        sa.UniqueConstraint(
            "tenant_id", "identifier_value", "identifier_system", name=op.f("uq_orders_tenant_id_identifier_value_identifier_system")
        ),
    )
    op.create_index("ix_orders_case_id", "orders", ["case_id"])
    op.create_index("ix_orders_list", "orders", ["tenant_id", "created_at", "id"])
    secure()


def downgrade() -> None:
    """Drop what was made here."""
    op.execute("REVOKE SELECT ON model_versions FROM dermatrail_intake")
    op.drop_table("orders")


def secure() -> None:
    """Give rights and row security."""
    for table, rights in GRANTS.items():
        for role, what in rights.items():
            op.execute(f"GRANT {what} ON {table} TO dermatrail_{role}")
    op.execute("ALTER TABLE orders ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE orders FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner ON orders TO CURRENT_USER USING (true) WITH CHECK (true)")
    for role in GRANTS["orders"]:
        op.execute(f"CREATE POLICY {role} ON orders TO dermatrail_{role} USING (tenant_id = {MINE}) WITH CHECK (tenant_id = {MINE})")
