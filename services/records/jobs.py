"""The work queue, for workers: claim a batch, then complete it, fail parts of it, or give it back.

A claim is a lease. Every later step names its owner and changes only what that owner still leases
(compare-and-swap), so a worker that was thought dead and comes back can harm nothing. Locks are
always taken in the order jobs, cases, audit heads, and within each by id: two workers cannot wait
for each other.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, Select, Subquery, Update, case, exists, func, select, true, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.records.answers import store_answers
from services.records.audit import Actor, Subject, record_event
from services.records.case_events import tell_analysed
from services.records.errors import InvalidRecord
from services.records.identity import IdentityCheck, store_checks
from services.records.states import AuditAction, CaseState, JobState, Outcome
from services.records.tables import Analysis, Case, Image, Job, Tenant

# How many jobs of each tenant a claim looks at per job it wants: others may hold the first ones.
LOOK_AHEAD = 8
FIRST_RETRY = timedelta(seconds=2)
OPEN = (JobState.QUEUED, JobState.LEASED)
JobRow: TypeAlias = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """One image to analyse. ``attempts`` counts this one. ``script``: the case's reference where the portal is a sandbox, else None."""

    job_id: UUID
    image_id: UUID
    tenant_id: UUID
    case_id: UUID
    original_key: str
    view_key: str
    media_type: str
    attempts: int
    urgency_rank: int
    script: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisResult:
    """The answer for one job. Probabilities 0..1; ``classes``: the answer's class codes (none when it abstains).

    ``identity``: what in the picture may tell who it is; None where nobody looked.
    """

    job_id: UUID
    pipeline_version: str
    outcome: Outcome
    malignant_probability: float
    finding: dict[str, Any]
    classes: Sequence[str] = ()
    top_class: str | None = None
    top_probability: float | None = None
    flags: Sequence[str] = ()
    mask_key: str | None = None
    thumbnail_key: str | None = None
    heatmap_key: str | None = None
    hairfree_key: str | None = None
    embedding: bytes | None = None
    identity: IdentityCheck | None = None

    def __post_init__(self) -> None:
        """Refuse here, one image at a time, what Postgres would refuse for the whole batch.

        Raises:
            InvalidRecord: a probability is not one, the classes do not fit the outcome, or the finding is not JSON that
                Postgres can hold.
        """
        for name in ("malignant_probability", "top_probability"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InvalidRecord(f"{name}: {value} is not a probability.")
        if self.outcome is Outcome.PREDICTION and (self.top_class is None or self.top_probability is None):
            raise InvalidRecord("top_class, top_probability: a prediction has both.")
        if self.outcome is Outcome.SET and len(self.classes) < 2:
            raise InvalidRecord("classes: a set has at least two; one class is a prediction.")
        try:
            text = json.dumps(self.finding, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidRecord(f"finding: cannot be kept as JSON ({error}).") from error
        if "\\u0000" in text:
            raise InvalidRecord("finding: holds a NUL character.")


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why there is no answer, in words for a dermatologist; ``retry``: another attempt may succeed."""

    job_id: UUID
    reason: str
    retry: bool


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep found: leases that had run out, and due jobs that nobody has claimed."""

    requeued: int
    failed: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Settled:
    """Ids of the jobs that were still the owner's and have changed; the others belong to somebody else by now.

    ``trails``: a trail waits to be brought up to date because of them.
    """

    done: frozenset[UUID] = field(default_factory=frozenset)
    requeued: frozenset[UUID] = field(default_factory=frozenset)
    failed: frozenset[UUID] = field(default_factory=frozenset)
    trails: bool = False


def claim_jobs(*, session: Session, owner: str, limit: int, lease: timedelta) -> list[ClaimedJob]:
    """Lease up to ``limit`` due jobs: most urgent first, then portals in turn, then by due time.

    A job that was tried before is claimed alone: it may be the one that killed its worker, and must
    not take seven healthy images with it a second time.
    """
    rows = session.execute(_claimable(limit)).all()
    if not rows:
        return []
    chosen = rows[:1] if rows[0].attempts else [row for row in rows if not row.attempts]
    leased = {"state": JobState.LEASED, "lease_owner": owner, "lease_expires_at": func.now() + lease, "attempts": Job.attempts + 1}
    session.execute(_change([row.id for row in chosen], leased))
    return [_claimed(row) for row in chosen]


def renew_leases(*, session: Session, owner: str, job_ids: Sequence[UUID], lease: timedelta) -> int:
    """Extend the leases that the owner still has; return how many.

    Rows that are locked are skipped: they are being completed, or swept, at this very moment.
    """
    mine = _owned(owner, job_ids).with_for_update(skip_locked=True)
    renewed = session.execute(_change(mine, {"lease_expires_at": func.now() + lease}).returning(Job.id))
    return len(renewed.all())


def release_jobs(*, session: Session, owner: str, job_ids: Sequence[UUID], delay: timedelta = timedelta()) -> int:
    """Give jobs back without costing them an attempt (shutdown, an outage that is not theirs); return how many."""
    if not job_ids:
        return 0
    queued = _unleased(JobState.QUEUED) | {"attempts": Job.attempts - 1, "not_before": func.now() + delay}
    return len(session.execute(_change(_locked(owner, job_ids), queued).returning(Job.id)).all())


def complete_jobs(*, session: Session, owner: str, results: Sequence[AnalysisResult]) -> Settled:
    """Store the answers of a batch, in some ten statements whatever its size.

    A repeat changes nothing: a job that is no longer the owner's is passed over, and an image has at
    most one analysis of each pipeline version.
    """
    if not results:
        return Settled()
    by_job = {result.job_id: result for result in results}
    done = _unleased(JobState.DONE) | {"finished_at": func.now(), "reason": None}
    jobs = _swap(session, _change(_locked(owner, by_job), done))
    if not jobs:
        return Settled()
    rows = [_analysis_row(job, by_job[job.id]) for job in jobs]
    session.execute(upsert(Analysis).on_conflict_do_nothing(), rows)
    checks = {job.image_id: (job.tenant_id, check) for job in jobs if (check := by_job[job.id].identity)}
    store_checks(session=session, checks=checks)
    trails = _settle_cases(session, jobs)
    for job in jobs:
        details = {"pipeline_version": by_job[job.id].pipeline_version, "attempts": job.attempts}
        _record(session, owner, AuditAction.IMAGE_ANALYSED, job, details)
    return Settled(done=frozenset(job.id for job in jobs), trails=trails)


def fail_jobs(*, session: Session, owner: str, failures: Sequence[JobFailure], max_attempts: int) -> Settled:
    """Queue failed jobs again, later each time, or give them up: their cases are then read by hand."""
    if not failures:
        return Settled()
    # The reason may quote a file: Postgres holds no NUL.
    reasons = {failure.job_id: failure.reason.replace("\0", "") for failure in failures}
    again = [failure.job_id for failure in failures if failure.retry]
    retry = (Job.attempts < max_attempts) & Job.id.in_(again)
    change = _retry_or_fail(retry, case(reasons, value=Job.id), func.now() + FIRST_RETRY * func.power(4, Job.attempts - 1))
    return _settle(session, owner, _swap(session, _change(_locked(owner, reasons), change)))


def settle_jobs(
    *,
    session: Session,
    owner: str,
    results: Sequence[AnalysisResult] = (),
    failures: Sequence[JobFailure] = (),
    released: Sequence[UUID] = (),
    delay: timedelta = timedelta(),
    max_attempts: int,
) -> Settled:
    """Complete, fail and release parts of one batch in one transaction; return what was still the owner's.

    Locks everything first: done one after the other, the steps would take their locks in an order that
    can deadlock with another worker's.
    """
    if sum(map(bool, (results, failures, released))) > 1:
        _lock_all(session, owner, [result.job_id for result in results] + [failure.job_id for failure in failures] + list(released))
    completed = complete_jobs(session=session, owner=owner, results=results)
    failed = fail_jobs(session=session, owner=owner, failures=failures, max_attempts=max_attempts)
    release_jobs(session=session, owner=owner, job_ids=released, delay=delay)
    return replace(failed, done=completed.done, trails=completed.trails or failed.trails)


def sweep(*, session: Session, max_attempts: int) -> SweepResult:
    """Take back what dead workers hold: queue it again, or give it up when it has been tried often enough."""
    expired = select(Job.id).where(Job.state == JobState.LEASED, Job.lease_expires_at < func.now())
    times = case((Job.attempts == 1, "once"), else_=func.concat(Job.attempts, " times"))
    reason = func.concat("The worker stopped ", times, " while analysing this image.")
    change = _retry_or_fail(Job.attempts < max_attempts, reason, func.now())
    # Skipping what is locked: its worker is alive after all and is finishing it.
    settled = _settle(session, "sweeper", _swap(session, _change(expired.with_for_update(skip_locked=True), change)))
    due = select(func.count()).where(Job.state == JobState.QUEUED, Job.not_before <= func.now())
    return SweepResult(requeued=len(settled.requeued), failed=len(settled.failed), waiting=session.scalar(due) or 0)


@lru_cache(maxsize=8)
def _claimable(limit: int) -> Select[*tuple[Any, ...]]:
    """Lock the next jobs that nobody else has locked; the state is checked again once locked."""
    turns = _turns(limit)
    job = (Job.id, Job.image_id, Job.tenant_id, Job.attempts, Job.urgency_rank)
    image = (Image.case_id, Image.original_key, Image.view_key, Image.media_type)
    # Of real portals nothing is read for it.
    script = select(func.coalesce(Case.reference, "")).where(Case.id == Image.case_id).scalar_subquery()
    scripted = case((turns.c.sandbox, script), else_=None).label("script")
    return (
        select(*job, *image, scripted)
        .join(turns, turns.c.id == Job.id)
        .join(Image, Image.id == Job.image_id)
        .where(Job.state == JobState.QUEUED)
        .order_by(turns.c.urgency_rank, turns.c.turn, turns.c.due_at, turns.c.id)
        .limit(limit)
        .with_for_update(of=Job, skip_locked=True)
    )


def _turns(limit: int) -> Subquery:
    """Number each tenant's first due jobs within their urgency, so that portals can take turns.

    Reads the head of each tenant's queue from one partial index; a portal's backlog costs nothing.
    """
    due = (Job.tenant_id == Tenant.id, Job.state == JobState.QUEUED, Job.not_before <= func.now())
    order = (Job.urgency_rank, Job.due_at, Job.id)
    head = select(Job.id, Job.urgency_rank, Job.due_at).where(*due).order_by(*order).limit(limit * LOOK_AHEAD).lateral("head")
    turn = func.row_number().over(partition_by=(Tenant.id, head.c.urgency_rank), order_by=(head.c.due_at, head.c.id)).label("turn")
    return (
        select(head.c.id, head.c.urgency_rank, head.c.due_at, Tenant.sandbox, turn).select_from(Tenant).join(head, true()).subquery("turns")
    )


def _claimed(row: JobRow) -> ClaimedJob:
    return ClaimedJob(
        job_id=row.id,
        image_id=row.image_id,
        tenant_id=row.tenant_id,
        case_id=row.case_id,
        original_key=row.original_key,
        view_key=row.view_key,
        media_type=row.media_type,
        attempts=row.attempts + 1,
        urgency_rank=row.urgency_rank,
        script=row.script,
    )


def _owned(owner: str, job_ids: Collection[UUID]) -> Select[UUID]:
    return select(Job.id).where(Job.id.in_(job_ids), Job.state == JobState.LEASED, Job.lease_owner == owner).order_by(Job.id)


def _locked(owner: str, job_ids: Collection[UUID]) -> Select[UUID]:
    return _owned(owner, job_ids).with_for_update()


def _change(jobs: Select[UUID] | Collection[UUID], values: Mapping[str, Any]) -> Update:
    return update(Job).where(Job.id.in_(jobs)).values(values).execution_options(synchronize_session=False)


def _unleased(state: JobState) -> dict[str, Any]:
    return {"state": state, "lease_owner": None, "lease_expires_at": None}


def _retry_or_fail(retry: ColumnElement[bool], reason: ColumnElement[str], not_before: ColumnElement[datetime]) -> dict[str, Any]:
    return _unleased(JobState.FAILED) | {
        "state": case((retry, JobState.QUEUED), else_=JobState.FAILED),
        "finished_at": case((retry, None), else_=func.now()),
        "not_before": case((retry, not_before), else_=Job.not_before),
        "reason": reason,
    }


def _swap(session: Session, change: Update) -> Sequence[JobRow]:
    """Change jobs; return those that did change, with their cases, in id order."""
    columns = (Job.id, Job.image_id, Job.tenant_id, Job.attempts, Job.state, Job.reason, Image.case_id)
    rows = session.execute(change.where(Image.id == Job.image_id).returning(*columns)).all()
    return sorted(rows, key=lambda row: row.id)


def _settle(session: Session, owner: str, jobs: Sequence[JobRow]) -> Settled:
    failed = [job for job in jobs if job.state is JobState.FAILED]
    trails = _settle_cases(session, failed)
    for job in failed:
        _record(session, owner, AuditAction.IMAGE_FAILED, job, {"attempts": job.attempts})
    requeued = frozenset(job.id for job in jobs if job.state is JobState.QUEUED)
    return Settled(requeued=requeued, failed=frozenset(job.id for job in failed), trails=trails)


def _settle_cases(session: Session, jobs: Sequence[JobRow]) -> bool:
    """Hand the cases without open jobs to the dermatologists. Returns whether a trail waits because of them."""
    case_ids = {job.case_id for job in jobs}
    if not case_ids:
        return False
    _lock_cases(session, case_ids)
    still_open = exists().where(Image.case_id == Case.id, Job.image_id == Image.id, Job.state.in_(OPEN))
    settled = update(Case).where(Case.id.in_(case_ids), Case.state == CaseState.QUEUED, ~still_open)
    moved = settled.values(state=CaseState.AWAITING_REVIEW).returning(Case.id).execution_options(synchronize_session=False)
    tell_analysed(session=session, case_ids=session.scalars(moved).all())
    return store_answers(session=session, case_ids=case_ids)


def _lock_all(session: Session, owner: str, job_ids: Collection[UUID]) -> None:
    mine = session.scalars(_locked(owner, job_ids)).all()
    _lock_cases(session, select(Image.case_id).join(Job, Job.image_id == Image.id).where(Job.id.in_(mine)))


def _lock_cases(session: Session, case_ids: Select[UUID] | Collection[UUID]) -> None:
    # Two workers may finish the last two images of a case at once; neither sees the other's uncommitted job.
    # The lock makes the second one wait, and its next statement then sees both.
    session.execute(select(Case.id).where(Case.id.in_(case_ids)).order_by(Case.id).with_for_update(key_share=True))


def _analysis_row(job: JobRow, result: AnalysisResult) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "tenant_id": job.tenant_id,
        "image_id": job.image_id,
        "job_id": job.id,
        "pipeline_version": result.pipeline_version,
        "outcome": result.outcome,
        "classes": list(result.classes),
        "top_class": result.top_class,
        "top_probability": result.top_probability,
        "malignant_probability": result.malignant_probability,
        "flags": list(result.flags),
        "finding": result.finding,
        "mask_key": result.mask_key,
        "thumbnail_key": result.thumbnail_key,
        "heatmap_key": result.heatmap_key,
        "hairfree_key": result.hairfree_key,
        "embedding": result.embedding,
    }


def _record(session: Session, owner: str, action: AuditAction, job: JobRow, details: dict[str, Any]) -> None:
    subject = Subject("image", job.image_id)
    record_event(session=session, tenant_id=job.tenant_id, actor=Actor.system(owner), action=action, subject=subject, details=details)
