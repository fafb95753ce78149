"""What the analyzer says of one picture. Plain data: it goes into a JSON line, a database row and a page unchanged."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How an analysis ended. FAILED carries a reason and never a guess."""

    PREDICTION = "prediction"
    ABSTAIN = "abstain"
    FAILED = "failed"


class AbstainReason(StrEnum):
    """Why the analyzer gives no prediction."""

    OUT_OF_DISTRIBUTION = "out_of_distribution"
    NO_LESION_FOUND = "no_lesion_found"
    POOR_QUALITY = "poor_quality"


class NextStep(StrEnum):
    """What the reader or the portal should do about an abstention."""

    RETAKE = "retake"
    DERMATOLOGIST = "dermatologist"


NEXT_STEPS = {
    AbstainReason.OUT_OF_DISTRIBUTION: NextStep.DERMATOLOGIST,
    AbstainReason.NO_LESION_FOUND: NextStep.RETAKE,
    AbstainReason.POOR_QUALITY: NextStep.RETAKE,
}


@dataclass(frozen=True, slots=True)
class Ood:
    """Out of distribution: max-softmax low AND normalised entropy high (the dual criterion), OR features far from training."""

    in_distribution: bool
    max_softmax: float  # 0..1
    entropy: float  # Shannon entropy over ln(number of classes), 0..1
    max_softmax_threshold: float
    entropy_threshold: float
    distance: float  # of the classifier's features from those of its training lesions; 1 is usual
    distance_threshold: float


@dataclass(frozen=True, slots=True)
class Quality:
    """Technical quality of the picture at working size."""

    acceptable: bool
    issues: tuple[str, ...]  # of: blurred, dark, overexposed, small
    sharpness: float  # standard deviation of the Laplacian, grey levels
    brightness: float  # mean grey level, 0..255
    clipped_share: float  # 0..1, pixels at 250 or more in every channel
    hair_share: float  # 0..1


@dataclass(frozen=True, slots=True)
class Measures:
    """Geometry and colour of the outlined lesion. Pixels are those of the upright original."""

    area_px: float
    area_share: float  # 0..1 of the picture
    area_mm2: float | None
    perimeter_px: float
    major_diameter_px: float
    minor_diameter_px: float
    major_diameter_mm: float | None
    minor_diameter_mm: float | None
    asymmetry: float  # 0 symmetric .. 1, mean over the two principal axes
    border_irregularity: float  # 0 circle .. 1
    colour_count: int  # 0..6 of the ABCD rule's colours, each ≥ 5 % of the lesion
    touches_border: bool  # the lesion leaves the picture: every size is a lower bound
    scale_source: str | None  # dicom_pixel_spacing, or None: only pixels and shares are meaningful


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds of wall time spent on this picture; the model's share of its batch."""

    prepare_ms: float
    model_ms: float
    finish_ms: float


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer for one picture. ``mask_png`` (working size, 0/255) and ``thumbnail_jpeg`` are files, not JSON."""

    outcome: Outcome
    pipeline_version: str
    reason: str | None = None
    detail: str | None = None
    next_step: NextStep | None = None
    prediction: str | None = None
    probabilities: dict[str, float] | None = None
    malignant_probability: float | None = None
    ood: Ood | None = None
    quality: Quality | None = None
    measures: Measures | None = None
    width: int | None = None
    height: int | None = None
    licence: str | None = None
    taxonomy: tuple[dict[str, Any], ...] = ()
    timings: Timings | None = None
    mask_png: bytes = b""
    thumbnail_jpeg: bytes = b""

    def as_json(self) -> dict[str, Any]:
        """Everything but the two files, as JSON-ready values."""
        return {name: value for name, value in asdict(self).items() if name not in ("mask_png", "thumbnail_jpeg")}
