"""Orders: one for each identifier of a portal, how far it is, and nobody else's business."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from services.records.errors import InvalidCursor
from services.records.orders import OrderIdentifier, OrderProgress, OrderView, find_orders, reject_order, store_order
from services.records.states import Decision, Management
from tests.records.worlds import Portal, Worker

NAMED = OrderIdentifier("https://portal.example", "O-1")


def store(portal: Portal, case_id: UUID, identifier: OrderIdentifier = NAMED) -> None:
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        order = {"order_id": uuid4(), "identifier": identifier, "case_id": case_id, "resource": {"priority": "urgent"}}
        store_order(session=session, tenant_id=portal.tenant_id, **order)  # type: ignore[arg-type]


def reject(portal: Portal, reason: str = "no picture") -> None:
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        reject_order(session=session, tenant_id=portal.tenant_id, actor=portal.actor, identifier=NAMED, reason=reason)


def orders(portal: Portal, **asked: str) -> tuple[OrderView, ...]:
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        return find_orders(session=session, tenant_id=portal.tenant_id, actor=portal.actor, **asked).orders  # type: ignore[arg-type]


def progress(portal: Portal) -> OrderProgress:
    (found,) = orders(portal)
    return found.progress


@pytest.fixture
def ordered(portal: Portal) -> UUID:
    case_id = portal.submit().id
    store(portal, case_id)
    return case_id


def settle(behind: Connection) -> None:
    """Half a minute passes."""
    behind.execute(text("SET session_replication_role = replica"))
    behind.execute(text("UPDATE reviews SET created_at = created_at - interval '30 seconds'"))
    behind.execute(text("SET session_replication_role = origin"))


def test_an_order_is_as_far_as_its_case(portal: Portal, worker: Worker, ordered: UUID, behind: Connection) -> None:
    assert progress(portal) is OrderProgress.RECEIVED
    claimed = worker.claim()
    assert progress(portal) is OrderProgress.IN_PROGRESS
    worker.complete(claimed)
    assert progress(portal) is OrderProgress.IN_PROGRESS
    portal.review(ordered)
    assert progress(portal) is OrderProgress.IN_PROGRESS, "the decision can still be taken back"
    settle(behind)
    (found,) = orders(portal)
    assert (found.progress, found.decided, found.case_id, found.reason) == (OrderProgress.COMPLETED, True, ordered, None)


def test_a_case_that_cannot_be_judged_fails_its_order_and_says_why(
    portal: Portal, worker: Worker, ordered: UUID, behind: Connection
) -> None:
    worker.complete(worker.claim())
    portal.review(ordered, decision=Decision.NOT_ASSESSABLE, diagnosis=None, reason="blurred", management=Management.RETAKE)
    settle(behind)
    (found,) = orders(portal)
    assert (found.progress, found.reason, found.management) == (OrderProgress.FAILED, "blurred", Management.RETAKE)


def test_a_rejected_order_keeps_its_newest_reason_until_a_better_one_takes_its_place(portal: Portal) -> None:
    reject(portal)
    reject(portal, "too many pictures")
    (found,) = orders(portal)
    assert (found.progress, found.reason, found.case_id) == (OrderProgress.REJECTED, "too many pictures", None)
    store(portal, portal.submit().id)
    (better,) = orders(portal)
    assert (better.id, better.progress, better.reason) == (found.id, OrderProgress.RECEIVED, None)


def test_an_accepted_order_is_never_rejected_afterwards(portal: Portal, ordered: UUID) -> None:
    reject(portal)
    store(portal, portal.submit().id)
    (found,) = orders(portal)
    assert (found.case_id, found.progress) == (ordered, OrderProgress.RECEIVED)


def test_the_same_value_of_two_systems_is_two_orders(portal: Portal, ordered: UUID) -> None:
    store(portal, portal.submit().id, OrderIdentifier("", "O-1"))
    assert len(orders(portal, identifier="O-1")) == 2
    assert [found.identifier.system for found in orders(portal, identifier="O-1", system="")] == [""]


def test_orders_are_read_page_by_page(portal: Portal) -> None:
    for number in range(3):
        store(portal, portal.submit().id, OrderIdentifier("", f"O-{number}"))
    found, cursor = [], None
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        while True:
            page = find_orders(session=session, tenant_id=portal.tenant_id, actor=portal.actor, cursor=cursor, limit=2)
            found += [order.identifier.value for order in page.orders]
            if (cursor := page.next_cursor) is None:
                break
        with pytest.raises(InvalidCursor):
            find_orders(session=session, tenant_id=portal.tenant_id, actor=portal.actor, cursor="bm90IG91cnM=")
    assert found == ["O-0", "O-1", "O-2"]


def test_another_tenants_orders_are_seen_neither_by_queries_nor_by_raw_sql(portal: Portal, other: Portal, ordered: UUID) -> None:
    assert orders(other) == ()
    store(other, other.submit().id)
    for login in (portal.logins.intake, portal.logins.review):
        with login.transaction(tenants=[other.tenant_id]) as session:
            assert set(session.scalars(text("SELECT tenant_id FROM orders"))) == {other.tenant_id}
        with login.transaction() as session:
            assert session.scalars(text("SELECT 1 FROM orders")).all() == []
    with portal.logins.owner.transaction() as session:  # whose policy admits every row
        found = find_orders(session=session, tenant_id=other.tenant_id, actor=other.actor).orders
        assert len(found) == 1


def test_the_worker_reads_no_orders(portal: Portal, ordered: UUID) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), portal.logins.worker.transaction() as session:
        session.execute(text("SELECT 1 FROM orders"))
