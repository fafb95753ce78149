"""The order of the worklist, and what its lines say."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from services.records import priority
from services.records.errors import AlreadyReviewed, CaseNotFound, InvalidRecord, NotReady
from services.records.ranking import Page, Status, Wanted
from services.records.states import CaseState, Decision, Outcome, Urgency
from services.records.views import CaseView
from services.records.worklist import Listing, WorklistRow, case_page, worklist
from tests.records.conftest import Statements
from tests.records.worlds import Portal, Worker

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def listing(*portals: Portal, page: Page | None = None, **wanted: Any) -> Listing:
    tenants = [portal.tenant_id for portal in portals]
    with portals[0].logins.review.transaction(tenants=tenants) as session:
        return worklist(session=session, tenant_ids=tenants, user_id=portals[0].user_id, wanted=Wanted(**wanted), page=page)


def rows(*portals: Portal, **wanted: Any) -> tuple[WorklistRow, ...]:
    return listing(*portals, **wanted).rows


def open_page(portal: Portal, case_id: UUID) -> CaseView:
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        return case_page(session=session, tenant_ids=[portal.tenant_id], case_id=case_id, user_id=portal.user_id)


def analysed(portal: Portal, worker: Worker, *, probability: float = 0.3, urgency: Urgency = Urgency.ROUTINE, **answer: Any) -> UUID:
    case = portal.submit(urgency=urgency)
    worker.complete(worker.claim(), probability=probability, **answer)
    return case.id


def test_urgency_comes_before_risk_and_risk_before_age(portal: Portal, worker: Worker) -> None:
    old, benign, urgent, malignant = (
        analysed(portal, worker, probability=0.1),
        analysed(portal, worker, probability=0.1),
        analysed(portal, worker, probability=0.01, urgency=Urgency.URGENT),
        analysed(portal, worker, probability=0.9),
    )
    assert [row.case_id for row in rows(portal)] == [urgent, malignant, old, benign]


def test_a_case_without_an_answer_stands_between_malignant_and_benign(portal: Portal, worker: Worker) -> None:
    benign = analysed(portal, worker, probability=0.2)
    abstained = analysed(portal, worker, probability=0.1, outcome=Outcome.ABSTAIN, classes=(), top_class=None, top_probability=None)
    failed = portal.submit()
    worker.fail(worker.claim(), reason="file damaged")
    malignant = analysed(portal, worker, probability=0.8)
    found = rows(portal)
    assert [row.case_id for row in found] == [malignant, abstained, failed.id, benign]
    unread = found[2]
    assert (unread.outcome, unread.not_analysed, unread.image_id, unread.flags) == (None, "file damaged", None, ())
    assert "counted as unknown" in unread.why


def test_a_case_with_one_failed_image_says_so_and_does_not_sink(portal: Portal, worker: Worker) -> None:
    other_case = analysed(portal, worker, probability=0.4)
    case = portal.submit(images=2)
    first, second = worker.claim()
    worker.complete([first], probability=0.1)
    worker.fail([second])
    top, below = rows(portal)
    assert (top.case_id, below.case_id) == (case.id, other_case)
    assert (top.not_analysed, top.image_count, top.top_class) == ("file damaged", 2, "MEL")
    assert "not every picture has an answer" in top.why


def test_a_line_shows_the_leading_image(portal: Portal, worker: Worker) -> None:
    portal.submit(images=2, body_site="back", patient="P-9")
    first, second = worker.claim()
    worker.complete([first], probability=0.2)
    worker.complete([second], probability=0.6, flags=("blurred",))
    [row] = rows(portal)
    assert (row.image_id, row.risk, row.flags) == (second.image_id, 0.6, ("blurred",))
    assert row.thumbnail_key == f"{second.image_id}/thumbnail.jpg"
    assert (row.portal, row.patient_reference, row.body_site, row.overdue) == ("North", "P-9", "back", False)


def test_a_newer_pipeline_version_replaces_the_older_answer_in_the_list(portal: Portal, worker: Worker, behind: Connection) -> None:
    analysed(portal, worker, probability=0.9)
    behind.execute(
        text(
            "INSERT INTO jobs (id, tenant_id, image_id, urgency_rank, due_at) SELECT gen_random_uuid(), tenant_id, id, 0, now() FROM images"
        )
    )
    worker.complete(worker.claim(), probability=0.1, pipeline_version="v2")
    [row] = rows(portal)
    assert row.risk == 0.1


def test_an_overdue_case_says_by_how_much(portal: Portal, worker: Worker, behind: Connection) -> None:
    analysed(portal, worker)
    behind.execute(text("UPDATE cases SET received_at = now() - interval '5 days', due_at = now() - interval '3 hours'"))
    [row] = rows(portal)
    assert row.overdue
    assert row.why == "Risk 0.30 × (waited 5 days + 8 h) of 5 days (routine) = 0.33. Overdue by 3 h."


@pytest.mark.parametrize(
    ("status", "shown"),
    [(Status.WAITING, "waiting"), (Status.ANALYSING, "queued"), (Status.REVIEWED, "decided"), (Status.MINE, None), (Status.OVERDUE, None)],
)
def test_a_list_shows_the_cases_of_its_state_alone(portal: Portal, worker: Worker, status: Status, shown: str | None) -> None:
    cases = {"decided": analysed(portal, worker), "waiting": analysed(portal, worker)}
    portal.review(cases["decided"])
    cases["queued"] = portal.submit().id
    assert [row.case_id for row in rows(portal, status=status)] == ([cases[shown]] if shown else [])


def test_the_worklist_takes_one_statement_and_its_audit_whatever_its_size(portal: Portal, worker: Worker, statements: Statements) -> None:
    counts = []
    for _ in range(2):
        for _ in range(4):
            analysed(portal, worker)
        statements.clear()
        rows(portal)
        counts.append(len(statements))
    # The tenants, the order (looked for in three depths, as the list is shorter than a page), claims, lines, the audit.
    assert counts == [7, 7]


@pytest.mark.parametrize(
    ("waited", "words"),
    [(timedelta(minutes=4), "4 min"), (timedelta(hours=3), "3 h"), (timedelta(hours=47), "47 h"), (timedelta(days=3), "3 days")],
)
def test_the_reason_is_the_formula_with_its_values(waited: timedelta, words: str) -> None:
    standing = priority.Standing(Urgency.URGENT, 14, answered=True, sla_hours=24, received_at=NOW - waited, due_at=NOW)
    value = 0.7 * (waited / timedelta(hours=1) + 8) / 24
    assert priority.why(standing, NOW) == f"Risk 0.70 × (waited {words} + 8 h) of 24 h (urgent) = {value:.2f}."


def test_the_case_page_holds_the_whole_finding(portal: Portal, worker: Worker) -> None:
    view = open_page(portal, analysed(portal, worker))
    assert view.images[0].analysis is not None
    assert view.images[0].analysis.finding == {"probabilities": {"MEL": 0.6}}


def test_a_decision_closes_the_case_once(portal: Portal, worker: Worker) -> None:
    case_id = analysed(portal, worker)
    review_id = portal.review(case_id)
    with pytest.raises(AlreadyReviewed):
        portal.review(case_id, decision=Decision.CORRECT, diagnosis="NV")
    view = open_page(portal, case_id)
    assert [review.id for review in view.reviews] == [review_id]
    assert view.state is CaseState.REVIEWED


def test_a_case_cannot_be_decided_before_its_images_are_analysed(portal: Portal) -> None:
    case = portal.submit()
    with pytest.raises(NotReady):
        portal.review(case.id)


def test_a_case_that_is_not_there_cannot_be_decided_or_opened(portal: Portal) -> None:
    with pytest.raises(CaseNotFound):
        portal.review(uuid4())
    with pytest.raises(CaseNotFound):
        open_page(portal, uuid4())


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"decision": Decision.CONFIRM, "diagnosis": None}, "diagnosis"),
        ({"decision": Decision.CORRECT, "diagnosis": ""}, "diagnosis"),
        ({"decision": Decision.NOT_ASSESSABLE, "diagnosis": None}, "reason"),
        ({"decision": Decision.NOT_ASSESSABLE, "diagnosis": "MEL", "reason": "blurred"}, "diagnosis"),
    ],
)
def test_a_decision_that_does_not_make_sense_is_refused(portal: Portal, worker: Worker, said: dict[str, Any], field: str) -> None:
    case_id = analysed(portal, worker)
    with pytest.raises(InvalidRecord, match=f"^{field}"):
        portal.review(case_id, **said)
