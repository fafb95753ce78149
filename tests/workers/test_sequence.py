"""A worker reads series with the champion of its kind, or leaves it and says why."""

import shutil
from typing import Any

import pytest
import torch

from models.bundle import load_bundle, save_bundle
from models.networks import build_network
from services.records.database import Database
from services.records.errors import WrongModelState
from services.records.states import ModelKind, ModelState
from tests.conftest import SettingsFor
from tests.models.cards import sequence_card
from tests.workers.conftest import Folder
from tests.workers.test_registry import World
from workers.registry import installed
from workers.sequence import SequenceModel, serving_reader


def add(folder: Folder, name: str, *, seed: int = 0, **card: Any) -> str:
    """Writes a sequence bundle and returns its digest."""
    torch.manual_seed(seed)
    made = sequence_card(**card)
    save_bundle(folder=folder.path / name, network=build_network(architecture="cnn_lstm", classes=2, **made["options"]), card=made)
    return load_bundle(folder.path / name).digest


@pytest.fixture
def world(folder: Folder, owner: Database, worker_database: Database, settings_for: SettingsFor) -> World:
    return World(folder, owner, worker_database, settings_for)


def model(world: World, **settings: Any) -> SequenceModel:
    changed = world.settings_for("worker").model_copy(update={"bundles_dir": world.folder.path, **settings})
    return SequenceModel(database=world.worker, settings=changed)


def test_at_the_first_start_the_sequence_model_in_the_folder_becomes_champion(world: World) -> None:
    digest = add(world.folder, "sequence")
    reader = model(world).reader()
    assert reader is not None
    assert reader.digest == digest
    version = world.versions()[digest]
    assert (version.kind, version.state) == (ModelKind.SEQUENCE, ModelState.CHAMPION)


def test_the_reader_may_be_asked_for_once(world: World) -> None:
    digest = add(world.folder, "sequence")
    settings = world.settings_for("worker").model_copy(update={"bundles_dir": world.folder.path})
    reader = serving_reader(settings, world.worker)
    assert reader is not None
    assert reader.digest == digest


def test_the_worker_of_the_pair_makes_it_known_too_and_serves_its_pair_as_before(world: World) -> None:
    digest = add(world.folder, "sequence")
    plan = world.started().plan()
    assert plan.shadows == ()
    assert (plan.pair.segmenter.folder, plan.pair.classifier.folder) == ("segmenter", "classifier")
    assert world.versions()[digest].state is ModelState.CHAMPION
    assert {bundle.kind for bundle in installed(world.folder.path)} == set(ModelKind)


def test_a_promotion_is_followed_without_a_restart_and_nothing_is_loaded_twice(world: World) -> None:
    add(world.folder, "sequence")
    other = add(world.folder, "sequence_b", seed=1)
    reading = model(world)
    first = reading.reader()
    assert reading.reader() is first
    world.step("promote", other)
    second = reading.reader()
    assert second is not None
    assert second.digest == other


def test_without_a_sequence_model_nothing_is_read(world: World, caplog: pytest.LogCaptureFixture) -> None:
    reading = model(world)
    assert reading.reader() is None
    assert reading.reader() is None
    assert caplog.text.count("no sequence model is champion") == 1


def test_a_champion_that_is_not_in_the_folder_is_not_replaced_in_silence(world: World, caplog: pytest.LogCaptureFixture) -> None:
    digest = add(world.folder, "sequence")
    assert model(world).reader() is not None
    shutil.rmtree(world.folder.path / "sequence")
    add(world.folder, "sequence_b", seed=1)
    assert model(world).reader() is None
    assert f"{digest} is not in" in caplog.text


def test_a_non_commercial_one_is_not_served_where_a_freely_licensed_classifier_was_chosen(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    add(world.folder, "sequence", licence="CC BY-NC 4.0", non_commercial=True)
    assert model(world).reader() is None
    assert "for non-commercial use only" in caplog.text


def test_it_does_not_score_in_shadow(world: World) -> None:
    add(world.folder, "sequence")
    other = add(world.folder, "sequence_b", seed=1)
    world.started()
    with pytest.raises(WrongModelState, match="Sequence models do not score in shadow"):
        world.step("shadow", other)
