"""One visit as it is compared with others."""

from dataclasses import dataclass
from datetime import datetime

from models.change.look import Look
from models.change.measures import VisitMeasures
from models.pictures.types import Rgb


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit's picture (upright H×W×3 uint8, the original or a reduction of it), its look, measures and moment.

    ``measures`` None: no lesion was found. ``at`` None: the moment is not known. ``device``, ``magnification``: as the portal named them.
    """

    picture: Rgb
    look: Look
    measures: VisitMeasures | None
    at: datetime | None
    magnification: float | None = None
    device: str | None = None
