"""Probabilities that can be trusted: temperature scaling, the dual out-of-distribution criterion, and distance from training."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.finding import Ood

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Fitted on validation data and kept in the classifier's bundle."""

    max_softmax: float
    entropy: float
    distance: float


@dataclass(frozen=True, slots=True)
class Familiarity:
    """A Gaussian of the features of training lesions: probabilistic PCA (Tipping and Bishop 1999, section 3).

    ``mean`` F, ``basis`` F×K with orthonormal columns, ``variances`` K along them, ``residual`` the variance of every other
    direction. Features far from it under the Mahalanobis distance are not of lesions (Lee et al. 2018, arXiv:1807.03888).
    """

    mean: Floats
    basis: Floats
    variances: Floats
    residual: float

    def distance(self, features: Floats) -> Floats:
        """N×F → N Mahalanobis distances over the root of F: about 1 for features like those of training."""
        centred = features - self.mean
        along = centred @ self.basis
        across = (centred**2).sum(axis=1) - (along**2).sum(axis=1)
        squared = (along**2 / self.variances).sum(axis=1) + np.maximum(across, 0) / self.residual
        return np.asarray(np.sqrt(squared / features.shape[1]))


def fit_familiarity(features: Floats, *, directions: int = 64) -> Familiarity:
    """The Gaussian of N×F features, N well above ``directions``."""
    mean = features.mean(axis=0)
    variances, vectors = np.linalg.eigh(np.cov(features - mean, rowvar=False))
    kept = slice(len(variances) - directions, None)
    return Familiarity(
        mean=mean, basis=vectors[:, kept], variances=variances[kept], residual=float(variances[: -directions or None].mean())
    )


def probabilities_of(logits: NDArray[np.float32] | Floats, *, temperature: float) -> Floats:
    """N×C logits → N×C probabilities; temperature scaling after Guo et al. 2017, section 4.2."""
    scaled = logits.astype(np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def normalised_entropy(probabilities: Floats) -> Floats:
    """N×C probabilities → N values: Shannon entropy over ln C; 0 certain, 1 uniform."""
    safe = np.clip(probabilities, 1e-12, 1)
    return np.asarray(-(safe * np.log(safe)).sum(axis=1) / math.log(probabilities.shape[1]))


def judge(probabilities: Floats, distances: Floats, *, thresholds: Thresholds) -> list[Ood]:
    """Both criteria for N×C probabilities and N distances: rejected when unsure in both ways, or when too far from training."""
    largest, entropies = probabilities.max(axis=1), normalised_entropy(probabilities)
    return [
        Ood(
            in_distribution=not (top < thresholds.max_softmax and entropy > thresholds.entropy) and bool(distance <= thresholds.distance),
            max_softmax=float(top),
            entropy=float(entropy),
            max_softmax_threshold=thresholds.max_softmax,
            entropy_threshold=thresholds.entropy,
            distance=float(distance),
            distance_threshold=thresholds.distance,
        )
        for top, entropy, distance in zip(largest, entropies, distances, strict=True)
    ]


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """The temperature in 0.2..5 with the lowest negative log-likelihood, by golden-section search (the loss is convex in 1/T)."""

    def loss(inverse: float) -> float:
        probabilities = probabilities_of(logits, temperature=1 / inverse)
        return float(-np.log(np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1)).mean())

    low, high, ratio = 0.2, 5.0, (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return 2 / (low + high)


def fit_thresholds(probabilities: Floats, distances: Floats, *, accepted: float, near: float) -> Thresholds:
    """Thresholds under which the share ``accepted`` of these in-distribution predictions passes each part of the dual criterion
    alone, and the share ``near`` passes the distance.
    """
    return Thresholds(
        max_softmax=float(np.quantile(probabilities.max(axis=1), 1 - accepted)),
        entropy=float(np.quantile(normalised_entropy(probabilities), accepted)),
        distance=float(np.quantile(distances, near)),
    )
