"""The trail: every case is a visit of a lesion; what was measured, compared and alerted; follow-ups and events for portals."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
MINE = "ANY ((SELECT string_to_array(nullif(current_setting('dermatrail.tenants', true), ''), ',')::uuid[])::uuid[])"
TRAIL = "trail_due_at, trail_attempts, trail_failed"
# A reminder needs to know when a follow-up is due and whether its decision stands; nothing of what was decided.
DATED = "id, created_at, tenant_id, case_id, kind, decision, supersedes, follow_up_on"
READ = {"review": "SELECT", "intake": "SELECT"}

GRANTS = {
    "lesions": {
        "intake": "UPDATE (merged_into)",
        "review": "INSERT, UPDATE (merged_into, map_view, map_x, map_y)",
        "worker": "SELECT",
    },
    "cases": {"review": f"UPDATE (lesion_id, alert, {TRAIL})", "worker": f"SELECT, UPDATE (alert, {TRAIL})"},
    "reviews": {"worker": f"SELECT ({DATED})"},
    "lesion_events": {"intake": "SELECT, INSERT", "review": "SELECT, INSERT", "worker": "SELECT"},
    "link_proposals": {
        "review": "SELECT, UPDATE (state, decided_by, decided_at)",
        "worker": "SELECT, INSERT, UPDATE (score, reasons, state)",
    },
    "calibrations": {"intake": "SELECT", "review": "SELECT, INSERT", "worker": "SELECT"},
    "visit_measures": {**READ, "worker": "SELECT, INSERT"},
    "comparisons": {**READ, "worker": "SELECT, INSERT"},
    "alerts": {**READ, "worker": "SELECT, INSERT, UPDATE (withdrawn_at, withdrawn_reason)"},
    "sequence_answers": {**READ, "worker": "SELECT, INSERT"},
    "reminders": {**READ, "worker": "SELECT, INSERT"},
    "portal_events": {"intake": "SELECT, INSERT", "review": "SELECT, INSERT", "worker": "SELECT, INSERT"},
}
APPEND_ONLY = ("lesion_events", "calibrations", "visit_measures", "comparisons", "sequence_answers", "reminders", "portal_events")
KINDS = ("segmenter", "classifier", "sequence")
VIEWS = ("front", "back", "head", "left_hand", "right_hand", "left_foot", "right_foot")


def upgrade() -> None:
    """Add columns, give every case a lesion, add tables and rights."""
    extend_lesions()
    extend_cases()
    op.add_column("images", sa.Column("magnification", sa.Double(), nullable=True))
    op.add_column("images", word("spacing_source", "dicom", "stated", nullable=True))
    op.create_check_constraint(op.f("ck_images_magnification"), "images", "magnification > 0")
    op.add_column("analyses", sa.Column("embedding", sa.LargeBinary(), nullable=True))
    extend_reviews()
    change_kinds(KINDS)
    for create in TABLES.values():
        create()
    secure()


def downgrade() -> None:
    """Drop what was made here; refuses where a model of the third kind is registered."""
    op.execute("DROP POLICY worker ON reviews")
    for table, rights in GRANTS.items():
        if table not in TABLES:
            for role, what in rights.items():
                op.execute(f"REVOKE {what} ON {table} FROM dermatrail_{role}")
    op.execute("GRANT SELECT (id, state) ON cases TO dermatrail_worker")
    op.execute("DROP POLICY worker ON lesions")
    for table in reversed(TABLES):
        op.drop_table(table)
    change_kinds(KINDS[:2])
    op.drop_index("ix_reviews_follow_up", "reviews")
    op.drop_column("reviews", "follow_up_on")
    op.drop_column("analyses", "embedding")
    op.drop_column("images", "spacing_source")
    op.drop_column("images", "magnification")
    restore_cases()
    op.drop_index("ix_lesions_merged_into", "lesions")
    for column in ("map_y", "map_x", "map_view", "merged_into", "tracking_uid"):
        op.drop_column("lesions", column)


def extend_lesions() -> None:
    """A UID of DICOM for each, where it is on the body, and what it was found to be the same as."""
    op.add_column("lesions", sa.Column("tracking_uid", sa.Text(), nullable=True))
    op.execute(f"UPDATE lesions SET tracking_uid = {minted('id')}")
    op.alter_column("lesions", "tracking_uid", nullable=False)
    op.create_unique_constraint(op.f("uq_lesions_tracking_uid"), "lesions", ["tracking_uid"])
    op.add_column("lesions", sa.Column("merged_into", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_lesions_merged_into"), "lesions", "lesions", ["merged_into"], ["id"])
    op.create_check_constraint(op.f("ck_lesions_merged_into"), "lesions", "merged_into <> id")
    op.create_index("ix_lesions_merged_into", "lesions", ["merged_into"], postgresql_where=sa.text("merged_into IS NOT NULL"))
    op.add_column("lesions", word("map_view", *VIEWS, nullable=True))
    op.add_column("lesions", sa.Column("map_x", sa.Double(), nullable=True))
    op.add_column("lesions", sa.Column("map_y", sa.Double(), nullable=True))
    op.create_check_constraint(op.f("ck_lesions_placed"), "lesions", "num_nonnulls(map_view, map_x, map_y) IN (0, 3)")
    op.create_check_constraint(op.f("ck_lesions_map_point"), "lesions", "map_x BETWEEN 0 AND 1 AND map_y BETWEEN 0 AND 1")


def minted(column: str) -> str:
    """The SQL of a UID from a UUID (DICOM PS3.5 B.2): 2.25. and the UUID as one decimal number."""
    digits = f"replace({column}::text, '-', '')"
    parts = [f"('x' || substr({digits}, {1 + 8 * place}, 8))::bit(32)::bigint * {2 ** (96 - 32 * place)}::numeric" for place in range(4)]
    return f"'2.25.' || ({' + '.join(parts)})::text"


def extend_cases() -> None:
    """A case is a visit: it has a lesion, a time, and a trail that may wait to be brought up to date."""
    op.add_column("cases", sa.Column("visited_at", TIME, nullable=True))
    op.execute("UPDATE cases SET visited_at = received_at")
    op.alter_column("cases", "visited_at", nullable=False, server_default=sa.text("now()"))
    op.add_column("cases", word("visit_source", "portal", "dicom", "receipt", server_default="receipt"))
    op.add_column("cases", sa.Column("alert", sa.Text(), nullable=True))
    op.add_column("cases", sa.Column("trail_due_at", TIME, nullable=True))
    op.add_column("cases", sa.Column("trail_attempts", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("cases", sa.Column("trail_failed", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_cases_trail_attempts"), "cases", "trail_attempts >= 0")
    op.execute(f"""
        WITH made AS (UPDATE cases SET lesion_id = gen_random_uuid() WHERE lesion_id IS NULL RETURNING lesion_id, tenant_id, patient_id)
        INSERT INTO lesions (id, tenant_id, patient_id, tracking_uid)
        SELECT lesion_id, tenant_id, patient_id, {minted("lesion_id")} FROM made
    """)
    op.alter_column("cases", "lesion_id", nullable=False)
    op.drop_index("ix_cases_lesion_id", "cases")
    op.create_index("ix_cases_trail", "cases", ["lesion_id", "visited_at", "received_at", "id"])
    op.execute(COMPARE)
    op.create_index("ix_cases_trail_due", "cases", ["trail_due_at"], postgresql_where=sa.text("trail_due_at IS NOT NULL"))


# Lesions that were seen more than once get their trail now, not only with their next visit.
COMPARE = """
    UPDATE cases SET trail_due_at = now() WHERE id IN (
        SELECT DISTINCT ON (lesion_id) id FROM cases
        WHERE lesion_id IN (SELECT lesion_id FROM cases GROUP BY lesion_id HAVING count(*) > 1)
        ORDER BY lesion_id, visited_at DESC, received_at DESC, id DESC
    )
"""


def restore_cases() -> None:
    op.drop_index("ix_cases_trail_due", "cases")
    op.drop_index("ix_cases_trail", "cases")
    op.create_index("ix_cases_lesion_id", "cases", ["lesion_id"])
    op.alter_column("cases", "lesion_id", nullable=True)
    for column in ("trail_failed", "trail_attempts", "trail_due_at", "alert", "visit_source", "visited_at"):
        op.drop_column("cases", column)


def extend_reviews() -> None:
    """The day of the next visit stands beside the months."""
    op.add_column("reviews", sa.Column("follow_up_on", sa.Date(), nullable=True))
    op.execute("ALTER TABLE reviews DISABLE TRIGGER append_only")
    op.execute(
        "UPDATE reviews SET follow_up_on = ((created_at AT TIME ZONE 'UTC')::date + make_interval(months => follow_up_months))::date "
        "WHERE follow_up_months IS NOT NULL"
    )
    op.execute("ALTER TABLE reviews ENABLE TRIGGER append_only")
    op.create_check_constraint(op.f("ck_reviews_follow_up_on"), "reviews", "(follow_up_months IS NULL) = (follow_up_on IS NULL)")
    planned = sa.text("follow_up_on IS NOT NULL")
    op.create_index("ix_reviews_follow_up", "reviews", ["tenant_id", "follow_up_on"], postgresql_where=planned)


def change_kinds(kinds: tuple[str, ...]) -> None:
    """Admit these kinds of models, and no others, from now on."""
    name = op.f("ck_model_versions_kind")
    op.drop_constraint(name, "model_versions", type_="check")
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(name, "model_versions", f"kind IN ({listed})")


def secure() -> None:
    """Give rights and row security."""
    for table, rights in GRANTS.items():
        for role, what in rights.items():
            op.execute(f"GRANT {what} ON {table} TO dermatrail_{role}")
    for table in ("lesions", "reviews"):
        op.execute(f"CREATE POLICY worker ON {table} TO dermatrail_worker USING (true) WITH CHECK (true)")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
        for role in GRANTS[table]:
            rows = "true" if role == "worker" else f"tenant_id = {MINE}"
            op.execute(f"CREATE POLICY {role} ON {table} TO dermatrail_{role} USING ({rows}) WITH CHECK ({rows})")
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


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


def word(name: str, *values: str, nullable: bool = False, server_default: str | None = None) -> sa.Column[Any]:
    """Return a column that admits only these words."""
    kind = sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)
    return sa.Column(name, kind, nullable=nullable, server_default=server_default)


def create_lesion_events() -> None:
    op.create_table(
        "lesion_events",
        *owned("lesion_events"),
        *refers("lesion_events", "lesion_id", "lesions"),
        word("kind", "linked", "merged", "split", "placed", "kept_apart", "restored"),
        *refers("lesion_events", "case_id", "cases", nullable=True),
        *refers("lesion_events", "other_lesion_id", "lesions", nullable=True),
        *refers("lesion_events", "user_id", "users", nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
    )
    op.create_index("ix_lesion_events_lesion_id", "lesion_events", ["lesion_id", "created_at"])
    op.create_index("ix_lesion_events_other_lesion_id", "lesion_events", ["other_lesion_id", "created_at"])
    op.create_index("ix_lesion_events_case_id", "lesion_events", ["case_id", "created_at"], postgresql_where=sa.text("case_id IS NOT NULL"))


def create_link_proposals() -> None:
    op.create_table(
        "link_proposals",
        *owned("link_proposals"),
        *refers("link_proposals", "case_id", "cases"),
        *refers("link_proposals", "lesion_id", "lesions"),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(), nullable=False),
        word("state", "open", "confirmed", "rejected", "stale", server_default="open"),
        *refers("link_proposals", "decided_by", "users", nullable=True),
        sa.Column("decided_at", TIME, nullable=True),
        sa.CheckConstraint("score BETWEEN 0 AND 1", name=op.f("ck_link_proposals_score")),
        sa.CheckConstraint("(state IN ('confirmed', 'rejected')) = (decided_by IS NOT NULL)", name=op.f("ck_link_proposals_decided_by")),
        sa.CheckConstraint("(decided_by IS NULL) = (decided_at IS NULL)", name=op.f("ck_link_proposals_decided_at")),
        sa.UniqueConstraint("case_id", "lesion_id", name=op.f("uq_link_proposals_case_id_lesion_id")),
    )
    op.create_index("ix_link_proposals_lesion_id", "link_proposals", ["lesion_id"])


def create_calibrations() -> None:
    op.create_table(
        "calibrations",
        *owned("calibrations"),
        *refers("calibrations", "image_id", "images"),
        *refers("calibrations", "user_id", "users"),
        sa.Column("mm_per_px", sa.Double(), nullable=False),
        sa.Column("length_mm", sa.Double(), nullable=False),
        sa.Column("length_px", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("mm_per_px > 0 AND length_mm > 0 AND length_px > 0", name=op.f("ck_calibrations_length")),
    )
    op.create_index("ix_calibrations_image_id", "calibrations", ["image_id", "created_at"])


def create_visit_measures() -> None:
    op.create_table(
        "visit_measures",
        *owned("visit_measures"),
        *refers("visit_measures", "image_id", "images"),
        *refers("visit_measures", "outline_id", "outlines", nullable=True),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("measures", postgresql.JSONB(), nullable=False),
        sa.UniqueConstraint(
            "image_id",
            "outline_id",
            "version",
            name=op.f("uq_visit_measures_image_id_outline_id_version"),
            postgresql_nulls_not_distinct=True,
        ),
    )


def create_comparisons() -> None:
    op.create_table(
        "comparisons",
        *owned("comparisons"),
        *refers("comparisons", "earlier_case_id", "cases"),
        *refers("comparisons", "later_case_id", "cases"),
        *refers("comparisons", "earlier_image_id", "images"),
        *refers("comparisons", "later_image_id", "images"),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("registration", postgresql.JSONB(), nullable=True),
        sa.Column("changes", postgresql.JSONB(), nullable=True),
        sa.Column("registered_key", sa.Text(), nullable=True),
        sa.Column("difference_key", sa.Text(), nullable=True),
        sa.CheckConstraint("earlier_image_id <> later_image_id", name=op.f("ck_comparisons_images")),
        sa.CheckConstraint(
            "valid = (why IS NULL) AND valid = (registration IS NOT NULL) AND valid = (changes IS NOT NULL)",
            name=op.f("ck_comparisons_valid"),
        ),
        sa.UniqueConstraint(
            "earlier_image_id", "later_image_id", "basis", name=op.f("uq_comparisons_earlier_image_id_later_image_id_basis")
        ),
    )
    for end in ("later_case_id", "earlier_case_id"):
        op.create_index(f"ix_comparisons_{end}", "comparisons", [end, "created_at"])


def create_alerts() -> None:
    op.create_table(
        "alerts",
        *owned("alerts"),
        *refers("alerts", "case_id", "cases"),
        *refers("alerts", "comparison_id", "comparisons", nullable=True),
        sa.Column("headline", sa.Text(), nullable=False),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=False),
        sa.Column("withdrawn_at", TIME, nullable=True),
        sa.Column("withdrawn_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_reason IS NULL)", name=op.f("ck_alerts_withdrawn")),
    )
    op.create_index("uq_alerts_standing", "alerts", ["case_id"], unique=True, postgresql_where=sa.text("withdrawn_at IS NULL"))
    op.create_index("ix_alerts_case_id", "alerts", ["case_id", "created_at"])


def create_sequence_answers() -> None:
    op.create_table(
        "sequence_answers",
        *owned("sequence_answers"),
        *refers("sequence_answers", "case_id", "cases"),
        sa.Column("image_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("visits", sa.SmallInteger(), nullable=False),
        sa.Column("malignant_probability", sa.Double(), nullable=False),
        sa.Column("progressing_probability", sa.Double(), nullable=True),
        sa.Column("details", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.CheckConstraint("malignant_probability BETWEEN 0 AND 1", name=op.f("ck_sequence_answers_malignant_probability")),
        sa.CheckConstraint("progressing_probability BETWEEN 0 AND 1", name=op.f("ck_sequence_answers_progressing_probability")),
        sa.CheckConstraint("visits = cardinality(image_ids)", name=op.f("ck_sequence_answers_visits")),
        sa.UniqueConstraint("case_id", "digest", "image_ids", name=op.f("uq_sequence_answers_case_id_digest_image_ids")),
    )


def create_reminders() -> None:
    op.create_table(
        "reminders",
        *owned("reminders"),
        *refers("reminders", "review_id", "reviews"),
        word("kind", "upcoming", "due", "overdue"),
        sa.UniqueConstraint("review_id", "kind", name=op.f("uq_reminders_review_id_kind")),
    )


def create_portal_events() -> None:
    op.create_table(
        "portal_events",
        *owned("portal_events"),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.UniqueConstraint("sequence", name=op.f("uq_portal_events_sequence")),
    )
    op.create_index("ix_portal_events_order", "portal_events", ["tenant_id", "sequence"])


# In this order; dropped in the other.
TABLES = {
    "lesion_events": create_lesion_events,
    "link_proposals": create_link_proposals,
    "calibrations": create_calibrations,
    "visit_measures": create_visit_measures,
    "comparisons": create_comparisons,
    "alerts": create_alerts,
    "sequence_answers": create_sequence_answers,
    "reminders": create_reminders,
    "portal_events": create_portal_events,
}
