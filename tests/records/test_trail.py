"""The audit trail is read newest first, page by page, and checked part by part."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from services.records.audit import Actor, PartReport, verify_chain, verify_part
from services.records.errors import InvalidCursor
from services.records.states import ActorKind, AuditAction
from services.records.trail import TrailFilter, TrailPage, read_trail
from tests.records.worlds import Portal

READER = Actor.user(uuid4())


def read(portal: Portal, *, cursor: str | None = None, limit: int = 100, **wanted: Any) -> TrailPage:
    with portal.logins.review.transaction(admin=True) as session:
        return read_trail(session=session, wanted=TrailFilter(**wanted), reader=READER, cursor=cursor, limit=limit)


def check(portal: Portal, *, after: int = 0, limit: int = 100) -> PartReport:
    with portal.logins.review.transaction(admin=True) as session:
        return verify_part(session=session, tenant_id=portal.tenant_id, after=after, limit=limit)


def test_pages_follow_each_other_without_gap_or_repeat(portal: Portal) -> None:
    for _ in range(5):
        portal.submit()
    whole = read(portal, tenant_id=portal.tenant_id)
    seen, cursor = [], None
    while True:
        page = read(portal, tenant_id=portal.tenant_id, cursor=cursor, limit=2, action=AuditAction.CASE_ACCEPTED)
        seen += [event.id for event in page.events]
        cursor = page.older
        if cursor is None:
            break
    assert seen == [event.id for event in whole.events if event.action == "case.accepted"]
    assert [event.at for event in whole.events] == sorted((event.at for event in whole.events), reverse=True)


def test_filters_let_through_what_they_say(portal: Portal, other: Portal) -> None:
    portal.submit()
    other.submit()
    assert {event.tenant_id for event in read(portal, tenant_id=portal.tenant_id).events} == {portal.tenant_id}
    assert {event.tenant_id for event in read(portal, no_portal=True).events} == {None}
    assert {event.actor_id for event in read(portal, actor_id=str(portal.key_id)).events} == {str(portal.key_id)}
    assert {event.actor_kind for event in read(portal, actor_kind=ActorKind.SYSTEM).events} == {ActorKind.SYSTEM}
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert read(portal, since=tomorrow).events == []
    assert len(read(portal, until=tomorrow).events) > 0


def test_reading_the_trail_is_an_event(portal: Portal) -> None:
    read(portal)
    assert read(portal).events[0].action == "audit.read"


@pytest.mark.parametrize("cursor", ["x", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00~5d3ffb3c-96f5-4d5b-a0a4-0a8a27c2c0d5"])
def test_a_cursor_of_somebody_elses_making_is_refused(portal: Portal, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        read(portal, cursor=cursor)


def test_parts_find_what_the_whole_finds(portal: Portal, behind: Connection) -> None:
    for _ in range(6):
        portal.submit()
    first = check(portal, limit=3)
    assert (first.checked, first.finished, first.problem) == (3, False, None)
    last = check(portal, after=3)
    assert (last.finished, last.problem, last.checked) == (True, None, last.events)
    with portal.logins.owner.transaction() as session:
        assert verify_chain(session=session, tenant_id=portal.tenant_id).head_hash == last.head_hash
    behind.execute(text("SET session_replication_role = replica"))
    mine = {"tenant": portal.tenant_id}
    behind.execute(text("UPDATE audit_events SET action = 'nothing' WHERE sequence = 5 AND tenant_id = :tenant"), mine)
    assert check(portal, after=3).problem == "Event 5 was changed."
    assert check(portal, limit=3).problem is None
    behind.execute(text("DELETE FROM audit_events WHERE sequence >= 5 AND tenant_id = :tenant"), mine)
    assert check(portal, after=3).problem == f"The chain should end with event {last.events} but ends with event 4."
    assert check(portal, after=6).problem == "Event 6 is missing."


def test_a_chain_without_events_is_whole(portal: Portal) -> None:
    with portal.logins.review.transaction(admin=True) as session:
        report = verify_part(session=session, tenant_id=uuid4())
    assert (report.events, report.finished, report.problem) == (0, True, None)
