"""Trains the U-Net that outlines the lesion."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.networks import build_network
from models.preprocess import normalise
from models.training import augment
from models.training.data import Samples
from models.training.loop import Recipe, train

ARCHITECTURE = "unet_mobilenet_v2"
RECIPE = Recipe(epochs=14, batch=16, learning_rate=2e-3, weight_decay=1e-4, side=192)


def train_segmenter(
    *, training: Samples, validation: Samples, imagenet_weights: Path | None, folder: Path, recipe: Recipe = RECIPE
) -> tuple[nn.Module, dict[str, Any]]:
    """A U-Net with the best validation Jaccard of the run, and the record of the run for its bundle."""
    torch.manual_seed(recipe.seed)
    network = build_network(architecture=ARCHITECTURE, classes=1).to(memory_format=torch.channels_last)
    if imagenet_weights:
        load_imagenet_encoder(network, imagenet_weights)

    def loss_of(indices: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        pictures, masks = augmented(training, indices, recipe.side, generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(normalise(pictures).to(memory_format=torch.channels_last))
        return bce_dice(logits.float()[:, 0], masks)

    history = train(
        network=network,
        recipe=recipe,
        count=len(training),
        loss_of=loss_of,
        score=lambda: {"jaccard": float(jaccards(network, validation, side=recipe.side).mean())},
        watch="jaccard",
        folder=folder,
    )
    return network, {"recipe": asdict(recipe), "history": history, "train_images": len(training), "validation_images": len(validation)}


def augmented(samples: Samples, indices: torch.Tensor, side: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Random views: pictures N×3×side×side float 0..255 and masks N×side×side float 0/1."""
    chosen = indices.numpy()
    pictures = torch.from_numpy(samples.pictures[chosen]).permute(0, 3, 1, 2).float()
    masks = torch.from_numpy(samples.masks[chosen]).unsqueeze(1).float() / 255
    # Up to 1.4× squeezed, because portrait and landscape pictures are made square before the network.
    theta = augment.random_affine(len(chosen), scale=(0.6, 1.3), aspect=1.25, shift=0.1, generator=generator)
    warped = augment.warp(torch.cat([pictures, masks * 255], 1), theta, side=side)
    coloured = augment.jitter_colour(warped[:, :3], strength=0.25, generator=generator)
    return coloured, (warped[:, 3] > 127).float()


def bce_dice(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy plus soft Dice loss of N×H×W logits against N×H×W masks in 0..1."""
    probability = logits.sigmoid()
    overlap = (probability * masks).sum((1, 2))
    dice = (2 * overlap + 1) / (probability.sum((1, 2)) + masks.sum((1, 2)) + 1)
    return functional.binary_cross_entropy_with_logits(logits, masks) + (1 - dice).mean()


def jaccards(network: nn.Module, samples: Samples, *, side: int, batch: int = 32) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Jaccard index of every sample at the size held in memory; masks are thresholded at p = 0.5."""
    values = []
    for start in range(0, len(samples), batch):
        pictures = torch.from_numpy(samples.pictures[start : start + batch]).permute(0, 3, 1, 2).float()
        small = functional.interpolate(pictures, size=(side, side), mode="area")
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            logits = network(normalise(small).to(memory_format=torch.channels_last)).float()
        predicted = functional.interpolate(logits, size=samples.masks.shape[1:], mode="bilinear")[:, 0].numpy() > 0
        truth = samples.masks[start : start + batch] > 127
        union = (predicted | truth).sum((1, 2))
        values.append(np.where(union == 0, 1.0, (predicted & truth).sum((1, 2)) / np.maximum(union, 1)))
    return np.concatenate(values)


def load_imagenet_encoder(network: nn.Module, weights: Path) -> None:
    """Puts torchvision's MobileNetV2 ImageNet weights (a state dict file) into the U-Net's encoder, every one of them."""
    state = torch.load(weights, weights_only=True)
    features = {name: value for name, value in state.items() if name.startswith("features.")}
    encoder: Any = network.encoder
    encoder.load_state_dict({**features, **{name: value for name, value in state.items() if name.startswith("classifier.")}})
