"""One row for every state, and the database's refusal of every row that no state allows."""

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from services.records.states import CaseState, Decision, JobState, Outcome, Urgency
from tests.records.worlds import Portal, Worker

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
def test_a_case_may_be_in_each_of_its_states(portal: Portal, worker: Worker, state: CaseState) -> None:
    case = portal.submit()
    if state is not CaseState.QUEUED:
        worker.complete(worker.claim())
    if state is CaseState.REVIEWED:
        portal.review(case.id)
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


@pytest.mark.parametrize("decision", list(Decision))
def test_each_decision_is_stored_with_what_was_shown(portal: Portal, worker: Worker, decision: Decision) -> None:
    case = portal.submit()
    worker.complete(worker.claim())
    none = decision is Decision.NOT_ASSESSABLE
    portal.review(case.id, decision=decision, diagnosis=None if none else "NV", reason="blurred" if none else None, note="see again")
    [review] = portal.status(case.id).reviews
    assert (review.decision, review.reviewer, review.note, review.shown) == (decision, "Dr L.", "see again", {"top": "MEL"})


def test_urgencies_rank_in_the_order_of_their_names() -> None:
    assert [urgency.rank for urgency in (Urgency.URGENT, Urgency.SOON, Urgency.ROUTINE)] == [0, 1, 2]
    assert [state for state in JobState if state.terminal] == [JobState.DONE, JobState.FAILED]
