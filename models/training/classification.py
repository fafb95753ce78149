"""Trains the classifier on lesion-centred crops."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.crop import lesion_square
from models.networks import build_network
from models.preprocess import normalise
from models.taxonomy import CODES
from models.training import augment
from models.training.data import SIDE, Samples
from models.training.loop import Recipe, train

ARCHITECTURE = "mobilenet_v2"
RECIPE = Recipe(epochs=10, batch=32, learning_rate=7e-4, weight_decay=2e-2, side=160)
LABEL_SMOOTHING = 0.05
# Weight of a class = (1 / its share) ** this, normalised to mean 1 over the pictures: rare cancers count more, without
# the flood of false alarms that full balancing (exponent 1) brings.
BALANCE = 0.35


def train_classifier(
    *, training: Samples, validation: Samples, imagenet_weights: Path | None, folder: Path, recipe: Recipe = RECIPE
) -> tuple[nn.Module, dict[str, Any]]:
    """A MobileNetV2 with the best mean of accuracy and balanced accuracy on validation, and the record of the run."""
    torch.manual_seed(recipe.seed)
    network = build_network(architecture=ARCHITECTURE, classes=len(CODES)).to(memory_format=torch.channels_last)
    if imagenet_weights:
        load_imagenet_features(network, imagenet_weights)
    squares = squares_of(training.masks)
    weights = class_weights(training.labels)
    validation_crops = crops_of(validation, side=recipe.side)

    def loss_of(indices: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        crops = augmented(training, squares, indices, recipe.side, generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(normalise(crops).to(memory_format=torch.channels_last))
        labels = torch.from_numpy(training.labels[indices.numpy()])
        return functional.cross_entropy(logits.float(), labels, weight=weights, label_smoothing=LABEL_SMOOTHING)

    def score() -> dict[str, float]:
        predicted = logits_of(network, validation_crops).argmax(1)
        right = predicted == validation.labels
        recalls = [right[validation.labels == label].mean() for label in np.unique(validation.labels)]
        accuracy, balanced = float(right.mean()), float(np.mean(recalls))
        return {"accuracy": accuracy, "balanced_accuracy": balanced, "mean": (accuracy + balanced) / 2}

    history = train(network=network, recipe=recipe, count=len(training), loss_of=loss_of, score=score, watch="mean", folder=folder)
    return network, {
        "recipe": {**asdict(recipe), "label_smoothing": LABEL_SMOOTHING, "balance": BALANCE},
        "history": history,
        "train_images": len(training),
        "validation_images": len(validation),
    }


def class_weights(labels: np.ndarray[Any, np.dtype[np.int64]]) -> torch.Tensor:
    """One weight per class of CODES; a class without a picture weighs 0."""
    counts = np.bincount(labels, minlength=len(CODES)).astype(np.float64)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -BALANCE, 0)
    weights *= counts.sum() / (weights * counts).sum()
    return torch.from_numpy(weights).float()


def squares_of(masks: np.ndarray[Any, np.dtype[np.uint8]]) -> torch.Tensor:
    """N×3 float: centre x, centre y and side of the lesion square, in the −1..1 coordinates of ``affine_grid``."""
    squares = [lesion_square(mask, width=SIDE, height=SIDE) for mask in masks]
    return torch.tensor([[2 * square.x - 1, 2 * square.y - 1, 2 * square.half_x] for square in squares])


def augmented(samples: Samples, squares: torch.Tensor, indices: torch.Tensor, side: int, generator: torch.Generator) -> torch.Tensor:
    """Random views around each lesion square: N×3×side×side float 0..255."""
    pictures = torch.from_numpy(samples.pictures[indices.numpy()]).permute(0, 3, 1, 2).float()
    theta = augment.random_affine(len(indices), scale=(0.8, 1.25), aspect=1.12, shift=0.0, generator=generator)
    square = squares[indices]
    offset = torch.empty(len(indices), 2).uniform_(-0.1, 0.1, generator=generator)
    theta[:, :, :2] *= square[:, 2, None, None]
    theta[:, :, 2] = square[:, :2] + offset * square[:, 2, None]
    warped = augment.warp(pictures, theta, side=side)
    return augment.jitter_colour(warped, strength=0.15, generator=generator)


def crops_of(samples: Samples, *, side: int) -> torch.Tensor:
    """The lesion squares themselves, unchanged: N×3×side×side uint8."""
    squares = squares_of(samples.masks)
    theta = torch.zeros(len(samples), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = squares[:, 2]
    theta[:, :, 2] = squares[:, :2]
    parts = []
    for start in range(0, len(samples), 64):
        pictures = torch.from_numpy(samples.pictures[start : start + 64]).permute(0, 3, 1, 2).float()
        parts.append(augment.warp(pictures, theta[start : start + 64], side=side).round().to(torch.uint8))
    return torch.cat(parts)


def logits_of(network: nn.Module, crops: torch.Tensor, *, batch: int = 64) -> np.ndarray[Any, np.dtype[np.float32]]:
    """N×C logits of N×3×side×side uint8 crops."""
    parts = torch.split(crops, batch)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        logits = [network(normalise(part).to(memory_format=torch.channels_last)).float() for part in parts]
    return torch.cat(logits).numpy()


def load_imagenet_features(network: nn.Module, weights: Path) -> None:
    """Puts ImageNet weights (torchvision state dict file) into everything but the last layer."""
    state = {name: value for name, value in torch.load(weights, weights_only=True).items() if name.startswith("features.")}
    missing, unexpected = network.load_state_dict(state, strict=False)
    if unexpected or any(name.startswith("features.") for name in missing):
        raise ValueError(f"{weights} is not a torchvision mobilenet_v2 state dict: {len(missing)} names missing, {len(unexpected)} unknown")
