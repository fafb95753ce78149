"""Tenants cannot see each other: the queries name their tenants, and Postgres would not tell if they did not."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from services.records.database import Database
from services.records.errors import CaseNotFound
from services.records.listing import list_cases
from services.records.ranking import Status, Wanted
from services.records.worklist import case_page, worklist
from tests.records.worlds import Portal, Worker

VISIBLE = ["tenants", "patients", "lesions", "cases", "images", "jobs", "analyses", "reviews"]


@pytest.fixture
def both(portal: Portal, other: Portal, worker: Worker) -> tuple[Portal, Portal]:
    """Two portals, each with one decided case and everything that hangs on it."""
    for owner in (portal, other):
        case = owner.submit(lesion_reference="L-1")
        worker.complete(worker.claim())
        owner.review(case.id)
    return portal, other


def tenants_seen(database: Database, table: str, *portals: Portal) -> set[object]:
    column = "id" if table == "tenants" else "tenant_id"
    with database.transaction(tenants=[portal.tenant_id for portal in portals]) as session:
        return set(session.scalars(text(f"SELECT {column} FROM {table}")))


@pytest.mark.parametrize("table", VISIBLE)
@pytest.mark.parametrize("role", ["intake", "review"])
def test_raw_sql_of_a_web_process_sees_only_the_tenants_at_hand(both: tuple[Portal, Portal], role: str, table: str) -> None:
    portal, other = both
    database: Database = getattr(portal.logins, role)
    assert tenants_seen(database, table, portal) == {portal.tenant_id}
    assert tenants_seen(database, table, portal, other) == {portal.tenant_id, other.tenant_id}
    assert tenants_seen(database, table) == set()
    with database.transaction() as session:
        assert session.scalars(text(f"SELECT 1 FROM {table}")).all() == []


def test_the_tenants_of_a_transaction_do_not_stay_on_its_connection(both: tuple[Portal, Portal]) -> None:
    portal, _ = both
    for _ in range(6):
        assert tenants_seen(portal.logins.intake, "cases", portal) == {portal.tenant_id}
        with portal.logins.intake.transaction() as session:
            assert session.scalars(text("SELECT 1 FROM cases")).all() == []


def test_the_worker_sees_the_work_of_all_tenants(both: tuple[Portal, Portal]) -> None:
    portal, other = both
    with portal.logins.worker.transaction() as session:
        assert set(session.scalars(text("SELECT tenant_id FROM jobs"))) == {portal.tenant_id, other.tenant_id}


@pytest.mark.parametrize("table", ["patients", "users", "api_keys", "memberships", "audit_events", "audit_heads"])
def test_the_worker_may_not_read_people(both: tuple[Portal, Portal], table: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), both[0].logins.worker.transaction() as session:
        session.execute(text(f"SELECT 1 FROM {table}"))


@pytest.mark.parametrize("column", ["diagnosis", "note", "reason", "shown", "user_id", "rationale"])
def test_the_worker_may_not_read_what_was_decided(both: tuple[Portal, Portal], column: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), both[0].logins.worker.transaction() as session:
        session.execute(text(f"SELECT {column} FROM reviews"))


@pytest.mark.parametrize("statement", ["UPDATE cases SET state = 'queued', reviewed_at = NULL", "UPDATE cases SET reviewed_at = now()"])
def test_raw_sql_changes_only_rows_of_the_tenants_at_hand(both: tuple[Portal, Portal], statement: str) -> None:
    portal, _ = both
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        assert len(session.execute(text(f"{statement} RETURNING id")).all()) == 1


def test_a_row_cannot_be_planted_with_another_tenant(both: tuple[Portal, Portal]) -> None:
    portal, other = both
    plant = text("INSERT INTO patients (id, tenant_id, reference) VALUES (gen_random_uuid(), :tenant, 'planted')")
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session,
    ):
        session.execute(plant, {"tenant": other.tenant_id})


def test_an_audit_event_cannot_be_planted_with_another_tenant(both: tuple[Portal, Portal]) -> None:
    portal, other = both
    plant = text(
        "INSERT INTO audit_events (id, tenant_id, sequence, actor_kind, action, subject_kind, details, previous_hash, hash)"
        " VALUES (gen_random_uuid(), :tenant, 0, 'system', 'x', 'x', '{}', '', '')"
    )
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        portal.logins.review.transaction(tenants=[portal.tenant_id]) as session,
    ):
        session.execute(plant, {"tenant": other.tenant_id})


def test_the_queries_keep_tenants_apart_even_where_the_database_would_show_both(both: tuple[Portal, Portal]) -> None:
    portal, other = both
    theirs = other.submit().id
    # The owner's policy admits every row: what is filtered here is filtered by the query.
    with portal.logins.owner.transaction() as session:
        mine = list_cases(session=session, tenant_id=portal.tenant_id, actor=portal.actor).cases
        assert len(mine) == 1
        with pytest.raises(CaseNotFound):
            case_page(session=session, tenant_ids=[portal.tenant_id], case_id=theirs, user_id=portal.user_id)
        asked = [Wanted(status=status) for status in Status]
        listed = [worklist(session=session, tenant_ids=[portal.tenant_id], user_id=portal.user_id, wanted=wanted) for wanted in asked]
        assert {row.tenant_id for listing in listed for row in listing.rows} == {portal.tenant_id}


def test_another_tenants_case_looks_like_none(both: tuple[Portal, Portal]) -> None:
    portal, other = both
    theirs = other.submit().id
    for attempt in (portal.status, portal.add, portal.review):
        with pytest.raises(CaseNotFound):
            attempt(theirs)


def test_a_portal_can_read_only_the_key_whose_prefix_it_shows(both: tuple[Portal, Portal]) -> None:
    portal, other = both
    with portal.logins.intake.transaction(tenants=[portal.tenant_id, other.tenant_id]) as session:
        assert session.scalars(text("SELECT 1 FROM api_keys")).all() == []


def test_the_intake_login_may_not_read_passwords(both: tuple[Portal, Portal]) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), both[0].logins.intake.transaction() as session:
        session.execute(text("SELECT password_hash FROM users"))
