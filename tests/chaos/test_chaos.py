"""The promise under fire: an accepted image is never lost and is analysed exactly once, whatever is killed."""

import time
import uuid
from collections.abc import Sequence

import httpx
import pytest
from sqlalchemy.orm import Session

from services.records import audit
from tests.chaos.system import CASES, IMAGES_PER_CASE, System, wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

OUTAGE_SECONDS = 20.0


def assert_kept_promise(system: System, accepted: Sequence[uuid.UUID], *, cases_before: int) -> None:
    """Every image of every accepted case has exactly one analysis; every case waits for a dermatologist; none exists twice."""
    assert len(set(accepted)) == len(accepted)
    rows = system.settled(accepted)
    assert len(rows) == len(accepted) * IMAGES_PER_CASE, "an image is gone, or has two jobs"
    for row in rows:
        assert row.jobs == 1
        assert row.case_state == "awaiting_review"
        assert (row.job_state, row.analyses, row.versions) == ("done", 1, 1), f"{row.job_state} after {row.attempts} attempts: {row.reason}"
    assert system.cases() - cases_before == len(accepted), "a submission that was tried again became two cases"
    with Session(system.engine) as session:
        assert audit.verify_chain(session=session, tenant_id=uuid.UUID(system.access.tenant_id)).intact


def test_a_worker_killed_in_the_middle_of_a_batch_loses_nothing(system: System) -> None:
    before = system.cases()
    accepted = system.submit(system.submissions())
    wait_until(lambda: system.jobs("leased") > 0, what="a batch is being analysed", pause=0.01)
    system.stack.kill("worker")
    assert system.jobs("leased") > 0, "the kill came too late to be in the middle of a batch"
    assert_kept_promise(system, accepted, cases_before=before)


def test_a_killed_and_emptied_broker_loses_nothing(system: System) -> None:
    before = system.cases()
    system.stack.stop("worker")  # so that every doorbell of these cases lies in the broker when it dies
    accepted = system.submit(system.submissions())
    system.stack.kill("valkey", wipe=True)
    system.stack.start("worker", timeout=90)
    assert_kept_promise(system, accepted, cases_before=before)


def test_cases_are_accepted_and_analysed_while_the_broker_keeps_dying(system: System) -> None:
    before = system.cases()
    sending = system.submit_meanwhile(system.submissions())
    for _ in range(3):
        time.sleep(0.7)
        system.stack.kill("valkey", wipe=True)
    assert_kept_promise(system, sending.result(), cases_before=before)


def test_a_restart_of_postgres_during_submission_and_analysis_loses_nothing(system: System) -> None:
    before = system.cases()
    sending = system.submit_meanwhile(system.submissions())
    wait_until(lambda: system.jobs("leased") > 0, what="a batch is being analysed", pause=0.01)
    system.stack.restart("postgres")
    assert_kept_promise(system, sending.result(), cases_before=before)


def test_an_object_store_that_is_away_for_20_seconds_costs_only_time(system: System) -> None:
    before = system.cases()
    accepted = system.submit(system.submissions())
    system.stack.stop("seaweedfs")
    gone = time.monotonic()
    assert system.jobs("queued") + system.jobs("leased") > 0, "everything was analysed before the store stopped"
    assert_not_acknowledged(system)
    time.sleep(max(0.0, OUTAGE_SECONDS - (time.monotonic() - gone)))
    system.stack.start("seaweedfs")
    assert_kept_promise(system, accepted, cases_before=before)
    assert len(accepted) == CASES


def assert_not_acknowledged(system: System) -> None:
    """While the store is away the intake says 503 with Retry-After, and keeps nothing of the case."""
    before, upload = system.cases(), system.submissions(1)[0].uploads[0]
    headers = {"Authorization": f"Bearer {system.access.api_key}", "Idempotency-Key": str(uuid.uuid4())}
    files = [("images", (upload.filename, upload.read(), upload.media_type))]
    case = {"case": '{"patient": {"reference": "NOT-KEPT"}}'}
    answer = httpx.post(f"{system.stack.address('intake')}/v1/cases", headers=headers, data=case, files=files, timeout=60)
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert system.cases() == before
