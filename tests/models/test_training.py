"""Training on a handful of drawn pictures: the recipes learn, resume after a kill and keep lesions apart."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.networks import build_network
from models.training import augment, classification, segmentation
from models.training.data import SIDE, Record, Samples, Split, of_split, split_of
from models.training.loop import Recipe, train
from models.training.metrics import auroc, balanced_accuracy, calibration_error, interval, jaccard, thresholded_jaccard


def samples(count: int) -> Samples:
    generator = np.random.default_rng(0)
    pictures = np.full((count, SIDE, SIDE, 3), (225, 180, 160), np.uint8)
    masks = np.zeros((count, SIDE, SIDE), np.uint8)
    labels = np.arange(count, dtype=np.int64) % 2
    for index in range(count):
        left, top = generator.integers(40, 100, 2)
        masks[index, top : top + 110, left : left + 110] = 255
        pictures[index][masks[index] > 0] = (90, 60, 40) if labels[index] else (200, 60, 60)
    records = [Record(Path(f"{index}.jpg"), None, str(index), "MEL") for index in range(count)]
    return Samples(pictures, masks, labels, records)


@given(lesions=st.lists(st.text(min_size=1), min_size=1, max_size=50))
def test_every_picture_of_a_lesion_falls_into_one_split(lesions: list[str]) -> None:
    records = [Record(Path(f"{index}.jpg"), None, lesion, "NV") for index, lesion in enumerate(lesions * 2)]
    parts = [of_split(records, split) for split in Split]
    assert sum(map(len, parts)) == len(records)
    owners = [{record.lesion for record in part} for part in parts]
    assert sum(map(len, owners)) == len(set().union(*owners))


def test_splits_are_about_eighty_ten_ten() -> None:
    shares = [sum(split_of(f"lesion {index}") is split for index in range(5_000)) / 5_000 for split in Split]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_a_warp_moves_picture_and_mask_together() -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[:, :, 20:44, 10:30] = 255
    generator = torch.Generator().manual_seed(1)
    theta = augment.random_affine(1, scale=(0.8, 1.2), aspect=1.2, shift=0.1, generator=generator)
    both = augment.warp(torch.cat([mask, mask]), theta.repeat(2, 1, 1), side=48)
    assert torch.equal(both[0], both[1])
    assert both.max() > 200


def test_both_recipes_lower_their_loss(tmp_path: Path) -> None:
    data = samples(8)
    small = Recipe(epochs=3, batch=4, learning_rate=1e-3, weight_decay=0, side=64)
    for teach in (segmentation.train_segmenter, classification.train_classifier):
        _, run = teach(training=data, validation=data, imagenet_weights=None, folder=tmp_path / teach.__name__, recipe=small)
        losses = [epoch["loss"] for epoch in run["history"]]
        assert losses[-1] < losses[0]


def test_a_killed_run_continues_where_it_stopped(tmp_path: Path) -> None:
    recipe = Recipe(epochs=4, batch=4, learning_rate=1e-2, weight_decay=0, side=8)

    def run(folder: Path, *, killed_in: int | None = None) -> list[dict[str, float]]:
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 1))
        inputs = torch.arange(96.0).view(8, 12) / 96
        epochs = iter(range(10))

        def score() -> dict[str, float]:
            if next(epochs) == killed_in:
                raise KeyboardInterrupt
            return {"good": 1.0}

        return train(
            network=network,
            recipe=recipe,
            count=8,
            loss_of=lambda indices, generator: network(inputs[indices]).square().mean(),
            score=score,
            watch="good",
            folder=folder,
        )

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", killed_in=2)
    resumed, whole = run(tmp_path / "killed"), run(tmp_path / "whole")
    assert [epoch["loss"] for epoch in resumed] == pytest.approx([epoch["loss"] for epoch in whole])


def test_a_loss_that_is_not_finite_stops_the_run_with_its_cure(tmp_path: Path) -> None:
    network = torch.nn.Linear(1, 1)
    with pytest.raises(FloatingPointError, match="learning rate"):
        train(
            network=network,
            recipe=Recipe(epochs=1, batch=1, learning_rate=1e-3, weight_decay=0, side=1),
            count=1,
            loss_of=lambda indices, generator: network(torch.tensor([[float("nan")]])).sum(),
            score=dict,
            watch="none",
            folder=tmp_path,
        )


def test_imagenet_weights_reach_encoder_and_classifier(tmp_path: Path) -> None:
    donor = build_network(architecture="mobilenet_v2", classes=1000)
    torch.save(donor.state_dict(), tmp_path / "imagenet.pth")
    unet = build_network(architecture="unet_mobilenet_v2", classes=1)
    segmentation.load_imagenet_encoder(unet, tmp_path / "imagenet.pth")
    classifier = build_network(architecture="mobilenet_v2", classes=8)
    classification.load_imagenet_features(classifier, tmp_path / "imagenet.pth")
    first = donor.state_dict()["features.0.0.weight"]
    assert torch.equal(classifier.state_dict()["features.0.0.weight"], first)
    assert torch.equal(unet.state_dict()["encoder.features.0.0.weight"], first)
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="not a torchvision mobilenet_v2"):
        classification.load_imagenet_features(classifier, tmp_path / "other.pth")


def test_rare_classes_weigh_more_and_the_mean_weight_is_one() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    weights = classification.class_weights(labels).numpy()
    assert weights[1] > weights[0]
    assert weights[labels].mean() == pytest.approx(1)
    assert (weights[2:] == 0).all()


def test_metrics_agree_with_figures_worked_out_by_hand() -> None:
    a, b = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    a[:5], b[:, :5] = 255, 255
    assert jaccard(a, b) == pytest.approx(25 / 75)
    assert jaccard(a * 0, b * 0) == 1
    assert thresholded_jaccard(np.array([0.9, 0.6])) == pytest.approx(0.45)
    labels = np.array([0, 0, 0, 1])
    assert balanced_accuracy(np.array([0, 0, 0, 0]), labels) == 0.5
    assert auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == pytest.approx(0.75)
    assert auroc(np.zeros(4), np.array([False, False, True, True])) == pytest.approx(0.5)
    sure = np.tile([0.75, 0.25], (4, 1))
    assert calibration_error(sure, np.array([0, 0, 0, 1])) == pytest.approx(0)
    low, high = interval(lambda chosen: float(labels[chosen].mean()), groups=["a", "b", "c", "d"])
    assert low <= 0.25 <= high


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    data = samples(8)
    small = Recipe(epochs=1, batch=8, learning_rate=1e-3, weight_decay=0, side=64)
    _, first = segmentation.train_segmenter(training=data, validation=data, imagenet_weights=None, folder=tmp_path / "run", recipe=small)
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    _, second = segmentation.train_segmenter(
        training=data, validation=data, imagenet_weights=None, folder=tmp_path / "copy", recipe=replace(small)
    )
    assert first["history"] == second["history"]
