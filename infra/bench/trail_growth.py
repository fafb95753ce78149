"""Lesions that grow by a known amount, and lesions that do not: how far the measured change is from the true one, and who is alerted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np

from infra.bench.trail_subjects import Subject, analyzer
from models.change import Scale, ScaleSource, Visit, VisitMeasures, compare, fired, look_at, measure_visit
from models.pictures.types import Gray, Rgb
from models.synthetic.visits import Course, Imaging, Revisit, imaging_between, revisit

FIELD_MM = 20.0  # what the first picture shows along its long side
BEFORE = datetime(2026, 1, 5, tzinfo=UTC)
MONTHS = timedelta(days=122)
STABLE_SHARE = 0.4
ALERTING = 0.15  # growth of the area from which an alert is right
SMALLEST, LARGEST = 0.01, 0.22  # shares of the picture that the outlined lesion covers at first
ZOOM = (0.8, 1.25)


@dataclass(frozen=True, slots=True)
class Growth:
    """``true``, ``measured``, ``error``: of the area, as shares; ``measured`` None where there was no comparison, and ``why`` says why.

    ``rules``: those that fired. ``unscaled``: the same two pictures, compared as if no scale were known.
    """

    source: str
    true: float
    measured: float | None
    error: float
    rules: tuple[str, ...]
    why: str | None
    unscaled: "Growth | None" = None

    @property
    def off(self) -> float:
        """Points (percent of the first area) between measured and true growth; NaN without a comparison."""
        return float("nan") if self.measured is None else 100 * abs(self.measured - self.true)


def growths_of(subjects: Sequence[Subject], *, seed: int) -> list[Growth]:
    """Each lesion some months later. Lesions that leave the picture, or would, are left out: their area is not known."""
    rows = [_growth(subject, seed) for subject in subjects]
    return [row for row in rows if row is not None]


def _growth(subject: Subject, seed: int) -> Growth | None:
    picture = subject.picture()
    outline = subject.outline(picture)
    if not SMALLEST <= cv2.countNonZero(outline) / outline.size <= LARGEST or _leaves(outline):
        return None
    rng = np.random.default_rng((seed, subject.number))
    course = course_of(rng)
    imaging = imaging_between(rng, zoom=ZOOM, shift=0.04)
    later = revisit(picture, outline, course=course, imaging=imaging, seed=subject.number)
    return None if _leaves(later.mask) else _measured(subject, picture, later, course, imaging)


def course_of(rng: np.random.Generator) -> Course:
    """Stable, or growing by up to 100 %, to one side more or less, and darkening with it."""
    if rng.random() < STABLE_SHARE:
        return Course()
    growth = rng.uniform(0, 1)
    return Course(growth=growth, lean=rng.uniform(0, 0.4), towards=rng.uniform(-np.pi, np.pi), darkening=0.15 * growth * rng.random())


def _leaves(mask: Gray) -> bool:
    return any(edge.any() for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))


def _measured(subject: Subject, picture: Rgb, later: Revisit, course: Course, imaging: Imaging) -> Growth:
    spacing = FIELD_MM / max(picture.shape[:2])
    first = visit_of(picture, spacing, BEFORE)
    second = visit_of(later.rgb, spacing / imaging.zoom, BEFORE + MONTHS)
    unscaled = _compared(subject, course, _without_scale(first), _without_scale(second))
    return replace(_compared(subject, course, first, second), unscaled=unscaled)


def _compared(subject: Subject, course: Course, first: Visit, second: Visit) -> Growth:
    found = compare(first, second)
    change = found.changes.get("area")
    measured = None if change is None else change.relative
    rules = tuple(rule.rule for rule in fired(found))
    return Growth(subject.source, course.growth, measured, change.error if change else float("nan"), rules, found.why)


def _without_scale(visit: Visit) -> Visit:
    measures = visit.measures and replace(visit.measures, mm_per_px=None, scale_source=None)
    return replace(visit, measures=measures)


def visit_of(picture: Rgb, spacing: float, at: datetime) -> Visit:
    """Measured and looked at. ``spacing``: mm per px."""
    scale = Scale(mm_per_px=spacing, source=ScaleSource.DICOM)
    measures = measure_visit(picture, analyzer=analyzer(), mask=None, scale=scale)
    return Visit(picture=picture, look=look_at(picture, _outline(measures, picture)), measures=measures, at=at)


def _outline(measures: VisitMeasures | None, picture: Rgb) -> Gray | None:
    """The measured outline as a mask."""
    if measures is None:
        return None
    mask = np.zeros(picture.shape[:2], np.uint8)
    size = np.array([picture.shape[1], picture.shape[0]])
    cv2.fillPoly(mask, [np.round(np.array(part) * size).astype(np.int32) for part in measures.outline], 255)
    return mask
