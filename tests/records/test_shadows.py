"""What versions in shadow say: kept once, compared with what was served, unseen by whoever talks to people."""

import dataclasses
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from services.records import registry
from services.records.audit import Actor
from services.records.database import Database
from services.records.jobs import ClaimedJob
from services.records.shadows import record_shadow_analysis, shadow_summaries
from services.records.states import ModelKind
from services.records.worklist import case_page
from tests.records.worlds import Logins, Portal, Worker, result


def version(logins: Logins, digest: str = "a" * 12) -> UUID:
    with logins.worker.transaction() as session:
        return registry.register_model_version(
            session=session,
            kind=ModelKind.CLASSIFIER,
            digest=digest,
            name="Net",
            version="1",
            card={},
            actor=Actor.system("worker"),
            reason="found",
        ).id


def score(logins: Logins, job: ClaimedJob, version_id: UUID, *, top: str = "MEL", probability: float = 0.3) -> None:
    said = result(job, pipeline_version="v1-shadow", top_class=top, classes=(top,), probability=probability)
    with logins.worker.transaction() as session:
        record_shadow_analysis(
            session=session, version_id=version_id, tenant_id=job.tenant_id, image_id=job.image_id, result=said, outline_jaccard=0.5
        )


@pytest.fixture
def analysed(portal: Portal, worker: Worker) -> list[ClaimedJob]:
    portal.submit(images=4)
    jobs = worker.claim()
    worker.complete(jobs)
    return jobs


def test_a_version_says_one_thing_about_an_image(portal: Portal, analysed: list[ClaimedJob]) -> None:
    for top in ("MEL", "NV"):
        score(portal.logins, analysed[0], version(portal.logins), top=top)
    with portal.logins.owner.transaction() as session:
        assert session.scalars(text("SELECT top_class FROM shadow_analyses")).all() == ["MEL"]


def test_a_summary_compares_with_what_was_served(portal: Portal, analysed: list[ClaimedJob]) -> None:
    said_by = version(portal.logins)
    for job, top in zip(analysed, ("MEL", "MEL", "MEL", "NV"), strict=True):
        score(portal.logins, job, said_by, top=top, probability=0.4)
    with portal.logins.owner.transaction() as session:
        summaries = shadow_summaries(session=session)
    assert dataclasses.asdict(summaries[said_by]) == pytest.approx(
        {"images": 4, "same_answer": 0.75, "malignant_difference": 0.1, "outline_jaccard": 0.5}
    )


@pytest.mark.parametrize("role", ["intake", "review", "worker"])
def test_no_process_may_read_what_was_said_in_shadow(portal: Portal, analysed: list[ClaimedJob], role: str) -> None:
    score(portal.logins, analysed[0], version(portal.logins))
    database: Database = getattr(portal.logins, role)
    with pytest.raises(ProgrammingError, match="permission denied"), database.transaction(tenants=[portal.tenant_id]) as session:
        session.execute(text("SELECT 1 FROM shadow_analyses"))


def test_portal_and_dermatologist_see_only_what_was_served(portal: Portal, worker: Worker) -> None:
    case = portal.submit()
    (job,) = worker.claim()
    worker.complete([job])
    before = portal.status(case.id)
    score(portal.logins, job, version(portal.logins), top="BCC", probability=0.99)
    assert portal.status(case.id) == before
    with portal.logins.review.transaction(tenants=[portal.tenant_id]) as session:
        page = case_page(session=session, tenant_ids=[portal.tenant_id], case_id=case.id, user_id=portal.user_id)
    assert "BCC" not in repr(page)


@pytest.mark.parametrize("change", ["UPDATE shadow_analyses SET top_class = 'NV'", "DELETE FROM shadow_analyses"])
def test_what_was_said_in_shadow_stays(portal: Portal, analysed: list[ClaimedJob], change: str) -> None:
    score(portal.logins, analysed[0], version(portal.logins))
    with pytest.raises(DBAPIError, match="append-only"), portal.logins.owner.transaction() as session:
        session.execute(text(change))
