"""Second thoughts: a decision is taken back for ten seconds, and amended afterwards; nothing is ever overwritten."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from services.records import reading, reviews
from services.records.decisions import latest_decisions
from services.records.errors import AlreadyReviewed, InvalidRecord, NotReady, ReadRefused, UndoRefused
from services.records.states import CaseState, ReviewKind, Role
from tests.records.worlds import Portal, new_reader, together

SECOND, ADJUDICATION, AMENDMENT = ReviewKind.SECOND, ReviewKind.ADJUDICATION, ReviewKind.AMENDMENT


def undo(portal: Portal, case_id: UUID, review_id: UUID, user_id: UUID | None = None) -> UUID:
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return reviews.undo_review(
            session=session, tenant_ids=[portal.tenant_id], case_id=case_id, user_id=user_id or portal.user_id, review_id=review_id
        )


def age(behind: Connection, seconds: float) -> None:
    """Let every review be older."""
    behind.execute(text("SET session_replication_role = replica"))
    behind.execute(text(f"UPDATE reviews SET created_at = created_at - make_interval(secs => {seconds})"))
    behind.execute(text("SET session_replication_role = DEFAULT"))


def kinds(portal: Portal, case_id: UUID) -> list[tuple[ReviewKind, bool]]:
    return [(review.kind, review.standing) for review in portal.status(case_id).reviews]


# Taking back


def test_a_decision_is_taken_back_within_ten_seconds(portal: Portal, case_id: UUID, behind: Connection) -> None:
    review_id = portal.review(case_id)
    age(behind, reading.UNDO_SECONDS - 3)
    undo(portal, case_id, review_id)
    view = portal.status(case_id)
    assert (view.state, view.reviewed_at, view.final) == (CaseState.AWAITING_REVIEW, None, None)
    assert kinds(portal, case_id) == [(ReviewKind.FIRST, False), (ReviewKind.UNDO, False)]
    assert behind.execute(text("SELECT count(*) FROM audit_events WHERE action = 'review.undone'")).scalar_one() == 1
    portal.review(case_id, diagnosis="NV")
    assert portal.status(case_id).state is CaseState.REVIEWED


def test_later_than_ten_seconds_it_stays(portal: Portal, case_id: UUID, behind: Connection) -> None:
    review_id = portal.review(case_id)
    age(behind, reading.UNDO_SECONDS)
    with pytest.raises(UndoRefused, match="10 seconds"):
        undo(portal, case_id, review_id)


def test_nobody_takes_back_what_another_decided(portal: Portal, case_id: UUID) -> None:
    review_id = portal.review(case_id)
    with pytest.raises(UndoRefused, match="your own"):
        undo(portal, case_id, review_id, new_reader(portal, role=Role.LEAD))


def test_a_decision_is_taken_back_once(portal: Portal, case_id: UUID) -> None:
    review_id = portal.review(case_id)
    undo_id = undo(portal, case_id, review_id)
    for again in (review_id, undo_id, uuid4()):
        with pytest.raises(UndoRefused):
            undo(portal, case_id, again)


@pytest.mark.usefixtures("second_reads")
def test_each_step_returns_to_the_state_before(portal: Portal, case_id: UUID) -> None:
    second, lead = new_reader(portal), new_reader(portal, role=Role.LEAD)
    steps: list[tuple[UUID, ReviewKind, str]] = [
        (portal.user_id, ReviewKind.FIRST, "MEL"),
        (second, SECOND, "NV"),
        (lead, ADJUDICATION, "NV"),
    ]
    for user_id, kind, diagnosis in steps:
        before = portal.status(case_id).state
        review_id = portal.review(case_id, user_id=user_id, kind=kind, diagnosis=diagnosis, rationale="why")
        undo(portal, case_id, review_id, user_id)
        assert portal.status(case_id).state is before
        portal.review(case_id, user_id=user_id, kind=kind, diagnosis=diagnosis, rationale="why")
    assert portal.status(case_id).state is CaseState.REVIEWED


@pytest.mark.usefixtures("second_reads")
def test_a_read_that_another_has_followed_is_not_taken_back(portal: Portal, case_id: UUID) -> None:
    first = portal.review(case_id)
    portal.review(case_id, user_id=new_reader(portal), kind=SECOND)
    with pytest.raises(UndoRefused):
        undo(portal, case_id, first)


@pytest.mark.usefixtures("second_reads")
def test_a_read_is_not_taken_back_once_new_pictures_have_come(portal: Portal, case_id: UUID) -> None:
    first = portal.review(case_id)
    portal.add(case_id)
    with pytest.raises(UndoRefused):
        undo(portal, case_id, first)


# Amendments


def test_an_amendment_is_a_new_version_with_a_reason(portal: Portal, case_id: UUID, behind: Connection) -> None:
    first = portal.review(case_id)
    closed = portal.status(case_id).reviewed_at
    with pytest.raises(InvalidRecord, match="rationale"):
        portal.review(case_id, kind=AMENDMENT, amends=first, diagnosis="BCC")
    amended = portal.review(case_id, kind=AMENDMENT, amends=first, diagnosis="BCC", rationale="Histology.")
    again = portal.review(case_id, kind=AMENDMENT, amends=amended, diagnosis="SCC", rationale="Second histology.")
    view = portal.status(case_id)
    assert [review.diagnosis for review in view.reviews] == ["MEL", "BCC", "SCC"]
    assert (view.final is not None and view.final.id, view.reviewed_at) == (again, closed)
    assert behind.execute(text("SELECT count(*) FROM audit_events WHERE action = 'review.amended'")).scalar_one() == 2
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        assert latest_decisions(session=session, case_ids=[case_id])[case_id].diagnosis == "SCC"


def test_an_amendment_of_a_version_that_was_amended_meanwhile_is_refused(portal: Portal, case_id: UUID) -> None:
    first = portal.review(case_id)
    portal.review(case_id, kind=AMENDMENT, amends=first, diagnosis="BCC", rationale="Histology.")
    with pytest.raises(AlreadyReviewed, match="amended meanwhile"):
        portal.review(case_id, kind=AMENDMENT, amends=first, diagnosis="NV", rationale="Histology.")


def test_who_decided_or_a_lead_amends(portal: Portal, case_id: UUID) -> None:
    first = portal.review(case_id)
    with pytest.raises(ReadRefused, match="or a lead"):
        portal.review(case_id, user_id=new_reader(portal), kind=AMENDMENT, amends=first, rationale="why")
    portal.review(case_id, user_id=new_reader(portal, role=Role.LEAD), kind=AMENDMENT, amends=first, rationale="why")


def test_an_undecided_case_has_nothing_to_amend(portal: Portal, case_id: UUID) -> None:
    with pytest.raises(NotReady, match="nothing to amend"):
        portal.review(case_id, kind=AMENDMENT, amends=uuid4(), rationale="why")


def test_an_amendment_is_not_taken_back_but_amended(portal: Portal, case_id: UUID) -> None:
    first = portal.review(case_id)
    amended = portal.review(case_id, kind=AMENDMENT, amends=first, diagnosis="BCC", rationale="Histology.")
    with pytest.raises(UndoRefused):
        undo(portal, case_id, amended)


def test_of_two_amendments_at_once_one_wins(portal: Portal, case_id: UUID) -> None:
    first = portal.review(case_id)
    amend = {"case_id": case_id, "kind": AMENDMENT, "amends": first, "diagnosis": "NV", "rationale": "why"}
    assert sorted(together(portal, [amend] * 4)) == ["AlreadyReviewed"] * 3 + ["recorded"]
    assert len(portal.status(case_id).standing) == 1
