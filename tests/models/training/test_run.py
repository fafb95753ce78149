"""From a recipe and a folder to records: what is usable, what is refused before any training, and what is kept apart."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.bundle import save_bundle
from models.datasets import DatasetError, Record, Split
from models.networks import build_network
from models.training.recipe import Recipe, RecipeError, load_recipe
from models.training.run import Start, parts_of, records_of, spread, train
from tests.models.cards import classifier_card
from tests.models.training.drawn_data import write_ham10000


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
    recipe = smoked("classifier")
    with pytest.raises(RecipeError, match="holds a resnet18, the recipe classifier trains a mobilenet_v2"):
        train(recipe=recipe, parts=parts_of(recipe, records_of(recipe, data)), start=Start(bundle=bundle), work=tmp_path / "work")


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
