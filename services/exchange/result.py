"""What a decided case says: everything that a report, a FHIR bundle or DICOM objects are made of, loaded once.

A result exists only where a dermatologist's decision stands and can no longer be taken back. It shows the case as it was decided: of each
picture the analysis that was on the reader's screen, also where a later version has answered since, and the visits up to this one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.records import reading
from services.records.errors import NotDecided
from services.records.history import UsedModel, used_models
from services.records.measures import measures_of
from services.records.states import ReviewKind
from services.records.tables import Analysis
from services.records.trails import LesionTrail, lesion_trail
from services.records.views import CaseView, ImageView, ReviewView, analysis_view, load_case
from services.records.visit_views import SequenceView, TrailAlert, Visit, VisitComparison


@dataclass(frozen=True, slots=True)
class TrailSummary:
    """The lesion's visits up to this case, from the first to the last, which is this case.

    ``comparisons``: the newest of each pair of these visits that was compared; ``alerts``: standing and withdrawn, oldest first;
    ``sequence``: what the sequence model said after each visit from the second on. All as the change worker wrote them.
    """

    visits: tuple[Visit, ...]
    comparisons: tuple[VisitComparison, ...]
    alerts: tuple[TrailAlert, ...]
    sequence: tuple[SequenceView, ...]

    def comparison(self, earlier: UUID, later: UUID) -> VisitComparison | None:
        """The comparison of two cases, if there is one."""
        return next((found for found in self.comparisons if (found.earlier, found.later) == (earlier, later)), None)

    def alert(self, case_id: UUID) -> TrailAlert | None:
        """The standing alert about a case, if there is one."""
        return next((alert for alert in self.alerts if alert.case_id == case_id and alert.withdrawn_at is None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One decided case, at one version of its decision.

    ``case``: the case with its images, of each the analysis that was decided on (portal name, patient, lesion with its tracking UID,
    site and side, are its fields). ``decision``: the one that stands. ``versions``: every version of the decision, the first to the
    standing one; taken-back ones never left and are none. ``reads``: what the reads before an adjudication or beside a second read
    said, oldest first, with the deciding one. ``models``: the versions that answered; those that nobody registered are missing.
    ``trail``: None where the lesion has no earlier visit.
    """

    case: CaseView
    decision: ReviewView
    versions: tuple[ReviewView, ...]
    reads: tuple[ReviewView, ...]
    models: tuple[UsedModel, ...]
    trail: TrailSummary | None

    @property
    def version(self) -> int:
        """The number of the standing decision, from 1; each amendment counts one up."""
        return len(self.versions)

    @property
    def signed_at(self) -> datetime:
        """When the standing decision was taken (UTC)."""
        return self.decision.created_at

    @property
    def lead(self) -> ImageView:
        """The picture that the decision is about: the one of the highest malignant probability, else the first."""
        return self.case.leading_image

    @property
    def mask_key(self) -> str | None:
        """The leading picture's outline in the object store: a reader's where one was drawn, else the model's; None where neither."""
        return self.lead.mask_key

    @property
    def outlined_by(self) -> str | None:
        """The reader who drew the outline that counts; None where it is the model's."""
        return self.lead.outline.author if self.lead.outline else None

    @property
    def measures(self) -> Mapping[str, Any] | None:
        """Measures of the leading picture's outline (px, mm where ``scale_source`` names a scale); None where nothing was outlined."""
        return measures_of(self.lead)

    @property
    def mm_per_px(self) -> float | None:
        """The leading picture's scale, a reader's ruler before the portal's or DICOM's; None where nobody gave one."""
        return self.lead.ruler_mm_per_px or self.lead.pixel_spacing_mm


def load_result(*, session: Session, tenant_id: UUID, case_id: UUID) -> CaseResult:
    """Return the result of a decided case of the tenant, one statement for each kind of row. Who reads it, audits that.

    Raises:
        CaseNotFound: the tenant has no such case.
        NotDecided: no decision stands, or it can still be taken back; the error says for how long.
    """
    case = load_case(session=session, tenant_ids=[tenant_id], case_id=case_id)
    decision = _standing(session, case)
    shown, versions = _as_decided(session, case, decision), _versions(case, decision)
    pipelines = {image.analysis.pipeline_version for image in shown.images if image.analysis}
    return CaseResult(
        case=shown,
        decision=decision,
        versions=versions,
        reads=_reads(case, versions[0]),
        models=used_models(session=session, pipeline_versions=pipelines),
        trail=_summary(lesion_trail(session=session, tenant_id=tenant_id, lesion_id=case.lesion_id), case_id),
    )


def _standing(session: Session, case: CaseView) -> ReviewView:
    """The decision, once nobody can take it back any more: until then it may never have been."""
    if case.final is None:
        raise NotDecided(case.id)
    now = session.execute(select(func.clock_timestamp())).scalar_one()
    left = timedelta(seconds=reading.UNDO_SECONDS) - (now - case.final.created_at)
    if left >= timedelta(0):
        raise NotDecided(case.id, left=left)
    return case.final


def _as_decided(session: Session, case: CaseView, decision: ReviewView) -> CaseView:
    """The case with the analyses that were on the reader's screen; the latest of a picture of which the record says nothing."""
    seen = {UUID(shown["image_id"]): shown.get("analysis_id") for shown in decision.shown.get("images", ())}
    ids = {image_id: UUID(analysis_id) if analysis_id else None for image_id, analysis_id in seen.items()}
    older = [ids[image.id] for image in case.images if ids.get(image.id) and (image.analysis is None or image.analysis.id != ids[image.id])]
    if not older and all(ids.get(image.id, image.id) or image.analysis is None for image in case.images):
        return case
    rows = session.scalars(select(Analysis).where(Analysis.id.in_(older), Analysis.tenant_id == case.tenant_id)).all() if older else ()
    found = {row.id: analysis_view(row) for row in rows}
    current = {image.analysis.id: image.analysis for image in case.images if image.analysis}
    return replace(case, images=tuple(_seen_image(image, ids, current | found) for image in case.images))


def _seen_image(image: ImageView, ids: Mapping[UUID, UUID | None], analyses: Mapping[UUID, Any]) -> ImageView:
    if image.id not in ids:
        return image
    shown = ids[image.id]
    return replace(image, analysis=analyses[shown] if shown else None)


def _versions(case: CaseView, decision: ReviewView) -> tuple[ReviewView, ...]:
    """The chain of amendments, back to the read that closed the case."""
    reviews = {review.id: review for review in case.reviews}
    chain = [decision]
    while chain[-1].kind is ReviewKind.AMENDMENT and chain[-1].supersedes:
        chain.append(reviews[chain[-1].supersedes])
    return tuple(reversed(chain))


def _reads(case: CaseView, closing: ReviewView) -> tuple[ReviewView, ...]:
    """The reads that led to the first decision. One from before pictures were added is no read of the case as it was decided."""
    counted = [review for review in case.reviews if review is closing or (review.standing and review.kind is not ReviewKind.AMENDMENT)]
    began = max((review.created_at for review in counted if review.kind is ReviewKind.FIRST), default=closing.created_at)
    return tuple(review for review in counted if review.created_at >= began)


def _summary(trail: LesionTrail, case_id: UUID) -> TrailSummary | None:
    """The trail up to this visit: what came later is no part of this decision."""
    ids = [visit.case_id for visit in trail.visits]
    known = set(ids[: ids.index(case_id) + 1])
    if len(known) < 2:
        return None
    return TrailSummary(
        visits=trail.visits[: len(known)],
        comparisons=tuple(found for found in trail.comparisons if {found.earlier, found.later} <= known),
        alerts=tuple(alert for alert in trail.alerts if alert.case_id in known),
        sequence=tuple(answer for answer in trail.sequence if answer.case_id in known),
    )
