"""Losses and class weights against figures worked out by hand."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.training.losses import bce_dice, class_weights, cross_entropy, focal

LOGITS = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
LABELS = torch.tensor([0, 0])


def test_focal_loss_without_gamma_is_cross_entropy() -> None:
    weights = torch.tensor([1.0, 3.0])
    expected = cross_entropy(LOGITS, LABELS, weights=weights, smoothing=0)
    assert focal(LOGITS, LABELS, weights=weights, gamma=0) == pytest.approx(float(expected))


def test_focal_loss_counts_what_is_already_right_less() -> None:
    p = 1 / (1 + math.exp(-2))
    assert focal(LOGITS[:1], LABELS[:1], weights=None, gamma=2).item() == pytest.approx(-((1 - p) ** 2) * math.log(p), rel=1e-5)


def test_a_perfect_outline_costs_almost_nothing() -> None:
    mask = torch.zeros(1, 8, 8)
    mask[:, 2:6, 2:6] = 1
    assert bce_dice((mask * 2 - 1) * 50, mask).item() < 1e-3


def test_dice_of_a_half_covered_lesion() -> None:
    mask = torch.ones(1, 4, 4)
    logits = torch.full((1, 4, 4), 50.0)
    logits[:, 2:] = -50
    dice = (2 * 8 + 1) / (8 + 16 + 1)
    entropy = functional.binary_cross_entropy_with_logits(logits, mask).item()
    assert bce_dice(logits, mask).item() == pytest.approx(entropy + 1 - dice, rel=1e-4)


@pytest.mark.parametrize(("power", "ratio"), [(0.0, 1.0), (0.5, 2.0), (1.0, 4.0)])
def test_rare_classes_weigh_more_by_the_power_of_their_rarity(power: float, ratio: float) -> None:
    labels = np.array([0] * 8 + [1] * 2, np.int64)
    weights = class_weights(labels, classes=3, power=power)
    assert weights[1] / weights[0] == pytest.approx(ratio)
    assert weights[2] == 0
    assert weights[torch.from_numpy(labels)].mean() == pytest.approx(1)
