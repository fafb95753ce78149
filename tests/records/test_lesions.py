"""Merging, splitting and moving: what holds afterwards, what is refused, what others are told."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from services.records.errors import InvalidRecord, LesionChanged, LesionNotFound
from services.records.lesions import hold_survivor, merge_lesions
from services.records.states import LesionEventKind
from tests.records import identities as ids
from tests.records.worlds import Portal, Worker


@pytest.fixture
def pair(portal: Portal, worker: Worker) -> tuple[UUID, UUID]:
    """Two lesions of one patient with one visit each: L-1 by the portal's word, and one that it did not name."""
    named = ids.visit(portal, worker, lesion_reference="L-1", body_site="back")
    unnamed = ids.visit(portal, worker, body_site="back")
    return ids.lesion_of(portal, named), ids.lesion_of(portal, unnamed)


def test_every_case_has_a_lesion_with_a_uid_of_its_own(portal: Portal, worker: Worker) -> None:
    one, other = ids.visit(portal, worker), ids.visit(portal, worker)
    uids = {ids.uid_of(portal, ids.lesion_of(portal, case_id)) for case_id in (one, other)}
    assert len(uids) == 2
    assert all(uid.startswith("2.25.") and UUID(int=int(uid.removeprefix("2.25."))) for uid in uids)


def test_a_merge_moves_the_visits_and_keeps_both_on_file(portal: Portal, worker: Worker, pair: tuple[UUID, UUID]) -> None:
    stays, goes = pair
    before = ids.uid_of(portal, stays), ids.uid_of(portal, goes)
    (moved,) = ids.merge(portal, stays, goes, reason="  The same mole. ")
    assert ids.lesion_of(portal, moved) == stays
    assert ids.survivor(portal, goes) == ids.survivor(portal, stays) == stays
    assert (ids.uid_of(portal, stays), ids.uid_of(portal, goes)) == before
    (step,) = ids.history(portal, stays)
    assert (step.kind, step.who, step.reason, step.case_ids) == (LesionEventKind.MERGED, "Dr L.", "The same mole.", (moved,))
    assert step.other is not None
    assert (step.other.id, step.other.body_site) == (goes, "back")


def test_a_chain_of_merges_leads_to_its_end(portal: Portal, worker: Worker, pair: tuple[UUID, UUID]) -> None:
    first, second = pair
    third = ids.lesion_of(portal, ids.visit(portal, worker))
    ids.merge(portal, second, first)
    ids.merge(portal, third, second)
    assert ids.survivor(portal, first) == third
    assert ids.kinds(portal, third) == [LesionEventKind.MERGED, LesionEventKind.MERGED]


def test_a_circle_cannot_be_merged(portal: Portal, pair: tuple[UUID, UUID]) -> None:
    one, other = pair
    ids.merge(portal, one, other)
    with pytest.raises(LesionChanged):
        ids.merge(portal, other, one)
    with pytest.raises(InvalidRecord):
        ids.merge(portal, one, one)


def test_a_reference_of_a_merged_lesion_lands_on_the_survivor(portal: Portal, worker: Worker, pair: tuple[UUID, UUID]) -> None:
    named, unnamed = pair
    third = ids.lesion_of(portal, ids.visit(portal, worker, lesion_reference="L-3"))
    ids.merge(portal, unnamed, named)
    ids.merge(portal, third, unnamed)
    again = ids.visit(portal, worker, lesion_reference="L-1", body_site="shoulder")
    assert ids.lesion_of(portal, again) == third


def test_a_split_makes_a_lesion_of_the_same_place(portal: Portal, worker: Worker) -> None:
    cases = [ids.visit(portal, worker, lesion_reference="L-1", body_site="back") for _ in range(3)]
    source = ids.lesion_of(portal, cases[0])
    new = ids.move(portal, source, cases[1:])
    assert [ids.lesion_of(portal, case_id) for case_id in cases] == [source, new, new]
    assert ids.uid_of(portal, new) != ids.uid_of(portal, source)
    (step,) = ids.history(portal, new)
    assert (step.kind, set(step.case_ids)) == (LesionEventKind.SPLIT, set(cases[1:]))
    assert ids.history(portal, source) == [step]


def test_a_split_leaves_a_visit(portal: Portal, worker: Worker) -> None:
    case = ids.visit(portal, worker)
    with pytest.raises(InvalidRecord, match="leave at least one"):
        ids.move(portal, ids.lesion_of(portal, case), [case])


def test_a_lesion_that_nobody_named_is_closed_with_its_last_visit(portal: Portal, worker: Worker, pair: tuple[UUID, UUID]) -> None:
    named, unnamed = pair
    case = ids.visit(portal, worker, lesion_reference="L-7")
    seventh = ids.lesion_of(portal, case)
    (only,) = _cases(portal, unnamed)
    ids.move(portal, unnamed, [only], named)
    assert ids.survivor(portal, unnamed) == named
    ids.move(portal, seventh, [case], named)
    assert ids.survivor(portal, seventh) == seventh
    assert ids.lesion_of(portal, ids.visit(portal, worker, lesion_reference="L-7")) == seventh


def test_a_merge_taken_apart_gives_back_what_did_not_move_since(portal: Portal, worker: Worker) -> None:
    cases = [ids.visit(portal, worker, lesion_reference=name) for name in ("L-1", "L-2", "L-2", "L-3")]
    first, second, _, third = (ids.lesion_of(portal, case_id) for case_id in cases)
    ids.merge(portal, first, second)
    ids.move(portal, first, [cases[1]], third)
    assert ids.restore(portal, second) == (cases[2],)
    assert [ids.lesion_of(portal, case_id) for case_id in cases] == [first, third, second, third]
    assert ids.survivor(portal, second) == second
    with pytest.raises(LesionNotFound):
        ids.restore(portal, second)


def test_merges_are_taken_apart_from_the_last(portal: Portal, worker: Worker, pair: tuple[UUID, UUID]) -> None:
    first, second = pair
    third = ids.lesion_of(portal, ids.visit(portal, worker))
    ids.merge(portal, second, first)
    ids.merge(portal, third, second)
    with pytest.raises(LesionChanged):
        ids.restore(portal, first)
    ids.restore(portal, second)
    ids.restore(portal, first)
    assert [ids.survivor(portal, lesion) for lesion in (first, second, third)] == [first, second, third]


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "a\0b"])
def test_a_reason_is_required(portal: Portal, pair: tuple[UUID, UUID], reason: str) -> None:
    with pytest.raises(InvalidRecord, match="reason"):
        ids.merge(portal, *pair, reason=reason)
    with pytest.raises(InvalidRecord, match="reason"):
        ids.move(portal, pair[0], [uuid4()], reason=reason)


def test_visits_of_another_lesion_are_refused(portal: Portal, worker: Worker, pair: tuple[UUID, UUID]) -> None:
    elsewhere = ids.visit(portal, worker)
    for cases in ([elsewhere], [uuid4()]):
        with pytest.raises(LesionChanged):
            ids.move(portal, pair[0], cases, pair[1])
    with pytest.raises(InvalidRecord):
        ids.move(portal, pair[0], [], pair[1])


def test_patients_are_never_mixed(portal: Portal, worker: Worker, pair: tuple[UUID, UUID]) -> None:
    case = ids.visit(portal, worker, patient="P-2")
    stranger = ids.lesion_of(portal, case)
    with pytest.raises(InvalidRecord, match="same patient"):
        ids.merge(portal, pair[0], stranger)
    with pytest.raises(InvalidRecord, match="same patient"):
        ids.move(portal, stranger, [case], pair[0])


def test_tenants_are_never_mixed(portal: Portal, other: Portal, worker: Worker, pair: tuple[UUID, UUID]) -> None:
    foreign = ids.lesion_of(other, ids.visit(other, worker))
    for lesion in (foreign, uuid4()):
        with pytest.raises(LesionNotFound):
            ids.merge(portal, pair[0], lesion)
        with pytest.raises(LesionNotFound):
            ids.survivor(portal, lesion)
        with pytest.raises(LesionNotFound):
            ids.restore(portal, lesion)
    assert ids.history(other, pair[0]) == []


def test_both_trails_are_looked_at_anew_and_the_portal_is_told(portal: Portal, behind: Connection, pair: tuple[UUID, UUID]) -> None:
    behind.execute(text("UPDATE cases SET trail_due_at = NULL"))
    (moved,) = ids.merge(portal, *pair)
    assert behind.scalar(text("SELECT count(*) FROM cases WHERE trail_due_at <= now()")) == 1
    kind, subject, payload = behind.execute(text("SELECT kind, subject_id, payload FROM portal_events WHERE kind LIKE 'lesion%'")).one()
    assert (kind, subject) == ("lesion.merged", pair[0])
    assert payload["case_ids"] == [str(moved)]
    assert (payload["lesion_reference"], payload["other_lesion_reference"]) == ("L-1", None)
    actions = behind.scalars(text("SELECT action FROM audit_events WHERE action LIKE 'lesion%'")).all()
    assert actions == ["lesion.merged"]


def test_of_two_merges_in_a_circle_one_is_refused(portal: Portal, pair: tuple[UUID, UUID]) -> None:
    start = threading.Barrier(2)

    def go(stays: UUID, goes: UUID) -> str:
        start.wait()
        try:
            ids.merge(portal, stays, goes)
        except LesionChanged:
            return "refused"
        return "merged"

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(go, pair, reversed(pair)))
    assert sorted(said) == ["merged", "refused"]


def test_of_two_moves_of_one_visit_one_is_refused(portal: Portal, worker: Worker) -> None:
    cases = [ids.visit(portal, worker, lesion_reference="L-1") for _ in range(2)]
    source = ids.lesion_of(portal, cases[0])
    targets = [ids.lesion_of(portal, ids.visit(portal, worker)) for _ in range(2)]
    start = threading.Barrier(2)

    def go(target: UUID) -> UUID | None:
        start.wait()
        try:
            return ids.move(portal, source, [cases[0]], target)
        except LesionChanged:
            return None

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(go, targets))
    (won,) = [lesion for lesion in said if lesion is not None]
    assert ids.lesion_of(portal, cases[0]) == won


def test_a_case_that_comes_during_a_merge_lands_on_the_survivor(portal: Portal, worker: Worker, pair: tuple[UUID, UUID]) -> None:
    named, unnamed = pair
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session, ThreadPoolExecutor(1) as pool:
        said = {"tenant_ids": [portal.tenant_id], "user_id": portal.user_id, "reason": ids.WHY}
        merge_lesions(session=session, lesion_id=unnamed, merged_id=named, **said)  # type: ignore[arg-type]
        arriving = pool.submit(portal.submit, lesion_reference="L-1")
        with pytest.raises(TimeoutError):
            arriving.result(timeout=0.3)
        session.commit()
        assert ids.lesion_of(portal, arriving.result(timeout=5).id) == unnamed


def test_the_end_of_a_chain_is_held_for_a_new_case(portal: Portal, pair: tuple[UUID, UUID]) -> None:
    ids.merge(portal, *pair)
    with portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session:
        assert hold_survivor(session=session, tenant_id=portal.tenant_id, lesion_id=pair[1]) == pair[0]
        with pytest.raises(LesionNotFound):
            hold_survivor(session=session, tenant_id=portal.tenant_id, lesion_id=uuid4())


def _cases(portal: Portal, lesion_id: UUID) -> list[UUID]:
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return list(session.scalars(text("SELECT id FROM cases WHERE lesion_id = :id"), {"id": lesion_id}))
