"""DICOM instances that portals sent and that we made, and which cases wait for the results to be made."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
MINE = "ANY ((SELECT string_to_array(nullif(current_setting('dermatrail.tenants', true), ''), ',')::uuid[])::uuid[])"
RESULTS = "results_due_at, results_attempts, results_failed"
KINDS = ("received", "photograph", "segmentation", "measurements", "capture")

# Nobody has the right to change an instance: what was sent, and what was answered, stays as it was.
GRANTS = {
    "dicom_instances": {"intake": "SELECT, INSERT", "review": "SELECT", "worker": "SELECT, INSERT"},
    "cases": {"intake": f"UPDATE ({RESULTS})", "review": f"UPDATE ({RESULTS})", "worker": f"UPDATE ({RESULTS})"},
}


def upgrade() -> None:
    """Add what this step needs."""
    op.add_column("cases", sa.Column("results_due_at", TIME, nullable=True))
    op.add_column("cases", sa.Column("results_attempts", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("cases", sa.Column("results_failed", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_cases_results_attempts"), "cases", "results_attempts >= 0")
    op.create_index("ix_cases_results_due", "cases", ["results_due_at"], postgresql_where=sa.text("results_due_at IS NOT NULL"))
    create_dicom_instances()
    secure()


def downgrade() -> None:
    """Drop what was made here."""
    for role, what in GRANTS["cases"].items():
        op.execute(f"REVOKE {what} ON cases FROM dermatrail_{role}")
    op.drop_table("dicom_instances")
    op.drop_index("ix_cases_results_due", "cases")
    for column in ("results_failed", "results_attempts", "results_due_at"):
        op.drop_column("cases", column)


def secure() -> None:
    """Give rights and row security."""
    for table, rights in GRANTS.items():
        for role, what in rights.items():
            op.execute(f"GRANT {what} ON {table} TO dermatrail_{role}")
    op.execute("ALTER TABLE dicom_instances ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE dicom_instances FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner ON dicom_instances TO CURRENT_USER USING (true) WITH CHECK (true)")
    for role in GRANTS["dicom_instances"]:
        rows = "true" if role == "worker" else f"tenant_id = {MINE}"
        op.execute(f"CREATE POLICY {role} ON dicom_instances TO dermatrail_{role} USING ({rows}) WITH CHECK ({rows})")


def refers(column: str, to: str, *, nullable: bool = False) -> tuple[SchemaItem, ...]:
    """Return a column that names a row of another table."""
    key = sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_dicom_instances_{column}"))
    return (sa.Column(column, sa.Uuid(), nullable=nullable), key)


def text(name: str) -> sa.Column[Any]:
    """Return a column of text that is always there."""
    return sa.Column(name, sa.Text(), nullable=False)


def create_dicom_instances() -> None:
    op.create_table(
        "dicom_instances",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dicom_instances")),
        *refers("tenant_id", "tenants"),
        *refers("case_id", "cases"),
        *refers("image_id", "images", nullable=True),
        *refers("review_id", "reviews", nullable=True),
        sa.Column("kind", sa.Enum(*KINDS, name="kind", native_enum=False, create_constraint=True, length=32), nullable=False),
        text("study_uid"),
        text("series_uid"),
        text("sop_instance_uid"),
        text("sop_class_uid"),
        text("transfer_syntax_uid"),
        text("modality"),
        text("object_key"),
        sa.Column("byte_size", sa.Integer(), nullable=False),
        text("sha256"),
        sa.Column("attributes", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("byte_size > 0", name=op.f("ck_dicom_instances_byte_size")),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_dicom_instances_sha256")),
        sa.CheckConstraint(
            "kind NOT IN ('received', 'photograph') OR (image_id IS NOT NULL AND review_id IS NULL)",
            name=op.f("ck_dicom_instances_picture"),
        ),
        sa.CheckConstraint("kind IN ('received', 'photograph') OR review_id IS NOT NULL", name=op.f("ck_dicom_instances_result")),
        sa.UniqueConstraint("tenant_id", "sop_instance_uid", name=op.f("uq_dicom_instances_tenant_id_sop_instance_uid")),
    )
    op.create_index("ix_dicom_instances_series", "dicom_instances", ["tenant_id", "study_uid", "series_uid"])
    op.create_index("ix_dicom_instances_case_id", "dicom_instances", ["case_id"])
