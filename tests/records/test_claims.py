"""Leases on cases: one holder at a time, an end by itself, and the decision refused to everybody else."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from services.records import access
from services.records.claims import ClaimView, claim_case, claims_of, release_claim, require_claim
from services.records.errors import CaseClaimed
from services.records.ranking import Status, Wanted
from services.records.states import Role
from services.records.worklist import next_case, worklist
from tests.records.worlds import PASSWORD, Portal, Worker

LEASE = timedelta(minutes=15)


@pytest.fixture
def case_id(portal: Portal, worker: Worker) -> UUID:
    """A case that waits."""
    case = portal.submit()
    worker.complete(worker.claim())
    return case.id


@pytest.fixture
def colleague(portal: Portal) -> UUID:
    """A second reader of the portal."""
    with portal.logins.owner.transaction() as session:
        return access.create_user(
            session=session, email="m@derma.example", name="Dr M.", role=Role.DERMATOLOGIST, password=PASSWORD, tenants=[portal.tenant_id]
        )


def claim(portal: Portal, case_id: UUID, user_id: UUID, *, take_over: bool = False, lease: timedelta = LEASE) -> ClaimView | None:
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return claim_case(
            session=session, tenant_ids=[portal.tenant_id], case_id=case_id, user_id=user_id, lease=lease, take_over=take_over
        )


def require(portal: Portal, case_id: UUID, user_id: UUID) -> None:
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        require_claim(session=session, case_id=case_id, user_id=user_id)


def release(portal: Portal, case_id: UUID, user_id: UUID, expires_at: datetime | None = None) -> bool:
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return release_claim(session=session, case_id=case_id, user_id=user_id, expires_at=expires_at)


def expire(behind: Connection) -> None:
    behind.execute(text("UPDATE case_claims SET expires_at = now() - interval '1 second'"))


def audited(behind: Connection) -> list[str]:
    return list(
        behind.execute(
            text("SELECT action FROM audit_events WHERE action IN ('case.claimed', 'case.released') ORDER BY sequence")
        ).scalars()
    )


def test_the_first_to_open_a_case_has_it_and_the_second_learns_who(
    portal: Portal, case_id: UUID, colleague: UUID, behind: Connection
) -> None:
    mine = claim(portal, case_id, portal.user_id)
    theirs = claim(portal, case_id, colleague)
    assert mine == theirs
    assert mine is not None
    assert (mine.user_id, mine.holder) == (portal.user_id, "Dr L.")
    assert timedelta(minutes=14) < mine.expires_at - datetime.now(UTC) <= LEASE
    assert audited(behind) == ["case.claimed"]


def test_activity_renews_the_lease_without_another_event(portal: Portal, case_id: UUID, behind: Connection) -> None:
    first = claim(portal, case_id, portal.user_id)
    second = claim(portal, case_id, portal.user_id)
    assert first is not None
    assert second is not None
    assert second.expires_at > first.expires_at
    assert audited(behind) == ["case.claimed"]


def test_a_lease_that_is_over_returns_the_case_by_itself(portal: Portal, case_id: UUID, colleague: UUID, behind: Connection) -> None:
    claim(portal, case_id, portal.user_id)
    expire(behind)
    require(portal, case_id, colleague)
    taken = claim(portal, case_id, colleague)
    assert taken is not None
    assert taken.user_id == colleague


def test_a_decision_is_refused_to_everybody_but_the_holder_with_words_that_say_who_and_until_when(
    portal: Portal, case_id: UUID, colleague: UUID
) -> None:
    mine = claim(portal, case_id, portal.user_id)
    require(portal, case_id, portal.user_id)
    assert mine is not None
    with pytest.raises(CaseClaimed, match=f"Dr L. has this case until {mine.expires_at:%H:%M} UTC"):
        require(portal, case_id, colleague)


def test_a_case_can_be_taken_over_on_purpose_and_the_trail_says_from_whom(
    portal: Portal, case_id: UUID, colleague: UUID, behind: Connection
) -> None:
    claim(portal, case_id, portal.user_id)
    claim(portal, case_id, colleague, take_over=True)
    with pytest.raises(CaseClaimed, match=r"Dr M\. has this case"):
        require(portal, case_id, portal.user_id)
    details = behind.execute(text("SELECT details FROM audit_events WHERE action = 'case.claimed' ORDER BY sequence DESC LIMIT 1")).scalar()
    assert details == {"from": str(portal.user_id)}


def test_a_lease_is_given_back_by_its_holder_alone(portal: Portal, case_id: UUID, colleague: UUID, behind: Connection) -> None:
    claim(portal, case_id, portal.user_id)
    assert not release(portal, case_id, colleague)
    assert release(portal, case_id, portal.user_id)
    assert not release(portal, case_id, portal.user_id)
    require(portal, case_id, colleague)
    assert audited(behind) == ["case.claimed", "case.released"]


def test_a_page_that_is_left_gives_back_only_the_lease_that_it_knew(portal: Portal, case_id: UUID, colleague: UUID) -> None:
    old = claim(portal, case_id, portal.user_id)
    new = claim(portal, case_id, portal.user_id)
    assert old is not None
    assert new is not None
    assert not release(portal, case_id, portal.user_id, old.expires_at)
    assert release(portal, case_id, portal.user_id, new.expires_at)


def test_a_case_that_nobody_is_to_decide_cannot_be_claimed(portal: Portal, other: Portal, case_id: UUID, worker: Worker) -> None:
    queued = portal.submit()
    portal.review(case_id)
    theirs = other.submit()
    worker.complete([job for job in worker.claim() if job.case_id == theirs.id])
    for unclaimable in (queued.id, case_id, theirs.id, uuid4()):
        assert claim(portal, unclaimable, portal.user_id) is None


def test_a_claimed_case_is_in_the_list_of_ones_own_and_shows_its_holder_to_others(portal: Portal, case_id: UUID, colleague: UUID) -> None:
    claim(portal, case_id, portal.user_id)
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        asked = {"session": session, "tenant_ids": [portal.tenant_id]}
        mine = worklist(**asked, user_id=portal.user_id, wanted=Wanted(status=Status.MINE))  # type: ignore[arg-type]
        theirs = worklist(**asked, user_id=colleague, wanted=Wanted(status=Status.MINE))  # type: ignore[arg-type]
        [row] = worklist(**asked, user_id=colleague).rows  # type: ignore[arg-type]
    assert [row.case_id for row in mine.rows] == [case_id]
    assert theirs.rows == ()
    assert row.claim is not None
    assert row.claim.holder == "Dr L."


def test_the_next_case_is_one_that_nobody_else_has(portal: Portal, case_id: UUID, colleague: UUID, worker: Worker) -> None:
    second = portal.submit().id
    worker.complete(worker.claim())
    claim(portal, case_id, colleague)
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        assert next_case(session=session, tenant_ids=[portal.tenant_id], user_id=portal.user_id) == second
        assert next_case(session=session, tenant_ids=[portal.tenant_id], user_id=colleague) == case_id


def test_the_next_case_is_not_a_second_read_of_ones_own(portal: Portal, case_id: UUID, colleague: UUID, behind: Connection) -> None:
    portal.review(case_id)
    behind.execute(text("UPDATE cases SET state = 'awaiting_second_read', reviewed_at = NULL"))
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        assert next_case(session=session, tenant_ids=[portal.tenant_id], user_id=portal.user_id) is None
        assert next_case(session=session, tenant_ids=[portal.tenant_id], user_id=colleague) == case_id
    assert claim(portal, case_id, portal.user_id) is None
    assert claim(portal, case_id, colleague) is not None


def test_of_many_readers_who_open_a_case_at_the_same_moment_one_has_it(portal: Portal, case_id: UUID, behind: Connection) -> None:
    with portal.logins.owner.transaction() as session:
        readers = [
            access.create_user(
                session=session,
                email=f"r{n}@x.example",
                name=f"R{n}",
                role=Role.DERMATOLOGIST,
                password=PASSWORD,
                tenants=[portal.tenant_id],
            )
            for n in range(4)
        ]
    start, seen = threading.Barrier(len(readers)), dict[UUID, ClaimView | None]()

    def open_case(user_id: UUID) -> None:
        start.wait()
        seen[user_id] = claim(portal, case_id, user_id)

    threads = [threading.Thread(target=open_case, args=(user_id,)) for user_id in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    holders = {found.user_id for found in seen.values() if found}
    assert len(holders) == 1
    assert None not in seen.values()
    assert audited(behind) == ["case.claimed"]


def test_a_take_over_waits_for_the_decision_that_is_being_made(portal: Portal, case_id: UUID, colleague: UUID) -> None:
    claim(portal, case_id, portal.user_id)
    taken = threading.Thread(target=claim, args=(portal, case_id, colleague), kwargs={"take_over": True})
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        require_claim(session=session, case_id=case_id, user_id=portal.user_id)
        taken.start()
        taken.join(timeout=0.5)
        assert taken.is_alive()
        [held] = claims_of(session=session, case_ids=[case_id]).values()
        assert held.user_id == portal.user_id
    taken.join(timeout=10)
    assert not taken.is_alive()
