"""A patient under long-term monitoring: one lesion that grows and two that stay as they are, seen over eight months.

Drawn lesions, and a known truth: what grew, grew by exactly this much; everything else is the imaging of another day.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from models.pictures.types import Rgb
from models.synthetic import Kind, draw
from models.synthetic.visits import Course, Imaging, imaging_between, revisit, same_lamp

PATIENT = "DEMO-TRAIL"
MONTH = timedelta(days=30)
# The picture is cut out of a larger one, so that a turned picture has no black corners.
LARGE, WIDTH, HEIGHT = (1600, 1200), 1024, 768
TURN, ZOOM = 25.0, (0.92, 1.12)
AREA = 0.07  # of the larger picture


@dataclass(frozen=True, slots=True)
class Followed:
    """One lesion: where it is, how it is drawn, and by how much its area has grown at each visit since the first."""

    reference: str
    body_site: str
    laterality: str
    seed: int
    growth: tuple[float, ...]
    months: tuple[int, ...]

    @property
    def grows(self) -> bool:
        """Whether an alert is right."""
        return self.growth[-1] > 0


FOLLOWED = (
    Followed("trail-back", "back", "left", 41, (0.0, 0.22, 0.55), (8, 4, 0)),
    Followed("trail-forearm", "forearm", "right", 43, (0.0, 0.0, 0.0), (8, 4, 0)),
    Followed("trail-abdomen", "abdomen", "midline", 47, (0.0, 0.0), (6, 0)),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit: the case's JSON, the picture, and the name of its file."""

    case: dict[str, Any]
    rgb: Rgb
    filename: str


def drawn_visits(now: datetime | None = None) -> Iterator[Visit]:
    """Every visit of every lesion, the oldest first. A later demonstration follows another patient: nobody is seen twice a day."""
    today = now or datetime.now(UTC)
    visits = [(months, lesion, number) for lesion in FOLLOWED for number, months in enumerate(lesion.months)]
    for months, lesion, number in sorted(visits, key=lambda visit: -visit[0]):
        yield _visit(lesion, number, today - months * MONTH, f"{PATIENT}-{today:%d%H%M%S}")


def _visit(lesion: Followed, number: int, at: datetime, patient: str) -> Visit:
    rgb, spacing = _picture(lesion, number)
    case = {
        "patient": {"reference": patient},
        "lesion": {"reference": lesion.reference, "body_site": lesion.body_site, "laterality": lesion.laterality},
        "urgency": "routine",
        "visited_at": at.isoformat(),
        "clinical_notes": f"Long-term monitoring, visit {number + 1} of {len(lesion.months)}.",
        "images": [{"modality": "dermoscopic", "pixel_spacing_mm": spacing}],
    }
    return Visit(case, rgb, f"{lesion.reference}-{number + 1}.jpg")


def _picture(lesion: Followed, number: int) -> tuple[Rgb, float]:
    """The cut-out picture and mm per px of it."""
    first = draw(seed=lesion.seed, kind=Kind.NAEVUS, width=LARGE[0], height=LARGE[1], area=AREA, hair=3, vignette=0.2)
    imaging = _imaging(np.random.Generator(np.random.PCG64([lesion.seed, number])))
    later = revisit(first.rgb, first.mask, course=Course(growth=lesion.growth[number], lean=0.4), imaging=imaging, seed=number)
    left, top = (LARGE[0] - WIDTH) // 2, (LARGE[1] - HEIGHT) // 2
    cut = np.ascontiguousarray(later.rgb[top : top + HEIGHT, left : left + WIDTH])
    return cut, round(first.pixel_spacing_mm / imaging.zoom, 6)


def _imaging(rng: np.random.Generator) -> Imaging:
    """Another day with the same dermoscope: nearly the same light."""
    light = rng.uniform(0.94, 1.06)
    gains = (light * rng.uniform(0.98, 1.02), light, light * rng.uniform(0.98, 1.02))
    return replace(same_lamp(imaging_between(rng, turn=TURN, zoom=ZOOM, shift=0.02, hair=4)), gains=gains)
