"""The pictures of a lesion while its visits are compared: fetched and decoded once, a few kept."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from sqlalchemy.orm import Session

from models.analyzer import MAX_PIXELS
from models.change import Look, Scale, ScaleSource, look_at, scale_of
from models.pictures.decode import decode
from models.pictures.errors import PictureRefused
from models.pictures.masks import decode_png
from models.pictures.types import Gray, Rgb
from services.objects import ObjectMissing
from services.records.proposals import Seen
from services.records.states import SpacingSource
from services.records.visits import TrailVisit

# Long side to which pictures are reduced: that of the pictures which readers lay over each other.
SIDE = 1024
# The visit in hand, the one before it, the first; pictures are some 5 MB each.
KEPT = 4
Transaction = Callable[[], AbstractContextManager[Session]]
SOURCES = {SpacingSource.DICOM: ScaleSource.DICOM, SpacingSource.STATED: ScaleSource.STATED}


class Store(Protocol):
    """What comparing needs of the object store."""

    def get(self, key: str) -> bytes:
        """The bytes of a key; ObjectMissing or StoreUnavailable."""

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Stores durably before it returns; StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A visit's picture at ``SIDE`` px at most, upright; its outline (0/255, any size), whether a reader drew it; what registers it."""

    picture: Rgb
    mask: Gray | None
    drawn: bool
    look: Look


class Sights:
    """What the visits of one lesion look like."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[TrailVisit, Sight] = OrderedDict()

    def of(self, visit: TrailVisit) -> Sight:
        """Raises PictureRefused, ObjectMissing, StoreUnavailable; ValueError for a reader's outline that is no mask."""
        if visit not in self._kept:
            self._kept[visit] = self._see(visit)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(visit)
        return self._kept[visit]

    def look(self, seen: Seen) -> Look | None:
        """What registers the picture of another lesion; None where it is away or damaged. Raises StoreUnavailable."""
        try:
            return look_at(reduced(self._store.get(seen.original_key)), self._outlined(seen.mask_key))
        except (ObjectMissing, PictureRefused):
            return None

    def _see(self, visit: TrailVisit) -> Sight:
        picture = reduced(self._store.get(visit.original_key))
        drawn = visit.outline_key is not None
        mask = decode_png(self._store.get(visit.outline_key)) if visit.outline_key else self._outlined(visit.mask_key)
        return Sight(picture, mask, drawn, look_at(picture, mask))

    def _outlined(self, mask_key: str | None) -> Gray | None:
        """The model's outline, which guides a registration where features fail; pictures can be compared without it."""
        try:
            mask = decode_png(self._store.get(mask_key)) if mask_key else None
        except (ObjectMissing, ValueError):
            return None
        return mask if mask is not None and mask.any() else None


def reduced(data: bytes) -> Rgb:
    """A picture file → H×W×3, long side ≤ ``SIDE`` px. Raises PictureRefused."""
    picture = decode(data, min_side=SIDE, max_pixels=MAX_PIXELS).rgb
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def visit_scale(visit: TrailVisit) -> Scale | None:
    """How large a pixel of a visit's picture is on the skin: by a reader's ruler, else as the file or the portal said; None if unknown.

    What cannot be true (0, negative, a field of view of metres) counts as unknown.
    """
    size = {"width": visit.width, "height": visit.height}
    ruler = scale_of(mm_per_px=visit.mm_per_px, source=ScaleSource.RULER, **size)
    source = SOURCES[visit.spacing_source or SpacingSource.DICOM]
    return ruler or scale_of(mm_per_px=visit.pixel_spacing_mm, source=source, **size)
