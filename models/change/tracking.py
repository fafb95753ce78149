"""How far a lesion's border has moved between two pictures laid into one frame.

Outlining each picture by itself and dividing the areas adds up the errors of two outlines: 5 to 10 % for a network, and for people. What
is sought is the movement alone. So the profile of the border (the colours along rays from the centre, from the skin into the lesion) is
cut out of each picture at its outline, and slid along the same rays in the other until it fits best. An outline that lies too far out
then lies too far out in both. Distances are ratios of radii: a uniform growth moves all profiles by one amount.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.change.regions import skin_around
from models.measure.view import to_lab
from models.pictures.types import Gray, Rgb

Floats = NDArray[np.float64]

DIRECTIONS, RADII = 128, 160
NEAREST, FARTHEST = 0.25, 2.4  # radii looked at, in units of the larger lesion's mean radius
STEP = float(np.log(FARTHEST / NEAREST) / (RADII - 1))  # of the logarithm of the radius
WINDOW = 0.25  # of the profile on either side of the outline, logarithm of the radius
# Logarithm of the ratio of radii: areas from 0.5 to 3 times.
LEAST, MOST = -0.35, 0.55
SMOOTH = 12  # directions; neighbouring parts of a border move together
BLUR = 1.5  # px of the frame: grain and pores are no border
FAINT = 3.0  # ΔE between lesion and skin; less is lifted no further
SLIDES = np.arange(round(LEAST / STEP), round(MOST / STEP) + 1)


@dataclass(frozen=True, slots=True)
class Laid:
    """One visit in the common frame: S×S×3 picture, S×S mask 0/255, and where the picture has pixels (255)."""

    rgb: Rgb
    mask: Gray
    seen: Gray


@dataclass(frozen=True, slots=True)
class Movement:
    """``earlier``, ``later``: DIRECTIONS×2 corners of both borders, px of the frame, true to each other rather than each by itself.

    ``disagreement``: standard deviation of the logarithm of the ratio of areas over several ways of asking; ``contrast``: ΔE between
    lesion and skin, in the paler picture.
    """

    earlier: NDArray[np.float32]
    later: NDArray[np.float32]
    disagreement: float
    contrast: float

    @property
    def area_ratio(self) -> float:
        """Later area over earlier area."""
        return float(cv2.contourArea(self.later) / max(cv2.contourArea(self.earlier), 1e-6))

    @property
    def side_ratios(self) -> tuple[float, float]:
        """Later over earlier long side, and short side, of the smallest rectangle around the lesion."""
        earlier, later = (sorted(cv2.minAreaRect(border)[1]) for border in (self.earlier, self.later))
        return later[1] / max(earlier[1], 1e-6), later[0] / max(earlier[0], 1e-6)


def track(earlier: Laid, later: Laid) -> Movement | None:
    """Both visits in one frame → how the border moved; None where one of them has no lesion there."""
    if not earlier.mask.any() or not later.mask.any():
        return None
    rays = _Rays.around(earlier.mask, later.mask)
    (before, pale), (after, paler) = relative_colours(earlier), relative_colours(later)
    old, new = rays.along(before), rays.along(after)
    old_edge, new_edge = rays.edge(earlier.mask), rays.edge(later.mask)
    forth, back = _misfits(old, new, old_edge), _misfits(new, old, new_edge, back=True)
    moved = _best(forth + back)
    middle = np.sqrt(rays.radius(old_edge) * rays.radius(new_edge))
    ratios = [_log_ratio(middle, way) for way in (_best(forth), _best(back), np.full(DIRECTIONS, _uniform(forth + back)))]
    ratios.append(_log_ratio(middle, moved))
    return Movement(
        earlier=rays.corners(middle * np.exp(-moved / 2)),
        later=rays.corners(middle * np.exp(moved / 2)),
        disagreement=float(np.std(ratios)),
        contrast=min(pale, paler),
    )


def relative_colours(visit: Laid) -> tuple[NDArray[np.float32], float]:
    """S×S×3: CIELAB as steps from skin (0) to lesion (length 1), and the contrast, ΔE.

    Lamp, exposure and a lesion that darkens then do not move its border.
    """
    lab = np.asarray(cv2.GaussianBlur(to_lab(visit.rgb), (0, 0), BLUR), np.float32)
    skin = _median(lab, (skin_around(visit.mask) > 0) & (visit.seen > 0))
    lesion = _median(lab, (_core(visit.mask) > 0) & (visit.seen > 0))
    contrast = float(np.linalg.norm(lesion - skin))
    return np.asarray((lab - skin) / max(contrast, FAINT), np.float32), contrast


def _median(lab: NDArray[np.float32], where: NDArray[np.bool_]) -> NDArray[np.float32]:
    inside = lab[where] if where.any() else lab.reshape(-1, 3)
    return np.asarray(np.median(inside, axis=0), np.float32)


def _core(mask: Gray) -> Gray:
    """The inner part of a lesion, from a seventh of its radius inwards; all of it where nothing is left."""
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_3)
    core = np.where(depth > 0.15 * np.sqrt(cv2.countNonZero(mask) / np.pi), 255, 0).astype(np.uint8)
    return core if core.any() else mask


@dataclass(frozen=True, slots=True)
class _Rays:
    """DIRECTIONS rays from a centre, RADII points each, spaced by the logarithm of the radius."""

    x: float
    y: float
    nearest: float  # px

    @classmethod
    def around(cls, earlier: Gray, later: Gray) -> "_Rays":
        moments = cv2.moments(later, binaryImage=True)
        area = max(cv2.countNonZero(earlier), cv2.countNonZero(later))
        return cls(x=moments["m10"] / moments["m00"], y=moments["m01"] / moments["m00"], nearest=float(NEAREST * np.sqrt(area / np.pi)))

    def along(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """S×S×C → DIRECTIONS×RADII×C."""
        turns, radii = self._turns()[:, None], self.radius(np.arange(RADII, dtype=np.float64))[None]
        x, y = self.x + np.cos(turns) * radii, self.y + np.sin(turns) * radii
        looked = cv2.remap(values, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(looked, np.float32)

    def edge(self, mask: Gray) -> NDArray[np.int64]:
        """DIRECTIONS indices of points: how far the lesion reaches; notches are taken together."""
        reach = (self.along(mask.astype(np.float32)) > 127).sum(axis=1)
        return np.asarray(reach.clip(0, RADII - 1), np.int64)

    def radius(self, index: NDArray[Any]) -> Floats:
        """Px."""
        return np.asarray(self.nearest * np.exp(np.asarray(index, np.float64) * STEP), np.float64)

    def corners(self, radii: Floats) -> NDArray[np.float32]:
        """DIRECTIONS×2 px of the frame."""
        turns = self._turns()
        return np.stack([self.x + np.cos(turns) * radii, self.y + np.sin(turns) * radii], axis=1).astype(np.float32)

    def _turns(self) -> Floats:
        return np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False, dtype=np.float64)


def _misfits(one: NDArray[np.float32], other: NDArray[np.float32], edge: NDArray[np.int64], *, back: bool = False) -> Floats:
    """DIRECTIONS×SLIDES mean squared differences of one's profile at its edge to the other's, slid outwards (``back``: inwards)."""
    reach = round(WINDOW / STEP)
    room = reach + int(np.abs(SLIDES).max())
    narrow, wide = (np.pad(values, ((0, 0), (by, by), (0, 0)), mode="edge") for values, by in ((one, reach), (other, room)))
    slides = -SLIDES if back else SLIDES
    misfit = np.empty((DIRECTIONS, len(SLIDES)))
    for row, place in enumerate(edge.tolist()):
        profile = narrow[row : row + 1, place : place + 2 * reach + 1]
        misfit[row] = cv2.matchTemplate(wide[row : row + 1], profile, cv2.TM_SQDIFF)[0, place - reach + room + slides]
    return _smooth(misfit / (2 * reach + 1))


def _smooth(misfit: Floats) -> Floats:
    """Each direction together with its neighbours, all the way around."""
    around = np.concatenate([misfit[-3 * SMOOTH :], misfit, misfit[: 3 * SMOOTH]])
    smoothed = cv2.sepFilter2D(around, -1, np.ones(1), cv2.getGaussianKernel(6 * SMOOTH + 1, SMOOTH))
    return np.asarray(smoothed, np.float64)[3 * SMOOTH : -3 * SMOOTH]


def _best(misfit: Floats) -> Floats:
    """DIRECTIONS movements (logarithm of the ratio of radii) at the least misfit, between the slides by a parabola."""
    index = misfit.argmin(axis=1).clip(1, len(SLIDES) - 2)
    rows = np.arange(len(misfit))
    before, least, after = (misfit[rows, index + step] for step in (-1, 0, 1))
    bend = before - 2 * least + after
    between = np.divide((before - after) / 2, bend, out=np.zeros(len(misfit)), where=bend > 0).clip(-1, 1)
    return np.asarray((SLIDES[index] + between) * STEP, np.float64)


def _uniform(misfit: Floats) -> float:
    """The one movement that fits all directions best."""
    return float(_best(misfit.mean(axis=0, keepdims=True))[0])


def _log_ratio(middle: Floats, moved: Floats) -> float:
    return float(np.log((middle**2 * np.exp(moved)).sum() / (middle**2 * np.exp(-moved)).sum()))
