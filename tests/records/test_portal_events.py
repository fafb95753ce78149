"""The outbox of a portal: written with the change or not at all, and read by a cursor that misses nothing."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError, ProgrammingError

from services.records.database import Database
from services.records.errors import InvalidCursor
from services.records.portal_events import EventPage, PortalEventKind, add_event, list_events, write_pending
from tests.records.worlds import Portal

ALERT, MERGED = PortalEventKind.LESION_ALERT, PortalEventKind.LESION_MERGED


def tell(portal: Portal, *, kind: PortalEventKind = ALERT, number: int = 0, before_commit: Callable[[], None] = lambda: None) -> None:
    with portal.logins.worker.transaction() as session:
        add_event(
            session=session,
            tenant_id=portal.tenant_id,
            kind=kind,
            subject_kind="lesion",
            subject_id=UUID(int=number),
            payload={"n": number},
        )
        before_commit()


def listen(portal: Portal, cursor: str | None = None, *, limit: int = 100, kinds: tuple[PortalEventKind, ...] = ()) -> EventPage:
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        return list_events(session=session, tenant_id=portal.tenant_id, actor=portal.actor, cursor=cursor, limit=limit, kinds=kinds)


def numbers(page: EventPage) -> list[int]:
    return [event.payload["n"] for event in page.events]


def test_events_come_in_the_order_in_which_they_happened_page_by_page(portal: Portal) -> None:
    for number in range(5):
        tell(portal, number=number)
    first = listen(portal, limit=3)
    assert (numbers(first), first.more) == ([0, 1, 2], True)
    second = listen(portal, first.cursor, limit=3)
    assert (numbers(second), second.more) == ([3, 4], False)
    event = second.events[0]
    assert (event.kind, event.subject_kind, event.subject_id) == ("lesion.alert", "lesion", UUID(int=3))


def test_the_last_cursor_stays_good_for_what_happens_later(portal: Portal) -> None:
    empty = listen(portal)
    assert (empty.events, empty.more) == ((), False)
    tell(portal, number=1)
    told = listen(portal, empty.cursor)
    assert numbers(told) == [1]
    assert listen(portal, told.cursor).cursor == told.cursor


def test_some_kinds_can_be_asked_for(portal: Portal) -> None:
    tell(portal, number=1)
    tell(portal, kind=MERGED, number=2)
    tell(portal, number=3)
    page = listen(portal, kinds=(MERGED,))
    assert numbers(page) == [2]
    # The cursor has passed the others too: they need not be looked at again.
    assert listen(portal, page.cursor).events == ()


def test_what_is_rolled_back_was_never_told(portal: Portal) -> None:
    class ChangeFailedError(Exception):
        pass

    def fail() -> None:
        raise ChangeFailedError

    with pytest.raises(ChangeFailedError):
        tell(portal, number=1, before_commit=fail)
    tell(portal, number=2)
    assert numbers(listen(portal)) == [2]


def test_an_event_is_never_changed_or_removed(portal: Portal, behind: Connection) -> None:
    tell(portal)
    for statement in ("UPDATE portal_events SET kind = 'x'", "DELETE FROM portal_events"):
        with pytest.raises(DatabaseError, match="append-only"):
            behind.execute(text(statement))


def test_a_portal_hears_nothing_of_another(portal: Portal, other: Portal) -> None:
    tell(portal, number=1)
    tell(other, number=2)
    assert (numbers(listen(portal)), numbers(listen(other))) == ([1], [2])
    # The owner's policy admits every row: what is left out here is left out by the query.
    with portal.logins.owner.transaction() as session:
        assert len(list_events(session=session, tenant_id=portal.tenant_id, actor=portal.actor).events) == 1


@pytest.mark.parametrize(
    "cursor", ["", "x", "ZQ==", "ZTE", "ZS0x", "ZTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk=", "\N{SNOWMAN}", "MjAyNi0wMS0wMQ=="]
)
def test_a_cursor_of_another_list_is_refused(portal: Portal, cursor: str) -> None:
    if not cursor:
        assert listen(portal, cursor).events == ()
        return
    with pytest.raises(InvalidCursor):
        listen(portal, cursor)


def test_reading_is_audited_where_there_was_something_to_read(portal: Portal, behind: Connection) -> None:
    listen(portal)
    tell(portal)
    listen(portal)
    found = behind.execute(text("SELECT details FROM audit_events WHERE action = 'portal_events.read'")).scalars().all()
    assert found == [{"events": 1}]


@pytest.mark.parametrize("role", ["intake", "review"])
def test_raw_sql_of_a_web_process_sees_and_writes_only_the_tenants_at_hand(portal: Portal, other: Portal, role: str) -> None:
    tell(portal, number=1)
    tell(other, number=2)
    login: Database = getattr(portal.logins, role)
    with login.transaction(tenants=[portal.tenant_id]) as session:
        assert set(session.scalars(text("SELECT tenant_id FROM portal_events"))) == {portal.tenant_id}
    with pytest.raises(ProgrammingError, match="row-level security"), login.transaction(tenants=[portal.tenant_id]) as session:
        add_event(session=session, tenant_id=other.tenant_id, kind=ALERT, subject_kind="lesion", subject_id=uuid4())


# Late commits


def test_an_event_that_commits_late_holds_back_those_behind_it_and_no_other_portal(portal: Portal, other: Portal) -> None:
    with ThreadPoolExecutor(1) as pool:
        with portal.logins.worker.transaction() as session:
            add_event(session=session, tenant_id=portal.tenant_id, kind=ALERT, subject_kind="lesion", subject_id=uuid4(), payload={"n": 1})
            write_pending(session)  # it has its number now, and its commit is late
            second = pool.submit(tell, portal, number=2)
            tell(other, number=3)
            time.sleep(0.3)
            assert not second.done()
            early = listen(portal)
            assert early.events == ()
        second.result(timeout=10)
    assert numbers(listen(portal, early.cursor)) == [1, 2]


def test_a_reader_who_follows_the_cursor_while_many_write_gets_every_event_once(portal: Portal) -> None:
    written, seen, stop = 8 * 12, list[int](), threading.Event()

    def write(writer: int) -> None:
        chance = random.Random(writer)
        for turn in range(12):
            tell(portal, number=writer * 100 + turn, before_commit=lambda: time.sleep(chance.random() * 0.02))

    def read() -> None:
        cursor = None
        while True:
            # Asked before the page is read: what is committed by now must be on it, or on one that was read before.
            all_written = stop.is_set()
            page = listen(portal, cursor, limit=7)
            cursor = page.cursor
            seen.extend(numbers(page))
            if all_written and not page.events:
                return

    with ThreadPoolExecutor(9) as pool:
        reader = pool.submit(read)
        for future in [pool.submit(write, writer) for writer in range(8)]:
            future.result()
        stop.set()
        reader.result(timeout=30)
    assert len(seen) == written
    assert len(set(seen)) == written


def test_two_transactions_that_tell_the_same_two_portals_do_not_wait_for_each_other(portal: Portal, other: Portal) -> None:
    def both(order: tuple[Portal, ...]) -> None:
        with portal.logins.worker.transaction() as session:
            for each in order:
                add_event(
                    session=session, tenant_id=each.tenant_id, kind=ALERT, subject_kind="lesion", subject_id=uuid4(), payload={"n": 1}
                )
            time.sleep(0.01)

    with ThreadPoolExecutor(4) as pool:
        turns = [pool.submit(both, order) for _ in range(10) for order in ((portal, other), (other, portal))]
        for turn in turns:
            turn.result()
    assert len(listen(portal).events) == len(listen(other).events) == 20
