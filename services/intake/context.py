"""What the handlers work with: one object per process, kept by the Flask application."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from flask import current_app

from services.doorbell import Doorbell
from services.objects import Objects, ObjectStore
from services.records.database import Database
from services.settings import Settings

EXTENSION = "dermatrail"
# Decoding and storing run without the interpreter lock; more threads than this only hold more files in memory.
FILE_THREADS = 4


@dataclass(frozen=True, slots=True)
class Backends:
    """Connections to everything outside this process; each connects when first used."""

    settings: Settings
    database: Database
    store: Objects
    doorbell: Doorbell
    files: ThreadPoolExecutor

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Backends of a process with these settings."""
        return cls(
            settings=settings,
            database=Database.connect(settings),
            store=ObjectStore.connect(settings),
            doorbell=Doorbell.connect(settings),
            files=ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="files"),
        )


def backends() -> Backends:
    """The backends of the application that serves this request."""
    found: Backends = current_app.extensions[EXTENSION]
    return found
