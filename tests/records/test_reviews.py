"""Reading a case: who may read when, what closes it, what is taken back, and what is amended."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, select, text

from services.records import reviews
from services.records.errors import (
    AlreadyReviewed,
    CaseNotFound,
    DatabaseUnavailable,
    InvalidRecord,
    NotReady,
    OpinionGiven,
    OpinionMissing,
    ReadRefused,
)
from services.records.opinions import case_opinions, give_opinion
from services.records.reads import waits_for
from services.records.states import CaseState, Decision, Management, ReviewKind, Role
from services.records.tables import Case
from tests.records.worlds import Portal, Worker, new_reader, together

SECOND, ADJUDICATION, AMENDMENT = ReviewKind.SECOND, ReviewKind.ADJUDICATION, ReviewKind.AMENDMENT
NOT_ASSESSABLE: dict[str, Any] = {"decision": Decision.NOT_ASSESSABLE, "diagnosis": None, "reason": "obscured"}
ASKED: dict[str, Any] = {"decision": Decision.SECOND_OPINION, "diagnosis": None}


def undo(portal: Portal, case_id: UUID, review_id: UUID, user_id: UUID | None = None) -> UUID:
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return reviews.undo_review(
            session=session, tenant_ids=[portal.tenant_id], case_id=case_id, user_id=user_id or portal.user_id, review_id=review_id
        )


def kinds(portal: Portal, case_id: UUID) -> list[tuple[ReviewKind, bool]]:
    return [(review.kind, review.standing) for review in portal.status(case_id).reviews]


def awaited_by(portal: Portal, user_id: UUID, role: Role = Role.DERMATOLOGIST) -> list[UUID]:
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return list(session.scalars(select(Case.id).where(waits_for(user_id=user_id, role=role))))


# What closes a case


def test_a_first_read_closes_the_case_where_no_policy_asks_for_more(portal: Portal, case_id: UUID) -> None:
    review_id = portal.review(case_id, management=Management.URGENT_REFERRAL, reading_seconds=42)
    view = portal.status(case_id)
    assert (view.state, view.final is not None and view.final.id) == (CaseState.REVIEWED, review_id)


@pytest.mark.parametrize(
    ("policy", "said", "cause"),
    [
        ("second_read_risk = 0.3", {}, "risk"),
        ("second_read_share = 1", {}, "share"),
        ("second_read_disagreement = true", {"decision": Decision.CORRECT, "diagnosis": "NV"}, "disagreement"),
        ("second_read_share = 0", ASKED, "asked"),
    ],
)
def test_the_policy_asks_for_a_second_read_and_the_trail_says_why(
    portal: Portal, case_id: UUID, behind: Connection, *, policy: str, said: dict[str, Any], cause: str
) -> None:
    behind.execute(text(f"UPDATE tenants SET {policy}"))
    portal.review(case_id, **said)
    view = portal.status(case_id)
    assert (view.state, view.final) == (CaseState.AWAITING_SECOND_READ, None)
    details = behind.execute(text("SELECT details FROM audit_events WHERE action = 'case.reviewed'")).scalar_one()
    assert (details["second_read"], details["state"]) == ([cause], "awaiting_second_read")


def test_every_read_of_a_trainee_has_a_second_reader(portal: Portal, case_id: UUID) -> None:
    portal.review(case_id, user_id=new_reader(portal, trainee=True))
    assert portal.status(case_id).state is CaseState.AWAITING_SECOND_READ


def test_a_lower_risk_and_an_agreement_in_malignancy_need_no_second_read(portal: Portal, case_id: UUID, behind: Connection) -> None:
    behind.execute(text("UPDATE tenants SET second_read_risk = 0.31, second_read_disagreement = true"))
    portal.review(case_id, decision=Decision.CORRECT, diagnosis="SCC")
    assert portal.status(case_id).state is CaseState.REVIEWED


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        ({}, {"decision": Decision.CORRECT}, CaseState.REVIEWED),
        ({}, {"decision": Decision.CORRECT, "diagnosis": "NV"}, CaseState.AWAITING_ADJUDICATION),
        ({"management": Management.URGENT_REFERRAL}, {"management": Management.DISCHARGE}, CaseState.AWAITING_ADJUDICATION),
        (
            {"management": Management.FOLLOW_UP, "follow_up_months": 3},
            {"management": Management.FOLLOW_UP, "follow_up_months": 6},
            CaseState.REVIEWED,
        ),
        (NOT_ASSESSABLE, NOT_ASSESSABLE | {"reason": "no_lesion"}, CaseState.REVIEWED),
        (NOT_ASSESSABLE, {}, CaseState.AWAITING_ADJUDICATION),
        ({"diagnosis": "OTHER"}, {"diagnosis": "OTHER"}, CaseState.AWAITING_ADJUDICATION),
        (ASKED, {"diagnosis": "NV"}, CaseState.REVIEWED),
        ({}, ASKED, CaseState.AWAITING_ADJUDICATION),
    ],
)
@pytest.mark.usefixtures("second_reads")
def test_two_reads_that_agree_close_the_case_and_others_wait_for_a_lead(
    portal: Portal, case_id: UUID, first: dict[str, Any], second: dict[str, Any], state: CaseState
) -> None:
    portal.review(case_id, **first)
    second_id = portal.review(case_id, user_id=new_reader(portal), kind=SECOND, **second)
    view = portal.status(case_id)
    assert view.state is state
    assert (view.final.id if view.final else None) == (second_id if state is CaseState.REVIEWED else None)


@pytest.mark.usefixtures("second_reads")
def test_a_lead_resolves_a_disagreement_with_a_rationale(portal: Portal, case_id: UUID) -> None:
    lead = new_reader(portal, role=Role.LEAD)
    portal.review(case_id)
    portal.review(case_id, user_id=new_reader(portal), kind=SECOND, diagnosis="NV")
    with pytest.raises(InvalidRecord, match="rationale"):
        portal.review(case_id, user_id=lead, kind=ADJUDICATION, rationale="  ")
    resolved = portal.review(case_id, user_id=lead, kind=ADJUDICATION, rationale="Regression in the centre.")
    view = portal.status(case_id)
    assert (view.state, view.final is not None and view.final.id) == (CaseState.REVIEWED, resolved)
    assert kinds(portal, case_id) == [(ReviewKind.FIRST, True), (SECOND, True), (ADJUDICATION, True)]


# Who may


@pytest.mark.usefixtures("second_reads")
def test_the_second_reader_is_another_person_and_no_trainee(portal: Portal, case_id: UUID) -> None:
    portal.review(case_id)
    with pytest.raises(ReadRefused, match="another person"):
        portal.review(case_id, kind=SECOND)
    with pytest.raises(ReadRefused, match="trainee"):
        portal.review(case_id, user_id=new_reader(portal, trainee=True), kind=SECOND)


@pytest.mark.usefixtures("second_reads")
def test_a_disagreement_is_resolved_by_a_lead_who_gave_neither_read(portal: Portal, case_id: UUID) -> None:
    lead, other = new_reader(portal, role=Role.LEAD), new_reader(portal)
    portal.review(case_id, user_id=lead)
    portal.review(case_id, user_id=other, kind=SECOND, diagnosis="NV")
    for user_id, words in ((lead, "one of the two reads"), (new_reader(portal), "Only a lead")):
        with pytest.raises(ReadRefused, match=words):
            portal.review(case_id, user_id=user_id, kind=ADJUDICATION, rationale="why")


def test_an_administrator_decides_nothing(portal: Portal, case_id: UUID) -> None:
    with pytest.raises(ReadRefused, match="dermatologist or a lead"):
        portal.review(case_id, user_id=new_reader(portal, role=Role.ADMIN))


def test_a_stranger_to_the_portal_finds_no_case(portal: Portal, other: Portal, case_id: UUID) -> None:
    with pytest.raises(CaseNotFound):
        other.review(case_id)
    with pytest.raises(CaseNotFound):
        undo(other, case_id, portal.review(case_id))


@pytest.mark.usefixtures("second_reads")
def test_each_step_waits_for_those_who_may_take_it(portal: Portal, case_id: UUID) -> None:
    lead, second, trainee = new_reader(portal, role=Role.LEAD), new_reader(portal), new_reader(portal, trainee=True)
    everybody = {portal.user_id: Role.DERMATOLOGIST, second: Role.DERMATOLOGIST, trainee: Role.DERMATOLOGIST, lead: Role.LEAD}

    def waiting() -> set[UUID]:
        return {user for user, role in everybody.items() if awaited_by(portal, user, role)}

    assert waiting() == set(everybody)
    portal.review(case_id)
    assert waiting() == {second, lead}
    portal.review(case_id, user_id=second, kind=SECOND, diagnosis="NV")
    assert waiting() == {lead}
    portal.review(case_id, user_id=lead, kind=ADJUDICATION, rationale="why")
    assert waiting() == set()


# Steps out of order


def test_a_case_that_is_being_analysed_is_not_decided(portal: Portal) -> None:
    with pytest.raises(NotReady):
        portal.review(portal.submit().id)


@pytest.mark.parametrize("kind", [SECOND, ADJUDICATION])
def test_a_step_that_the_case_does_not_await_is_refused(portal: Portal, case_id: UUID, kind: ReviewKind) -> None:
    with pytest.raises(AlreadyReviewed):
        portal.review(case_id, user_id=new_reader(portal, role=Role.LEAD), kind=kind, rationale="why")


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"diagnosis": None}, "diagnosis"),
        (NOT_ASSESSABLE | {"reason": None}, "reason"),
        (NOT_ASSESSABLE | {"diagnosis": "NV"}, "diagnosis"),
        ({"management": Management.FOLLOW_UP}, "follow_up_months"),
        ({"management": Management.DISCHARGE, "follow_up_months": 3}, "follow_up_months"),
        ({"management": Management.FOLLOW_UP, "follow_up_months": 61}, "follow_up_months"),
        ({"management": Management.RETAKE}, "management"),
        ({"decision": Decision.WITHDRAWN}, "kind"),
        ({"kind": AMENDMENT, "rationale": "why", "decision": Decision.SECOND_OPINION}, "decision"),
    ],
)
def test_parts_that_do_not_go_together_are_refused_by_name(portal: Portal, case_id: UUID, said: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRecord, match=f"^{field}:"):
        portal.review(case_id, **said)


# Pictures that arrive between reads


@pytest.mark.usefixtures("second_reads")
def test_new_pictures_start_the_reading_again_and_old_reads_count_no_more(portal: Portal, case_id: UUID, worker: Worker) -> None:
    second = new_reader(portal)
    portal.review(case_id)
    portal.review(case_id, user_id=second, kind=SECOND, diagnosis="NV")
    portal.add(case_id)
    with pytest.raises(NotReady):
        portal.review(case_id, user_id=new_reader(portal, role=Role.LEAD), kind=ADJUDICATION, rationale="why")
    worker.complete(worker.claim())
    portal.review(case_id, user_id=second, diagnosis="BCC")
    assert (awaited_by(portal, portal.user_id), awaited_by(portal, second)) == ([case_id], [])
    portal.review(case_id, kind=SECOND, diagnosis="BCC")
    assert portal.status(case_id).state is CaseState.REVIEWED
    assert [standing for _, standing in kinds(portal, case_id)] == [False, False, True, True]


# Blind first reads


def opine(portal: Portal, case_id: UUID, diagnosis: str | None = "NV") -> UUID:
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return give_opinion(
            session=session,
            tenant_ids=[portal.tenant_id],
            case_id=case_id,
            user_id=portal.user_id,
            diagnosis=diagnosis,
            assessable=diagnosis is not None,
            note="flat",
        )


def test_where_the_first_read_is_blind_an_opinion_comes_before_the_decision(portal: Portal, case_id: UUID, behind: Connection) -> None:
    behind.execute(text("UPDATE tenants SET blind_first_read = true"))
    with pytest.raises(OpinionMissing):
        portal.review(case_id)
    opine(portal, case_id)
    with pytest.raises(OpinionGiven):
        opine(portal, case_id, "MEL")
    portal.review(case_id)
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        [opinion] = case_opinions(session=session, tenant_ids=[portal.tenant_id], case_id=case_id)
    assert (opinion.diagnosis, opinion.note, opinion.reader) == ("NV", "flat", "Dr L.")
    with pytest.raises(NotReady):
        opine(portal, case_id)


# Races and deaths


def test_of_two_first_reads_at_once_one_is_recorded(portal: Portal, case_id: UUID) -> None:
    outcomes = together(portal, [{"case_id": case_id, "user_id": new_reader(portal)} for _ in range(4)])
    assert sorted(map(str, outcomes)) == ["AlreadyReviewed"] * 3 + ["recorded"]


def test_a_decision_whose_connection_dies_leaves_the_case_as_it_was(portal: Portal, case_id: UUID, behind: Connection) -> None:
    def dies() -> None:
        with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
            said: dict[str, Any] = {"decision": Decision.CONFIRM, "diagnosis": "MEL", "reason": None, "note": "", "shown": {}}
            whose = {"tenant_ids": [portal.tenant_id], "case_id": case_id, "user_id": portal.user_id}
            reviews.record_review(session=session, **whose, **said)  # type: ignore[arg-type]
            behind.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": session.scalar(text("SELECT pg_backend_pid()"))})

    with pytest.raises(DatabaseUnavailable):
        dies()
    view = portal.status(case_id)
    assert (view.state, view.reviews) == (CaseState.AWAITING_REVIEW, ())
    portal.review(case_id)
