"""The first schema: records of tenants, apart from each other from the first row on."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


APPEND_ONLY = ("analyses", "reviews", "audit_events")
MINE = "ANY ((SELECT string_to_array(nullif(current_setting('dermatrail.tenants', true), ''), ',')::uuid[])::uuid[])"
JOB_COLUMNS = "state, lease_owner, lease_expires_at, attempts, not_before, reason, finished_at"

# Who may do what. What is not listed is refused; nobody but the owner may delete.
GRANTS = {
    "tenants": {"intake": "SELECT", "review": "SELECT", "worker": "SELECT (id)"},
    "api_keys": {"intake": "SELECT"},
    "users": {"intake": "SELECT (id, name)", "review": "SELECT"},
    "memberships": {"review": "SELECT"},
    "patients": {"intake": "SELECT, INSERT, UPDATE (sex, birth_year, fitzpatrick)", "review": "SELECT"},
    "lesions": {"intake": "SELECT, INSERT, UPDATE (body_site, laterality)", "review": "SELECT"},
    "cases": {
        "intake": "SELECT, INSERT, UPDATE (state)",
        "review": "SELECT, UPDATE (state, reviewed_at)",
        "worker": "SELECT (id, state), UPDATE (state)",
    },
    "images": {"intake": "SELECT, INSERT", "review": "SELECT", "worker": "SELECT"},
    "idempotency_keys": {"intake": "SELECT, INSERT"},
    "jobs": {"intake": "SELECT, INSERT", "review": "SELECT", "worker": f"SELECT, UPDATE ({JOB_COLUMNS})"},
    "analyses": {"intake": "SELECT", "review": "SELECT", "worker": "SELECT, INSERT"},
    "reviews": {"intake": "SELECT", "review": "SELECT, INSERT"},
    "audit_events": {"intake": "INSERT", "review": "INSERT", "worker": "INSERT"},
}
# Which rows the HTTP processes see, where it is not simply those of the tenants they work for.
ROWS = {
    "tenants": f"id = {MINE}",
    # Nobody is signed in yet: a key is shown to who knows its prefix, a membership to its user.
    "api_keys": "prefix = (SELECT current_setting('dermatrail.key_prefix', true))",
    "memberships": "user_id = (SELECT nullif(current_setting('dermatrail.user', true), '')::uuid)",
    "audit_events": f"tenant_id IS NULL OR tenant_id = {MINE}",
}
WITHOUT_ROW_SECURITY = {"users", "audit_heads"}


def upgrade() -> None:
    """Create roles, tables, rights and triggers."""
    create_roles()
    for create in TABLES.values():
        create()
    for table, rights in GRANTS.items():
        grant(table, rights)
    create_append_only()
    create_audit_chain()


def downgrade() -> None:
    """Drop everything but the roles: they belong to the whole server, and logins may be their members."""
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_change()")
    op.execute("DROP FUNCTION link_audit_event()")


def create_roles() -> None:
    """Create the group roles. Another database of the server may have made them, even at this moment."""
    for role in ("intake", "review", "worker"):
        op.execute(f"""
            DO $$ BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dermatrail_{role}') THEN
                    CREATE ROLE dermatrail_{role} NOLOGIN NOBYPASSRLS;
                END IF;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END $$
        """)


def grant(table: str, rights: dict[str, str]) -> None:
    """Give each role its rights, and the rows to use them on."""
    for role, what in rights.items():
        op.execute(f"GRANT {what} ON {table} TO dermatrail_{role}")
    if table in WITHOUT_ROW_SECURITY:
        return
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    rows = ROWS.get(table, f"tenant_id = {MINE}")
    for role in rights:
        seen = "true" if role == "worker" else rows
        op.execute(f"CREATE POLICY {role} ON {table} TO dermatrail_{role} USING ({seen}) WITH CHECK ({seen})")


def create_append_only() -> None:
    """Refuse every change of what was said, decided or done: also to the owner."""
    op.execute("""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only: add a row instead', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
        END $$
    """)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def create_audit_chain() -> None:
    """Link every audit event to the one before it in its chain.

    Runs with the owner's rights: the writers may not touch the heads. The update of the head locks it
    until the commit, so that a chain has one order. The hash covers the row's text as JSON, with the
    time in microseconds, so that it depends on no session setting.
    """
    op.execute("""
        CREATE FUNCTION link_audit_event() RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
        DECLARE
            this_chain uuid := coalesce(NEW.tenant_id, '00000000-0000-0000-0000-000000000000');
        BEGIN
            INSERT INTO audit_heads AS head (chain, sequence, hash) VALUES (this_chain, 1, repeat('0', 64))
                ON CONFLICT (chain) DO UPDATE SET sequence = head.sequence + 1
                RETURNING head.sequence, head.hash INTO NEW.sequence, NEW.previous_hash;
            NEW.created_at := clock_timestamp();
            NEW.hash := encode(sha256(convert_to(jsonb_build_array(
                NEW.sequence, (extract(epoch FROM NEW.created_at) * 1000000)::bigint, NEW.tenant_id, NEW.actor_kind, NEW.actor_id,
                NEW.action, NEW.subject_kind, NEW.subject_id, NEW.details, NEW.previous_hash
            )::text, 'UTF8')), 'hex');
            UPDATE audit_heads SET hash = NEW.hash WHERE chain = this_chain;
            RETURN NEW;
        END $$
    """)
    op.execute("CREATE TRIGGER chain BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION link_audit_event()")


def born(table: str) -> tuple[SchemaItem, ...]:
    """Return the columns of every row."""
    return (
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def owned(table: str) -> tuple[SchemaItem, ...]:
    """Return the columns of every row of a tenant."""
    tenant = sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f(f"fk_{table}_tenant_id"))
    return (*born(table), sa.Column("tenant_id", sa.Uuid(), nullable=False), tenant)


def word(name: str, *values: str, nullable: bool = False, server_default: str | None = None) -> sa.Column[Any]:
    """Return a column that admits only these words."""
    kind = sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)
    return sa.Column(name, kind, nullable=nullable, server_default=server_default)


def create_tenants() -> None:
    op.create_table(
        "tenants",
        *born("tenants"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("urgent_hours", sa.Integer(), server_default="24", nullable=False),
        sa.Column("soon_hours", sa.Integer(), server_default="72", nullable=False),
        sa.Column("routine_hours", sa.Integer(), server_default="336", nullable=False),
        sa.CheckConstraint("least(urgent_hours, soon_hours, routine_hours) > 0", name=op.f("ck_tenants_hours")),
        sa.UniqueConstraint("slug", name=op.f("uq_tenants_slug")),
    )


def create_api_keys() -> None:
    op.create_table(
        "api_keys",
        *owned("api_keys"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.CheckConstraint("secret_hash ~ '^[0-9a-f]{64}$'", name=op.f("ck_api_keys_secret_hash")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )


def create_users() -> None:
    op.create_table(
        "users",
        *born("users"),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        word("role", "dermatologist", "lead", "admin"),
        word("state", "active", "disabled", server_default="active"),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_users_email_lower")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )


def create_memberships() -> None:
    op.create_table(
        "memberships",
        *owned("memberships"),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_memberships_user_id")),
        sa.UniqueConstraint("user_id", "tenant_id", name=op.f("uq_memberships_user_id_tenant_id")),
    )


def create_patients() -> None:
    op.create_table(
        "patients",
        *owned("patients"),
        sa.Column("reference", sa.Text(), nullable=False),
        word("sex", "female", "male", "other", nullable=True),
        sa.Column("birth_year", sa.SmallInteger(), nullable=True),
        sa.Column("fitzpatrick", sa.SmallInteger(), nullable=True),
        sa.CheckConstraint("birth_year BETWEEN 1850 AND 2200", name=op.f("ck_patients_birth_year")),
        sa.CheckConstraint("fitzpatrick BETWEEN 1 AND 6", name=op.f("ck_patients_fitzpatrick")),
        sa.UniqueConstraint("tenant_id", "reference", name=op.f("uq_patients_tenant_id_reference")),
    )


def create_lesions() -> None:
    op.create_table(
        "lesions",
        *owned("lesions"),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("body_site", sa.Text(), nullable=True),
        word("laterality", "left", "right", "midline", nullable=True),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_lesions_patient_id")),
        sa.UniqueConstraint("patient_id", "reference", name=op.f("uq_lesions_patient_id_reference")),
    )


def create_cases() -> None:
    op.create_table(
        "cases",
        *owned("cases"),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("lesion_id", sa.Uuid(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        word("urgency", "urgent", "soon", "routine"),
        sa.Column("clinical_notes", sa.Text(), server_default="", nullable=False),
        word("state", "queued", "awaiting_review", "reviewed"),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("reviewed_at", TIME, nullable=True),
        sa.CheckConstraint("(state = 'reviewed') = (reviewed_at IS NOT NULL)", name=op.f("ck_cases_reviewed")),
        sa.ForeignKeyConstraint(["lesion_id"], ["lesions.id"], name=op.f("fk_cases_lesion_id")),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_cases_patient_id")),
    )
    op.create_index("ix_cases_list", "cases", ["tenant_id", "received_at", "id"])
    op.create_index("ix_cases_patient_id", "cases", ["patient_id"])
    op.create_index("ix_cases_undecided", "cases", ["tenant_id", "state"], postgresql_where=sa.text("state <> 'reviewed'"))


def create_images() -> None:
    op.create_table(
        "images",
        *owned("images"),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("byte_size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        word("modality", "dermoscopic", "clinical", "unknown"),
        sa.Column("pixel_spacing_mm", sa.Double(), nullable=True),
        sa.Column("original_key", sa.Text(), nullable=False),
        sa.Column("view_key", sa.Text(), nullable=False),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_images_sha256")),
        sa.CheckConstraint("byte_size > 0 AND width > 0 AND height > 0", name=op.f("ck_images_size")),
        sa.CheckConstraint("pixel_spacing_mm > 0", name=op.f("ck_images_pixel_spacing_mm")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_images_case_id")),
        sa.UniqueConstraint("case_id", "position", name=op.f("uq_images_case_id_position")),
    )


def create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        *owned("idempotency_keys"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_idempotency_keys_case_id"), initially="DEFERRED", deferrable=True),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_idempotency_keys_tenant_id_key")),
    )


def create_jobs() -> None:
    op.create_table(
        "jobs",
        *owned("jobs"),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        word("state", "queued", "leased", "done", "failed", server_default="queued"),
        sa.Column("urgency_rank", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("not_before", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_expires_at", TIME, nullable=True),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.CheckConstraint(
            "(state = 'leased') = (lease_owner IS NOT NULL) AND (state = 'leased') = (lease_expires_at IS NOT NULL)",
            name=op.f("ck_jobs_leased"),
        ),
        sa.CheckConstraint("(state IN ('done', 'failed')) = (finished_at IS NOT NULL)", name=op.f("ck_jobs_finished")),
        sa.CheckConstraint("state <> 'failed' OR reason IS NOT NULL", name=op.f("ck_jobs_failed")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_jobs_attempts")),
        sa.CheckConstraint("urgency_rank BETWEEN 0 AND 2", name=op.f("ck_jobs_urgency_rank")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_jobs_image_id")),
    )
    op.create_index("ix_jobs_claim", "jobs", ["tenant_id", "urgency_rank", "due_at", "id"], postgresql_where=sa.text("state = 'queued'"))
    op.create_index("ix_jobs_expiry", "jobs", ["lease_expires_at"], postgresql_where=sa.text("state = 'leased'"))
    op.create_index("ix_jobs_image_id", "jobs", ["image_id"])
    op.create_index("uq_jobs_open", "jobs", ["image_id"], unique=True, postgresql_where=sa.text("state IN ('queued', 'leased')"))


def create_analyses() -> None:
    op.create_table(
        "analyses",
        *owned("analyses"),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("pipeline_version", sa.Text(), nullable=False),
        word("outcome", "prediction", "set", "abstain"),
        sa.Column("classes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("top_class", sa.Text(), nullable=True),
        sa.Column("top_probability", sa.Double(), nullable=True),
        sa.Column("malignant_probability", sa.Double(), nullable=False),
        sa.Column("flags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("finding", postgresql.JSONB(), nullable=False),
        sa.Column("mask_key", sa.Text(), nullable=True),
        sa.Column("thumbnail_key", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome <> 'prediction' OR (top_class IS NOT NULL AND top_probability IS NOT NULL)", name=op.f("ck_analyses_prediction")
        ),
        sa.CheckConstraint("malignant_probability BETWEEN 0 AND 1", name=op.f("ck_analyses_malignant_probability")),
        sa.CheckConstraint("top_probability BETWEEN 0 AND 1", name=op.f("ck_analyses_top_probability")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_analyses_image_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_analyses_job_id")),
        sa.UniqueConstraint("image_id", "pipeline_version", name=op.f("uq_analyses_image_id_pipeline_version")),
    )


def create_reviews() -> None:
    op.create_table(
        "reviews",
        *owned("reviews"),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        word("decision", "confirm", "correct", "not_assessable"),
        sa.Column("diagnosis", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("shown", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("(decision = 'not_assessable') = (diagnosis IS NULL)", name=op.f("ck_reviews_diagnosis")),
        sa.CheckConstraint("decision <> 'not_assessable' OR reason IS NOT NULL", name=op.f("ck_reviews_reason")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_reviews_case_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_reviews_user_id")),
    )
    op.create_index("ix_reviews_case_id", "reviews", ["case_id"])


def create_audit_heads() -> None:
    op.create_table(
        "audit_heads",
        sa.Column("chain", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_audit_heads")),
    )


def create_audit_events() -> None:
    op.create_table(
        "audit_events",
        *born("audit_events"),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        word("actor_kind", "portal", "user", "system"),
        sa.Column("actor_id", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_audit_events_tenant_id")),
        sa.UniqueConstraint("tenant_id", "sequence", name=op.f("uq_audit_events_tenant_id_sequence"), postgresql_nulls_not_distinct=True),
    )


# In this order; dropped in the other.
TABLES = {
    "tenants": create_tenants,
    "api_keys": create_api_keys,
    "users": create_users,
    "memberships": create_memberships,
    "patients": create_patients,
    "lesions": create_lesions,
    "cases": create_cases,
    "images": create_images,
    "idempotency_keys": create_idempotency_keys,
    "jobs": create_jobs,
    "analyses": create_analyses,
    "reviews": create_reviews,
    "audit_heads": create_audit_heads,
    "audit_events": create_audit_events,
}
