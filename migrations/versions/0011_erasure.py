"""Erasure with its receipt, retention and consent; and which pictures went into which exported data set."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

from services.records.erasure_plan import ERASER

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
MINE = "ANY ((SELECT string_to_array(nullif(current_setting('dermatrail.tenants', true), ''), ',')::uuid[])::uuid[])"
ADMIN = "(SELECT current_setting('dermatrail.admin', true)) = 'on'"
CONSENTS = ("consent_training", "consent_care", "consent_audit")
LOOKED_AFTER = "state, prefixes, objects, objects_gone_at, problem, done_at"
GRANTS = {
    "tenants": {"review": "UPDATE (retention_days)"},
    "patients": {"intake": "UPDATE (consent_care, consent_audit, legal_hold)"},
    "erasures": {"intake": "SELECT", "review": "SELECT", "worker": f"SELECT, UPDATE ({LOOKED_AFTER})"},
    # A receipt names the exports that hold its pictures, and how many; not which.
    "dataset_images": dict.fromkeys(("intake", "review", "worker"), "SELECT (export_id, tenant_id, erasure_id, pruned_at)"),
    "dataset_exports": dict.fromkeys(("intake", "review", "worker"), "SELECT (id, name)"),
}
ROWS = {
    ("erasures", "review"): f"tenant_id = {MINE} OR {ADMIN}",
    ("erasures", "worker"): "true",
    ("dataset_images", "review"): f"tenant_id = {MINE} OR {ADMIN}",
    ("dataset_images", "worker"): "true",
}
DOORS = {
    "erase_patient(uuid, uuid, uuid)": "intake",
    "erase_expired(uuid, uuid, uuid, uuid)": "worker",
    "expired_trails(uuid)": "worker",
    "erase_records(uuid, uuid, uuid, uuid)": None,
}
# What was: without the exception for a receipt that is being written.
REFUSE_ALL = """
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: add a row instead', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END $$
"""


def upgrade() -> None:
    """Add columns, receipts, the register of exports, and the one function that erases."""
    op.add_column("tenants", sa.Column("retention_days", sa.Integer(), nullable=True))
    op.create_check_constraint(op.f("ck_tenants_retention_days"), "tenants", "retention_days BETWEEN 1 AND 36525")
    extend_patients()
    create_erasures()
    create_dataset_exports()
    create_dataset_images()
    secure()
    for statement in ERASER:
        op.execute(sa.text(statement.replace(":", r"\:")))
    for function, role in DOORS.items():
        op.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
        if role:
            op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO dermatrail_{role}")
    create_receipt_guard()


def downgrade() -> None:
    """Drop what was made here. Receipts are lost with their table."""
    op.execute(REFUSE_ALL)
    for function in ("erase_expired(uuid, uuid, uuid, uuid)", "erase_patient(uuid, uuid, uuid)", "erase_records(uuid, uuid, uuid, uuid)"):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DROP FUNCTION expired_trails(uuid)")
    op.execute("REVOKE UPDATE (retention_days) ON tenants FROM dermatrail_review")
    op.execute("REVOKE UPDATE (consent_care, consent_audit, legal_hold) ON patients FROM dermatrail_intake")
    for table in ("dataset_images", "dataset_exports", "erasures"):
        op.drop_table(table)
    for function in ("guard_receipt()", "finish_receipt()"):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DROP TRIGGER date_consent ON patients")
    op.execute("DROP FUNCTION date_consent()")
    for column in ("legal_hold_at", "legal_hold", *(f"{name}_at" for name in CONSENTS), "consent_audit", "consent_care"):
        op.drop_column("patients", column)
    op.drop_column("tenants", "retention_days")


def extend_patients() -> None:
    """What the patient agrees to, since when; and whether a court or an authority wants everything kept."""
    op.add_column("patients", sa.Column("consent_training_at", TIME, nullable=True))
    for name in ("consent_care", "consent_audit"):
        op.add_column("patients", sa.Column(name, sa.Boolean(), nullable=True))
        op.add_column("patients", sa.Column(f"{name}_at", TIME, nullable=True))
    op.add_column("patients", sa.Column("legal_hold", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("patients", sa.Column("legal_hold_at", TIME, nullable=True))
    # When it was first said is not known of old rows: the patient's own age stands in.
    op.execute("UPDATE patients SET consent_training_at = created_at WHERE consent_training IS NOT NULL")
    dated = (*((consent, "NULL") for consent in CONSENTS), ("legal_hold", "false"))
    changed = "\n".join(
        f"IF NEW.{name} IS DISTINCT FROM {_before(name, at_birth)} THEN NEW.{name}_at := now(); END IF;" for name, at_birth in dated
    )
    op.execute(f"CREATE FUNCTION date_consent() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {changed} RETURN NEW; END $$")
    op.execute("CREATE TRIGGER date_consent BEFORE INSERT OR UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION date_consent()")


def _before(name: str, at_birth: str) -> str:
    return f"(CASE WHEN TG_OP = 'UPDATE' THEN OLD.{name} ELSE {at_birth} END)"


def secure() -> None:
    """Give rights and row security. Nobody has the right to write a receipt, or to delete one."""
    for table, rights in GRANTS.items():
        for role, what in rights.items():
            op.execute(f"GRANT {what} ON {table} TO dermatrail_{role}")
    for table in ("erasures", "dataset_images"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        for role in GRANTS[table]:
            rows = ROWS.get((table, role), f"tenant_id = {MINE}")
            op.execute(f"CREATE POLICY {role} ON {table} TO dermatrail_{role} USING ({rows}) WITH CHECK ({rows})")


def create_receipt_guard() -> None:
    """A receipt stays, says what it said, and is never seen before it is whole."""
    op.execute("""
        CREATE FUNCTION guard_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'UPDATE' THEN
                IF OLD.state = 'erasing' OR (NEW.state, OLD.state) IN (('pending', 'pending'), ('done', 'pending'), ('done', 'done')) THEN
                    RETURN NEW;
                END IF;
            ELSIF TG_OP = 'INSERT' THEN
                IF NEW.state = 'erasing' THEN RETURN NEW; END IF;
            END IF;
            RAISE EXCEPTION 'erasures: a receipt is neither made by hand nor taken back' USING ERRCODE = 'integrity_constraint_violation';
        END $$
    """)
    op.execute("CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON erasures FOR EACH ROW EXECUTE FUNCTION guard_receipt()")
    op.execute("CREATE TRIGGER keep BEFORE TRUNCATE ON erasures FOR EACH STATEMENT EXECUTE FUNCTION guard_receipt()")
    op.execute("""
        CREATE FUNCTION finish_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT FROM erasures WHERE id = NEW.id AND state = 'erasing') THEN
                RAISE EXCEPTION 'erasures: the receipt was not finished' USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute(
        "CREATE CONSTRAINT TRIGGER whole AFTER INSERT ON erasures DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION finish_receipt()"
    )


def born(table: str) -> tuple[SchemaItem, ...]:
    """Return the columns of every row."""
    return (
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def refers(table: str, column: str, to: str, *, nullable: bool = False) -> tuple[SchemaItem, ...]:
    """Return a column that names a row of another table."""
    key = sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))
    return (sa.Column(column, sa.Uuid(), nullable=nullable), key)


def word(name: str, *values: str) -> sa.Column[Any]:
    """Return a column that admits only these words."""
    return sa.Column(name, sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32), nullable=False)


def create_erasures() -> None:
    op.create_table(
        "erasures",
        *born("erasures"),
        *refers("erasures", "tenant_id", "tenants"),
        word("reason", "request", "retention"),
        word("state", "erasing", "pending", "done"),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("case_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("counts", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("prefixes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("objects", sa.Integer(), server_default="0", nullable=False),
        sa.Column("objects_gone_at", TIME, nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("done_at", TIME, nullable=True),
        sa.CheckConstraint("(state = 'done') = (done_at IS NOT NULL)", name=op.f("ck_erasures_done")),
        sa.CheckConstraint("state <> 'done' OR cardinality(prefixes) = 0", name=op.f("ck_erasures_prefixes")),
    )
    op.create_index("ix_erasures_list", "erasures", ["tenant_id", "created_at", "id"])
    op.create_index("ix_erasures_patient_id", "erasures", ["patient_id"])
    op.create_index("ix_erasures_unfinished", "erasures", ["state", "created_at"], postgresql_where=sa.text("state <> 'done'"))


def create_dataset_exports() -> None:
    op.create_table(
        "dataset_exports",
        *born("dataset_exports"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("manifest_sha256", sa.Text(), nullable=False),
        sa.Column("pruned_at", TIME, nullable=True),
        sa.CheckConstraint("manifest_sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_dataset_exports_manifest_sha256")),
    )


def create_dataset_images() -> None:
    op.create_table(
        "dataset_images",
        *born("dataset_images"),
        *refers("dataset_images", "tenant_id", "tenants"),
        *refers("dataset_images", "export_id", "dataset_exports"),
        *refers("dataset_images", "image_id", "images", nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        *refers("dataset_images", "erasure_id", "erasures", nullable=True),
        sa.Column("pruned_at", TIME, nullable=True),
        sa.CheckConstraint("(image_id IS NULL) = (erasure_id IS NOT NULL)", name=op.f("ck_dataset_images_erased")),
        sa.CheckConstraint("pruned_at IS NULL OR erasure_id IS NOT NULL", name=op.f("ck_dataset_images_pruned")),
        sa.UniqueConstraint("export_id", "name", name=op.f("uq_dataset_images_export_id_name")),
    )
    op.create_index("ix_dataset_images_image_id", "dataset_images", ["image_id"])
    erased = sa.text("erasure_id IS NOT NULL")
    op.create_index("ix_dataset_images_erasure_id", "dataset_images", ["erasure_id"], postgresql_where=erased)
