"""Small bundles in a folder, and the registry of an empty database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from models.bundle import load_bundle, save_bundle
from models.networks import build_network
from services.records.database import Database
from tests.conftest import SettingsFor
from tests.models.cards import classifier_card, segmenter_card


class Folder:
    """A folder of bundles with random weights."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, folder: str, *, seed: int = 0, **card: Any) -> str:
        """Write a bundle and return its digest."""
        torch.manual_seed(seed)
        made = classifier_card(**card) if folder.startswith("classifier") else segmenter_card(**card)
        network = build_network(architecture=made["architecture"], classes=len(made["classes"]))
        save_bundle(folder=self.path / folder, network=network, card=made)
        return load_bundle(self.path / folder).digest


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """One segmenter and one classifier, named as the settings do."""
    made = Folder(tmp_path / "bundles")
    made.add("segmenter")
    made.add("classifier")
    return made


@pytest.fixture
def owner(clean_database: None, settings_for: SettingsFor) -> Iterator[Database]:
    """The owner's login on an empty database."""
    database = Database.connect(settings_for("owner"))
    yield database
    database.close()


@pytest.fixture
def worker_database(settings_for: SettingsFor) -> Iterator[Database]:
    """The worker's login."""
    database = Database.connect(settings_for("worker"))
    yield database
    database.close()
