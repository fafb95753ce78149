"""Decided cases as plain values, pictures, and an outside checker, for the tests of DICOM results."""

import io
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from services.exchange.dicom_files import Made
from services.exchange.result import CaseResult
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
from services.records.views import AnalysisView, CaseView, ImageView, OutlineView, ReviewView

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
WIDTH, HEIGHT = 320, 240
MEASURES = {
    "area_px": 5000.5,
    "area_share": 0.1,
    "area_mm2": 2.0002,
    "perimeter_px": 300.2,
    "major_diameter_px": 100.0,
    "minor_diameter_px": 50.0,
    "major_diameter_mm": 2.0,
    "minor_diameter_mm": 1.0,
    "asymmetry": 0.1,
    "colour_asymmetry": 3.3,
    "border_irregularity": 0.05,
    "compactness": 1.2,
    "abrupt_segments": 2,
    "colour_variegation": 4.2,
    "colour_count": 3,
    "touches_border": True,
    "scale_source": "dicom_pixel_spacing",
}


def coloured(width: int = WIDTH, height: int = HEIGHT, seed: int = 1) -> NDArray[np.uint8]:
    """Smooth, strong colours: a wrong colour model is far off everywhere."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def saved(rgb: NDArray[np.uint8], kind: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, kind, **options)
    return out.getvalue()


def lesion(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A mask that no turn or mirror leaves as it is."""
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, (width // 3, height // 3), (width // 6, height // 10), 25, 0, 360, 255, -1)
    mask[height - 5 :, : width // 4] = 255
    return mask


def image_view(**changes: Any) -> ImageView:
    values: dict[str, Any] = {
        "id": uuid4(),
        "position": 0,
        "filename": "mole.jpg",
        "media_type": "image/jpeg",
        "byte_size": 1,
        "sha256": "ab" * 32,
        "width": WIDTH,
        "height": HEIGHT,
        "modality": Modality.DERMOSCOPIC,
        "pixel_spacing_mm": 0.02,
        "original_key": "original",
        "view_key": "original",
        "tiles_key": None,
        "job_state": JobState.DONE,
        "attempts": 1,
        "reason": None,
        "analysis": analysis_view(),
    }
    return ImageView(**{**values, **changes})


def analysis_view(**changes: Any) -> AnalysisView:
    values: dict[str, Any] = {
        "id": uuid4(),
        "pipeline_version": "pipeline-abcdef12-12345678",
        "created_at": NOW,
        "outcome": Outcome.PREDICTION,
        "classes": ("MEL",),
        "top_class": "MEL",
        "top_probability": 0.7,
        "malignant_probability": 0.72,
        "flags": (),
        "finding": {"probabilities": {"MEL": 0.7, "NV": 0.2, "BKL": 0.1}, "measures": MEASURES},
        "mask_key": "mask",
        "thumbnail_key": None,
        "heatmap_key": None,
        "hairfree_key": None,
    }
    return AnalysisView(**{**values, **changes})


def outline_view() -> OutlineView:
    return OutlineView(uuid4(), "drawn", MEASURES, NOW, None, "Dr Änne Lüders", NOW)


def review_view(**changes: Any) -> ReviewView:
    values: dict[str, Any] = {
        "id": uuid4(),
        "user_id": uuid4(),
        "reviewer": "Dr Änne Lüders",
        "kind": ReviewKind.FIRST,
        "decision": Decision.CONFIRM,
        "diagnosis": "MEL",
        "reason": None,
        "management": Management.FOLLOW_UP,
        "follow_up_months": 3,
        "follow_up_on": None,
        "note": "",
        "rationale": None,
        "shown": {},
        "created_at": NOW,
        "supersedes": None,
        "standing": True,
    }
    return ReviewView(**{**values, **changes})


def case_view(*images: ImageView, **changes: Any) -> CaseView:
    values: dict[str, Any] = {
        "id": uuid4(),
        "tenant_id": uuid4(),
        "portal": "Portal North",
        "patient_id": uuid4(),
        "patient_reference": "P-1042",
        "sex": Sex.FEMALE,
        "birth_year": 1970,
        "fitzpatrick": None,
        "consent_training": None,
        "lesion_id": UUID(int=7),
        "tracking_uid": "2.25.12345678901234567890",
        "lesion_reference": None,
        "body_site": "left back",
        "laterality": Laterality.LEFT,
        "reference": None,
        "urgency": Urgency.ROUTINE,
        "clinical_notes": "",
        "state": CaseState.REVIEWED,
        "visited_at": NOW,
        "visit_source": VisitSource.PORTAL,
        "received_at": NOW,
        "due_at": NOW,
        "reviewed_at": NOW,
        "blind_first_read": False,
        "images": images,
        "reviews": (),
    }
    return CaseView(**{**values, **changes})


def result_of(*images: ImageView, decision: ReviewView | None = None, trail: Any = None, models: Any = (), **changes: Any) -> CaseResult:
    """The result of a decided case with these pictures."""
    said = decision or review_view()
    return CaseResult(case=case_view(*images, **changes), decision=said, versions=(said,), reads=(said,), models=models, trail=trail)


OUR_CODES = "Warning - Unrecognized defined term <99DERMATRAIL> for value 1 of attribute <Coding Scheme Designator>"
# The checker of 2022 does not know the modality of dermoscopy, which Supplement 221 added.
DERMOSCOPY = "Warning - Unrecognized defined term <DMS> for value 1 of attribute <Modality>"
# That nobody said on which side it is, is true.
UNKNOWN_SIDE = (
    "Warning - is only permitted to be empty when actually unknown; should be absent (not empty) if an unpaired body part, and have a "
    "value if a paired body part - attribute <Laterality>"
)


def complaints(made: Made, folder: Path) -> set[str]:
    """What dciodvfy says against an instance beside the three known warnings; skips where it is not installed."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("no dciodvfy: install Debian's dicom3tools")
    file = folder / "instance.dcm"
    file.write_bytes(made.data)
    said = subprocess.run(["dciodvfy", file], capture_output=True, text=True, check=False).stderr.splitlines()
    return {line for line in said if line.startswith(("Error", "Warning"))} - {OUR_CODES, DERMOSCOPY, UNKNOWN_SIDE}
