"""A decided case of a lesion with three visits, made by hand: what a report shows needs no server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from services.exchange.report_content import report_content
from services.exchange.report_model import Report
from services.exchange.report_words import words_in
from services.exchange.result import CaseResult, TrailSummary
from services.objects import ObjectMissing
from services.records.history import UsedModel
from services.records.states import (
    CaseState,
    Decision,
    JobState,
    Laterality,
    Management,
    Modality,
    ModelKind,
    Outcome,
    ReviewKind,
    Sex,
    Urgency,
    VisitSource,
)
from services.records.views import AnalysisView, CaseView, ImageView, OutlineView, ReviewView
from services.records.visit_views import SequenceView, TrailAlert, Visit, VisitComparison, VisitDecision, VisitImage
from tests.review.seeds import MELANOMA, PIPELINE, jpeg, mask_png
from tests.review.trail_seeds import MONTH, START, changes, measures, registration

CASE = UUID("0f5b8a52-1c5e-4d3a-9f6d-2b7c0e9a4d11")
SIGNED = datetime(2026, 11, 21, 14, 2, 31, tzinfo=UTC)
MM = {"scale_source": "dicom_pixel_spacing", "area_mm2": 43.0, "major_diameter_mm": 7.9}


@dataclass
class Shelf:
    """An object store in memory. ``asked``: the keys that were read."""

    things: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def get(self, key: str) -> bytes:
        self.asked.append(key)
        if key not in self.things:
            raise ObjectMissing(key)
        return self.things[key]


def uid(number: int) -> UUID:
    return UUID(int=number)


def analysis(finding: Mapping[str, Any] = MELANOMA, **changed: Any) -> AnalysisView:
    """What the model said."""
    top = finding["prediction"]
    values: dict[str, Any] = {
        "id": uid(500),
        "pipeline_version": PIPELINE,
        "created_at": SIGNED - timedelta(hours=2),
        "outcome": Outcome(finding["outcome"]),
        "classes": (top,) if top else tuple(finding.get("classes", ())),
        "top_class": top,
        "top_probability": finding["probabilities"][top] if top else None,
        "malignant_probability": finding["malignant_probability"],
        "flags": (),
        "finding": dict(finding),
        "mask_key": "mask",
        "thumbnail_key": "thumbnail",
        "heatmap_key": None,
        "hairfree_key": None,
    }
    return AnalysisView(**{**values, **changed})


def image(number: int = 1, said: AnalysisView | None = None, **changed: Any) -> ImageView:
    """A picture; with ``said`` None one that was not analysed."""
    values: dict[str, Any] = {
        "id": uid(number),
        "position": number - 1,
        "filename": "mole.jpg",
        "media_type": "image/jpeg",
        "byte_size": 200_000,
        "sha256": "ab" * 32,
        "width": 320,
        "height": 240,
        "modality": Modality.DERMOSCOPIC,
        "pixel_spacing_mm": None,
        "original_key": "picture",
        "view_key": "picture",
        "tiles_key": None,
        "job_state": JobState.DONE if said else JobState.FAILED,
        "attempts": 1,
        "reason": None if said else "The picture cannot be decoded.",
        "analysis": said,
    }
    return ImageView(**{**values, **changed})


def review(number: int = 1, **changed: Any) -> ReviewView:
    """A standing decision: melanoma, urgent referral."""
    values: dict[str, Any] = {
        "id": uid(900 + number),
        "user_id": uid(90),
        "reviewer": "Dr. Žofia Łukaszewska-Παπαδοπούλου",
        "kind": ReviewKind.FIRST,
        "decision": Decision.CONFIRM,
        "diagnosis": "MEL",
        "reason": None,
        "management": Management.URGENT_REFERRAL,
        "follow_up_months": None,
        "follow_up_on": None,
        "note": "Excise with a margin of 2 mm. Größe ≥ 7 mm, α ± 5 µm², Breslow < 1 mm?",
        "rationale": None,
        "shown": {},
        "created_at": SIGNED + timedelta(days=number - 1),
        "supersedes": None,
        "standing": True,
    }
    return ReviewView(**{**values, **changed})


def case(*images: ImageView, reviews: Sequence[ReviewView] = (), **changed: Any) -> CaseView:
    """A decided case."""
    values: dict[str, Any] = {
        "id": CASE,
        "tenant_id": uid(7),
        "portal": "Hautklinik Süd",
        "patient_id": uid(8),
        "patient_reference": "P-1042",
        "sex": Sex.FEMALE,
        "birth_year": 1968,
        "fitzpatrick": 2,
        "consent_training": None,
        "lesion_id": uid(9),
        "tracking_uid": "2.25.329800735698586629295641978511506172918",
        "lesion_reference": "L-2",
        "body_site": "back",
        "laterality": Laterality.LEFT,
        "reference": "C-77",
        "urgency": Urgency.SOON,
        "clinical_notes": "Growing for some months. Patient <worried> & tired.",
        "state": CaseState.REVIEWED,
        "visited_at": START + 8 * MONTH,
        "visit_source": VisitSource.PORTAL,
        "received_at": SIGNED - timedelta(days=1),
        "due_at": SIGNED + timedelta(days=1),
        "reviewed_at": SIGNED,
        "blind_first_read": False,
        "images": images or (image(said=analysis()),),
        "reviews": tuple(reviews) or (review(),),
    }
    return CaseView(**{**values, **changed})


def result(
    of: CaseView | None = None, *, trail: TrailSummary | None = None, versions: Sequence[ReviewView] = (), **changed: Any
) -> CaseResult:
    """The result of a case; its reads are its reviews that are no amendment."""
    made = of or case()
    decision = made.standing[-1]
    values: dict[str, Any] = {
        "case": made,
        "decision": decision,
        "versions": tuple(versions) or (decision,),
        "reads": tuple(read for read in made.reviews if read.kind is not ReviewKind.AMENDMENT),
        "models": (
            UsedModel(ModelKind.SEGMENTER, "5f0c2a71" * 8, "isic-unet", "3", "CC-BY-NC-4.0"),
            UsedModel(ModelKind.CLASSIFIER, "9be4d310" * 8, "isic-eight", "12", None),
        ),
        "trail": trail,
    }
    return CaseResult(**{**values, **changed})


def visit(number: int, area_mm2: float, *, malignant: float, scale: str | None = "dicom_pixel_spacing", **changed: Any) -> Visit:
    """A visit; the last of a trail should be CASE."""
    values: dict[str, Any] = {
        "case_id": uid(100 + number),
        "visited_at": START + 4 * number * MONTH,
        "source": VisitSource.PORTAL,
        "received_at": START + 4 * number * MONTH,
        "state": CaseState.REVIEWED,
        "outcome": Outcome.PREDICTION,
        "classes": ("MEL",),
        "malignant_probability": malignant,
        "not_analysed": None,
        "waits_since": None,
        "failed": None,
        "image": VisitImage(
            id=uid(200 + number),
            width=320,
            height=240,
            modality=Modality.DERMOSCOPIC,
            tiled=False,
            thumbnail_key="thumbnail",
            analysis_id=uid(300 + number),
            mask_version=None,
        ),
        "measures": measures(area_mm2, malignant=malignant, scale=scale),
        "measures_version": "m1",
        "decision": VisitDecision(uid(400 + number), START, Decision.CORRECT, "NV", Management.FOLLOW_UP, date(2026, 7, 2)),
        "opinion_given": False,
    }
    return Visit(**{**values, **changed})


def trail(
    areas: Sequence[float] = (31.0, 36.0, 43.0), *, why: str | None = None, alert: bool = True, scale: str | None = "dicom_pixel_spacing"
) -> TrailSummary:
    """Visits of these areas, each compared with the one before; ``why``: the last comparison is not valid."""
    visits = [visit(number, area, malignant=0.2 + 0.25 * number, scale=scale) for number, area in enumerate(areas)]
    visits[-1] = replace(visits[-1], case_id=CASE, decision=None)
    compared = [_compared(one, other) for one, other in pairwise(visits)]
    if why:
        compared[-1] = replace(compared[-1], valid=False, why=why, registration=None, changes=None)
    return TrailSummary(
        visits=tuple(visits),
        comparisons=tuple(compared),
        alerts=(raised(),) if alert else (),
        sequence=(SequenceView(CASE, len(visits), 0.52, 0.81, "sequence 3"),),
    )


def raised(**changed: Any) -> TrailAlert:
    """Growth and a class that is new."""
    growth = {"rule": "growth", "text": "grew 19 % ± 6", "value": 0.19, "error": 0.06, "threshold": 0.15}
    colour = {"rule": "colour", "text": "colour changed by ΔE 16.2 ± 2.0", "value": 16.2, "error": 2.0, "threshold": 15.0}
    values: dict[str, Any] = {
        "case_id": CASE,
        "created_at": SIGNED,
        "headline": "grew 19 % ± 6 in 4 months",
        "rules": {"fired": [growth, colour]},
        "rule_version": "r1",
        "withdrawn_at": None,
        "withdrawn_reason": None,
    }
    return TrailAlert(**{**values, **changed})


def _compared(one: Visit, other: Visit) -> VisitComparison:
    earlier, later = dict(one.measures or {}), dict(other.measures or {})
    return VisitComparison(
        id=uid(600),
        created_at=SIGNED,
        earlier=one.case_id,
        later=other.case_id,
        valid=True,
        why=None,
        registration=registration(),
        changes=changes(earlier, later),
        registered_key=None,
        difference_key=None,
        version="c2",
    )


def outline(**changed: Any) -> OutlineView:
    """What a reader drew, measured."""
    own = {**MELANOMA["measures"], **MM, "area_mm2": 51.0}
    values: dict[str, Any] = {
        "id": uid(800),
        "mask_key": "drawn",
        "measures": own,
        "measured_at": SIGNED,
        "reason": None,
        "author": "Dr. Žofia",
        "created_at": SIGNED,
    }
    return OutlineView(**{**values, **changed})


def shelf() -> Shelf:
    """The pictures that these cases name."""
    things = {"picture": jpeg(), "mask": mask_png(), "drawn": mask_png(), "thumbnail": jpeg(128, 96)}
    return Shelf(dict(things))


def content(of: CaseResult, language: str = "en", store: Shelf | None = None) -> Report:
    """The content of a report."""
    return report_content(of, store or shelf(), words_in(language))
