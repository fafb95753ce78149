"""Tiles of large pictures, read by byte ranges: each costs one small statement, and a picture's reading is recorded once."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from services.objects import ObjectMissing, ObjectStore
from services.tiles import TAIL_BYTES, DamagedTiles, Place, directory

# As long as a browser may keep a tile: whoever looks again after that reads the picture again.
READING_SECONDS = 600.0
DIRECTORIES, READINGS = 256, 10_000
TILES = "dermatrail.tiles"


class Directories:
    """The directories of the tile objects read last. Thread-safe."""

    def __init__(self, store: ObjectStore, *, kept: int = DIRECTORIES) -> None:
        self._store, self._kept = store, kept
        self._known: OrderedDict[str, Mapping[str, Place]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, key: str, name: str) -> bytes:
        """One tile's bytes. Raises ObjectMissing (no such object or tile, or not readable as tiles), StoreUnavailable."""
        place = self._directory(key).get(name)
        if place is None:
            raise ObjectMissing(f"There is no tile {name} in {key}.")
        return self._store.get_range(key, start=place.start, length=place.length)

    def _directory(self, key: str) -> Mapping[str, Place]:
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        try:
            found = directory(self._store.get_range(key, start=-TAIL_BYTES, length=TAIL_BYTES))
        except DamagedTiles as error:
            raise ObjectMissing(f"The tiles {key} cannot be read: {error}.") from error
        with self._lock:
            self._known[key] = found
            while len(self._known) > self._kept:
                self._known.popitem(last=False)
        return found


class Readings:
    """Who has opened which picture just now, so that a hundred tiles make one audit event. Thread-safe."""

    def __init__(self, *, kept: int = READINGS) -> None:
        self._kept = kept
        self._began: OrderedDict[tuple[UUID, UUID], float] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def beginning(self, user_id: UUID, image_id: UUID) -> Iterator[bool]:
        """Whether the block belongs to the first tile of a reading; forgotten where the block raises, so that the next tile tries."""
        first = self._begins((user_id, image_id))
        try:
            yield first
        except BaseException:
            if first:
                with self._lock:
                    self._began.pop((user_id, image_id), None)
            raise

    def _begins(self, reading: tuple[UUID, UUID]) -> bool:
        now = time.monotonic()
        with self._lock:
            if now - self._began.get(reading, -READING_SECONDS) < READING_SECONDS:
                return False
            self._began[reading] = now
            self._began.move_to_end(reading)
            while len(self._began) > self._kept:
                self._began.popitem(last=False)
            return True


@dataclass(frozen=True, slots=True)
class Tiles:
    """What the tile route keeps between requests."""

    directories: Directories
    readings: Readings

    @classmethod
    def on(cls, store: ObjectStore) -> Self:
        """Nothing read yet."""
        return cls(Directories(store), Readings())
