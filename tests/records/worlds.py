"""Makes records the way the product does, through each process's own login."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import update

from services.records import access, cases, jobs, reviews
from services.records.audit import Actor
from services.records.database import Database
from services.records.errors import AlreadyReviewed
from services.records.states import Decision, Modality, Outcome, Role, Urgency
from services.records.tables import User
from services.records.views import CaseView

LEASE = timedelta(seconds=60)
PASSWORD = "a long enough password"


@dataclass(frozen=True, slots=True)
class Logins:
    """A database for each login."""

    owner: Database
    intake: Database
    review: Database
    worker: Database

    def close(self) -> None:
        for database in (self.owner, self.intake, self.review, self.worker):
            database.close()


def new_image(**changes: Any) -> cases.NewImage:
    """A valid picture."""
    key = str(uuid4())
    values: dict[str, Any] = {
        "id": uuid4(),
        "filename": "mole.jpg",
        "media_type": "image/jpeg",
        "byte_size": 200_000,
        "sha256": "ab" * 32,
        "width": 1024,
        "height": 768,
        "modality": Modality.DERMOSCOPIC,
        "pixel_spacing_mm": 0.02,
        "original_key": f"{key}/original",
        "view_key": f"{key}/view",
    }
    return cases.NewImage(**{**values, **changes})


def result(job: jobs.ClaimedJob, *, probability: float = 0.3, **changes: Any) -> jobs.AnalysisResult:
    """A valid answer for a job."""
    values: dict[str, Any] = {
        "job_id": job.job_id,
        "pipeline_version": "v1",
        "outcome": Outcome.PREDICTION,
        "classes": ("MEL",),
        "top_class": "MEL",
        "top_probability": 0.6,
        "malignant_probability": probability,
        "finding": {"probabilities": {"MEL": 0.6}},
        "thumbnail_key": f"{job.image_id}/thumbnail.jpg",
    }
    return jobs.AnalysisResult(**{**values, **changes})


@dataclass(frozen=True, slots=True)
class Portal:
    """One tenant with its key and dermatologist."""

    logins: Logins
    tenant_id: UUID
    key_id: UUID
    key: str
    user_id: UUID
    email: str

    @property
    def actor(self) -> Actor:
        return Actor.portal(self.key_id)

    def submit(self, *, images: int = 1, patient: str = "P-1", key: cases.Idempotency | None = None, **said: Any) -> cases.AcceptedCase:
        """Submit a case."""
        with self.logins.intake.transaction(tenants=[self.tenant_id]) as session:
            return cases.accept_case(
                session=session,
                tenant_id=self.tenant_id,
                case_id=uuid4(),
                case=cases.NewCase(patient_reference=patient, **{"urgency": Urgency.ROUTINE, **said}),
                images=[new_image() for _ in range(images)],
                actor=self.actor,
                idempotency=key,
            )

    def add(self, case_id: UUID, *, images: int = 1) -> cases.AcceptedCase:
        """Add images to a case."""
        added = [new_image() for _ in range(images)]
        with self.logins.intake.transaction(tenants=[self.tenant_id]) as session:
            return cases.add_images(session=session, tenant_id=self.tenant_id, case_id=case_id, images=added, actor=self.actor)

    def status(self, case_id: UUID) -> CaseView:
        """Read a case as the portal does."""
        with self.logins.intake.transaction(tenants=[self.tenant_id]) as session:
            return cases.case_status(session=session, tenant_id=self.tenant_id, case_id=case_id, actor=self.actor)

    def review(self, case_id: UUID, **changes: Any) -> UUID:
        """Decide a case as the dermatologist does."""
        values: dict[str, Any] = {"decision": Decision.CONFIRM, "diagnosis": "MEL", "reason": None, "note": "", "shown": {"top": "MEL"}}
        said = {"user_id": self.user_id, **values, **changes}
        with self.logins.review.transaction(tenants=[self.tenant_id]) as session:
            return reviews.record_review(session=session, tenant_ids=[self.tenant_id], case_id=case_id, **said)


def new_portal(logins: Logins, slug: str) -> Portal:
    """A portal with a key and a dermatologist."""
    with logins.owner.transaction() as session:
        tenant_id = access.create_tenant(session=session, name=slug.title(), slug=slug).id
        key, plain = access.create_api_key(session=session, tenant_id=tenant_id, name="test")
        email = f"{slug}@derma.example"
        user_id = access.create_user(
            session=session, email=email, name="Dr L.", role=Role.DERMATOLOGIST, password=PASSWORD, tenants=[tenant_id]
        )
    return Portal(logins, tenant_id, key.id, plain, user_id, email)


def new_reader(portal: Portal, *, role: Role = Role.DERMATOLOGIST, trainee: bool = False) -> UUID:
    """One more person who reads for the portal."""
    email = f"{uuid4().hex}@derma.example"
    with portal.logins.owner.transaction() as session:
        user_id = access.create_user(
            session=session, email=email, name=f"Dr {email[:4]}", role=role, password=PASSWORD, tenants=[portal.tenant_id]
        )
        session.execute(update(User).where(User.id == user_id).values(trainee=trainee))
    return user_id


def together(portal: Portal, steps: list[dict[str, Any]]) -> list[str]:
    """What comes of reviews that are recorded at the same moment."""

    def take(step: dict[str, Any]) -> str:
        try:
            portal.review(**step)
        except AlreadyReviewed as refused:
            return type(refused).__name__
        return "recorded"

    with ThreadPoolExecutor(len(steps)) as pool:
        return list(pool.map(take, steps))


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process by name."""

    logins: Logins
    name: str = "worker-1"

    def claim(self, limit: int = 8, lease: timedelta = LEASE) -> list[jobs.ClaimedJob]:
        with self.logins.worker.transaction() as session:
            return jobs.claim_jobs(session=session, owner=self.name, limit=limit, lease=lease)

    def complete(self, claimed: Sequence[jobs.ClaimedJob], **changes: Any) -> jobs.Settled:
        with self.logins.worker.transaction() as session:
            return jobs.complete_jobs(session=session, owner=self.name, results=[result(job, **changes) for job in claimed])

    def fail(self, claimed: Sequence[jobs.ClaimedJob], *, retry: bool = False, reason: str = "file damaged", cap: int = 3) -> jobs.Settled:
        failures = [jobs.JobFailure(job.job_id, reason, retry) for job in claimed]
        with self.logins.worker.transaction() as session:
            return jobs.fail_jobs(session=session, owner=self.name, failures=failures, max_attempts=cap)

    def release(self, claimed: Sequence[jobs.ClaimedJob], *, delay: timedelta = timedelta()) -> int:
        with self.logins.worker.transaction() as session:
            return jobs.release_jobs(session=session, owner=self.name, job_ids=[job.job_id for job in claimed], delay=delay)

    def renew(self, claimed: Sequence[jobs.ClaimedJob], lease: timedelta = LEASE) -> int:
        with self.logins.worker.transaction() as session:
            return jobs.renew_leases(session=session, owner=self.name, job_ids=[job.job_id for job in claimed], lease=lease)

    def settle(
        self, done: Sequence[jobs.ClaimedJob], failed: Sequence[jobs.ClaimedJob], released: Sequence[jobs.ClaimedJob]
    ) -> jobs.Settled:
        with self.logins.worker.transaction() as session:
            return jobs.settle_jobs(
                session=session,
                owner=self.name,
                results=[result(job) for job in done],
                failures=[jobs.JobFailure(job.job_id, "file\0 damaged", retry=False) for job in failed],
                released=[job.job_id for job in released],
                max_attempts=3,
            )

    def sweep(self, *, cap: int = 3) -> jobs.SweepResult:
        with self.logins.worker.transaction() as session:
            return jobs.sweep(session=session, max_attempts=cap)
