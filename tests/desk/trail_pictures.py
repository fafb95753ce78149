"""A drawn lesion that grows, as a dermoscope shows it at each visit, and a clinic that follows it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import pairwise
from uuid import UUID

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.synthetic import Kind, draw
from models.synthetic.visits import Course, Imaging, revisit
from tests.review.seeds import Clinic, Seen, finding, jpeg
from tests.review.trail_seeds import Growing, changes, compare, measures, raise_alert, sequence, store_measures, visits

SIZE = (1024, 768)
AREA_MM2, MM_PER_PX = 31.0, 0.02
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Shown:
    """A visit's picture and outline; ``matrix`` 2×3: px of the first picture → px of this one."""

    rgb: Pixels
    mask: Pixels
    matrix: NDArray[np.float64]
    area: float


@cache
def shown(number: int, *, growth: float = 0.19, turn: float = 11.0) -> Shown:
    """The picture of visit ``number`` (from 0): larger, turned and nearer each time."""
    first = draw(seed=3, kind=Kind.MELANOMA, area=0.09)
    area = (1 + growth) ** number
    imaging = Imaging(turn=turn * number, zoom=1 + 0.04 * number, shift=(0.01 * number, -0.01 * number), noise=2)
    seen = revisit(first.rgb, first.mask, course=Course(growth=area - 1, lean=0.4), imaging=imaging, seed=number)
    return Shown(seen.rgb, seen.mask, np.asarray(seen.matrix), area)


def encoded(pixels: Pixels, form: str = "JPEG") -> bytes:
    """The bytes of a picture."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form, quality=92)
    return out.getvalue()


def matrix_between(one: Shown, two: Shown) -> NDArray[np.float64]:
    """2×3: px of one visit's picture → px of another's."""
    whole = [np.vstack([seen.matrix, [0, 0, 1]]) for seen in (one, two)]
    return np.asarray((whole[1] @ np.linalg.inv(whole[0]))[:2])


def laid(one: Shown, two: Shown) -> tuple[NDArray[np.float64], bytes, bytes]:
    """How the earlier picture lies on the later one: matrix, the picture itself, and the map of differences."""
    matrix = matrix_between(one, two)
    warped = np.asarray(cv2.warpAffine(one.rgb, matrix, SIZE), np.uint8)
    apart = cv2.GaussianBlur(cv2.absdiff(warped, two.rgb), (0, 0), 6).max(axis=2)
    alpha = np.clip((apart.astype(np.float32) - 10) * 6, 0, 220).astype(np.uint8)
    alpha[cv2.erode((warped.max(axis=2) > 3).astype(np.uint8), np.ones((25, 25))) == 0] = 0
    difference = np.dstack([np.full_like(alpha, 255), np.full_like(alpha, 190), np.zeros_like(alpha), alpha])
    return matrix, encoded(warped), encoded(difference, "PNG")


def answer(seen: Shown, risk: float) -> Seen:
    """The pipeline's answer about it."""
    told = finding({"MEL": risk, "NV": 1 - risk})
    thumbnail = np.asarray(cv2.resize(seen.rgb, (256, 192), interpolation=cv2.INTER_AREA), np.uint8)
    return Seen(
        told, picture=encoded(seen.rgb), mask=encoded(seen.mask, "PNG"), thumbnail=encoded(thumbnail), size=SIZE, heatmap=jpeg(64, 48)
    )


def followed(
    clinic: Clinic, tenant: UUID, count: int = 3, *, growth: float = 0.19, turn: float = 11.0, at: Sequence[datetime] | None = None
) -> Growing:
    """A lesion seen ``count`` times, each visit compared with the one before it and the last with the first."""
    pictures = [shown(number, growth=growth, turn=turn) for number in range(count)]
    risks = [0.3 + 0.45 * number / max(1, count - 1) for number in range(count)]
    lesion = visits(clinic, tenant, [answer(seen, risk) for seen, risk in zip(pictures, risks, strict=True)], at=at)
    measured = [measures(AREA_MM2 * seen.area, malignant=risk) for seen, risk in zip(pictures, risks, strict=True)]
    with clinic.worker.transaction() as session:
        images = store_measures(session, lesion, measured)
        for one, two in [*pairwise(range(count)), *([(0, count - 1)] if count > 2 else [])]:
            matrix, registered, difference = laid(pictures[one], pictures[two])
            told = changes(measured[one], measured[two], months=4.0 * (two - one))
            laying = {"matrix": matrix.tolist(), "scale": 1.0, "rotation": 0.0, "inliers": 60, "correlation": 0.9, "overlap": 0.9}
            compare(session, clinic, lesion, (one, two), told, images=images, laid=laying, registered=registered, difference=difference)
        sequence(session, lesion, images)
        raise_alert(session, lesion.cases[-1])
    return lesion
