"""The schema: history and models agree, and the rights are no wider than they must be."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url, text

from infra.local import LocalStack
from services.records.migrate import downgrade, upgrade
from services.records.tables import Base

CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version' AND contype <> 't'
"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
RIGHTS = """
    SELECT table_name, grantee, privilege_type FROM information_schema.table_privileges
    WHERE grantee LIKE 'dermatrail__%'
    UNION SELECT table_name, grantee, privilege_type FROM information_schema.column_privileges WHERE grantee LIKE 'dermatrail__%'
"""


def rows(connection: Connection, query: str) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in connection.exec_driver_sql(query.replace("%", "%%"), ())}


@pytest.fixture
def scratch(stack: LocalStack, superuser_engine: Engine) -> Iterator[URL]:
    """The owner's address of an empty database."""
    with superuser_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CREATE DATABASE scratch OWNER dermatrail")
        yield make_url(stack.database_url("owner")).set(database="scratch")
        connection.exec_driver_sql("DROP DATABASE scratch")


@pytest.fixture
def scratch_engine(scratch: URL) -> Iterator[Engine]:
    engine = create_engine(scratch, poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture
def migrated(stack: LocalStack) -> Iterator[Connection]:
    engine = create_engine(stack.database_url("owner"), poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def test_the_models_are_what_the_migrations_make(migrated: Connection) -> None:
    assert compare_metadata(MigrationContext.configure(migrated), Base.metadata) == []


def test_constraints_and_indexes_of_models_and_migrations_agree(migrated: Connection, scratch_engine: Engine) -> None:
    Base.metadata.create_all(scratch_engine)
    with scratch_engine.connect() as modelled:
        for query in (CONSTRAINTS, INDEXES):
            assert rows(modelled, query) == rows(migrated, query)


def test_migrating_down_leaves_nothing_and_up_again_works(scratch: URL, scratch_engine: Engine) -> None:
    url = scratch.render_as_string(hide_password=False)
    objects = """
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'alembic%'
        UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    """
    upgrade(url)
    upgrade(url)
    with scratch_engine.connect() as connection:
        made = rows(connection, objects)
    downgrade(url)
    with scratch_engine.connect() as connection:
        assert rows(connection, objects) == set()
    upgrade(url)
    with scratch_engine.connect() as connection:
        assert rows(connection, objects) == made


def test_every_table_with_a_tenant_has_forced_row_level_security(migrated: Connection) -> None:
    secured = "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
    with_tenant = {table.name for table in Base.metadata.tables.values() if "tenant_id" in table.columns}
    assert len(with_tenant) >= 25
    assert with_tenant | {"tenants", "saved_views"} == {name for (name,) in rows(migrated, secured)}


def test_no_process_may_delete_or_rewrite(migrated: Connection) -> None:
    rights = rows(migrated, RIGHTS)
    changed = {(table, role.removeprefix("dermatrail_")) for table, role, right in rights if right == "UPDATE"}
    people = {
        (table, "review")
        for table in (
            "tenants",
            "api_keys",
            "users",
            "model_versions",
            "note_templates",
            "saved_views",
            "case_claims",
            "images",
            "lesions",
            "link_proposals",
        )
    }
    # A visitor may have their picture deleted at once.
    people.add(("trials", "review"))
    worked = {(table, "worker") for table in ("cases", "jobs", "images", "outlines", "trials", "alerts", "link_proposals")}
    worked.add(("erasures", "worker"))
    told = {(table, role) for table in ("webhook_endpoints", "deliveries") for role in ("intake", "review", "worker")}
    told |= {("orders", "intake"), ("uploads", "intake"), ("uploads", "worker"), ("batch_items", "intake")}
    assert changed == people | worked | told | {("patients", "intake"), ("lesions", "intake"), ("cases", "intake"), ("cases", "review")}
    deleted = {(table, role.removeprefix("dermatrail_")) for table, role, right in rights if right == "DELETE"}
    assert deleted == {("memberships", "review"), ("saved_views", "review"), ("trials", "worker"), ("uploads", "worker")}
    assert {right for table, _, right in rights if table == "audit_events"} == {"INSERT", "SELECT"}
    assert {(role, right) for table, role, right in rights if table == "audit_heads"} == {("dermatrail_review", "SELECT")}
    assert {role for table, role, _ in rights if table == "memberships" and role.endswith("worker")} == set()


def test_a_worker_learns_when_a_follow_up_is_due_and_nothing_of_what_was_decided(migrated: Connection) -> None:
    columns = "SELECT column_name FROM information_schema.column_privileges WHERE table_name = 'reviews' AND grantee = 'dermatrail_worker'"
    known = {column for (column,) in rows(migrated, columns)}
    assert known == {"id", "created_at", "tenant_id", "case_id", "kind", "decision", "supersedes", "follow_up_on"}


def test_the_secret_of_a_key_is_read_by_intake_alone(migrated: Connection) -> None:
    columns = "SELECT grantee FROM information_schema.column_privileges WHERE table_name = 'api_keys' AND column_name = 'secret_hash' "
    readers = {role for (role,) in rows(migrated, columns + "AND privilege_type = 'SELECT' AND grantee LIKE 'dermatrail__%'")}
    assert readers == {"dermatrail_intake"}


def test_the_group_roles_cannot_log_in_or_pass_row_level_security(migrated: Connection) -> None:
    roles = "SELECT rolname, rolcanlogin, rolbypassrls, rolsuper FROM pg_roles WHERE rolname IN ('{0}intake', '{0}review', '{0}worker')"
    found = rows(migrated, roles.format("dermatrail_"))
    assert {tuple(flags) for _, *flags in found} == {(False, False, False)}
    assert len(found) == 3


@pytest.mark.parametrize(
    "table", ["analyses", "reviews", "audit_events", "lesion_events", "comparisons", "visit_measures", "portal_events", "delivery_attempts"]
)
@pytest.mark.parametrize("change", ["UPDATE {} SET created_at = now()", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_what_was_said_decided_or_done_cannot_be_changed_even_by_the_owner(migrated: Connection, table: str, change: str) -> None:
    with pytest.raises(Exception, match=f"{table} is append-only"):
        migrated.execute(text(change.format(table)))


OLD_DATA = """
    INSERT INTO tenants (id, name, slug, urgent_hours, soon_hours, routine_hours)
        VALUES ('00000000-0000-4000-8000-000000000001', 'Portal', 'portal', 24, 72, 336);
    INSERT INTO users (id, email, name, role, state, password_hash)
        VALUES ('00000000-0000-4000-8000-000000000002', 'd@clinic.example', 'Dr D', 'dermatologist', 'active', 'x');
    INSERT INTO patients (id, tenant_id, reference)
        VALUES ('00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000001', 'P-1');
    INSERT INTO lesions (id, tenant_id, patient_id, reference)
        SELECT 'f0000000-0000-4000-8000-00000000000f', tenant_id, id, 'L-1' FROM patients;
    INSERT INTO cases (id, tenant_id, patient_id, lesion_id, urgency, state, received_at, due_at)
        SELECT gen_random_uuid(), '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000003', lesion::uuid,
            'routine', 'awaiting_review', received::timestamptz, received::timestamptz + interval '14 days'
        FROM (VALUES ('f0000000-0000-4000-8000-00000000000f', '2026-01-10'), ('f0000000-0000-4000-8000-00000000000f', '2026-05-10'),
            (NULL, '2026-06-10'), (NULL, '2026-06-11')) AS old (lesion, received);
    INSERT INTO reviews (id, tenant_id, case_id, user_id, decision, diagnosis, shown, management, follow_up_months, created_at)
        SELECT gen_random_uuid(), tenant_id, id, '00000000-0000-4000-8000-000000000002', 'confirm', 'NV', '{}', 'follow_up', 1, '2026-01-31'
        FROM cases LIMIT 1;
"""


def test_cases_from_before_the_trail_become_visits(scratch: URL, scratch_engine: Engine) -> None:
    url = scratch.render_as_string(hide_password=False)
    upgrade(url, "0004")
    with scratch_engine.begin() as connection:
        connection.exec_driver_sql(OLD_DATA.replace("%", "%%"))
    upgrade(url)
    with scratch_engine.connect() as connection:
        visits = connection.exec_driver_sql(
            "SELECT lesion_id, visited_at = received_at, trail_due_at IS NOT NULL FROM cases ORDER BY received_at"
        ).all()
        lesions = connection.exec_driver_sql("SELECT id, tracking_uid FROM lesions").all()
        planned = connection.exec_driver_sql("SELECT follow_up_on FROM reviews").scalar_one()
    assert len({lesion for lesion, _, _ in visits}) == 3
    assert all(dated for _, dated, _ in visits)
    # Of the lesion that was seen twice, the newest visit waits for its comparison; of the others there is nothing to compare.
    assert [due for _, _, due in visits] == [False, True, False, False]
    assert {uid for _, uid in lesions} == {f"2.25.{UUID(str(lesion)).int}" for lesion, _ in lesions}
    assert planned == date(2026, 2, 28)
