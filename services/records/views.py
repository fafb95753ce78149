"""What a reader gets: whole cases as plain, frozen values, loaded in a fixed number of statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, true
from sqlalchemy.orm import Session, aliased

from services.records.errors import CaseNotFound
from services.records.states import (
    CaseState,
    Decision,
    JobState,
    Laterality,
    Management,
    Modality,
    Outcome,
    ReviewKind,
    Sex,
    Urgency,
    VisitSource,
)
from services.records.tables import Analysis, Calibration, Case, Image, Job, Lesion, Outline, Patient, Review, Tenant, User


@dataclass(frozen=True, slots=True)
class AnalysisView:
    """The latest answer about one image; ``finding`` is everything the pipeline said."""

    id: UUID
    pipeline_version: str
    created_at: datetime
    outcome: Outcome
    classes: tuple[str, ...]
    top_class: str | None
    top_probability: float | None
    malignant_probability: float
    flags: tuple[str, ...]
    finding: dict[str, Any]
    mask_key: str | None
    thumbnail_key: str | None
    heatmap_key: str | None
    hairfree_key: str | None


@dataclass(frozen=True, slots=True)
class OutlineView:
    """The outline that a reader drew last. ``measured_at`` is None until the worker has measured it, or says why not in ``reason``."""

    id: UUID
    mask_key: str
    measures: dict[str, Any] | None
    measured_at: datetime | None
    reason: str | None
    author: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ImageView:
    """One image with the state of its latest job; ``reason`` says why a failed one has no analysis.

    ``ruler_mm_per_px``: a scale that a reader took from a ruler in the picture; it comes before ``pixel_spacing_mm``.
    """

    id: UUID
    position: int
    filename: str
    media_type: str
    byte_size: int
    sha256: str
    width: int
    height: int
    modality: Modality
    pixel_spacing_mm: float | None
    original_key: str
    view_key: str
    tiles_key: str | None
    job_state: JobState
    attempts: int
    reason: str | None
    analysis: AnalysisView | None
    outline: OutlineView | None = None
    ruler_mm_per_px: float | None = None

    @property
    def mask_key(self) -> str | None:
        """The outline that counts: a reader's, else the model's."""
        return self.outline.mask_key if self.outline else self.analysis.mask_key if self.analysis else None


@dataclass(frozen=True, slots=True)
class ReviewView:
    """A decision, and who took it when. ``standing``: no later one supersedes it, and it takes none back."""

    id: UUID
    user_id: UUID
    reviewer: str
    kind: ReviewKind
    decision: Decision
    diagnosis: str | None
    reason: str | None
    management: Management | None
    follow_up_months: int | None
    follow_up_on: date | None
    note: str
    rationale: str | None
    shown: dict[str, Any]
    created_at: datetime
    supersedes: UUID | None
    standing: bool


@dataclass(frozen=True, slots=True)
class CaseView:
    """Everything about one case. Images are in the order in which they were sent.

    ``results_due_at``: the DICOM results of its decision wait to be made; ``results_failed``: why some could not be.
    """

    id: UUID
    tenant_id: UUID
    portal: str
    patient_id: UUID
    patient_reference: str
    sex: Sex | None
    birth_year: int | None
    fitzpatrick: int | None
    consent_training: bool | None
    lesion_id: UUID
    tracking_uid: str
    lesion_reference: str | None
    body_site: str | None
    laterality: Laterality | None
    reference: str | None
    urgency: Urgency
    clinical_notes: str
    state: CaseState
    visited_at: datetime
    visit_source: VisitSource
    received_at: datetime
    due_at: datetime
    reviewed_at: datetime | None
    blind_first_read: bool
    images: tuple[ImageView, ...]
    reviews: tuple[ReviewView, ...]
    consent_care: bool | None = None
    results_due_at: datetime | None = None
    results_failed: str | None = None

    @property
    def standing(self) -> tuple[ReviewView, ...]:
        """The reviews that stand, oldest first: at most one of each kind."""
        return tuple(review for review in self.reviews if review.standing)

    @property
    def final(self) -> ReviewView | None:
        """The decision of a decided case: the only one that may leave the house."""
        return self.standing[-1] if self.state is CaseState.REVIEWED and self.standing else None

    @property
    def leading_image(self) -> ImageView:
        """The image with the highest malignant probability; the first one where nothing is analysed."""
        return max(self.images, key=lambda image: image.analysis.malignant_probability if image.analysis else -1.0)

    def image(self, image_id: UUID) -> ImageView | None:
        """The image of this id, if it belongs to the case."""
        return next((image for image in self.images if image.id == image_id), None)


def load_case(*, session: Session, tenant_ids: Sequence[UUID], case_id: UUID) -> CaseView:
    """Return a case of one of the tenants, in three statements.

    Raises:
        CaseNotFound: there is none, or it is another tenant's.
    """
    query = (
        select(Case, Patient, Lesion, Tenant.name, Tenant.blind_first_read)
        .join(Patient, Patient.id == Case.patient_id)
        .join(Tenant, Tenant.id == Case.tenant_id)
        .join(Lesion, Lesion.id == Case.lesion_id)
        .where(Case.id == case_id, Case.tenant_id.in_(tenant_ids))
    )
    row = session.execute(query).one_or_none()
    if row is None:
        raise CaseNotFound(case_id)
    case, patient, lesion, portal, blind_first_read = row
    return CaseView(
        id=case.id,
        tenant_id=case.tenant_id,
        portal=portal,
        patient_id=patient.id,
        patient_reference=patient.reference,
        sex=patient.sex,
        birth_year=patient.birth_year,
        fitzpatrick=patient.fitzpatrick,
        consent_training=patient.consent_training,
        consent_care=patient.consent_care,
        lesion_id=lesion.id,
        tracking_uid=lesion.tracking_uid,
        lesion_reference=lesion.reference,
        body_site=lesion.body_site,
        laterality=lesion.laterality,
        reference=case.reference,
        urgency=case.urgency,
        clinical_notes=case.clinical_notes,
        state=case.state,
        visited_at=case.visited_at,
        visit_source=case.visit_source,
        received_at=case.received_at,
        due_at=case.due_at,
        reviewed_at=case.reviewed_at,
        results_due_at=case.results_due_at,
        results_failed=case.results_failed,
        blind_first_read=blind_first_read,
        images=_images(session, case_id),
        reviews=_reviews(session, case_id),
    )


def _images(session: Session, case_id: UUID) -> tuple[ImageView, ...]:
    last_job = select(Job).where(Job.image_id == Image.id).order_by(Job.created_at.desc()).limit(1).lateral("last_job")
    latest = select(Analysis).where(Analysis.image_id == Image.id).order_by(Analysis.created_at.desc()).limit(1).lateral("latest")
    drawn = select(Outline).where(Outline.image_id == Image.id).order_by(Outline.created_at.desc()).limit(1).lateral("drawn")
    laid = select(Calibration.mm_per_px).where(Calibration.image_id == Image.id).order_by(Calibration.created_at.desc())
    ruler = laid.limit(1).correlate(Image).scalar_subquery()
    query = (
        select(Image, aliased(Job, last_job), aliased(Analysis, latest), aliased(Outline, drawn), User.name, ruler)
        .select_from(Image)
        .join(last_job, true())
        .outerjoin(latest, true())
        .outerjoin(drawn, true())
        .outerjoin(User, User.id == drawn.c.user_id)
        .where(Image.case_id == case_id)
        .order_by(Image.position)
    )
    return tuple(_image(*row[:-1], ruler=row[-1]) for row in session.execute(query))


def _image(
    image: Image, job: Job, analysis: Analysis | None, outline: Outline | None, author: str | None, *, ruler: float | None
) -> ImageView:
    return ImageView(
        id=image.id,
        position=image.position,
        filename=image.filename,
        media_type=image.media_type,
        byte_size=image.byte_size,
        sha256=image.sha256,
        width=image.width,
        height=image.height,
        modality=image.modality,
        pixel_spacing_mm=image.pixel_spacing_mm,
        original_key=image.original_key,
        view_key=image.view_key,
        tiles_key=image.tiles_key,
        job_state=job.state,
        attempts=job.attempts,
        reason=job.reason,
        analysis=analysis_view(analysis) if analysis else None,
        outline=_outline(outline, author or "") if outline else None,
        ruler_mm_per_px=ruler,
    )


def _outline(row: Outline, author: str) -> OutlineView | None:
    if row.mask_key is None:  # the model has the word again
        return None
    return OutlineView(
        id=row.id,
        mask_key=row.mask_key,
        measures=row.measures,
        measured_at=row.measured_at,
        reason=row.reason,
        author=author,
        created_at=row.created_at,
    )


def analysis_view(row: Analysis) -> AnalysisView:
    """An answer as readers get it."""
    return AnalysisView(
        id=row.id,
        pipeline_version=row.pipeline_version,
        created_at=row.created_at,
        outcome=row.outcome,
        classes=tuple(row.classes),
        top_class=row.top_class,
        top_probability=row.top_probability,
        malignant_probability=row.malignant_probability,
        flags=tuple(row.flags),
        finding=row.finding,
        mask_key=row.mask_key,
        thumbnail_key=row.thumbnail_key,
        heatmap_key=row.heatmap_key,
        hairfree_key=row.hairfree_key,
    )


def _reviews(session: Session, case_id: UUID) -> tuple[ReviewView, ...]:
    query = select(Review, User.name).join(User, User.id == Review.user_id).where(Review.case_id == case_id).order_by(Review.created_at)
    rows = session.execute(query).all()
    superseded = {row.supersedes for row, _ in rows}
    return tuple(_review(row, name, standing=row.id not in superseded and row.kind is not ReviewKind.UNDO) for row, name in rows)


def _review(row: Review, reviewer: str, *, standing: bool) -> ReviewView:
    return ReviewView(
        id=row.id,
        user_id=row.user_id,
        reviewer=reviewer,
        kind=row.kind,
        decision=row.decision,
        diagnosis=row.diagnosis,
        reason=row.reason,
        management=row.management,
        follow_up_months=row.follow_up_months,
        follow_up_on=row.follow_up_on,
        note=row.note,
        rationale=row.rationale,
        shown=row.shown,
        created_at=row.created_at,
        supersedes=row.supersedes,
        standing=standing,
    )
