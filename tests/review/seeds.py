"""Rows for the desk's tests: cases in every state, made through the records' own functions."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from PIL import Image, ImageDraw

from services.objects import ObjectStore
from services.records.access import create_tenant, create_user
from services.records.audit import Actor
from services.records.cases import NewCase, NewImage, accept_case
from services.records.database import Database
from services.records.diagnoses import DIAGNOSES
from services.records.identity import IdentityCheck
from services.records.jobs import AnalysisResult, ClaimedJob, JobFailure, claim_jobs, complete_jobs, fail_jobs
from services.records.states import Modality, Outcome, Role

PASSWORD = "a long enough passphrase"
PIPELINE = "p1-5f0c2a71-9be4d310"
MALIGNANT = {diagnosis.code for diagnosis in DIAGNOSES if diagnosis.malignant}
OWNER = "seeds"


def jpeg(width: int = 320, height: int = 240, *, colour: tuple[int, int, int] = (110, 60, 45)) -> bytes:
    """A lesion-like ellipse on skin colour."""
    picture = Image.new("RGB", (width, height), (224, 178, 155))
    ImageDraw.Draw(picture).ellipse(_box(width, height), fill=colour)
    return _encode(picture, "JPEG")


def mask_png(width: int = 320, height: int = 240) -> bytes:
    """The ellipse's mask, 0/255."""
    mask = Image.new("L", (width, height), 0)
    ImageDraw.Draw(mask).ellipse(_box(width, height), fill=255)
    return _encode(mask, "PNG")


def _box(width: int, height: int) -> tuple[float, float, float, float]:
    return (0.3 * width, 0.25 * height, 0.7 * width, 0.75 * height)


def _encode(picture: Image.Image, form: str) -> bytes:
    out = io.BytesIO()
    picture.save(out, form)
    return out.getvalue()


def finding(probabilities: dict[str, float], **changes: Any) -> dict[str, Any]:
    """A finding as the analyzer writes it, with `changes` on top."""
    whole = {diagnosis.code: 0.0 for diagnosis in DIAGNOSES} | probabilities
    prediction = max(whole, key=lambda code: whole[code])
    return {
        "outcome": "prediction",
        "prediction": prediction,
        "probabilities": whole,
        "malignant_probability": sum(value for code, value in whole.items() if code in MALIGNANT),
        "ood": {"in_distribution": True, "max_softmax": 0.71, "entropy": 0.4, "max_softmax_threshold": 0.46, "entropy_threshold": 0.72},
        "quality": {"acceptable": True, "issues": [], "sharpness": 14.0, "brightness": 141.0, "clipped_share": 0.0, "hair_share": 0.02},
        "measures": {
            "area_px": 9800.0,
            "area_share": 0.127,
            "area_mm2": None,
            "major_diameter_px": 131.0,
            "major_diameter_mm": None,
            "asymmetry": 0.31,
            "border_irregularity": 0.22,
            "colour_count": 4,
            "touches_border": False,
            "scale_source": None,
        },
        "reason": None,
        "next_step": None,
        "taxonomy": [{"code": d.code, "name": d.name, "malignant": d.malignant} for d in DIAGNOSES],
        "licence": "CC-BY-NC-4.0",
        "pipeline_version": PIPELINE,
        **changes,
    }


def abstention(reason: str, next_step: str, probabilities: dict[str, float] | None = None, **changes: Any) -> dict[str, Any]:
    """A finding without a prediction."""
    spread = probabilities or {"NV": 0.24, "BKL": 0.22, "MEL": 0.2, "BCC": 0.18, "VASC": 0.16}
    return finding(spread, outcome="abstain", prediction=None, reason=reason, next_step=next_step, **changes)


def set_of(probabilities: dict[str, float], *classes: str, coverage: float = 0.9, **changes: Any) -> dict[str, Any]:
    """A finding that names several classes."""
    return finding(probabilities, outcome="set", prediction=None, classes=list(classes), coverage=coverage, **changes)


@dataclass(frozen=True, slots=True)
class Failed:
    """A picture that could not be analysed, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Pending:
    """A picture whose analysis has not ended."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture with its finding."""

    finding: dict[str, Any]
    picture: bytes = field(default_factory=jpeg)
    mask: bytes = field(default_factory=mask_png)
    thumbnail: bytes = field(default_factory=lambda: jpeg(128, 96))
    heatmap: bytes = b""
    hairfree: bytes = b""
    size: tuple[int, int] = (320, 240)
    flags: tuple[str, ...] = ()
    modality: Modality = Modality.DERMOSCOPIC
    spacing: float | None = None
    identity: IdentityCheck | None = None


Answer = Seen | Failed | Pending
MELANOMA = finding({"MEL": 0.71, "NV": 0.19, "BKL": 0.06, "BCC": 0.02, "AK": 0.01, "SCC": 0.01})


@dataclass(frozen=True, slots=True)
class Clinic:
    """The logins of each role on one database, and the store."""

    owner: Database
    intake: Database
    worker: Database
    store: ObjectStore

    def tenant(self, name: str = "Portal A", slug: str = "portal-a") -> UUID:
        """A portal."""
        with self.owner.transaction() as session:
            return create_tenant(session=session, name=name, slug=slug).id

    def user(self, *tenants: UUID, email: str = "reader@clinic.example", role: Role = Role.DERMATOLOGIST, name: str = "Dr Lind") -> UUID:
        """A person with PASSWORD who reads for `tenants`."""
        with self.owner.transaction(tenants=tenants) as session:
            return create_user(session=session, email=email, name=name, role=role, password=PASSWORD, tenants=tenants)

    def case(self, tenant: UUID, *answers: Answer, **facts: Any) -> UUID:
        """A case with one picture per answer, worked through as the worker does."""
        case_id = uuid4()
        images = [self.new_image(tenant, case_id, answer) for answer in answers]
        new = NewCase(**{"patient_reference": "P-1042", "body_site": "back", **facts})
        with self.intake.transaction(tenants=[tenant]) as session:
            actor = Actor.system(OWNER)
            accept_case(session=session, tenant_id=tenant, case_id=case_id, case=new, images=images, actor=actor)
        self.answer({image.id: answer for image, answer in zip(images, answers, strict=True)})
        return case_id

    def answer(self, answers: dict[UUID, Answer], *, version: str = PIPELINE) -> None:
        """Completes or fails the jobs of these images; others stay queued."""
        with self.worker.transaction() as session:
            jobs = [
                job for job in claim_jobs(session=session, owner=OWNER, limit=50, lease=timedelta(minutes=5)) if job.image_id in answers
            ]
            results = [self._result(job, answer, version) for job in jobs if isinstance(answer := answers[job.image_id], Seen)]
            complete_jobs(session=session, owner=OWNER, results=results)
            failures = _failures(jobs, answers)
            fail_jobs(session=session, owner=OWNER, failures=failures, max_attempts=1)

    def _result(self, job: ClaimedJob, seen: Seen, version: str) -> AnalysisResult:
        folder = f"{job.tenant_id}/{job.case_id}/{job.image_id}/{version}"
        self.store.put(f"{folder}/mask.png", seen.mask, "image/png")
        self.store.put(f"{folder}/thumbnail.jpg", seen.thumbnail, "image/jpeg")
        if seen.heatmap:
            self.store.put(f"{folder}/heatmap.jpg", seen.heatmap, "image/jpeg")
        if seen.hairfree:
            self.store.put(f"{folder}/hairfree.jpg", seen.hairfree, "image/jpeg")
        top = seen.finding["prediction"]
        return AnalysisResult(
            job_id=job.job_id,
            pipeline_version=version,
            outcome=Outcome(seen.finding["outcome"]),
            classes=(top,) if top else tuple(seen.finding.get("classes", ())),
            top_class=top,
            top_probability=seen.finding["probabilities"][top] if top else None,
            malignant_probability=seen.finding["malignant_probability"],
            finding=seen.finding,
            flags=seen.flags,
            mask_key=f"{folder}/mask.png",
            thumbnail_key=f"{folder}/thumbnail.jpg",
            heatmap_key=f"{folder}/heatmap.jpg" if seen.heatmap else None,
            hairfree_key=f"{folder}/hairfree.jpg" if seen.hairfree else None,
            identity=seen.identity,
        )

    def new_image(self, tenant: UUID, case_id: UUID, answer: Answer) -> NewImage:
        """A stored picture that no case has yet."""
        image_id = uuid4()
        data = answer.picture if isinstance(answer, Seen) else jpeg()
        width, height = answer.size if isinstance(answer, Seen) else (320, 240)
        key = f"{tenant}/{case_id}/{image_id}/original"
        self.store.put(key, data, "image/jpeg")
        return NewImage(
            id=image_id,
            filename="lesion.jpg",
            media_type="image/jpeg",
            byte_size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            width=width,
            height=height,
            modality=answer.modality if isinstance(answer, Seen) else Modality.UNKNOWN,
            pixel_spacing_mm=answer.spacing if isinstance(answer, Seen) else None,
            original_key=key,
            view_key=key,
        )


def _failures(jobs: Sequence[ClaimedJob], answers: dict[UUID, Answer]) -> list[JobFailure]:
    return [JobFailure(job.job_id, answer.reason, retry=False) for job in jobs if isinstance(answer := answers[job.image_id], Failed)]
