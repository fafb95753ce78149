"""One row for every state, and the database's refusal of every row that no state allows."""

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from services.records.states import CaseState, Decision, JobState, Management, Outcome, ReviewKind, Urgency
from tests.records.worlds import Portal, Worker, new_reader

ALLOWED_JOBS = {
    JobState.QUEUED: "state = 'queued', lease_owner = NULL, lease_expires_at = NULL, finished_at = NULL, reason = NULL",
    JobState.LEASED: "state = 'leased', lease_owner = 'w', lease_expires_at = now(), finished_at = NULL, reason = NULL",
    JobState.DONE: "state = 'done', lease_owner = NULL, lease_expires_at = NULL, finished_at = now(), reason = NULL",
    JobState.FAILED: "state = 'failed', lease_owner = NULL, lease_expires_at = NULL, finished_at = now(), reason = 'broken'",
}
REFUSED_JOBS = {
    "leased by nobody": "state = 'leased', lease_expires_at = now()",
    "leased for ever": "state = 'leased', lease_owner = 'w'",
    "queued but leased": "lease_owner = 'w', lease_expires_at = now()",
    "queued but finished": "finished_at = now()",
    "done but not finished": "state = 'done'",
    "done but leased": "state = 'done', finished_at = now(), lease_owner = 'w', lease_expires_at = now()",
    "failed without a reason": "state = 'failed', finished_at = now()",
    "fewer than no attempts": "attempts = -1",
    "a state of no name": "state = 'lost'",
}


@pytest.mark.parametrize("state", list(JobState))
def test_a_job_may_be_in_each_of_its_states(portal: Portal, behind: Connection, state: JobState) -> None:
    case = portal.submit()
    behind.execute(text(f"UPDATE jobs SET {ALLOWED_JOBS[state]}"))
    assert portal.status(case.id).images[0].job_state is state


@pytest.mark.parametrize("change", REFUSED_JOBS.values(), ids=REFUSED_JOBS.keys())
def test_the_database_refuses_a_job_in_no_state(portal: Portal, behind: Connection, change: str) -> None:
    portal.submit()
    with pytest.raises(IntegrityError):
        behind.execute(text(f"UPDATE jobs SET {change}"))


def test_an_image_has_at_most_one_open_job(portal: Portal, behind: Connection) -> None:
    portal.submit()
    with pytest.raises(IntegrityError, match="uq_jobs_open"):
        behind.execute(
            text(
                "INSERT INTO jobs (id, tenant_id, image_id, urgency_rank, due_at)"
                " SELECT gen_random_uuid(), tenant_id, id, 0, now() FROM images"
            )
        )


@pytest.mark.parametrize("state", list(CaseState))
def test_a_case_may_be_in_each_of_its_states(portal: Portal, worker: Worker, behind: Connection, state: CaseState) -> None:
    case = portal.submit()
    if state is not CaseState.QUEUED:
        worker.complete(worker.claim())
    if state not in (CaseState.QUEUED, CaseState.AWAITING_REVIEW):
        behind.execute(text(f"UPDATE tenants SET second_read_share = {0 if state is CaseState.REVIEWED else 1}"))
        portal.review(case.id)
    if state is CaseState.AWAITING_ADJUDICATION:
        portal.review(case.id, user_id=new_reader(portal), kind=ReviewKind.SECOND, diagnosis="NV")
    view = portal.status(case.id)
    assert view.state is state
    assert (view.reviewed_at is not None) == state.terminal


@pytest.mark.parametrize("change", ["state = 'reviewed'", "reviewed_at = now()", "urgency = 'whenever'"])
def test_the_database_refuses_a_case_in_no_state(portal: Portal, behind: Connection, change: str) -> None:
    portal.submit()
    with pytest.raises(IntegrityError):
        behind.execute(text(f"UPDATE cases SET {change}"))


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        (Outcome.PREDICTION, {}),
        (Outcome.SET, {"classes": ("BCC", "AK"), "top_class": None, "top_probability": None}),
        (Outcome.ABSTAIN, {"classes": (), "top_class": None, "top_probability": None, "flags": ("out_of_distribution",)}),
    ],
)
def test_each_outcome_is_stored_as_it_was_given(portal: Portal, worker: Worker, outcome: Outcome, answer: dict[str, object]) -> None:
    case = portal.submit()
    worker.complete(worker.claim(), outcome=outcome, **answer)
    analysis = portal.status(case.id).images[0].analysis
    assert analysis is not None
    assert analysis.outcome is outcome
    assert analysis.classes == answer.get("classes", ("MEL",))


@pytest.mark.parametrize(
    "change",
    ["top_class = NULL", "malignant_probability = 1.5", "top_probability = 'NaN'", "outcome = 'perhaps'", "outcome = 'set'"],
)
def test_the_database_refuses_an_answer_that_is_none(portal: Portal, worker: Worker, behind: Connection, change: str) -> None:
    portal.submit()
    worker.complete(worker.claim())
    behind.execute(text("SET session_replication_role = replica"))
    with pytest.raises(IntegrityError):
        behind.execute(text(f"UPDATE analyses SET {change}"))


@pytest.mark.parametrize("decision", [decision for decision in Decision if decision is not Decision.WITHDRAWN])
def test_each_decision_is_stored_with_what_was_shown(portal: Portal, worker: Worker, decision: Decision) -> None:
    case = portal.submit()
    worker.complete(worker.claim())
    none = decision is Decision.NOT_ASSESSABLE
    portal.review(case.id, decision=decision, diagnosis=None if none else "NV", reason="blurred" if none else None, note="see again")
    [review] = portal.status(case.id).reviews
    assert (review.decision, review.reviewer, review.note, review.shown) == (decision, "Dr L.", "see again", {"top": "MEL"})


@pytest.mark.parametrize("management", list(Management))
def test_each_plan_is_stored_with_its_months(portal: Portal, worker: Worker, management: Management) -> None:
    case = portal.submit()
    worker.complete(worker.claim())
    months = 6 if management is Management.FOLLOW_UP else None
    unreadable = {"decision": Decision.NOT_ASSESSABLE, "diagnosis": None, "reason": "blurred"} if management is Management.RETAKE else {}
    portal.review(case.id, management=management, follow_up_months=months, **unreadable)
    [review] = portal.status(case.id).reviews
    assert (review.management, review.follow_up_months) == (management, months)


@pytest.mark.parametrize(
    "change",
    [
        "decision = 'withdrawn'",
        "decision = 'correct', diagnosis = NULL",
        "decision = 'not_assessable', reason = NULL",
        "kind = 'undo'",
        "kind = 'amendment', rationale = 'why'",
        "kind = 'adjudication', rationale = ' '",
        "management = 'follow_up'",
        "follow_up_months = 6",
        "management = 'follow_up', follow_up_months = 61",
        "management = 'retake'",
        "management = 'watch'",
        "kind = 'third'",
        "reading_seconds = -1",
    ],
)
def test_the_database_refuses_a_review_of_no_kind(portal: Portal, worker: Worker, behind: Connection, change: str) -> None:
    case = portal.submit()
    worker.complete(worker.claim())
    portal.review(case.id)
    behind.execute(text("SET session_replication_role = replica"))
    with pytest.raises(IntegrityError):
        behind.execute(text(f"UPDATE reviews SET {change}"))


def test_urgencies_rank_in_the_order_of_their_names() -> None:
    assert [urgency.rank for urgency in (Urgency.URGENT, Urgency.SOON, Urgency.ROUTINE)] == [0, 1, 2]
    assert [state for state in JobState if state.terminal] == [JobState.DONE, JobState.FAILED]
