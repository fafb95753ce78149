"""Two visits laid into one frame: by how the pictures fit, and at the true scale where it is known."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import cv2
import numpy as np

from models.change.geometry import Matrix, between_sizes, scale_of
from models.change.measures import VisitMeasures
from models.change.regions import mask_of_polygons, skin_around
from models.change.registration import Registration
from models.change.scale import Optics, magnification_ratio
from models.change.skin import SkinScale, skin_scale
from models.change.tracking import Laid
from models.change.visit import Visit
from models.pictures.types import Gray, Rgb
from models.preprocess import remove_hair, to_working_size

FRAME = 256  # px
MARGIN = 2.4  # sides of the box around both outlines; the farthest radius of tracking lies inside
# Known scales and the fit of the pictures may differ by growth that fills the picture; a lesion that became 2.1 times as large, or scales
# of another unit, zoom or crop, differ by more.
CONFLICT = 1.45
# An outline within this share of the long side of the picture's edge has run into it: networks round off there.
RIM = 0.012
# A zoom ring is set by eye to about this share.
MAGNIFICATION_ERROR = 0.03
# A lesion that grows evenly is its own yardstick: where no skin around it tells the scale, the fit of the pictures follows it. On moved and
# grown pictures of lesions outside the test part the scale was then off by up to 1.37.
HIDDEN_GROWTH = 0.2


class Basis(StrEnum):
    """What sizes of the two visits are compared by."""

    MM = "mm"  # both scales are known
    MAGNIFICATION = "magnification"  # of one device; relative
    REGISTRATION = "registration"  # how the pictures lie over each other; relative


@dataclass(frozen=True, slots=True)
class Ratio:
    """``value``: later px per earlier px of the same stretch of skin, both px of the upright originals; ``error``: as a share of it."""

    value: float
    error: float
    basis: Basis


@dataclass(frozen=True, slots=True)
class Sight:
    """One visit at working size: without hair, its outline 0/255, and where it shows anything (not the black beside the lens)."""

    clean: Rgb
    mask: Gray
    seen: Gray

    @classmethod
    def of(cls, visit: Visit, measures: VisitMeasures) -> "Sight":
        """The visit's picture without hair and with its outline."""
        clean, _ = remove_hair(to_working_size(visit.picture))
        height, width = clean.shape[:2]
        mask = mask_of_polygons(measures.outline, width=width, height=height)
        looked = np.asarray(cv2.resize(visit.look.valid, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
        return cls(clean=clean, mask=mask, seen=cv2.max(looked, mask).astype(np.uint8, copy=False))


def known_ratio(earlier: Visit, later: Visit, one: VisitMeasures, other: VisitMeasures) -> Ratio | None:
    """From scales in mm, else from magnifications of one device; None where neither is known of both."""
    if one.scale and other.scale:
        error = math.hypot(one.scale.error, other.scale.error)
        return Ratio(one.scale.mm_per_px / other.scale.mm_per_px, error, Basis.MM)
    found = magnification_ratio(
        Optics(earlier.device, earlier.magnification, one.width, one.height),
        Optics(later.device, later.magnification, other.width, other.height),
    )
    return Ratio(found, MAGNIFICATION_ERROR, Basis.MAGNIFICATION) if found else None


def fitted_ratio(registration: Registration, matrix: Matrix, skin: SkinScale | None) -> Ratio:
    """From how the skin of the pictures lies over each other, else from how the pictures do, with the lesion in them."""
    if skin is not None:
        return Ratio(scale_of(matrix) * skin.factor, skin.error, Basis.REGISTRATION)
    return Ratio(scale_of(matrix), math.hypot(registration.scale_error, HIDDEN_GROWTH), Basis.REGISTRATION)


def skin_of(registration: Registration, earlier: Visit, later: Visit) -> SkinScale | None:
    """What the skin around the lesion says of the scale of a registration of the visits' pictures."""
    return skin_scale(earlier.look, later.look, between_sizes(registration.matrix, source=earlier.look.scale, target=later.look.scale))


def contradicts(known: Ratio, fitted: Ratio) -> bool:
    """Whether a known ratio is further from the fit of the pictures than growth explains."""
    return not 1 / CONFLICT < known.value / fitted.value < CONFLICT


def original_matrix(registration: Registration, earlier: Visit, later: Visit, one: VisitMeasures, other: VisitMeasures) -> Matrix:
    """The registration between the upright originals, which the visits' pictures may be reductions of."""
    source, target = one.width / earlier.picture.shape[1], other.width / later.picture.shape[1]
    return between_sizes(registration.matrix, source=source, target=target)


def at_scale(matrix: Matrix, ratio: float, measures: VisitMeasures) -> Matrix:
    """The same turn at another scale: the middle of the earlier outline stays where it was laid."""
    mask = mask_of_polygons(measures.outline, width=measures.width // 4 or 1, height=measures.height // 4 or 1)
    moments = cv2.moments(mask, binaryImage=True)
    middle = np.array([measures.width / 2, measures.height / 2])
    if moments["m00"]:
        middle = np.array([moments["m10"], moments["m01"]]) / moments["m00"] * 4 + 1.5
    there = matrix[:, :2] @ middle + matrix[:, 2]
    turned = matrix[:, :2] * (ratio / scale_of(matrix))
    return np.column_stack([turned, there - turned @ middle])


def into_frame(earlier: Sight, later: Sight, matrix: Matrix) -> tuple[Laid, Laid]:
    """Both in a square of FRAME px around both outlines, turned as the later one. ``matrix``: earlier working px → later working px."""
    height, width = later.mask.shape
    both = cv2.max(cv2.warpAffine(earlier.mask, matrix, (width, height)), later.mask)
    left, top, across, down = cv2.boundingRect(np.where(np.asarray(both) > 127, 255, 0).astype(np.uint8))
    scale = FRAME / (MARGIN * max(across, down, 1))
    shift = FRAME / 2 - scale * np.array([left + (across - 1) / 2, top + (down - 1) / 2])
    frame = np.column_stack([np.eye(2) * scale, shift])
    return _laid(earlier, after(frame, matrix)), _laid(later, frame)


def trusted(laid: tuple[Laid, Laid], sights: tuple[Sight, Sight]) -> tuple[Laid, Laid]:
    """Where one outline runs into its picture's rim and the other does not, the other one is where tracking starts from in both."""
    earlier, later = laid
    spilt, spilt_later = (_at_rim(sight.mask) for sight in sights)
    if spilt and not spilt_later:
        return replace(earlier, mask=later.mask), later
    if spilt_later and not spilt:
        return earlier, replace(later, mask=earlier.mask)
    return laid


def _at_rim(mask: Gray) -> bool:
    rim = math.ceil(RIM * max(mask.shape))
    return bool(np.count_nonzero(mask) > np.count_nonzero(mask[rim:-rim, rim:-rim]))


def after(second: Matrix, first: Matrix) -> Matrix:
    """The map that does ``first``, then ``second``."""
    return np.column_stack([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]])


def _laid(sight: Sight, matrix: Matrix) -> Laid:
    """What a picture does not show is filled with its skin's colour: it must not look like a border."""
    seen = _warped(sight.seen, matrix)
    rgb = np.array(_warped(sight.clean, matrix))
    skin = cv2.mean(sight.clean, cv2.min(skin_around(sight.mask), sight.seen).astype(np.uint8))[:3]
    rgb[seen < 250] = np.rint(skin).astype(np.uint8)
    mask = np.where(_warped(sight.mask, matrix) > 127, 255, 0).astype(np.uint8)
    return Laid(rgb=rgb, mask=mask, seen=np.where(seen < 250, 0, 255).astype(np.uint8))


def _warped(picture: Gray | Rgb, matrix: Matrix) -> Gray | Rgb:
    return np.asarray(cv2.warpAffine(picture, matrix, (FRAME, FRAME), flags=cv2.INTER_LINEAR), np.uint8)
