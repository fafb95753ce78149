"""What the analyzer says of one picture. Plain data: it goes into a JSON line, a database row and a page unchanged."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from models.pictures.identity import TextBox


class Outcome(StrEnum):
    """How an analysis ended: one class, a set of classes, or nothing the models can stand for. FAILED carries a reason and no guess."""

    PREDICTION = "prediction"
    SET = "set"
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
    NOT_SKIN = "not_skin"  # check that the picture shows a skin lesion at all


FILES = ("mask_png", "thumbnail_jpeg", "heatmap_jpeg", "hairfree_jpeg", "embedding")
# Who the patient may be is no answer of the models, and is kept apart from theirs.
APART = (*FILES, "identity")


@dataclass(frozen=True, slots=True)
class Ood:
    """Out of distribution: max-softmax low AND normalised entropy high (the dual criterion), OR features strange to the detector."""

    in_distribution: bool
    max_softmax: float  # 0..1
    entropy: float  # Shannon entropy over ln(number of classes), 0..1
    max_softmax_threshold: float
    entropy_threshold: float
    distance: float  # how strange the bundle's detector finds the features, on its own scale; higher is stranger
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
    asymmetry: float  # 0 symmetric .. 1, mean over two axes at right angles, laid where it is lowest
    colour_asymmetry: float  # root mean square CIELAB ΔE between mirrored points, over two such axes; 0 symmetric
    border_irregularity: float  # 0 for any convex outline .. 1: share of the convex hull that is not lesion
    compactness: float  # perimeter² / (4π area): 1 for a disc, 1.27 for a square, more for ragged borders
    abrupt_segments: int  # 0..8 eighths of the border where the pigment ends abruptly
    colour_variegation: float  # root mean square CIELAB ΔE from the lesion's mean colour; 0 for one colour
    colour_count: int  # 0..6 of the ABCD rule's colours, each ≥ 5 % of the lesion
    touches_border: bool  # the lesion leaves the picture: every size is a lower bound
    scale_source: str | None  # dicom_pixel_spacing, or None: only pixels and shares are meaningful


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """From which malignant probability a lesion counts as suspicious, and what that costs on the pictures that chose it (0..1)."""

    malignant_probability: float
    sensitivity: float | None = None
    specificity: float | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds of wall time spent on this picture; the model's share of its batch."""

    prepare_ms: float
    model_ms: float
    finish_ms: float


@dataclass(frozen=True, slots=True)
class Identity:
    """What in the picture may tell who the patient is: rows of writing, or the file's own word (DICOM PS3.3 C.7.6.1, C.12.1)."""

    version: str
    text: tuple[TextBox, ...] = ()
    declared: bool = False

    @property
    def suspected(self) -> bool:
        """Whether a human should look before the picture goes anywhere."""
        return bool(self.text) or self.declared


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer for one picture. The ``_png`` and ``_jpeg`` are files at working size, not JSON.

    ``classes``: what the models stand for, most likely first; one for a prediction, several for a set, none for an abstention.
    ``coverage``: how often such an answer holds the true class, by design. ``suspicious``: the malignant probability reaches the
    operating point; None where the models abstain or the bundle states no such point. ``heatmap_jpeg`` is empty where none was made,
    ``hairfree_jpeg`` where there was hardly any hair.
    """

    outcome: Outcome
    pipeline_version: str
    reason: str | None = None
    detail: str | None = None
    next_step: NextStep | None = None
    prediction: str | None = None
    classes: tuple[str, ...] = ()
    coverage: float | None = None
    probabilities: dict[str, float] | None = None
    malignant_probability: float | None = None
    suspicious: bool | None = None
    operating_point: OperatingPoint | None = None
    ood: Ood | None = None
    quality: Quality | None = None
    measures: Measures | None = None
    width: int | None = None
    height: int | None = None
    licence: str | None = None
    non_commercial: bool | None = None
    taxonomy: tuple[dict[str, Any], ...] = ()
    timings: Timings | None = None
    mask_png: bytes = b""
    thumbnail_jpeg: bytes = b""
    heatmap_jpeg: bytes = b""
    hairfree_jpeg: bytes = b""
    # What the classifier saw: F float16, little endian, of length 1; comparable within one pipeline version only.
    embedding: bytes = b""
    identity: Identity | None = None

    def as_json(self) -> dict[str, Any]:
        """Everything but the files and who it may be, as JSON-ready values."""
        return {name: value for name, value in asdict(self).items() if name not in APART}
