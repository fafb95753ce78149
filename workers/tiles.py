"""Tiles of large pictures, made by one thread of the lowest priority: the analysis never waits for it.

What is to be done is in the records (large pictures without tiles); a ring only says "look". It comes after the analysis of a large
picture, and from the sweep while any is left.
"""

import logging
import os
import threading
from typing import Protocol
from uuid import UUID

from models.pictures.decode import decode
from models.pictures.tiles import pyramid
from services.objects import StoreUnavailable
from services.records import tiling
from services.records.database import Database
from services.records.errors import DatabaseUnavailable
from services.records.tiling import UntiledImage
from services.tiles import pack
from workers.metrics import TILED

log = logging.getLogger(__name__)

MAX_PIXELS = 100_000_000
LOWEST_PRIORITY = 19
LOOK_SECONDS = 0.5


class Store(Protocol):
    """What tiles need of the object store."""

    def get(self, key: str) -> bytes:
        """The bytes of a key; ObjectMissing or StoreUnavailable."""

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Stores durably before it returns; StoreUnavailable."""


class TileMaker:
    """Makes tiles when rung, one picture after another, until none is left."""

    def __init__(self, *, database: Database, store: Store, stopping: threading.Event) -> None:
        self._database, self._store, self._stopping = database, store, stopping
        self._rung = threading.Event()
        # Pictures that failed here are left alone until this process is started anew: a whole picture is shown instead.
        self._failed: set[UUID] = set()

    def start(self) -> threading.Thread:
        """Begin; the thread ends when the process stops."""
        thread = threading.Thread(target=self._run, name="tiles", daemon=True)
        thread.start()
        return thread

    def ring(self) -> None:
        """Look for pictures without tiles. Returns at once."""
        self._rung.set()

    def _run(self) -> None:
        _be_last()
        while not self._stopping.is_set():
            if self._rung.wait(LOOK_SECONDS):
                self._rung.clear()
                self.make_all()

    def make_all(self) -> int:
        """Make tiles until no picture lacks them, or store or database are away. Returns how many pictures have got theirs."""
        made = 0
        while not self._stopping.is_set():
            try:
                outcome = self._make_next()
            except (StoreUnavailable, DatabaseUnavailable) as error:
                log.warning("tiles wait: %s", error)
                return made
            if outcome is None:
                return made
            made += outcome
        return made

    def _make_next(self) -> bool | None:
        """Whether a picture got its tiles; None when none waits."""
        with self._database.transaction() as session:
            image = tiling.next_untiled(session=session, skip=self._failed)
            if image is None:
                return None
            key = self._store_tiles(image)
            if key is not None:
                tiling.keep_tiles(session=session, image_id=image.image_id, tiles_key=key)
        TILED.labels("failed" if key is None else "made").inc()
        return key is not None

    def _store_tiles(self, image: UntiledImage) -> str | None:
        key = f"{image.tenant_id}/{image.case_id}/{image.image_id}/tiles.zip"
        try:
            picture = decode(self._store.get(image.view_key), max_pixels=MAX_PIXELS).rgb
            self._store.put(key, pack(pyramid(picture)), "application/zip")
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("no tiles for a picture", extra={"image_id": str(image.image_id)})
            self._failed.add(image.image_id)
            return None
        return key


def _be_last() -> None:
    """Give this thread the lowest priority, where threads have one of their own (Linux)."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
