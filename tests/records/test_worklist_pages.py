"""The worklist as a whole: its order against a plain sort, its pages, its filters, its search and its counts."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from services.records.claims import claim_case
from services.records.ranking import Mark, Page, Place, Status, Wanted
from services.records.states import Outcome, Urgency
from services.records.worklist import Listing, body_sites, counts, next_case, search_cases, worklist
from services.records.worklist_changes import Changes, changes
from tests.records.worlds import Portal, Worker

BRUTE = """
    SELECT id FROM cases WHERE state <> 'reviewed' ORDER BY greatest(risk_level, 4) / 20.0::float8
    * (extract(epoch FROM CAST(:moment AS timestamptz) + interval '8 hours' - received_at)::float8 / 3600) / sla_hours DESC, id
"""
LEASE = timedelta(minutes=15)


def look(portal: Portal, *others: Portal, page: Page | None = None, user_id: UUID | None = None, **wanted: object) -> Listing:
    tenants = [each.tenant_id for each in (portal, *others)]
    with portal.logins.review.transaction(tenants=tenants) as session:
        asked = Wanted(**wanted)  # type: ignore[arg-type]
        return worklist(session=session, tenant_ids=tenants, user_id=user_id or portal.user_id, wanted=asked, page=page)


def ids(listing: Listing) -> list[UUID]:
    return [row.case_id for row in listing.rows]


def analysed(portal: Portal, worker: Worker, *, probability: float = 0.3, urgency: Urgency = Urgency.ROUTINE, **said: object) -> UUID:
    answer = {name: said.pop(name) for name in ("outcome", "classes", "top_class", "top_probability", "flags") if name in said}
    case = portal.submit(urgency=urgency, **said)  # type: ignore[arg-type]
    worker.complete(worker.claim(), probability=probability, **answer)
    return case.id


@pytest.fixture
def crowd(portal: Portal, worker: Worker, behind: Connection) -> None:
    """Sixty cases of all risks, classes and ages, in the order of a plain sort."""
    draw = random.Random(4)
    for _ in range(60):
        case_id = analysed(portal, worker, probability=draw.random(), urgency=draw.choice(list(Urgency)))
        hours = draw.choice([0, 1, 5, 20, 90, 400])
        behind.execute(
            text("UPDATE cases SET received_at = received_at - :age, due_at = due_at - :age WHERE id = :id"),
            {"age": timedelta(hours=hours), "id": case_id},
        )


def pages(portal: Portal, moment: datetime, size: int) -> Iterator[Listing]:
    place: Place | None = None
    while True:
        listing = look(portal, page=Page(moment, size, place))
        yield listing
        if listing.next is None:
            return
        place = listing.next


@pytest.mark.parametrize("size", [7, 60, 100])
def test_pages_of_any_size_are_the_plain_order_without_gap_or_repetition(
    portal: Portal, crowd: None, behind: Connection, size: int
) -> None:
    moment = datetime.now(UTC)
    seen = [case_id for listing in pages(portal, moment, size) for case_id in ids(listing)]
    assert seen == list(behind.execute(text(BRUTE), {"moment": moment}).scalars())
    assert len(seen) == 60


def test_a_list_being_scrolled_keeps_its_order_while_cases_arrive_and_go(portal: Portal, crowd: None, worker: Worker) -> None:
    moment = datetime.now(UTC)
    first = look(portal, page=Page(moment, 20))
    rest = ids(look(portal, page=Page(moment, 40, first.next)))
    analysed(portal, worker, probability=0.99, urgency=Urgency.URGENT)
    portal.review(rest[3])
    assert ids(look(portal, page=Page(moment, 40, first.next))) == [case_id for case_id in rest if case_id != rest[3]]


def test_an_urgent_case_goes_before_a_routine_one_of_the_same_risk_and_an_older_before_a_younger(
    portal: Portal, worker: Worker, behind: Connection
) -> None:
    young, old, urgent = (analysed(portal, worker, urgency=urgency) for urgency in (Urgency.ROUTINE, Urgency.ROUTINE, Urgency.URGENT))
    behind.execute(
        text("UPDATE cases SET received_at = received_at - interval '2 hours', due_at = due_at - interval '2 hours' WHERE id = :id"),
        {"id": old},
    )
    assert ids(look(portal)) == [urgent, old, young]


def test_filters_find_what_they_name(portal: Portal, worker: Worker) -> None:
    none: dict[str, Any] = {"classes": (), "top_class": None, "top_probability": None}
    abstained = analysed(portal, worker, outcome=Outcome.ABSTAIN, flags=("out_of_distribution",), body_site="scalp", **none)
    several = analysed(portal, worker, **{**none, "outcome": Outcome.SET, "classes": ("BCC", "AK")}, flags=("blurred",))
    melanoma = analysed(portal, worker, probability=0.9, flags=("suspicious",), body_site="back", urgency=Urgency.URGENT)
    unread = portal.submit()
    worker.fail(worker.claim())
    found: dict[UUID, list[dict[str, Any]]] = {
        abstained: [{"leading": "abstain"}, {"mark": Mark.OUT_OF_DISTRIBUTION}, {"body_site": "scalp"}],
        several: [{"leading": "set"}, {"mark": Mark.QUALITY}],
        melanoma: [{"leading": "MEL"}, {"mark": Mark.SUSPICIOUS}, {"body_site": "back", "urgency": Urgency.URGENT}],
        unread.id: [{"mark": Mark.NOT_ANALYSED}],
    }
    for case_id, filters in found.items():
        for wanted in filters:
            assert ids(look(portal, **wanted)) == [case_id], wanted
    assert ids(look(portal, leading="MEL", body_site="scalp")) == []


def test_an_overdue_case_is_in_the_list_of_overdue_ones_and_counted(portal: Portal, worker: Worker, behind: Connection) -> None:
    analysed(portal, worker)
    late = analysed(portal, worker)
    behind.execute(
        text("UPDATE cases SET received_at = received_at - interval '337 hours', due_at = due_at - interval '337 hours' WHERE id = :id"),
        {"id": late},
    )
    assert ids(look(portal, status=Status.OVERDUE)) == [late]
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        counted = counts(session=session, tenant_ids=[portal.tenant_id], user_id=portal.user_id)
    assert (counted.queue, counted.mine, counted.overdue) == (2, 0, 1)


def test_decided_cases_are_listed_by_their_decision_page_by_page(portal: Portal, worker: Worker) -> None:
    cases = [analysed(portal, worker) for _ in range(3)]
    for case_id in cases:
        portal.review(case_id)
    moment = datetime.now(UTC)
    first = look(portal, page=Page(moment, 2), status=Status.REVIEWED)
    assert ids(first) == [cases[2], cases[1]]
    assert ids(look(portal, page=Page(moment, 2, first.next), status=Status.REVIEWED)) == [cases[0]]
    assert ids(look(portal, status=Status.REVIEWED, leading="MEL")) == cases[::-1]
    assert ids(look(portal, status=Status.REVIEWED, leading="NV")) == []


def test_the_list_counts_and_search_of_a_portal_hold_nothing_of_another(portal: Portal, other: Portal, worker: Worker) -> None:
    mine = analysed(portal, worker, patient="P-7")
    theirs = analysed(other, worker, patient="P-7")
    assert ids(look(portal)) == [mine]
    assert set(ids(look(portal, other))) == {mine, theirs}
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        found = search_cases(session=session, tenant_ids=[portal.tenant_id, other.tenant_id], user_id=portal.user_id, beginning="p-7")
        assert ids(found) == [mine]
        assert counts(session=session, tenant_ids=[portal.tenant_id, other.tenant_id], user_id=portal.user_id).queue == 1
        assert next_case(session=session, tenant_ids=[other.tenant_id], user_id=portal.user_id) is None


@pytest.mark.parametrize(("typed", "found"), [("p-10", 2), ("P-1042", 1), ("c-9", 1), ("042", 0), ("%", 0), (" ", 0), ("P-1042 ", 1)])
def test_search_finds_the_beginning_of_a_patients_or_a_cases_reference(portal: Portal, worker: Worker, typed: str, found: int) -> None:
    analysed(portal, worker, patient="P-1042", reference="C-9")
    analysed(portal, worker, patient="P-1099")
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        listing = search_cases(session=session, tenant_ids=[portal.tenant_id], user_id=portal.user_id, beginning=typed)
    assert len(listing.rows) == found


def test_search_finds_decided_cases_after_open_ones(portal: Portal, worker: Worker) -> None:
    decided, waiting = analysed(portal, worker), analysed(portal, worker)
    portal.review(decided)
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        found = search_cases(session=session, tenant_ids=[portal.tenant_id], user_id=portal.user_id, beginning="P-1")
    assert ids(found) == [waiting, decided]


def test_the_body_sites_of_ones_own_portals_can_be_chosen_from(portal: Portal, other: Portal, worker: Worker) -> None:
    for site in ("scalp", "back", "back"):
        analysed(portal, worker, body_site=site)
    analysed(other, worker, body_site="foot")
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        assert body_sites(session=session, tenant_ids=[portal.tenant_id]) == ["back", "scalp"]


def test_a_later_case_of_a_lesion_is_found_by_the_site_that_an_earlier_one_gave(portal: Portal, worker: Worker) -> None:
    first = analysed(portal, worker, lesion_reference="L-1", body_site="scalp")
    second = analysed(portal, worker, lesion_reference="L-1")
    assert set(ids(look(portal, body_site="scalp"))) == {first, second}


def watched(portal: Portal, since: datetime, *case_ids: UUID) -> Changes:
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return changes(
            session=session,
            tenant_ids=[portal.tenant_id],
            user_id=portal.user_id,
            wanted=Wanted(),
            since=since,
            limit=100,
            case_ids=case_ids,
        )


def test_changes_tell_of_claims_decisions_and_arrivals_since_the_list_was_opened(portal: Portal, worker: Worker) -> None:
    held, decided = analysed(portal, worker), analysed(portal, worker)
    since = datetime.now(UTC)
    assert watched(portal, since, held, decided).arrived == ()
    portal.review(decided)
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        claim_case(session=session, tenant_ids=[portal.tenant_id], case_id=held, user_id=portal.user_id, lease=LEASE)
    new = analysed(portal, worker)
    found = watched(portal, since, held, decided)
    by_id = {shown.case_id: shown for shown in found.shown}
    assert found.arrived == (new,)
    assert by_id[held].claim is not None
    assert by_id[decided].state.terminal
