"""Measures of the outlines that readers draw: the same code at the same scale as for the model's, without any network."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Protocol

import cv2
import numpy as np
from sqlalchemy.orm import Session

from models.analyzer import MAX_PIXELS
from models.finding import Measures
from models.measure import measure as measure_lesion
from models.pictures.decode import decode
from models.pictures.errors import PictureRefused
from models.pictures.masks import decode_png, enlarge
from models.pictures.types import Gray
from models.preprocess import WORKING_SIDE, to_working_size
from services.objects import ObjectMissing, ObjectStore, StoreUnavailable
from services.records.outlines import UnmeasuredOutline, store_measures, unmeasured_outlines
from services.settings import load_settings
from workers.turnstile import Turnstile

log = logging.getLogger(__name__)

BATCH = 16
WORKER = "outlines"


class Store(Protocol):
    """What measuring needs of the object store."""

    def get(self, key: str) -> bytes:
        """The bytes of a key; ObjectMissing or StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The measures as JSON, or in words for a dermatologist why there are none."""

    measures: dict[str, Any] | None
    reason: str | None = None


def measure_outline(picture: bytes, mask_png: bytes) -> Measures | None:
    """The measures of a drawn mask (any size, the picture's shape) on the original file; None for an empty mask.

    Raises PictureRefused for a picture that cannot be decoded, ValueError for a mask that is no PNG.
    """
    decoded = decode(picture, min_side=WORKING_SIDE, max_pixels=MAX_PIXELS)
    working = to_working_size(decoded.rgb)
    return measure_lesion(
        working,
        fit(decode_png(mask_png), width=working.shape[1], height=working.shape[0]),
        full_width=decoded.full_width,
        full_height=decoded.full_height,
        pixel_spacing_mm=decoded.pixel_spacing_mm,
    )


def fit(mask: Gray, *, width: int, height: int) -> Gray:
    """H×W mask 0/255 → ``height``×``width``, 0/255: a pixel of a coarser mask is lesion where half of it was."""
    if mask.shape[0] > height or mask.shape[1] > width:
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return enlarge(mask, width, height)


class OutlineMeasurer:
    """Measures what waits, outline by outline; a picture that cannot be measured costs no other one."""

    def __init__(self, *, transaction: Callable[[], AbstractContextManager[Session]], store: Store) -> None:
        """``transaction`` opens one of the worker's login, which sees every tenant."""
        self.transaction = transaction
        self.store = store

    def run(self) -> int:
        """Measures until nothing waits, and returns how many outlines got their measures or a reason. Safe to run twice at once."""
        done = 0
        while batch := self._waiting():
            settled = sum(self._settle(outline) for outline in batch)
            done += settled
            if not settled:  # the store is away, or another worker has taken them all
                break
        return done

    def _waiting(self) -> list[UnmeasuredOutline]:
        with self.transaction() as session:
            return unmeasured_outlines(session=session, limit=BATCH)

    def _settle(self, outline: UnmeasuredOutline) -> bool:
        try:
            measured = self._measured(outline)
        except StoreUnavailable:
            log.warning("an outline waits: the object store does not answer", extra={"outline": str(outline.id)})
            return False
        with self.transaction() as session:
            return store_measures(session=session, outline_id=outline.id, measures=measured.measures, reason=measured.reason, worker=WORKER)

    def _measured(self, outline: UnmeasuredOutline) -> Measured:
        try:
            measures = measure_outline(self.store.get(outline.original_key), self.store.get(outline.mask_key))
        except ObjectMissing:
            return Measured(None, "The stored picture or outline is missing: draw it again, and tell your administrator if this stays.")
        except PictureRefused as refusal:
            return Measured(None, f"The picture cannot be measured: {refusal}")
        except StoreUnavailable:
            raise
        except Exception as error:
            # Whatever one picture does to the measuring code must not come back with every sweep.
            log.exception("an outline could not be measured", extra={"outline": str(outline.id)})
            return Measured(None, f"Measuring stopped with {type(error).__name__}: draw the outline again, or measure by hand.")
        if measures is None:
            return Measured(None, "The outline is too small to be measured: draw it larger.")
        return Measured(asdict(measures))


@lru_cache(maxsize=1)
def turnstile() -> Turnstile:
    """One measuring at a time in this process: the other thread belongs to the networks."""
    from workers.runtime import database

    measurer = OutlineMeasurer(transaction=database().transaction, store=ObjectStore.connect(load_settings()))
    return Turnstile(measurer.run)
