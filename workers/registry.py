"""Which bundles this worker serves: the registry's champions, and never another one in silence.

The registry holds digests; a worker has folders. At its start a worker registers what it has. The first pair ever, the one
that its settings name, becomes champion, so that a fresh machine answers; from then on only a promotion changes what is served.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from models.bundle import CARD, SHIPPED, BundleError, read_card
from models.card import digest_of, kind_of
from services.records import registry
from services.records.audit import Actor
from services.records.database import Database
from services.records.registry import ActiveVersion
from services.records.states import ModelKind, ModelState
from services.settings import Settings

log = logging.getLogger(__name__)

FOUND = "found in the bundle folder"


class NotServable(Exception):
    """This worker cannot serve what the registry says. The message says why, and which command mends it."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A bundle in a folder of this worker."""

    folder: str
    kind: ModelKind
    digest: str
    card: dict[str, Any] = field(hash=False)

    @property
    def label(self) -> str:
        """How a person recognises it."""
        return f"{self.digest} ({self.folder})"


@dataclass(frozen=True, slots=True)
class Pair:
    """The bundles that answer together."""

    segmenter: Installed
    classifier: Installed

    @property
    def digests(self) -> tuple[str, str]:
        """What the pair's answers depend on."""
        return self.segmenter.digest, self.classifier.digest


@dataclass(frozen=True, slots=True)
class Shadow:
    """A version in shadow, in its place of the champions' pair."""

    version_id: UUID
    digest: str
    pair: Pair


@dataclass(frozen=True, slots=True)
class Plan:
    """What to serve and what to score in shadow; ``active``: the state of the registry that it follows."""

    active: frozenset[ActiveVersion]
    pair: Pair
    shadows: tuple[Shadow, ...]


def installed(folder: Path) -> list[Installed]:
    """The bundles in the folders of a folder. A damaged one is logged and left out: it must not stop the others."""
    found = []
    for path in sorted(folder.glob(f"*/{CARD}")):
        try:
            card = read_card(path.parent)
        except BundleError as error:
            log.error("a bundle is left out: %s", error)
            continue
        found.append(Installed(path.parent.name, ModelKind(kind_of(card)), digest_of(card), card))
    return found


def register_installed(*, session: Session, bundles: Sequence[Installed], actor: Actor) -> None:
    """Make bundles known, in this order: the first of its kind ever becomes champion."""
    for bundle in bundles:
        registry.register_model_version(
            session=session,
            kind=bundle.kind,
            digest=bundle.digest,
            name=bundle.card["name"],
            version=bundle.card["version"],
            card=bundle.card,
            actor=actor,
            reason=FOUND,
        )


class Bundles:
    """This worker's bundles and the registry's word on them."""

    def __init__(self, *, database: Database, settings: Settings, worker: str) -> None:
        self.database = database
        self.folder = settings.bundles_dir or SHIPPED
        self.configured = {ModelKind.SEGMENTER: settings.segmenter, ModelKind.CLASSIFIER: settings.classifier}
        self.actor = Actor.system(worker)
        self.here: list[Installed] = []
        self._seen: frozenset[ActiveVersion] = frozenset()

    def active(self) -> frozenset[ActiveVersion]:
        """Champions and shadows, as the registry has them now."""
        with self.database.transaction() as session:
            return registry.active_versions(session=session)

    def register(self) -> None:
        """Look at the folder anew and make everything in it known; the configured pair first, as the first becomes champion."""
        self.here = installed(self.folder)
        first = [self._configured(kind) for kind in self.configured]
        with self.database.transaction() as session:
            others = [bundle for bundle in self.here if bundle not in first]
            register_installed(session=session, bundles=[*first, *others], actor=self.actor)

    def plan(self) -> Plan:
        """What the registry asks this worker to do.

        Raises:
            NotServable: a champion is not in the folder, or its licence is not that of the configured bundle.
        """
        active = self.active()
        if self._worth_a_look(active):
            self.register()
            active = self.active()
        self._seen = active
        pair = Pair(self._champion(active, ModelKind.SEGMENTER), self._champion(active, ModelKind.CLASSIFIER))
        return Plan(active, pair, tuple(self._shadows(active, pair)))

    def _worth_a_look(self, active: frozenset[ActiveVersion]) -> bool:
        """Whether the folder may have gained what is asked for: reading it takes a second, and drains are frequent."""
        paired = [version for version in active if version.kind in self.configured]  # sequence models: workers.sequence
        missing = {version.state for version in paired if self._find(version) is None}
        champions = {version.kind for version in paired if version.state is ModelState.CHAMPION}
        return champions != set(self.configured) or ModelState.CHAMPION in missing or (bool(missing) and active != self._seen)

    def _champion(self, active: frozenset[ActiveVersion], kind: ModelKind) -> Installed:
        champion = next((version for version in active if version.kind is kind and version.state is ModelState.CHAMPION), None)
        here = ", ".join(each.label for each in self.here if each.kind is kind)
        cure = f"dermatrail models promote {self._configured(kind).digest} --reason …"
        if champion is None:
            raise NotServable(f"No {kind.value} is champion. Promote one of {here}, such as: {cure}")
        bundle = self._find(champion)
        if bundle is None:
            raise NotServable(
                f"The champion {kind.value} {champion.digest} is not in {self.folder}; {kind.value}s there: {here}. "
                f"Put its folder there, or promote one that is: {cure}"
            )
        self._check_licence(bundle)
        return bundle

    def _check_licence(self, champion: Installed) -> None:
        """Refuse a non-commercial champion where the settings name a bundle that is not: somebody chose it for its licence."""
        chosen = self._configured(champion.kind)
        if champion.card["non_commercial"] and not chosen.card["non_commercial"]:
            raise NotServable(
                f"The champion {champion.label} is for non-commercial use only, and DERMATRAIL_{champion.kind.name} names {chosen.label}, "
                f"which is not so bound. Promote that one (dermatrail models promote {chosen.digest} --reason …), or change the setting."
            )
        if champion != chosen:
            log.info(
                "the registry's champion is served, not the configured bundle", extra={"champion": champion.label, "set": chosen.label}
            )

    def _shadows(self, active: frozenset[ActiveVersion], pair: Pair) -> Sequence[Shadow]:
        shadows = []
        inside = (each for each in active if each.state is ModelState.SHADOW and each.kind in self.configured)
        for version in sorted(inside, key=lambda each: each.digest):
            bundle = self._find(version)
            if bundle is None:
                log.warning("the version in shadow %s is not in the bundle folder", version.digest)
                continue
            segments = bundle.kind is ModelKind.SEGMENTER
            mixed = Pair(bundle, pair.classifier) if segments else Pair(pair.segmenter, bundle)
            shadows.append(Shadow(version.id, version.digest, mixed))
        return shadows

    def _configured(self, kind: ModelKind) -> Installed:
        name = self.configured[kind]
        for bundle in self.here:
            if bundle.folder == name and bundle.kind is kind:
                return bundle
        here = ", ".join(bundle.folder for bundle in self.here if bundle.kind is kind) or "none"
        raise NotServable(f"DERMATRAIL_{kind.name} names {name!r}, but the {kind.value}s in {self.folder} are: {here}.")

    def _find(self, version: ActiveVersion) -> Installed | None:
        return next((bundle for bundle in self.here if (bundle.kind, bundle.digest) == (version.kind, version.digest)), None)
