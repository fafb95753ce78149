"""Two visits of one lesion: what changed, by how much, and whether that is more than the error of looking twice."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from models.change.changes import Change, changes_of
from models.change.difference import difference_of, difference_png, registered_jpeg
from models.change.geometry import Matrix, between_sizes, scale_of
from models.change.laying import (
    Basis,
    Ratio,
    Sight,
    at_scale,
    contradicts,
    fitted_ratio,
    into_frame,
    known_ratio,
    original_matrix,
    skin_of,
    trusted,
)
from models.change.measures import VisitMeasures
from models.change.registration import NoComparison, Registration, register
from models.change.tracking import track
from models.change.visit import Visit

COMPARE_VERSION = "c2"
DAYS_PER_MONTH = 30.44
NO_LESION = "no_lesion"
YARDSTICK = "No scale is known, and too little skin around the lesion is alike in both pictures: even growth can pass for a larger picture."


@dataclass(frozen=True, slots=True)
class Comparison:
    """``why``: None for a valid comparison, else the reason's word (blurred, no_detail, magnification, other_place, no_lesion).

    ``registration``: how the pictures fit; its ``matrix`` and ``scale`` are those that were used, between px of the upright originals: at
    the true scale where that is known. ``changes`` by name (area, major, minor, asymmetry, colour_asymmetry, border_irregularity,
    colour_variegation, colour, new_structures, embedding, malignant_probability); empty where not valid. ``basis``: of sizes.
    ``months``: between the visits; None where the moments are unknown, the same, or in the wrong order. ``notes``: sentences for the
    reader. ``new_classes``: in the later prediction set and not in the earlier one. ``lower_bound``: the lesion leaves a picture.
    ``registered``: the earlier picture in the later one's frame, JPEG, long side ≤ 1024 px; ``difference``: map of change in the same
    frame, PNG with alpha, long side ≤ 512 px; empty where not valid.
    """

    registration: Registration | None
    why: str | None
    changes: dict[str, Change]
    basis: Basis | None
    months: float | None
    notes: tuple[str, ...]
    new_classes: tuple[str, ...]
    lower_bound: bool
    registered: bytes
    difference: bytes

    @property
    def valid(self) -> bool:
        """Whether there is anything to compare."""
        return self.why is None

    def to_json(self) -> dict[str, Any]:
        """Everything but the pictures: plain types, finite numbers."""
        return {
            "registration": registration_json(self.registration) if self.registration else None,
            "why": self.why,
            "changes": {name: change.to_json() for name, change in self.changes.items()},
            "basis": str(self.basis) if self.basis else None,
            "months": self.months,
            "notes": list(self.notes),
            "new_classes": list(self.new_classes),
            "lower_bound": self.lower_bound,
        }

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> "Comparison":
        """What ``to_json`` wrote, without registration and pictures: what rules look at. Raises KeyError, TypeError, ValueError."""
        return cls(
            registration=None,
            why=given.get("why"),
            changes={name: Change.from_json(change) for name, change in given["changes"].items()},
            basis=Basis(given["basis"]) if given["basis"] else None,
            months=given["months"],
            notes=tuple(given["notes"]),
            new_classes=tuple(given["new_classes"]),
            lower_bound=given["lower_bound"],
            registered=b"",
            difference=b"",
        )


def registration_json(registration: Registration) -> dict[str, Any]:
    """Plain types, finite numbers."""
    return {
        "matrix": [[float(value) for value in row] for row in registration.matrix],
        "scale": registration.scale,
        "rotation": registration.rotation,
        "inliers": registration.inliers,
        "correlation": registration.correlation,
        "overlap": registration.overlap,
        "scale_error": registration.scale_error,
        "corner_error": registration.corner_error,
        "quality": registration.quality,
        "way": str(registration.way),
    }


def compare(earlier: Visit, later: Visit) -> Comparison:
    """What changed between two visits; a comparison that is not valid says why."""
    one, other = earlier.measures, later.measures
    if one is None or other is None:
        return _none(NO_LESION)
    found = register(earlier.look, later.look)
    if isinstance(found, NoComparison):
        return _none(str(found.why))
    fitted = original_matrix(found, earlier, later, one, other)
    skin = skin_of(found, earlier, later)
    ratio, notes = _ratio(earlier, later, one, other, fitted_ratio(found, fitted, skin), told_by_skin=skin is not None)
    matrix = fitted if ratio.value == scale_of(fitted) else at_scale(fitted, ratio.value, one)
    sights = Sight.of(earlier, one), Sight.of(later, other)
    between = _working(matrix, sights, one, other)
    difference = difference_of(*sights, between)
    months, order = months_between(earlier.at, later.at)
    movement = track(*trusted(into_frame(*sights, between), sights))
    return Comparison(
        registration=replace(found, matrix=matrix, scale=scale_of(matrix)),
        why=None,
        changes=changes_of(one, other, ratio=ratio, movement=movement, difference=difference, months=months),
        basis=ratio.basis,
        months=months,
        notes=(*notes, *order, *_other_networks(one, other)),
        new_classes=_new_classes(one, other),
        lower_bound=one.touches_border or other.touches_border,
        registered=_registered(earlier, later, matrix, one, other),
        difference=difference_png(difference),
    )


def months_between(earlier: datetime | None, later: datetime | None) -> tuple[float | None, tuple[str, ...]]:
    """Months of 30.44 days, and a note where they cannot be told; a moment without a time zone is taken as UTC."""
    if earlier is None or later is None:
        return None, ("When one of the pictures was taken is not known: there is no rate of change.",)
    start, end = (moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (earlier, later))
    days = (end - start).total_seconds() / 86_400
    if days < 0:
        return None, ("The first of the two pictures was taken after the second: check the dates of the visits.",)
    return (days / DAYS_PER_MONTH if days >= 1 else None), ()


def _none(why: str) -> Comparison:
    return Comparison(None, why, {}, None, None, (), (), lower_bound=False, registered=b"", difference=b"")


def _ratio(
    earlier: Visit, later: Visit, one: VisitMeasures, other: VisitMeasures, fitted: Ratio, *, told_by_skin: bool
) -> tuple[Ratio, tuple[str, ...]]:
    """What sizes are compared by. A scale that the pictures contradict is not trusted, and that is said."""
    known = known_ratio(earlier, later, one, other)
    if known is None:
        return fitted, () if told_by_skin else (YARDSTICK,)
    if not contradicts(known, fitted):
        return known, ()
    source = "scales" if known.basis is Basis.MM else "magnifications"
    note = (
        f"By their {source} the later picture is magnified {known.value:.2f} times, by what they show {fitted.value:.2f} times: one of the "
        f"{source} is wrong, or the lesion has more than doubled. Sizes are relative; check with the ruler."
    )
    return fitted, (note,)


def _working(matrix: Matrix, sights: tuple[Sight, Sight], one: VisitMeasures, other: VisitMeasures) -> Matrix:
    source, target = (sight.mask.shape[1] / measures.width for sight, measures in zip(sights, (one, other), strict=True))
    return between_sizes(matrix, source=source, target=target)


def _registered(earlier: Visit, later: Visit, matrix: Matrix, one: VisitMeasures, other: VisitMeasures) -> bytes:
    source, target = earlier.picture.shape[1] / one.width, later.picture.shape[1] / other.width
    return registered_jpeg(earlier.picture, later.picture, between_sizes(matrix, source=source, target=target))


def _other_networks(one: VisitMeasures, other: VisitMeasures) -> tuple[str, ...]:
    same = one.pipeline_version == other.pipeline_version
    return () if same else ("The visits were read by different networks: p(malignant) is not compared.",)


def _new_classes(one: VisitMeasures, other: VisitMeasures) -> tuple[str, ...]:
    if one.pipeline_version != other.pipeline_version or not one.classes:
        return ()
    return tuple(name for name in other.classes if name not in one.classes)
