"""From a recipe and a folder to records: what is usable, what is refused before any training, and what is kept apart."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.bundle import save_bundle
from models.datasets import DatasetError, Record, Split
from models.networks import build_network
from models.taxonomy import taxonomy_of
from models.training.recipe import Recipe, RecipeError, load_recipe
from models.training.run import Start, parts_of, records_of, spread, train
from tests.models.cards import classifier_card
from tests.models.training.drawn_data import write_ham10000

QUIET = pytest.mark.filterwarnings("ignore::UserWarning:lightning", "ignore:`isinstance\\(treespec:FutureWarning")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ham10000(tmp_path_factory.mktemp("data"))


def smoked(name: str) -> Recipe:
    return load_recipe(name).smoked().changed({"data": {"sources": ["ham10000"]}})


def lesions(records: Sequence[Record]) -> set[str]:
    return {record.lesion for record in records}


def test_no_lesion_stands_on_both_sides(data: Path) -> None:
    recipe = smoked("classifier")
    parts = parts_of(recipe, records_of(recipe, data))
    assert all(parts.values())
    assert not lesions(parts[Split.TRAIN]) & (lesions(parts[Split.VALIDATION]) | lesions(parts[Split.TEST]))


def test_a_protocol_without_validation_chooses_on_its_test_part(data: Path) -> None:
    recipe = smoked("s4")
    parts = parts_of(recipe, records_of(recipe, data))
    assert parts[Split.VALIDATION] == parts[Split.TEST]
    assert len(parts[Split.TEST]) / sum(map(len, (parts[Split.TRAIN], parts[Split.TEST]))) == pytest.approx(0.2, abs=0.07)


def test_a_segmenter_reads_only_pictures_with_outlines(data: Path) -> None:
    recipe = smoked("segmenter")
    assert all(record.mask for record in records_of(recipe, data))


def test_an_unreadable_picture_is_named_before_training(tmp_path: Path) -> None:
    data = write_ham10000(tmp_path)
    broken = min((data / "ham10000" / "images").iterdir())
    broken.write_bytes(b"no picture")
    recipe = smoked("classifier")
    with pytest.raises(DatasetError, match=broken.stem):
        parts_of(recipe, records_of(recipe, data))


def test_an_unknown_source_names_the_known_ones(data: Path) -> None:
    recipe = smoked("classifier").changed({"data": {"sources": ["ham1000"]}})
    with pytest.raises(DatasetError, match="ham10000"):
        records_of(recipe, data)


def test_a_bundle_of_another_architecture_is_no_start(data: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "resnet"
    save_bundle(folder=bundle, network=build_network(architecture="resnet18", classes=2), card=classifier_card(architecture="resnet18"))
    recipe = smoked("classifier_permissive")
    with pytest.raises(RecipeError, match="holds a resnet18, the recipe classifier_permissive trains a mobilenet_v2"):
        train(recipe=recipe, parts=parts_of(recipe, records_of(recipe, data)), start=Start(bundle=bundle), work=tmp_path / "work")


@QUIET
def test_members_trained_apart_are_taken_as_they_are(data: Path, tmp_path: Path) -> None:
    recipe = smoked("classifier").changed({"input": {"side": 32}})
    parts = parts_of(recipe, records_of(recipe, data))
    alone = train(recipe=recipe, parts=parts, start=Start(), work=tmp_path, member=1)
    together = train(recipe=recipe, parts=parts, start=Start(), work=tmp_path)
    one, other = alone.network.state_dict(), together.network.members[1].state_dict()  # type: ignore[index, union-attr]
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    first = together.network.members[0].state_dict()  # type: ignore[index, union-attr]
    assert not torch.equal(first["features.0.0.weight"], one["features.0.0.weight"])


def test_a_member_that_the_recipe_does_not_have_is_refused(data: Path, tmp_path: Path) -> None:
    recipe = smoked("classifier")
    parts = parts_of(recipe, records_of(recipe, data))
    with pytest.raises(RecipeError, match="has 3 members: --member counts them from 0"):
        train(recipe=recipe, parts=parts, start=Start(), work=tmp_path, member=3)


@QUIET
def test_each_member_starts_from_the_bundles_member_of_its_place(data: Path, tmp_path: Path) -> None:
    members = ["mobilenet_v2", "mobilenet_v2", "mobilenet_v2"]
    network = build_network(architecture="ensemble", classes=8, members=members)
    card = classifier_card(
        architecture="ensemble", options={"members": members}, classes=list(taxonomy_of("isic2019").codes), taxonomy="isic2019"
    )
    save_bundle(folder=tmp_path / "start", network=network, card=card)
    recipe = smoked("desk").changed({"input": {"side": 32}, "training": {"learning_rate": 1e-12, "weight_decay": 0.0}})
    parts = parts_of(recipe, records_of(recipe, data))
    fitted = train(recipe=recipe, parts=parts, start=Start(bundle=tmp_path / "start"), work=tmp_path / "work", member=2)
    name = "features.0.0.weight"
    assert torch.allclose(fitted.network.get_parameter(name), network.members[2].get_parameter(name), atol=2e-3)  # type: ignore[index, union-attr]
    assert not torch.allclose(fitted.network.get_parameter(name), network.members[0].get_parameter(name), atol=2e-3)  # type: ignore[index, union-attr]


def test_spreading_takes_one_of_each_class_in_turn() -> None:
    records = [Record(image=Path(f"{index}.jpg"), mask=None, lesion=str(index), diagnosis="NV") for index in range(50)]
    records += [Record(image=Path(f"m{index}.jpg"), mask=None, lesion=f"m{index}", diagnosis="MEL") for index in range(3)]
    chosen = spread(records, most=10)
    assert len(chosen) == 10
    assert sum(record.diagnosis == "MEL" for record in chosen) == 3


def test_pictures_larger_than_the_working_size_are_prepared_as_the_analyzer_does(tmp_path: Path) -> None:
    from models.training.samples import load

    path = tmp_path / "large.png"
    cv2.imwrite(str(path), np.full((900, 1200, 3), 180, np.uint8))
    record = Record(image=path, mask=None, lesion="1", diagnosis="NV")
    samples = load([record], codes=("NV",), steps=("hair_closing_fill",), crop="whole", title="one")
    assert samples.pictures.shape == (1, 256, 256, 3)
    assert (samples.pictures == 180).all()
