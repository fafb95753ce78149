"""The registry of model versions, and what versions in shadow said."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
STATES = ("candidate", "shadow", "champion", "retired")
# Versions belong to no tenant and carry nothing about patients, hence no row-level security. A worker may add what it finds in
# its folders, and the trigger below decides as what; to move a version from state to state takes the owner. Of what versions in
# shadow said, the processes that portals and dermatologists talk to see nothing at all.
GRANTS = {
    "model_versions": {"review": "SELECT", "worker": "SELECT, INSERT"},
    "model_events": {"review": "SELECT", "worker": "INSERT"},
    "shadow_analyses": {"worker": "INSERT"},
}
APPEND_ONLY = ("model_events", "shadow_analyses")


def upgrade() -> None:
    """Create tables, rights and triggers."""
    create_model_versions()
    create_model_events()
    create_shadow_analyses()
    for table, rights in GRANTS.items():
        for role, what in rights.items():
            op.execute(f"GRANT {what} ON {table} TO dermatrail_{role}")
    create_row_security()
    create_entry_guard()
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    """Drop everything that was made here."""
    for table in ("shadow_analyses", "model_events", "model_versions"):
        op.drop_table(table)
    op.execute("DROP FUNCTION guard_model_entry()")


def create_row_security() -> None:
    """Keep tenants apart in ``shadow_analyses``; no policy but the owner's and the worker's, so nobody else sees a row."""
    op.execute("ALTER TABLE shadow_analyses ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE shadow_analyses FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner ON shadow_analyses TO CURRENT_USER USING (true) WITH CHECK (true)")
    op.execute("CREATE POLICY worker ON shadow_analyses TO dermatrail_worker USING (true) WITH CHECK (true)")


def create_entry_guard() -> None:
    """Admit versions as candidates; the first of its kind serves at once, or a fresh machine would answer nothing."""
    op.execute("""
        CREATE FUNCTION guard_model_entry() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.state = 'candidate' THEN
                RETURN NEW;
            END IF;
            IF NEW.state = 'champion' AND NOT EXISTS (SELECT FROM model_versions WHERE kind = NEW.kind) THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'a model version enters as a candidate, not as %', NEW.state USING ERRCODE = 'integrity_constraint_violation';
        END $$
    """)
    op.execute("CREATE TRIGGER entry BEFORE INSERT ON model_versions FOR EACH ROW EXECUTE FUNCTION guard_model_entry()")


def born(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    """Return the columns of every row."""
    return (
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def word(name: str, *values: str, nullable: bool = False) -> sa.Column[Any]:
    """Return a column that admits only these words."""
    return sa.Column(name, sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32), nullable=nullable)


def create_model_versions() -> None:
    op.create_table(
        "model_versions",
        *born("model_versions"),
        word("kind", "segmenter", "classifier"),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("card", postgresql.JSONB(), nullable=False),
        word("state", *STATES),
        sa.Column("changed_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("digest ~ '^[0-9a-f]{8,64}$'", name=op.f("ck_model_versions_digest")),
        sa.UniqueConstraint("kind", "digest", name=op.f("uq_model_versions_kind_digest")),
    )
    op.create_index("uq_model_versions_champion", "model_versions", ["kind"], unique=True, postgresql_where=sa.text("state = 'champion'"))


def create_model_events() -> None:
    op.create_table(
        "model_events",
        *born("model_events"),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("model_version_id", sa.Uuid(), nullable=False),
        word("action", "registered", "promoted", "shadowed", "retired", "rolled_back"),
        word("actor_kind", "portal", "user", "system"),
        sa.Column("actor_id", sa.Text(), nullable=True),
        word("from_state", *STATES, nullable=True),
        word("to_state", *STATES),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("from_state IS DISTINCT FROM to_state", name=op.f("ck_model_events_change")),
        sa.CheckConstraint("btrim(reason) <> ''", name=op.f("ck_model_events_reason")),
        sa.ForeignKeyConstraint(["model_version_id"], ["model_versions.id"], name=op.f("fk_model_events_model_version_id")),
        sa.UniqueConstraint("sequence", name=op.f("uq_model_events_sequence")),
    )
    op.create_index("ix_model_events_model_version_id", "model_events", ["model_version_id"])


def create_shadow_analyses() -> None:
    op.create_table(
        "shadow_analyses",
        *born("shadow_analyses"),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("model_version_id", sa.Uuid(), nullable=False),
        sa.Column("pipeline_version", sa.Text(), nullable=False),
        word("outcome", "prediction", "set", "abstain"),
        sa.Column("classes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("top_class", sa.Text(), nullable=True),
        sa.Column("top_probability", sa.Double(), nullable=True),
        sa.Column("malignant_probability", sa.Double(), nullable=False),
        sa.Column("flags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("finding", postgresql.JSONB(), nullable=False),
        sa.Column("outline_jaccard", sa.Double(), nullable=True),
        sa.CheckConstraint("malignant_probability BETWEEN 0 AND 1", name=op.f("ck_shadow_analyses_malignant_probability")),
        sa.CheckConstraint("top_probability BETWEEN 0 AND 1", name=op.f("ck_shadow_analyses_top_probability")),
        sa.CheckConstraint("outline_jaccard BETWEEN 0 AND 1", name=op.f("ck_shadow_analyses_outline_jaccard")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_shadow_analyses_tenant_id")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_shadow_analyses_image_id")),
        sa.ForeignKeyConstraint(["model_version_id"], ["model_versions.id"], name=op.f("fk_shadow_analyses_model_version_id")),
        sa.UniqueConstraint("image_id", "model_version_id", name=op.f("uq_shadow_analyses_image_id_model_version_id")),
    )
