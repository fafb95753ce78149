"""Which sequence model this worker reads series with: the registry's champion of its kind, or none.

It answers beside the pair that outlines and names; where it cannot be had, the comparisons of visits go on without it.
"""

import logging
from pathlib import Path

from models.bundle import SHIPPED, BundleError, read_card
from models.change.sequence import SequenceReader
from services.records import registry
from services.records.audit import Actor
from services.records.database import Database
from services.records.registry import ActiveVersion
from services.records.states import ModelKind, ModelState
from services.settings import Settings
from workers.registry import Installed, installed, register_installed

log = logging.getLogger(__name__)


class SequenceModel:
    """Keeps the champion's reader, and loads another one when the registry names another."""

    def __init__(self, *, database: Database, settings: Settings, worker: str = "change") -> None:
        self.database, self.classifier = database, settings.classifier
        self.folder = settings.bundles_dir or SHIPPED
        self.actor = Actor.system(worker)
        self._digest: str | None = None
        self._reader: SequenceReader | None = None

    def reader(self) -> SequenceReader | None:
        """The champion's, as the registry has it now: one small statement where nothing has changed. None says why in the log, once."""
        champion = self._champion() or self._registered()
        digest = champion.digest if champion else ""
        if digest != self._digest:
            self._reader = self._loaded(digest)
            self._digest = digest
        return self._reader

    def _champion(self) -> ActiveVersion | None:
        with self.database.transaction() as session:
            active = registry.active_versions(session=session)
        kind, state = ModelKind.SEQUENCE, ModelState.CHAMPION
        return next((version for version in active if (version.kind, version.state) == (kind, state)), None)

    def _registered(self) -> ActiveVersion | None:
        """Where there is no champion: make what is in the folder known; the first ever becomes champion."""
        if self._digest == "":
            return None  # it was looked for already
        here = self._here()
        if here:
            with self.database.transaction() as session:
                register_installed(session=session, bundles=here, actor=self.actor)
        return self._champion()

    def _here(self) -> list[Installed]:
        return [bundle for bundle in installed(self.folder) if bundle.kind is ModelKind.SEQUENCE]

    def _loaded(self, digest: str) -> SequenceReader | None:
        found = next((bundle for bundle in self._here() if bundle.digest == digest), None)
        if found is None:
            log.warning("series are not read: %s", "no sequence model is champion" if not digest else f"{digest} is not in {self.folder}")
            return None
        try:
            if found.card["non_commercial"] and self._commercial():
                # Whoever names a classifier for its licence must not get answers of a model that is bound.
                log.warning("series are not read: %s is for non-commercial use only, and %s is not so bound", found.label, self.classifier)
                return None
            return SequenceReader.load(self.folder / found.folder)
        except BundleError as error:
            log.error("series are not read: %s", error)
            return None

    def _commercial(self) -> bool:
        return not read_card(Path(self.folder) / self.classifier)["non_commercial"]


def serving_reader(settings: Settings, database: Database) -> SequenceReader | None:
    """The champion's reader, once; whoever reads again and again keeps a ``SequenceModel`` and asks it."""
    return SequenceModel(database=database, settings=settings).reader()
