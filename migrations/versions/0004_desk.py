"""The desk: answers beside the case, claims, second reads, corrected outlines, note templates, saved views, second factors, trials."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
MINE = "ANY ((SELECT string_to_array(nullif(current_setting('dermatrail.tenants', true), ''), ',')::uuid[])::uuid[])"
ADMIN = "(SELECT current_setting('dermatrail.admin', true)) = 'on'"
MYSELF = "(SELECT nullif(current_setting('dermatrail.user', true), '')::uuid)"
ANSWER = (
    "risk, risk_level, lead_image_id, lead_outcome, lead_classes, lead_class, lead_probability, lead_thumbnail_key, flags, not_analysed"
)
PERSON = (
    "name, role, state, trainee, password_hash, password_once, session_epoch, "
    "totp_secret, totp_confirmed_at, totp_last_step, recovery_hashes, oidc_subject"
)
POLICY = "name, urgent_hours, soon_hours, routine_hours, blind_first_read, second_read_share, second_read_risk, second_read_disagreement"

GRANTS = {
    "tenants": {"review": f"INSERT, UPDATE ({POLICY})"},
    "api_keys": {"review": "SELECT (id, created_at, tenant_id, name, prefix, revoked_at), INSERT, UPDATE (revoked_at)"},
    "users": {"review": f"INSERT, UPDATE ({PERSON})"},
    "memberships": {"review": "INSERT, DELETE"},
    "patients": {"intake": "UPDATE (consent_training)"},
    "cases": {"worker": f"UPDATE ({ANSWER})"},
    "images": {"worker": "UPDATE (tiles_key)"},
    "audit_events": {"review": "SELECT"},
    "audit_heads": {"review": "SELECT"},
    # Promotion by a click: the trigger on entry and the append-only history stay as they are.
    "model_versions": {"review": "UPDATE (state, changed_at)"},
    "model_events": {"review": "INSERT"},
    "case_claims": {"review": "SELECT, INSERT, UPDATE (user_id, claimed_at, expires_at)"},
    "first_opinions": {"review": "SELECT, INSERT"},
    "note_templates": {"review": "SELECT, INSERT, UPDATE (title, body, retired_at)"},
    "saved_views": {"review": "SELECT, INSERT, UPDATE (name, query), DELETE"},
    "outlines": {"intake": "SELECT", "review": "SELECT, INSERT", "worker": "SELECT, UPDATE (measures, measured_at, reason)"},
    # Pictures that visitors try: no tenant, no patient, gone within the hour.
    "trials": {"review": "SELECT, INSERT, UPDATE (expires_at)", "worker": "SELECT, UPDATE, DELETE"},
}
# The trail is read newest first: all of it, of one person or key, of one kind of step.
TRAIL = {
    "ix_audit_events_created": ["created_at", "id"],
    "ix_audit_events_actor": ["actor_id", "created_at", "id"],
    "ix_audit_events_action": ["action", "created_at", "id"],
}
NEW_OWNED = ("case_claims", "first_opinions", "note_templates", "outlines")
ADMINISTERED = {"tenants": f"id = {MINE}", "memberships": f"user_id = {MYSELF}"}

WORDS = {
    ("cases", "state"): (
        ("queued", "awaiting_review", "reviewed"),
        ("queued", "awaiting_review", "awaiting_second_read", "awaiting_adjudication", "reviewed"),
    ),
    ("reviews", "decision"): (
        ("confirm", "correct", "not_assessable"),
        ("confirm", "correct", "not_assessable", "second_opinion", "withdrawn"),
    ),
}
DIAGNOSIS_BEFORE = "(decision = 'not_assessable') = (diagnosis IS NULL)"
DIAGNOSIS = "decision = 'second_opinion' OR (decision IN ('confirm', 'correct')) = (diagnosis IS NOT NULL)"
OPEN = sa.text("state <> 'reviewed'")
UNTILED = "tiles_key IS NULL AND greatest(width, height) > 2048"
# What is typed into the search box is the beginning of a reference, in any case of letters.
# It is a column: under row-level security an index on an expression would not be used, as lower() might leak.
LOWERED = "lower(reference)"
BEGINNING = {"search": "text_pattern_ops"}


def upgrade() -> None:
    """Add columns, tables, rights; write the answers of open cases beside them."""
    for (table, column), (_, words) in WORDS.items():
        change_words(table, column, words)
    extend_tenants_and_users()
    extend_cases()
    extend_reviews()
    op.add_column("analyses", sa.Column("hairfree_key", sa.Text(), nullable=True))
    op.add_column("images", sa.Column("tiles_key", sa.Text(), nullable=True))
    op.create_index("ix_images_untiled", "images", ["created_at"], postgresql_where=sa.text(UNTILED))
    op.create_index("ix_analyses_created", "analyses", ["tenant_id", "created_at"])
    for name, columns in TRAIL.items():
        op.create_index(name, "audit_events", columns)
    for create in TABLES.values():
        create()
    secure()
    op.execute(BACKFILL)


def downgrade() -> None:
    """Drop what was made here; refuses where decisions exist that the schema before has no word for."""
    for table in ("tenants", "memberships", "api_keys", "audit_events"):
        op.execute(f"DROP POLICY IF EXISTS admin ON {table}")
    op.execute("DROP POLICY reader ON audit_events")
    for table, rights in GRANTS.items():
        if table not in TABLES:
            for role, what in rights.items():
                op.execute(f"REVOKE {what} ON {table} FROM dermatrail_{role}")
    op.execute("GRANT INSERT ON audit_events TO dermatrail_review")
    for table in reversed(TABLES):
        op.drop_table(table)
    restore_reviews()
    restore_cases()
    restore_tenants_and_users()
    for name in TRAIL:
        op.drop_index(name, "audit_events")
    op.drop_index("ix_analyses_created", "analyses")
    op.drop_index("ix_images_untiled", "images")
    op.drop_column("images", "tiles_key")
    op.drop_column("analyses", "hairfree_key")
    for (table, column), (words, _) in WORDS.items():
        change_words(table, column, words)


def change_words(table: str, column: str, words: tuple[str, ...]) -> None:
    """Admit these words, and no others, from now on."""
    name = op.f(f"ck_{table}_{column}")
    op.drop_constraint(name, table, type_="check")
    listed = ", ".join(f"'{word}'" for word in words)
    op.create_check_constraint(name, table, f"{column} IN ({listed})")


def extend_tenants_and_users() -> None:
    """How a portal's cases are read, and who the readers are."""
    op.add_column("tenants", sa.Column("blind_first_read", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("tenants", sa.Column("second_read_share", sa.Double(), server_default="0", nullable=False))
    op.add_column("tenants", sa.Column("second_read_risk", sa.Double(), nullable=True))
    op.add_column("tenants", sa.Column("second_read_disagreement", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_check_constraint(op.f("ck_tenants_second_read_share"), "tenants", "second_read_share BETWEEN 0 AND 1")
    op.create_check_constraint(op.f("ck_tenants_second_read_risk"), "tenants", "second_read_risk BETWEEN 0 AND 1")
    op.add_column("users", sa.Column("trainee", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("users", sa.Column("totp_secret", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("totp_confirmed_at", TIME, nullable=True))
    op.add_column("users", sa.Column("totp_last_step", sa.BigInteger(), nullable=True))
    op.add_column("users", sa.Column("recovery_hashes", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.add_column("users", sa.Column("oidc_subject", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("password_once", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("users", sa.Column("session_epoch", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_users_totp"), "users", "totp_confirmed_at IS NULL OR totp_secret IS NOT NULL")
    op.create_unique_constraint(op.f("uq_users_oidc_subject"), "users", ["oidc_subject"])
    op.add_column("patients", sa.Column("consent_training", sa.Boolean(), nullable=True))
    op.add_column("patients", sa.Column("search", sa.Text(), sa.Computed(LOWERED, persisted=True), nullable=False))
    op.create_index("ix_patients_search", "patients", ["tenant_id", "search"], postgresql_ops=BEGINNING)


def restore_tenants_and_users() -> None:
    op.drop_index("ix_patients_search", "patients")
    op.drop_column("patients", "search")
    op.drop_column("patients", "consent_training")
    for column in (
        "session_epoch",
        "password_once",
        "oidc_subject",
        "recovery_hashes",
        "totp_last_step",
        "totp_confirmed_at",
        "totp_secret",
        "trainee",
    ):
        op.drop_column("users", column)
    for column in ("second_read_disagreement", "second_read_risk", "second_read_share", "blind_first_read"):
        op.drop_column("tenants", column)


def extend_cases() -> None:
    """The answer of the leading image beside the case: a worklist of many cases reads one index."""
    hours = sa.Computed("((EXTRACT(epoch FROM (due_at - received_at)) / (3600)::numeric))::integer", persisted=True)
    op.add_column("cases", sa.Column("sla_hours", sa.Integer(), hours, nullable=False))
    op.add_column("cases", sa.Column("risk", sa.Double(), nullable=True))
    op.add_column("cases", sa.Column("risk_level", sa.SmallInteger(), server_default="10", nullable=False))
    op.add_column("cases", sa.Column("lead_image_id", sa.Uuid(), nullable=True))
    op.add_column("cases", sa.Column("lead_outcome", sa.String(32), nullable=True))
    op.add_column("cases", sa.Column("lead_classes", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.add_column("cases", sa.Column("lead_class", sa.Text(), nullable=True))
    op.add_column("cases", sa.Column("lead_probability", sa.Double(), nullable=True))
    op.add_column("cases", sa.Column("lead_thumbnail_key", sa.Text(), nullable=True))
    op.add_column("cases", sa.Column("flags", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.add_column("cases", sa.Column("not_analysed", sa.Text(), nullable=True))
    op.add_column("cases", sa.Column("body_site", sa.Text(), nullable=True))
    op.add_column("cases", sa.Column("search", sa.Text(), sa.Computed(LOWERED, persisted=True), nullable=True))
    # Answers from the index alone need a table that is vacuumed more often than after a fifth of its rows has changed.
    op.execute("ALTER TABLE cases SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_insert_scale_factor = 0.01)")
    op.create_check_constraint(op.f("ck_cases_lead_outcome"), "cases", "lead_outcome IN ('prediction', 'set', 'abstain')")
    op.create_check_constraint(op.f("ck_cases_risk"), "cases", "risk BETWEEN 0 AND 1")
    op.create_check_constraint(op.f("ck_cases_risk_level"), "cases", "risk_level BETWEEN 0 AND 20")
    order = ["tenant_id", "state", "sla_hours", "risk_level", "received_at", "id"]
    # With these, the order and the filters of a worklist are answered from the index alone.
    beside = ["urgency", "lead_class", "lead_outcome", "body_site", "flags", "due_at"]
    op.create_index("ix_cases_open", "cases", order, postgresql_where=OPEN, postgresql_include=beside)
    op.drop_index("ix_cases_undecided", "cases")
    op.create_index("ix_cases_due", "cases", ["tenant_id", "state", "due_at"], postgresql_where=OPEN)
    op.create_index("ix_cases_reviewed", "cases", ["tenant_id", "reviewed_at"], postgresql_where=sa.text("state = 'reviewed'"))
    op.create_index("ix_cases_lesion_id", "cases", ["lesion_id"])
    op.create_index("ix_lesions_body_site", "lesions", ["tenant_id", "body_site"])
    op.create_index("ix_cases_search", "cases", ["tenant_id", "search"], postgresql_ops=BEGINNING)


def restore_cases() -> None:
    op.drop_index("ix_lesions_body_site", "lesions")
    op.execute("ALTER TABLE cases RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor)")
    for index in ("ix_cases_search", "ix_cases_lesion_id", "ix_cases_reviewed", "ix_cases_due", "ix_cases_open"):
        op.drop_index(index, "cases")
    op.create_index("ix_cases_undecided", "cases", ["tenant_id", "state"], postgresql_where=OPEN)
    for column in (*ANSWER.split(", "), "sla_hours", "search", "body_site"):
        op.drop_column("cases", column)


def extend_reviews() -> None:
    """A decision can be the first, a second, a resolution, an amendment, or be taken back; it never changes."""
    op.add_column("reviews", word("kind", "first", "second", "adjudication", "amendment", "undo", server_default="first"))
    op.add_column("reviews", sa.Column("supersedes", sa.Uuid(), nullable=True))
    op.add_column("reviews", word("management", "discharge", "follow_up", "face_to_face", "urgent_referral", "retake", nullable=True))
    op.add_column("reviews", sa.Column("follow_up_months", sa.SmallInteger(), nullable=True))
    op.add_column("reviews", sa.Column("rationale", sa.Text(), nullable=True))
    op.add_column("reviews", sa.Column("reading_seconds", sa.Integer(), nullable=True))
    op.create_foreign_key(op.f("fk_reviews_supersedes"), "reviews", "reviews", ["supersedes"], ["id"])
    op.create_unique_constraint(op.f("uq_reviews_supersedes"), "reviews", ["supersedes"])
    op.drop_constraint(op.f("ck_reviews_diagnosis"), "reviews", type_="check")
    for name, rule in REVIEW_RULES.items():
        op.create_check_constraint(op.f(f"ck_reviews_{name}"), "reviews", rule)
    op.create_index("ix_reviews_created", "reviews", ["tenant_id", "created_at"])


REVIEW_RULES = {
    "diagnosis": DIAGNOSIS,
    "undo": "(kind = 'undo') = (decision = 'withdrawn')",
    "supersedes": "kind NOT IN ('amendment', 'undo') OR supersedes IS NOT NULL",
    "rationale": "kind NOT IN ('adjudication', 'amendment') OR btrim(coalesce(rationale, '')) <> ''",
    "follow_up": "(coalesce(management, '') = 'follow_up') = (follow_up_months IS NOT NULL)",
    "follow_up_months": "follow_up_months BETWEEN 1 AND 60",
    "retake": "coalesce(management, '') <> 'retake' OR decision = 'not_assessable'",
    "reading_seconds": "reading_seconds >= 0",
}


def restore_reviews() -> None:
    op.drop_index("ix_reviews_created", "reviews")
    op.drop_constraint(op.f("ck_reviews_diagnosis"), "reviews", type_="check")
    for column in ("reading_seconds", "rationale", "follow_up_months", "management", "supersedes", "kind"):
        op.drop_column("reviews", column)
    op.create_check_constraint(op.f("ck_reviews_diagnosis"), "reviews", DIAGNOSIS_BEFORE)


def secure() -> None:
    """Give rights and row security. An administrator's transaction sees portals, keys, memberships and the trail, never patients."""
    for table, rights in GRANTS.items():
        for role, what in rights.items():
            op.execute(f"GRANT {what} ON {table} TO dermatrail_{role}")
    for table in NEW_OWNED:
        row_security(table, {role: "true" if role == "worker" else f"tenant_id = {MINE}" for role in GRANTS[table]})
    row_security("saved_views", {"review": f"user_id = {MYSELF}"})
    for table in ("tenants", "memberships", "api_keys"):
        op.execute(f"CREATE POLICY admin ON {table} TO dermatrail_review USING ({ADMIN}) WITH CHECK ({ADMIN})")
    # What a reader's own transaction may see of these is for reading alone.
    for table, rows in ADMINISTERED.items():
        op.execute(f"DROP POLICY review ON {table}")
        op.execute(f"CREATE POLICY review ON {table} FOR SELECT TO dermatrail_review USING ({rows})")
    op.execute("DROP POLICY review ON audit_events")
    written = f"tenant_id IS NULL OR tenant_id = {MINE} OR {ADMIN}"
    op.execute(f"CREATE POLICY review ON audit_events FOR INSERT TO dermatrail_review WITH CHECK ({written})")
    op.execute(f"CREATE POLICY reader ON audit_events FOR SELECT TO dermatrail_review USING ({ADMIN})")
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON first_opinions "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def row_security(table: str, roles: dict[str, str]) -> None:
    """Show each role its rows; the owner all."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    for role, rows in roles.items():
        op.execute(f"CREATE POLICY {role} ON {table} TO dermatrail_{role} USING ({rows}) WITH CHECK ({rows})")


# Of each image the latest answer counts, of those the one of highest risk; an image without any makes the case one of unknown risk.
BACKFILL = """
    UPDATE cases SET
        risk = answer.risk, risk_level = coalesce(round(answer.risk * 20), 10), lead_image_id = answer.image_id,
        lead_outcome = answer.outcome, lead_classes = coalesce(answer.classes, '{}'), lead_class = answer.top_class,
        lead_probability = answer.top_probability, lead_thumbnail_key = answer.thumbnail_key, body_site = answer.body_site,
        flags = coalesce(answer.flags, '{}') || CASE WHEN answer.reason IS NULL THEN '{}'::text[] ELSE '{not_analysed}'::text[] END,
        not_analysed = answer.reason
    FROM (
        SELECT c.id, l.body_site, lead.*, failed.reason,
            CASE WHEN failed.reason IS NOT NULL OR coalesce(lead.outcome, 'abstain') = 'abstain'
                 THEN greatest(coalesce(lead.malignant_probability, 0.5), 0.5) ELSE lead.malignant_probability END AS risk
        FROM cases c
        LEFT JOIN lesions l ON l.id = c.lesion_id
        LEFT JOIN LATERAL (
            SELECT latest.* FROM (
                SELECT DISTINCT ON (a.image_id) a.image_id, a.outcome, a.classes, a.top_class, a.top_probability,
                    a.malignant_probability, a.flags, a.thumbnail_key
                FROM analyses a JOIN images i ON i.id = a.image_id WHERE i.case_id = c.id
                ORDER BY a.image_id, a.created_at DESC
            ) latest ORDER BY latest.malignant_probability DESC, latest.image_id LIMIT 1
        ) lead ON true
        LEFT JOIN LATERAL (
            SELECT j.reason FROM jobs j JOIN images i ON i.id = j.image_id
            WHERE i.case_id = c.id AND j.state = 'failed' AND NOT EXISTS (SELECT FROM analyses a WHERE a.image_id = i.id)
            ORDER BY i.position LIMIT 1
        ) failed ON true
    ) answer WHERE answer.id = cases.id
"""


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


def owned(table: str) -> tuple[SchemaItem, ...]:
    """Return the columns of every row of a tenant."""
    return (*born(table), *refers(table, "tenant_id", "tenants"))


def word(name: str, *values: str, nullable: bool = False, server_default: str | None = None) -> sa.Column[Any]:
    """Return a column that admits only these words."""
    kind = sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)
    return sa.Column(name, kind, nullable=nullable, server_default=server_default)


def create_case_claims() -> None:
    op.create_table(
        "case_claims",
        *owned("case_claims"),
        *refers("case_claims", "case_id", "cases"),
        *refers("case_claims", "user_id", "users"),
        sa.Column("claimed_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.UniqueConstraint("case_id", name=op.f("uq_case_claims_case_id")),
    )
    op.create_index("ix_case_claims_user_id", "case_claims", ["user_id", "expires_at"])


def create_first_opinions() -> None:
    op.create_table(
        "first_opinions",
        *owned("first_opinions"),
        *refers("first_opinions", "case_id", "cases"),
        *refers("first_opinions", "user_id", "users"),
        sa.Column("assessable", sa.Boolean(), nullable=False),
        sa.Column("diagnosis", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("assessable = (diagnosis IS NOT NULL)", name=op.f("ck_first_opinions_diagnosis")),
        sa.UniqueConstraint("case_id", "user_id", name=op.f("uq_first_opinions_case_id_user_id")),
    )


def create_note_templates() -> None:
    op.create_table(
        "note_templates",
        *owned("note_templates"),
        *refers("note_templates", "user_id", "users", nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("retired_at", TIME, nullable=True),
    )
    op.create_index("ix_note_templates_tenant_id", "note_templates", ["tenant_id"])


def create_saved_views() -> None:
    op.create_table(
        "saved_views",
        *born("saved_views"),
        *refers("saved_views", "user_id", "users"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", postgresql.JSONB(), nullable=False),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_saved_views_user_id_name")),
    )


def create_outlines() -> None:
    op.create_table(
        "outlines",
        *owned("outlines"),
        *refers("outlines", "image_id", "images"),
        *refers("outlines", "analysis_id", "analyses", nullable=True),
        *refers("outlines", "user_id", "users"),
        sa.Column("mask_key", sa.Text(), nullable=True),
        sa.Column("measures", postgresql.JSONB(), nullable=True),
        sa.Column("measured_at", TIME, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        # Without a mask of its own the row gives the word back to the model, and there is nothing to measure.
        sa.CheckConstraint("mask_key IS NOT NULL OR (measured_at IS NOT NULL AND measures IS NULL)", name=op.f("ck_outlines_restored")),
        sa.CheckConstraint("measures IS NULL OR measured_at IS NOT NULL", name=op.f("ck_outlines_measured")),
    )
    op.create_index("ix_outlines_image_id", "outlines", ["image_id", "created_at"])
    op.create_index("ix_outlines_unmeasured", "outlines", ["created_at"], postgresql_where=sa.text("measured_at IS NULL"))


def create_trials() -> None:
    op.create_table(
        "trials",
        *born("trials"),
        word("state", "queued", "done", "failed", server_default="queued"),
        sa.Column("picture_key", sa.Text(), nullable=False),
        sa.Column("finding", postgresql.JSONB(), nullable=True),
        sa.Column("mask_key", sa.Text(), nullable=True),
        sa.Column("heatmap_key", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.CheckConstraint("(state = 'done') = (finding IS NOT NULL)", name=op.f("ck_trials_done")),
        sa.CheckConstraint("(state = 'queued') = (finished_at IS NULL)", name=op.f("ck_trials_finished")),
        sa.CheckConstraint("state <> 'failed' OR reason IS NOT NULL", name=op.f("ck_trials_failed")),
    )
    op.create_index("ix_trials_expires_at", "trials", ["expires_at"])


# In this order; dropped in the other.
TABLES = {
    "case_claims": create_case_claims,
    "first_opinions": create_first_opinions,
    "note_templates": create_note_templates,
    "saved_views": create_saved_views,
    "outlines": create_outlines,
    "trials": create_trials,
}
