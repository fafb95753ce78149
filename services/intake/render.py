"""From the records' views to the API's JSON."""

from collections.abc import Sequence
from typing import Any

from flask import url_for

from services.intake.accept import Submission
from services.intake.dicom_results import dicom_of
from services.intake.schemas import (
    Accepted,
    AcceptedImage,
    AnalysisOut,
    CaseLine,
    CaseOut,
    CasePage,
    DecisionOut,
    ImageOut,
    LesionIn,
    MeasuresSource,
    OutlineOut,
    PatientIn,
)
from services.records.instances import InstanceView
from services.records.listing import CaseList, CaseSummary
from services.records.measures import measures_of
from services.records.states import ReviewKind
from services.records.views import AnalysisView, CaseView, ImageView, OutlineView, ReviewView


def accepted(submission: Submission) -> Accepted:
    """The 202 answer."""
    case = submission.case
    return Accepted(
        id=case.id,
        status=case.state,
        received_at=case.received_at,
        due_at=case.due_at,
        images=[AcceptedImage(id=image_id, filename=filename) for image_id, filename in submission.images],
        status_url=url_for("cases.read_case", case_id=case.id),
    )


def case(view: CaseView, instances: Sequence[InstanceView] = ()) -> CaseOut:
    """The whole case; ``instances``: its DICOM instances, once it is decided."""
    return CaseOut(
        id=view.id,
        status=view.state,
        reference=view.reference,
        patient=PatientIn.model_construct(
            reference=view.patient_reference,
            sex=view.sex,
            birth_year=view.birth_year,
            fitzpatrick=view.fitzpatrick,
            consent_training=view.consent_training,
        ),
        patient_id=view.patient_id,
        lesion=LesionIn.model_construct(reference=view.lesion_reference, body_site=view.body_site, laterality=view.laterality),
        lesion_id=view.lesion_id,
        tracking_uid=view.tracking_uid,
        lesion_url=url_for("lesions.read_lesion", lesion_id=view.lesion_id),
        urgency=view.urgency,
        clinical_notes=view.clinical_notes,
        visited_at=view.visited_at,
        visit_source=view.visit_source,
        received_at=view.received_at,
        due_at=view.due_at,
        reviewed_at=view.reviewed_at,
        images=[_image(view, image) for image in view.images],
        decision=_decision(view.final) if view.final else None,
        dicom=dicom_of(view, instances),
    )


def page(found: CaseList) -> CasePage:
    """A page of the list."""
    return CasePage(cases=[_line(summary) for summary in found.cases], next_cursor=found.next_cursor)


def _line(summary: CaseSummary) -> CaseLine:
    return CaseLine(
        id=summary.id,
        status=summary.state,
        reference=summary.reference,
        patient_reference=summary.patient_reference,
        urgency=summary.urgency,
        received_at=summary.received_at,
        due_at=summary.due_at,
        reviewed_at=summary.reviewed_at,
        image_count=summary.image_count,
        status_url=url_for("cases.read_case", case_id=summary.id),
    )


def _image(view: CaseView, image: ImageView) -> ImageOut:
    return ImageOut(
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
        state=image.job_state,
        attempts=image.attempts,
        reason=image.reason,
        analysis=_analysis(view, image, image.analysis) if image.analysis else None,
        outline=_outline(view, image, image.outline) if image.outline else None,
    )


def _analysis(view: CaseView, image: ImageView, analysis: AnalysisView) -> AnalysisOut:
    finding: dict[str, Any] = analysis.finding
    return AnalysisOut(
        pipeline_version=analysis.pipeline_version,
        created_at=analysis.created_at,
        outcome=analysis.outcome,
        prediction=finding.get("prediction"),
        classes=analysis.classes,
        coverage=finding.get("coverage"),
        reason=finding.get("reason"),
        next_step=finding.get("next_step"),
        suspicious=finding.get("suspicious"),
        malignant_probability=analysis.malignant_probability,
        probabilities=finding.get("probabilities") or {},
        taxonomy=finding.get("taxonomy") or [],
        ood=finding.get("ood"),
        quality=finding.get("quality"),
        measures=measures_of(image),
        measures_source=MeasuresSource.READER if image.outline else MeasuresSource.MODEL,
        finding=finding,
        mask_url=_artifact("read_mask", view, image) if image.mask_key else None,
        thumbnail_url=_artifact("read_thumbnail", view, image) if analysis.thumbnail_key else None,
        heatmap_url=_artifact("read_heatmap", view, image) if analysis.heatmap_key else None,
    )


def _outline(view: CaseView, image: ImageView, outline: OutlineView) -> OutlineOut:
    return OutlineOut(
        author=outline.author, drawn_at=outline.created_at, measures=outline.measures, mask_url=_artifact("read_mask", view, image)
    )


def _artifact(endpoint: str, view: CaseView, image: ImageView) -> str:
    return url_for(f"artifacts.{endpoint}", case_id=view.id, image_id=image.id)


def _decision(review: ReviewView) -> DecisionOut:
    return DecisionOut(
        decision=review.decision,
        diagnosis=review.diagnosis,
        reason=review.reason,
        management=review.management,
        follow_up_months=review.follow_up_months,
        follow_up_on=review.follow_up_on,
        note=review.note,
        reviewer=review.reviewer,
        decided_at=review.created_at,
        amended=review.kind is ReviewKind.AMENDMENT,
        amendment_reason=review.rationale if review.kind is ReviewKind.AMENDMENT else None,
    )
