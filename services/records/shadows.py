"""What model versions in shadow say about live traffic: written by workers, read by nobody but the owner."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import Float, Integer, and_, cast, func, select, true
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.records.jobs import AnalysisResult
from services.records.tables import Analysis, ShadowAnalysis


@dataclass(frozen=True, slots=True)
class ShadowSummary:
    """How a version in shadow compares with what was served, over the images that both have seen.

    ``same_answer``: share with the same outcome and leading class, 0..1; ``malignant_difference``: mean absolute
    difference of the malignant probability; ``outline_jaccard``: mean agreement of the outlines, None where they are shared.
    """

    images: int
    same_answer: float
    malignant_difference: float
    outline_jaccard: float | None


def record_shadow_analysis(
    *, session: Session, version_id: UUID, tenant_id: UUID, image_id: UUID, result: AnalysisResult, outline_jaccard: float | None
) -> None:
    """Keep what a version in shadow said about an image. A repeat changes nothing.

    Args:
        outline_jaccard: agreement of its outline with the served one, 0..1; None where both are of one segmenter.
    """
    values = {
        "id": uuid4(),
        "tenant_id": tenant_id,
        "image_id": image_id,
        "model_version_id": version_id,
        "pipeline_version": result.pipeline_version,
        "outcome": result.outcome,
        "classes": list(result.classes),
        "top_class": result.top_class,
        "top_probability": result.top_probability,
        "malignant_probability": result.malignant_probability,
        "flags": list(result.flags),
        "finding": result.finding,
        "outline_jaccard": outline_jaccard,
    }
    session.execute(upsert(ShadowAnalysis).values(values).on_conflict_do_nothing())


def shadow_summaries(*, session: Session) -> dict[UUID, ShadowSummary]:
    """Return, by version, how what was said in shadow compares with what was served just before. Needs the owner's login."""
    shadow = ShadowAnalysis
    before = and_(Analysis.image_id == shadow.image_id, Analysis.created_at <= shadow.created_at)
    served = select(Analysis).where(before).order_by(Analysis.created_at.desc()).limit(1).lateral("served")
    same = and_(shadow.outcome == served.c.outcome, shadow.top_class.is_not_distinct_from(served.c.top_class))
    difference = func.abs(shadow.malignant_probability - served.c.malignant_probability)
    figures = (func.count(), func.avg(cast(same, Integer)), func.avg(difference), func.avg(shadow.outline_jaccard))
    query = select(shadow.model_version_id, *(cast(figure, Float) for figure in figures)).join(served, true())
    rows = session.execute(query.group_by(shadow.model_version_id))
    return {version: ShadowSummary(int(images), same, difference, outline) for version, images, same, difference, outline in rows}
