"""A lesion's visits as the worker that compares them needs them: pictures, outlines, scales, and what was found out already."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select, true
from sqlalchemy.orm import Session

from services.records.states import Modality, SpacingSource, VisitSource
from services.records.tables import Analysis, Calibration, Case, Comparison, Image, Outline, VisitMeasure


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailVisit:
    """A case's leading picture. ``width``, ``height``: px of the upright original.

    ``outline_id``, ``outline_key``: what a reader drew last, where it counts; ``drawn_id``: the newest row of that kind, also where it
    gave the word back to the model. ``calibration_id``, ``mm_per_px``: a ruler that a reader laid. ``mask_key``: the model's outline.
    """

    case_id: UUID
    tenant_id: UUID
    visited_at: datetime
    visit_source: VisitSource
    alerted: bool
    image_id: UUID
    original_key: str
    width: int
    height: int
    modality: Modality
    pixel_spacing_mm: float | None
    spacing_source: SpacingSource | None
    magnification: float | None
    mask_key: str | None
    pipeline_version: str
    drawn_id: UUID | None
    outline_id: UUID | None
    outline_key: str | None
    calibration_id: UUID | None
    mm_per_px: float | None


@dataclass(frozen=True, slots=True)
class KnownComparison:
    """A comparison on file. ``changes``: as it was stored; None where the two visits could not be compared."""

    id: UUID
    earlier_image_id: UUID
    later_image_id: UUID
    basis: str
    changes: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class MeasureKey:
    """What measures rest on; ``version`` names the method and the scale."""

    image_id: UUID
    outline_id: UUID | None
    version: str


def load_visits(*, session: Session, lesion_id: UUID) -> tuple[TrailVisit, ...]:
    """Return the visits that have an answer, from the first to the last, in one statement (the worker's login)."""
    return tuple(_visit(row) for row in session.execute(_visits(lesion_id)))


def known_comparisons(*, session: Session, image_ids: Collection[UUID]) -> list[KnownComparison]:
    """Return what is on file between any two of these pictures, the newest first."""
    columns = (Comparison.id, Comparison.earlier_image_id, Comparison.later_image_id, Comparison.basis, Comparison.changes)
    among = (Comparison.earlier_image_id.in_(image_ids), Comparison.later_image_id.in_(image_ids))
    rows = session.execute(select(*columns).where(*among).order_by(Comparison.created_at.desc()))
    return [KnownComparison(*row) for row in rows]


def known_measures(*, session: Session, image_ids: Sequence[UUID]) -> dict[MeasureKey, dict[str, Any]]:
    """Return what was measured in these pictures."""
    columns = (VisitMeasure.image_id, VisitMeasure.outline_id, VisitMeasure.version, VisitMeasure.measures)
    rows = session.execute(select(*columns).where(VisitMeasure.image_id.in_(image_ids)))
    return {MeasureKey(row.image_id, row.outline_id, row.version): row.measures for row in rows}


def _visits(lesion_id: UUID) -> Select[*tuple[Any, ...]]:
    analysed = select(Analysis.mask_key, Analysis.pipeline_version).where(Analysis.image_id == Image.id)
    analysis = analysed.order_by(Analysis.created_at.desc()).limit(1).correlate(Image).lateral("analysis")
    drawn = select(Outline.id, Outline.mask_key.label("outline_key")).where(Outline.image_id == Image.id)
    outline = drawn.order_by(Outline.created_at.desc()).limit(1).correlate(Image).lateral("outline")
    laid = select(Calibration.id, Calibration.mm_per_px).where(Calibration.image_id == Image.id)
    ruler = laid.order_by(Calibration.created_at.desc()).limit(1).correlate(Image).lateral("ruler")
    beside = (outline.c.id.label("drawn_id"), outline.c.outline_key, ruler.c.id.label("calibration_id"), ruler.c.mm_per_px)
    return (
        select(Case, Image, *analysis.c, *beside)
        .join(Image, Image.id == Case.lead_image_id)
        .join(analysis, true())
        .outerjoin(outline, true())
        .outerjoin(ruler, true())
        .where(Case.lesion_id == lesion_id)
        .order_by(Case.visited_at, Case.received_at, Case.id)
        .execution_options(populate_existing=True)
    )


def _visit(row: Row[*tuple[Any, ...]]) -> TrailVisit:
    case: Case = row.Case
    image: Image = row.Image
    return TrailVisit(
        case_id=case.id,
        tenant_id=case.tenant_id,
        visited_at=case.visited_at,
        visit_source=case.visit_source,
        alerted=case.alert is not None,
        image_id=image.id,
        original_key=image.original_key,
        width=image.width,
        height=image.height,
        modality=image.modality,
        pixel_spacing_mm=image.pixel_spacing_mm,
        spacing_source=image.spacing_source,
        magnification=image.magnification,
        mask_key=row.mask_key,
        pipeline_version=row.pipeline_version,
        drawn_id=row.drawn_id,
        outline_id=row.drawn_id if row.outline_key else None,
        outline_key=row.outline_key,
        calibration_id=row.calibration_id,
        mm_per_px=row.mm_per_px,
    )
