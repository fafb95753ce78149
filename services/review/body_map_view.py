"""The body map of a patient: figures with a point for each lesion whose place is known."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.records.lesion_places import MapPoint
from services.records.patients import PatientLesion
from services.records.states import MapView
from services.review.body_map_figures import FIGURES, Figure
from services.review.body_map_sites import site_point

# Units of a figure to one px of the page, about, as the page lays it out on a desk's screen.
LARGE, SMALL = 0.85, 1.7
TALL = 300
ALERT = "alert"
BY_VIEW = {figure.view: figure for figure in FIGURES}
# Radius of a point in px: of a lesion without a scale, and of one of so many mm.
UNKNOWN, LEAST, MOST, PER_MM = 5.0, 4.0, 11.0, 0.5


@dataclass(frozen=True, slots=True)
class Spot:
    """One lesion on the map, in units of its figure. ``shape``: by status; ``ring``: by trend; ``exact``: a reader set the place."""

    lesion: str
    href: str
    label: str
    x: float
    y: float
    radius: float
    shape: str
    ring: str
    exact: bool
    named: str
    tags: str


@dataclass(frozen=True, slots=True)
class MapFigure:
    """A figure with its points, from the top to the bottom. ``scale``: units to one px of the page."""

    figure: Figure
    scale: float
    spots: tuple[Spot, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Marked:
    """What a point says of its lesion. ``mm``: the longest diameter, None without a scale. ``named``: its name beside the point, or ""."""

    href: str
    label: str
    mm: float | None
    shape: str
    ring: str
    named: str
    tags: str


def places_of(lesions: Sequence[PatientLesion]) -> dict[UUID, MapPoint]:
    """Where each lesion lies: where a reader has put it, else at its site's place, beside the others of that site."""
    found: dict[UUID, MapPoint] = {}
    nth: Counter[tuple[str | None, str | None]] = Counter()
    for lesion in sorted(lesions, key=lambda lesion: lesion.id):  # a place does not move when another lesion is seen again
        site = (lesion.body_site, lesion.laterality)
        point = lesion.point or site_point(*site, nth=nth[site])
        if point is not None:
            found[lesion.id] = point
            nth[site] += lesion.point is None
    return found


def body_map(lesions: Sequence[PatientLesion], places: dict[UUID, MapPoint], marked: dict[UUID, Marked]) -> tuple[MapFigure, ...]:
    """The figures, each with its lesions."""
    spots: dict[MapView, list[Spot]] = {figure.view: [] for figure in FIGURES}
    for lesion in lesions:
        point = places.get(lesion.id)
        if point is not None:
            spots[point.view].append(_spot(lesion, point, marked[lesion.id]))
    return tuple(_figure(figure, spots[figure.view]) for figure in FIGURES)


def _figure(figure: Figure, spots: list[Spot]) -> MapFigure:
    # Alerts lie on top, and small ones on large ones, so that none hides another.
    ordered = sorted(spots, key=lambda spot: (spot.shape == ALERT, -spot.radius, spot.y, spot.x))
    count = f"{len(spots)} lesion{'' if len(spots) == 1 else 's'}" if spots else "no lesion"
    return MapFigure(figure, _scale(figure), tuple(ordered), f"{figure.name}: {count}")


def _scale(figure: Figure) -> float:
    return LARGE if figure.height > TALL else SMALL


def _spot(lesion: PatientLesion, point: MapPoint, marked: Marked) -> Spot:
    figure = BY_VIEW[point.view]
    radius = UNKNOWN if marked.mm is None else min(max(LEAST + PER_MM * marked.mm, LEAST), MOST)
    return Spot(
        lesion=str(lesion.id),
        href=marked.href,
        label=marked.label,
        x=round((point.x - 0.5) * figure.width, 1),
        y=round(point.y * figure.height, 1),
        radius=round(radius, 1),
        shape=marked.shape,
        ring=marked.ring,
        exact=lesion.point is not None,
        named=marked.named,
        tags=marked.tags,
    )
