"""The trail is complete, and whoever tampers with it is found out."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from services.records import audit
from services.records.states import AuditAction
from services.records.worklist import worklist
from tests.records.worlds import Portal, Worker


def verify(portal: Portal, tenant_id: UUID | None) -> audit.ChainReport:
    with portal.logins.owner.transaction() as session:
        return audit.verify_chain(session=session, tenant_id=tenant_id)


def tamper(behind: Connection, statement: str) -> None:
    """Change history as only the superuser can: with the triggers switched off."""
    behind.execute(text("SET session_replication_role = replica"))
    assert behind.execute(text(statement)).rowcount == 1
    behind.execute(text("SET session_replication_role = origin"))


@pytest.fixture
def history(portal: Portal, worker: Worker) -> Portal:
    """A portal whose chain holds: portal and key created, case accepted, read, analysed."""
    case = portal.submit()
    portal.status(case.id)
    worker.complete(worker.claim())
    return portal


def test_every_step_of_a_case_is_in_the_trail(history: Portal, behind: Connection) -> None:
    [case_id] = behind.scalars(text("SELECT id FROM cases")).all()
    with history.logins.review.transaction(tenants=[history.tenant_id]) as session:
        worklist(session=session, tenant_ids=[history.tenant_id], user_id=history.user_id)
    history.review(case_id)
    trail = behind.execute(text("SELECT action, actor_kind FROM audit_events WHERE tenant_id IS NOT NULL ORDER BY sequence")).all()
    assert [tuple(row) for row in trail] == [
        ("portal.created", "system"),
        ("key.created", "system"),
        ("case.accepted", "portal"),
        ("case.read", "portal"),
        ("image.analysed", "system"),
        ("cases.listed", "user"),
        ("case.reviewed", "user"),
    ]


def test_an_untouched_chain_is_intact(history: Portal, behind: Connection) -> None:
    report = verify(history, history.tenant_id)
    assert (report.intact, report.events) == (True, 5)
    assert report.head_hash == behind.scalar(
        text("SELECT hash FROM audit_events WHERE tenant_id IS NOT NULL ORDER BY sequence DESC LIMIT 1")
    )
    assert verify(history, None).intact


def test_a_chain_without_events_is_intact(history: Portal) -> None:
    assert verify(history, UUID(int=7)) == audit.ChainReport(events=0, head_hash=audit.FIRST_HASH, problem=None)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE audit_events SET details = '{\"images\": []}' WHERE action = 'case.accepted'", "Event 3 was changed."),
        ("UPDATE audit_events SET actor_id = 'somebody else' WHERE action = 'case.read'", "Event 4 was changed."),
        ("UPDATE audit_events SET created_at = created_at - interval '1 microsecond' WHERE action = 'case.read'", "Event 4 was changed."),
        ("UPDATE audit_events SET previous_hash = hash WHERE action = 'case.read'", "Event 4 was changed."),
        ("DELETE FROM audit_events WHERE action = 'case.accepted'", "Event 3 is missing."),
        ("DELETE FROM audit_events WHERE action = 'portal.created'", "Event 1 is missing."),
        ("DELETE FROM audit_events WHERE action = 'image.analysed'", "The chain should end with event 5 but ends with event 4."),
        ("DELETE FROM audit_heads WHERE chain <> '00000000-0000-0000-0000-000000000000'", "The chain has events but no head."),
    ],
)
def test_tampering_is_found(history: Portal, behind: Connection, statement: str, problem: str) -> None:
    tamper(behind, statement)
    assert verify(history, history.tenant_id).problem == problem


def test_a_forged_event_with_a_recomputed_hash_breaks_the_next_link(history: Portal, behind: Connection) -> None:
    tamper(behind, "UPDATE audit_events SET hash = repeat('a', 64) WHERE action = 'case.accepted'")
    assert verify(history, history.tenant_id).problem == "Event 3 was changed."


def test_events_added_at_once_form_one_chain(history: Portal) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: history.submit(patient=f"P-{number}"), range(12)))
    report = verify(history, history.tenant_id)
    assert (report.intact, report.events) == (True, 17)


def test_events_of_several_tenants_are_written_in_a_fixed_order(portal: Portal, other: Portal) -> None:
    orders = [(portal, other), (other, portal)] * 6

    def record(order: tuple[Portal, Portal]) -> None:
        with portal.logins.worker.transaction() as session:
            for owner in order:
                subject, actor = audit.Subject("case"), audit.Actor.system("w")
                audit.record_event(session=session, tenant_id=owner.tenant_id, actor=actor, action=AuditAction.CASE_READ, subject=subject)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record, orders))
    assert verify(portal, portal.tenant_id).events == verify(portal, other.tenant_id).events == 14


def test_what_did_not_happen_is_not_in_the_trail(history: Portal) -> None:
    with history.logins.intake.transaction(tenants=[history.tenant_id]) as session:
        subject, action = audit.Subject("case"), AuditAction.CASE_READ
        audit.record_event(session=session, tenant_id=history.tenant_id, actor=history.actor, action=action, subject=subject)
        session.rollback()
    assert verify(history, history.tenant_id).events == 5


def test_a_savepoint_does_not_write_the_trail_early(history: Portal) -> None:
    with history.logins.intake.transaction(tenants=[history.tenant_id]) as session:
        subject, action = audit.Subject("case"), AuditAction.CASE_READ
        audit.record_event(session=session, tenant_id=history.tenant_id, actor=history.actor, action=action, subject=subject)
        with session.begin_nested():
            pass
        assert len(session.info[audit.PENDING]) == 1
    assert verify(history, history.tenant_id).events == 6
