"""Proposed links: which lesions a case is compared with, what is stored, and what a human's word does."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from services.records.errors import CaseNotFound, LesionChanged
from services.records.states import LesionEventKind, ProposalState
from tests.records import identities as ids
from tests.records.conftest import Statements
from tests.records.worlds import Portal, Worker

HERE, THERE = ids.embedding(1, 0.2), ids.embedding(0.2, 1)


@pytest.fixture
def known(portal: Portal, worker: Worker) -> UUID:
    """A case of a lesion that the portal named, seen by the pipeline."""
    return ids.visit(portal, worker, seen=HERE, lesion_reference="L-1", body_site="back")


@pytest.fixture
def new(portal: Portal, worker: Worker, known: UUID) -> UUID:
    """A later case of the patient, whose lesion nobody named."""
    return ids.visit(portal, worker, seen=THERE, body_site="back")


def offered(worker: Worker, portal: Portal, case_id: UUID) -> list[UUID]:
    """The lesions that a case is compared with."""
    found = ids.asked(worker, portal, case_id)
    return [] if found is None else [other.lesion_id for other in found.others]


def test_an_answer_keeps_what_the_classifier_saw(portal: Portal, worker: Worker, new: UUID) -> None:
    found = ids.asked(worker, portal, new)
    assert found is not None
    assert (found.case.case_id, found.case.embedding, found.case.body_site) == (new, THERE, "back")
    (other,) = found.others
    assert (other.embedding, other.body_site, other.original_key) == (HERE, "back", other.original_key)


def test_only_an_unnamed_lesion_without_company_is_compared(portal: Portal, worker: Worker, known: UUID, new: UUID) -> None:
    assert offered(worker, portal, known) == []
    assert offered(worker, portal, new) == [ids.lesion_of(portal, known)]
    third = ids.visit(portal, worker, seen=HERE)
    ids.merge(portal, ids.lesion_of(portal, new), ids.lesion_of(portal, third))
    assert offered(worker, portal, new) == offered(worker, portal, third) == []


def test_the_later_of_two_cases_is_asked_about(portal: Portal, worker: Worker) -> None:
    first, second = (ids.visit(portal, worker, seen=HERE) for _ in range(2))
    assert offered(worker, portal, first) == []
    assert offered(worker, portal, second) == [ids.lesion_of(portal, first)]


def test_nothing_is_compared_before_it_is_analysed_or_with_strangers(portal: Portal, other: Portal, worker: Worker, known: UUID) -> None:
    assert offered(worker, portal, portal.submit().id) == []
    assert offered(worker, portal, ids.visit(portal, worker, patient="P-2")) == []
    assert offered(worker, other, ids.visit(other, worker)) == []
    assert offered(worker, other, known) == []
    assert offered(worker, portal, uuid4()) == []


def test_a_lesion_is_shown_by_the_newest_visit_that_the_same_pipeline_saw(portal: Portal, worker: Worker, known: UUID) -> None:
    newer = portal.submit(lesion_reference="L-1", body_site="back")
    worker.complete(worker.claim(), pipeline_version="v2", embedding=THERE)
    new = ids.visit(portal, worker, seen=HERE)
    (other,) = ids.asked(worker, portal, new).others  # type: ignore[union-attr]
    assert (other.case_id, other.embedding) == (known, HERE)
    newest = portal.submit()
    worker.complete(worker.claim(), pipeline_version="v3", embedding=HERE)
    (first, _) = sorted(ids.asked(worker, portal, newest.id).others, key=lambda seen: seen.lesion_id != other.lesion_id)  # type: ignore[union-attr]
    assert (first.case_id, first.embedding) == (newer.id, None)


def test_candidates_take_two_statements(portal: Portal, worker: Worker, new: UUID, statements: Statements) -> None:
    statements.clear()
    ids.asked(worker, portal, new)
    assert len(statements) == 2


def test_a_confirmed_link_moves_the_case_and_closes_its_own_lesion(portal: Portal, worker: Worker, known: UUID, new: UUID) -> None:
    target, own = ids.lesion_of(portal, known), ids.lesion_of(portal, new)
    assert ids.propose(worker, portal, new, target) == 1
    ids.answer(portal, new, "confirm")
    assert ids.lesion_of(portal, new) == ids.survivor(portal, own) == target
    assert ids.kinds(portal, target) == [LesionEventKind.MERGED, LesionEventKind.LINKED]
    (proposal,) = ids.proposed(portal, new)
    assert (proposal.state, proposal.decider) == (ProposalState.CONFIRMED, "Dr L.")
    assert ids.propose(worker, portal, new, uuid4()) == 0


def test_a_rejected_pair_is_never_proposed_again(portal: Portal, worker: Worker, known: UUID, new: UUID) -> None:
    target = ids.lesion_of(portal, known)
    ids.propose(worker, portal, new, target)
    ids.answer(portal, new, "reject")
    assert offered(worker, portal, new) == []
    assert ids.propose(worker, portal, new, target) == 0
    assert [proposal.state for proposal in ids.proposed(portal, new)] == [ProposalState.REJECTED]
    third = ids.lesion_of(portal, ids.visit(portal, worker, seen=HERE, lesion_reference="L-3"))
    ids.merge(portal, third, target)
    assert offered(worker, portal, new) == []


def test_lesions_that_were_split_or_taken_apart_are_not_proposed(portal: Portal, worker: Worker) -> None:
    cases = [ids.visit(portal, worker, seen=HERE, lesion_reference="L-1") for _ in range(2)]
    ids.move(portal, ids.lesion_of(portal, cases[0]), [cases[1]])
    assert offered(worker, portal, cases[1]) == []
    apart = ids.visit(portal, worker, seen=HERE)
    assert len(offered(worker, portal, apart)) == 2
    own, first = ids.lesion_of(portal, apart), ids.lesion_of(portal, cases[0])
    ids.merge(portal, first, own)
    ids.restore(portal, own)
    assert offered(worker, portal, apart) == [ids.lesion_of(portal, cases[1])]


@pytest.mark.parametrize("said", ["confirm", "reject"])
def test_what_was_said_can_be_taken_back(portal: Portal, worker: Worker, known: UUID, new: UUID, said: str) -> None:
    target, own = ids.lesion_of(portal, known), ids.lesion_of(portal, new)
    ids.propose(worker, portal, new, target)
    ids.answer(portal, new, said)
    ids.answer(portal, new, "reopen")
    assert ids.lesion_of(portal, new) == ids.survivor(portal, own) == own
    (proposal,) = ids.proposed(portal, new)
    assert (proposal.state, proposal.decided_by, proposal.decided_at) == (ProposalState.OPEN, None, None)
    assert offered(worker, portal, new) == [target]
    with pytest.raises(LesionChanged):
        ids.answer(portal, new, "reopen")
    ids.answer(portal, new, "confirm")
    assert ids.lesion_of(portal, new) == target


def test_a_link_is_not_taken_back_after_the_case_was_moved_again(portal: Portal, worker: Worker, known: UUID, new: UUID) -> None:
    target = ids.lesion_of(portal, known)
    ids.propose(worker, portal, new, target)
    ids.answer(portal, new, "confirm")
    ids.move(portal, target, [new])
    with pytest.raises(LesionChanged, match="moved since"):
        ids.answer(portal, new, "reopen")


def test_a_proposal_of_a_merged_lesion_links_to_its_survivor(portal: Portal, worker: Worker, known: UUID, new: UUID) -> None:
    target = ids.lesion_of(portal, known)
    ids.propose(worker, portal, new, target)
    third = ids.lesion_of(portal, ids.visit(portal, worker, lesion_reference="L-3"))
    ids.merge(portal, third, target)
    ids.answer(portal, new, "confirm")
    assert ids.lesion_of(portal, new) == third


def test_what_is_no_longer_proposed_is_stale_and_can_come_back(portal: Portal, worker: Worker, known: UUID, new: UUID) -> None:
    target = ids.lesion_of(portal, known)
    assert ids.propose(worker, portal, new, target) == 1
    assert ids.propose(worker, portal, new) == 0
    assert ids.proposed(portal, new) == []
    assert ids.propose(worker, portal, new, target, score=0.6) == 1
    assert [proposal.score for proposal in ids.proposed(portal, new)] == [0.6]


def test_a_link_made_by_hand_withdraws_what_was_proposed(portal: Portal, worker: Worker, known: UUID, new: UUID) -> None:
    ids.propose(worker, portal, new, ids.lesion_of(portal, known))
    ids.merge(portal, ids.lesion_of(portal, new), ids.lesion_of(portal, ids.visit(portal, worker)))
    assert ids.proposed(portal, new) == []


def test_other_tenants_neither_see_nor_decide(portal: Portal, other: Portal, worker: Worker, known: UUID, new: UUID) -> None:
    ids.propose(worker, portal, new, ids.lesion_of(portal, known))
    (proposal,) = ids.proposed(portal, new)
    assert ids.proposed(other, new) == []
    for what in ("confirm", "reject", "reopen"):
        with pytest.raises(CaseNotFound):
            ids.answer(other, new, what, proposal=proposal.id)
        with pytest.raises(CaseNotFound):
            ids.answer(portal, known, what, proposal=proposal.id)


def test_of_two_readers_who_differ_at_once_one_is_refused(portal: Portal, worker: Worker, known: UUID, new: UUID) -> None:
    ids.propose(worker, portal, new, ids.lesion_of(portal, known))
    (proposal,) = ids.proposed(portal, new)
    start = threading.Barrier(2)

    def say(what: str) -> str:
        start.wait()
        try:
            ids.answer(portal, new, what, proposal=proposal.id)
        except LesionChanged:
            return "refused"
        return what

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(say, ("confirm", "reject")))
    assert said.count("refused") == 1


def test_two_lesions_cannot_both_be_confirmed_at_once(portal: Portal, worker: Worker, known: UUID, new: UUID) -> None:
    third = ids.visit(portal, worker, seen=HERE)
    targets = [ids.lesion_of(portal, known), ids.lesion_of(portal, third)]
    ids.propose(worker, portal, new, *targets)
    chosen = [proposal.id for proposal in ids.proposed(portal, new)]
    start = threading.Barrier(2)

    def say(proposal: UUID) -> str:
        start.wait()
        try:
            ids.answer(portal, new, "confirm", proposal=proposal)
        except LesionChanged:
            return "refused"
        return "linked"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(say, chosen)) == ["linked", "refused"]
    assert ids.lesion_of(portal, new) in targets


def test_what_is_said_is_audited(portal: Portal, worker: Worker, behind: Connection, known: UUID, new: UUID) -> None:
    ids.propose(worker, portal, new, ids.lesion_of(portal, known))
    for what in ("reject", "reopen", "confirm", "reopen"):
        ids.answer(portal, new, what)
    actions = behind.scalars(text("SELECT action FROM audit_events WHERE action LIKE 'lesion%' ORDER BY sequence")).all()
    assert actions == ["lesion.kept_apart", "lesion.restored", "lesion.linked", "lesion.restored"]


def test_history_cannot_be_changed(behind: Connection, portal: Portal, worker: Worker, known: UUID, new: UUID) -> None:
    ids.merge(portal, ids.lesion_of(portal, known), ids.lesion_of(portal, new))
    for statement in ("UPDATE lesion_events SET reason = ''", "DELETE FROM lesion_events"):
        with pytest.raises(Exception, match="append"):
            behind.execute(text(statement))
