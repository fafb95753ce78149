"""What the worker saw in a picture, what a human says, and what may leave."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from services.records import identity, jobs
from services.records.errors import CaseNotFound, InvalidRecord
from services.records.identity import Box, IdentityCheck, PictureIdentity, Seen
from services.records.ranking import Mark, Wanted
from services.records.states import IdentityKind, IdentityState, IdentityVerdictWord
from services.records.worklist import worklist
from tests.records.worlds import Portal, Worker, result

WRITING = IdentityCheck("text-1", (Seen(IdentityKind.TEXT, 0.9, Box(0.1, 0.02, 0.3, 0.05)),))
DECLARED = IdentityCheck("text-1", (Seen(IdentityKind.DECLARED, 1.0),))
NOTHING = IdentityCheck("text-1")
CLEAR, HOLD = IdentityVerdictWord.CLEAR, IdentityVerdictWord.HOLD


def analysed(portal: Portal, worker: Worker, *checks: IdentityCheck | None) -> UUID:
    """A case with one picture for each check."""
    case = portal.submit(images=len(checks))
    claimed = worker.claim()
    with worker.logins.worker.transaction() as session:
        results = [result(job, identity=check) for job, check in zip(claimed, checks, strict=True)]
        jobs.complete_jobs(session=session, owner=worker.name, results=results)
    return case.id


def seen(portal: Portal, case_id: UUID) -> list[PictureIdentity]:
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return [*identity.identity_of_case(session=session, tenant_ids=[portal.tenant_id], case_id=case_id).values()]


def judge(portal: Portal, case_id: UUID, image_id: UUID, verdict: IdentityVerdictWord, note: str = "") -> None:
    ids = [portal.tenant_id]
    with portal.logins.review.transaction(tenants=ids) as session:
        identity.judge(
            session=session, tenant_ids=ids, case_id=case_id, image_id=image_id, user_id=portal.user_id, verdict=verdict, note=note
        )


def flagged(portal: Portal) -> list[UUID]:
    """The cases that the worklist shows where a reader asks for possible writing."""
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        wanted = Wanted(mark=Mark.IDENTITY)
        return [row.case_id for row in worklist(session=session, tenant_ids=[portal.tenant_id], user_id=portal.user_id, wanted=wanted).rows]


def test_a_picture_that_nobody_looked_at_is_unchecked(portal: Portal, worker: Worker) -> None:
    assert [one.identity_state for one in seen(portal, analysed(portal, worker, None))] == [IdentityState.UNCHECKED]


def test_what_the_worker_saw_is_kept_with_the_answer(portal: Portal, worker: Worker) -> None:
    pictures = seen(portal, analysed(portal, worker, NOTHING, WRITING, DECLARED))
    kept = {(one.identity_state, one.seen) for one in pictures}
    suspected = IdentityState.SUSPECTED
    assert kept == {(IdentityState.CLEAR, ()), (suspected, WRITING.seen), (suspected, DECLARED.seen)}


@pytest.mark.parametrize(
    ("state", "leaves"), [("unchecked", True), ("clear", True), ("suspected", False), ("cleared", True), ("held", False)]
)
def test_only_suspected_and_held_pictures_stay(state: str, leaves: bool) -> None:
    assert identity.may_leave(PictureIdentity(uuid4(), IdentityState(state), (), None)) is leaves


def test_a_human_clears_and_holds_and_the_newest_word_counts(portal: Portal, worker: Worker) -> None:
    case_id = analysed(portal, worker, WRITING)
    (picture,) = seen(portal, case_id)
    assert flagged(portal) == [case_id]
    judge(portal, case_id, picture.image_id, HOLD, "a name")
    (held,) = seen(portal, case_id)
    assert (held.identity_state, held.verdict and held.verdict.note) == (IdentityState.HELD, "a name")
    assert flagged(portal) == [case_id]
    judge(portal, case_id, picture.image_id, CLEAR)
    (cleared,) = seen(portal, case_id)
    assert cleared.identity_state is IdentityState.CLEARED
    assert cleared.verdict is not None
    assert (cleared.verdict.word, cleared.verdict.by) == (CLEAR, "Dr L.")
    assert cleared.seen == WRITING.seen
    assert flagged(portal) == []


def test_a_clear_picture_can_be_held_as_well(portal: Portal, worker: Worker) -> None:
    case_id = analysed(portal, worker, NOTHING)
    judge(portal, case_id, seen(portal, case_id)[0].image_id, HOLD, "a tattoo")
    assert seen(portal, case_id)[0].identity_state is IdentityState.HELD
    assert flagged(portal) == [case_id]


def test_a_later_check_does_not_overrule_a_human(portal: Portal, worker: Worker) -> None:
    case_id = analysed(portal, worker, WRITING)
    image_id = seen(portal, case_id)[0].image_id
    judge(portal, case_id, image_id, CLEAR)
    with worker.logins.worker.transaction() as session:
        identity.store_checks(session=session, checks={image_id: (portal.tenant_id, IdentityCheck("text-2", DECLARED.seen))})
    (again,) = seen(portal, case_id)
    assert (again.identity_state, again.seen) == (IdentityState.CLEARED, DECLARED.seen)


def test_verdicts_are_audited_and_stay(portal: Portal, worker: Worker) -> None:
    case_id = analysed(portal, worker, WRITING)
    judge(portal, case_id, seen(portal, case_id)[0].image_id, HOLD)
    with portal.logins.owner.transaction() as session:
        events = session.execute(text("SELECT details FROM audit_events WHERE action = 'identity.judged'")).scalars().all()
    assert [(event["verdict"], event["was"]) for event in events] == [("hold", "suspected")]
    for table in ("identity_verdicts", "identity_findings"):
        with pytest.raises(DBAPIError, match=r"append.only|cannot|never"), portal.logins.owner.transaction() as session:
            session.execute(text(f"DELETE FROM {table}"))


def test_another_portals_picture_is_none(portal: Portal, other: Portal, worker: Worker) -> None:
    case_id = analysed(portal, worker, WRITING)
    image_id = seen(portal, case_id)[0].image_id
    assert seen(other, case_id) == []
    with pytest.raises(CaseNotFound):
        judge(other, case_id, image_id, CLEAR)
    with pytest.raises(CaseNotFound):
        judge(portal, uuid4(), image_id, CLEAR)
    assert seen(portal, case_id)[0].identity_state is IdentityState.SUSPECTED


def test_what_cannot_be_kept_is_refused_in_words(portal: Portal, worker: Worker) -> None:
    case_id = analysed(portal, worker, WRITING)
    with pytest.raises(InvalidRecord, match="500 letters"):
        judge(portal, case_id, seen(portal, case_id)[0].image_id, HOLD, "x" * 501)
    with pytest.raises(InvalidRecord, match="inside the picture"):
        Box(0.8, 0.1, 0.4, 0.1)


def test_the_portal_may_not_judge(portal: Portal, worker: Worker) -> None:
    case_id = analysed(portal, worker, WRITING)
    image_id = seen(portal, case_id)[0].image_id
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        portal.logins.intake.transaction(tenants=[portal.tenant_id]) as session,
    ):
        session.execute(text("UPDATE images SET identity_state = 'cleared' WHERE id = :id"), {"id": image_id})
