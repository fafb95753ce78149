"""What a worker serves is what the registry says, or nothing."""

import json
import shutil
from typing import Any

import pytest

from models.bundle import CARD
from services.records import registry
from services.records.audit import Actor
from services.records.database import Database
from services.records.registry import ModelVersionView
from services.records.states import ModelKind, ModelState
from tests.conftest import SettingsFor
from tests.workers.conftest import Folder
from workers.registry import Bundles, NotServable, installed

LEAD = Actor.system("dermatrail:lead")


class World:
    """A worker's bundles, and the registry behind them."""

    def __init__(self, folder: Folder, owner: Database, worker: Database, settings_for: SettingsFor) -> None:
        self.folder, self.owner, self.worker, self.settings_for = folder, owner, worker, settings_for

    def bundles(self, **settings: Any) -> Bundles:
        changed = self.settings_for("worker").model_copy(update={"bundles_dir": self.folder.path, **settings})
        return Bundles(database=self.worker, settings=changed, worker="host:1")

    def started(self, **settings: Any) -> Bundles:
        bundles = self.bundles(**settings)
        bundles.register()
        return bundles

    def versions(self) -> dict[str, ModelVersionView]:
        with self.owner.transaction() as session:
            return {version.digest: version for version in registry.list_model_versions(session=session)}

    def step(self, name: str, digest: str) -> None:
        with self.owner.transaction() as session:
            version = registry.find_model_version(session=session, digest=digest)
            getattr(registry, name)(session=session, version_id=version.id, actor=LEAD, reason="test")


@pytest.fixture
def world(folder: Folder, owner: Database, worker_database: Database, settings_for: SettingsFor) -> World:
    return World(folder, owner, worker_database, settings_for)


def test_a_folder_is_read_with_kinds_and_digests_and_a_damaged_bundle_is_left_out(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    second = folder.add("classifier_b", seed=1)
    folder.add("classifier_c", seed=2)
    (folder.path / "classifier_c" / CARD).write_text("{}")
    (folder.path / "notes").mkdir()
    found = installed(folder.path)
    assert [(bundle.folder, bundle.kind) for bundle in found] == [
        ("classifier", ModelKind.CLASSIFIER),
        ("classifier_b", ModelKind.CLASSIFIER),
        ("segmenter", ModelKind.SEGMENTER),
    ]
    assert found[1].digest == second
    assert "classifier_c" in caplog.text


def test_at_the_first_start_the_configured_pair_becomes_champion_and_the_rest_candidates(world: World) -> None:
    other = world.folder.add("classifier_a", seed=1)
    plan = world.started().plan()
    assert (plan.pair.segmenter.folder, plan.pair.classifier.folder) == ("segmenter", "classifier")
    versions = world.versions()
    assert versions[other].state is ModelState.CANDIDATE
    assert versions[plan.pair.classifier.digest].card == plan.pair.classifier.card
    with world.owner.transaction() as session:
        events = registry.history(session=session)
    assert [(event.reason, event.actor_id) for event in events[:2]] == [("first start", "host:1")] * 2


def test_the_settings_choose_the_first_champion(world: World) -> None:
    world.folder.add("classifier_permissive", seed=1)
    assert world.started(classifier="classifier_permissive").plan().pair.classifier.folder == "classifier_permissive"


def test_a_second_start_and_a_second_worker_change_nothing(world: World) -> None:
    before = world.started().plan()
    assert world.started().plan() == before
    assert {version.state for version in world.versions().values()} == {ModelState.CHAMPION}


def test_a_promotion_decides_and_not_the_settings(world: World) -> None:
    other = world.folder.add("classifier_b", seed=1)
    bundles = world.started()
    world.step("promote", other)
    assert bundles.plan().pair.classifier.folder == "classifier_b"
    assert world.started().plan().pair.classifier.folder == "classifier_b"


def test_a_champion_that_is_not_in_the_folder_is_refused_with_what_is(world: World) -> None:
    other = world.folder.add("classifier_b", seed=1)
    world.started()
    world.step("promote", other)
    shutil.rmtree(world.folder.path / "classifier_b")
    there = next(bundle.digest for bundle in installed(world.folder.path) if bundle.folder == "classifier")
    with pytest.raises(
        NotServable, match=rf"champion classifier {other} is not in .*\(classifier\).* dermatrail models promote {there} --"
    ):
        world.started().plan()


def test_a_champion_whose_folder_is_put_back_is_served_without_a_restart(world: World) -> None:
    other = world.folder.add("classifier_b", seed=1)
    bundles = world.started()
    world.step("promote", other)
    moved = world.folder.path.parent / "moved"
    shutil.move(world.folder.path / "classifier_b", moved)
    bundles.register()
    with pytest.raises(NotServable):
        bundles.plan()
    shutil.move(moved, world.folder.path / "classifier_b")
    assert bundles.plan().pair.classifier.digest == other


def test_a_changed_champion_is_another_version_and_is_not_served(world: World) -> None:
    world.started()
    world.folder.add("classifier", temperature=2.0)
    with pytest.raises(NotServable, match="is not in"):
        world.started().plan()


def test_a_setting_that_names_no_bundle_is_refused_with_those_there_are(world: World) -> None:
    with pytest.raises(NotServable, match=r"DERMATRAIL_CLASSIFIER names 'segmenter', but the classifiers in .* are: classifier\."):
        world.started(classifier="segmenter")


def test_a_non_commercial_champion_is_refused_where_a_freely_licensed_bundle_was_chosen(world: World) -> None:
    bound = world.folder.add("classifier_nc", seed=1, licence="CC BY-NC 4.0", non_commercial=True)
    bundles = world.started()
    world.step("promote", bound)
    with pytest.raises(NotServable, match=r"non-commercial use only, and DERMATRAIL_CLASSIFIER names .*\(classifier\)"):
        bundles.plan()
    assert world.started(classifier="classifier_nc").plan().pair.classifier.digest == bound


def test_a_shadow_takes_its_place_in_the_champions_pair(world: World) -> None:
    classifier, segmenter = world.folder.add("classifier_b", seed=1), world.folder.add("segmenter_b", seed=1)
    bundles = world.started()
    for digest in (classifier, segmenter):
        world.step("shadow", digest)
    plan = bundles.plan()
    found = {shadow.digest: (shadow.pair.segmenter.folder, shadow.pair.classifier.folder) for shadow in plan.shadows}
    assert found == {classifier: ("segmenter", "classifier_b"), segmenter: ("segmenter_b", "classifier")}
    assert plan.pair.digests == bundles.plan().pair.digests


def test_a_shadow_that_is_not_in_the_folder_does_not_stop_the_worker(world: World, caplog: pytest.LogCaptureFixture) -> None:
    other = world.folder.add("classifier_b", seed=1)
    bundles = world.started()
    world.step("shadow", other)
    shutil.rmtree(world.folder.path / "classifier_b")
    bundles.register()
    assert bundles.plan().shadows == ()
    assert "not in the bundle folder" in caplog.text


def test_the_registry_keeps_the_card_with_licence_and_metrics(world: World) -> None:
    world.folder.add("classifier", metrics={"test": {"accuracy": 0.8}})
    plan = world.started().plan()
    version = world.versions()[plan.pair.classifier.digest]
    assert version.card == json.loads((world.folder.path / "classifier" / CARD).read_text())
    assert (version.licence, version.non_commercial) == ("CC0-1.0", False)
