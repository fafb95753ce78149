"""Pictures moved in a known way: how often, and how exactly, the way is found; and how often another lesion passes for the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from infra.bench.trail_subjects import Subject, outline_of
from models.change import Look, Registration, look_at, register
from models.change.geometry import corners, moved, scale_of
from models.synthetic.visits import Course, Imaging, Revisit, imaging_between, revisit

OTHERS = 3  # different lesions that each moved picture is compared with
SMALL = 0.02  # of the diagonal: a success


@dataclass(frozen=True, slots=True)
class Warp:
    """``error``: mean distance of the corners, as a share of the diagonal; None where there was no valid comparison.

    ``expected``: what the registration said of it; ``drift``: the scale's error over what the registration said of that; ``way``: or the
    reason why there was none.
    """

    source: str
    imaging: Imaging
    error: float | None
    expected: float
    drift: float
    way: str

    @property
    def success(self) -> bool:
        """Registered, and to 2 % of the diagonal."""
        return self.error is not None and self.error <= SMALL


@dataclass(frozen=True, slots=True)
class Different:
    """Two lesions: whether they passed for one, and by which way."""

    source: str
    valid: bool
    way: str


def warps_of(subjects: Sequence[Subject], *, seed: int, others: int = OTHERS) -> tuple[list[Warp], list[Different]]:
    """Each picture with itself moved (any turn, zoom 0.5 to 2, shift, light, colour, hair, noise), and with others of the list moved."""
    earlier, later, warps = [], [], []
    for subject in subjects:
        picture = subject.picture()
        visit, imaging = _moved(subject, seed)
        earlier.append(look_at(picture, outline_of(picture)))
        later.append(look_at(visit.rgb, outline_of(visit.rgb)))
        warps.append(_warp(subject, imaging, visit, register(earlier[-1], later[-1])))
    different = [
        _different(subject, earlier[index], later[(index + step) % len(subjects)])
        for index, subject in enumerate(subjects)
        for step in range(1, min(others, len(subjects) - 1) + 1)
        if subjects[(index + step) % len(subjects)].lesion != subject.lesion
    ]
    return warps, different


def _moved(subject: Subject, seed: int) -> tuple[Revisit, Imaging]:
    picture = subject.picture()
    imaging = imaging_between(np.random.default_rng((seed, subject.number)))
    empty = np.zeros(picture.shape[:2], np.uint8)
    return revisit(picture, empty, course=Course(), imaging=imaging, seed=subject.number), imaging


def _warp(subject: Subject, imaging: Imaging, visit: Revisit, found: object) -> Warp:
    if not isinstance(found, Registration):
        return Warp(subject.source, imaging, None, np.nan, np.nan, str(getattr(found, "why", "")))
    height, width = visit.mask.shape
    rim = corners(width, height)
    distances = np.linalg.norm(moved(found.matrix, rim) - moved(visit.matrix, rim), axis=1)
    drift = (found.scale / scale_of(visit.matrix) - 1) / found.scale_error
    return Warp(subject.source, imaging, float(distances.mean() / np.hypot(width, height)), found.corner_error, drift, str(found.way))


def _different(subject: Subject, one: Look, other: Look) -> Different:
    found = register(one, other)
    valid = isinstance(found, Registration)
    return Different(subject.source, valid, str(found.way) if isinstance(found, Registration) else str(found.why))
