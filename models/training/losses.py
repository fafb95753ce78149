"""Losses and class weights, pure functions over tensors."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor, *, weights: torch.Tensor | None, smoothing: float) -> torch.Tensor:
    """Class-weighted cross-entropy with label smoothing (Szegedy et al. 2016, section 7) of N×C logits against N labels."""
    return functional.cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing)


def focal(logits: torch.Tensor, labels: torch.Tensor, *, weights: torch.Tensor | None, gamma: float) -> torch.Tensor:
    """Class-weighted focal loss (Lin et al. 2017, equation 5): what is already right counts (1 − p) ** ``gamma`` less."""
    log_p = functional.log_softmax(logits, 1).gather(1, labels[:, None])[:, 0]
    each = -((1 - log_p.exp()) ** gamma) * log_p
    if weights is None:
        return each.mean()
    chosen = weights[labels]
    return (each * chosen).sum() / chosen.sum()


def bce_dice(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy plus soft Dice loss (Milletari et al. 2016) of N×H×W logits against N×H×W masks in 0..1."""
    probability = logits.sigmoid()
    overlap = (probability * masks).sum((1, 2))
    dice = (2 * overlap + 1) / (probability.sum((1, 2)) + masks.sum((1, 2)) + 1)
    return functional.binary_cross_entropy_with_logits(logits, masks) + (1 - dice).mean()


def class_weights(labels: NDArray[np.int64], *, classes: int, power: float) -> torch.Tensor:
    """One weight per class, (1 / its share) ** ``power``, with mean 1 over the pictures; a class without a picture weighs 0."""
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -power, 0)
    weights *= counts.sum() / (weights * counts).sum()
    return torch.from_numpy(weights).float()
