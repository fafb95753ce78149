"""When to abstain: unsure in both ways (the dual criterion), or too strange for the detector."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.finding import Ood
from models.ood.calibration import normalised_entropy

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Fitted on validation data and kept in the classifier's bundle. ``distance``: the detector's highest score of a lesion."""

    max_softmax: float
    entropy: float
    distance: float


def judge(probabilities: Floats, distances: Floats, *, thresholds: Thresholds) -> list[Ood]:
    """Both criteria for N×C probabilities and N detector scores: refused when unsure in both ways, or when too strange."""
    largest, entropies = probabilities.max(axis=1), normalised_entropy(probabilities)
    refused = unsure(probabilities, thresholds=thresholds) | (distances > thresholds.distance)
    return [
        Ood(
            in_distribution=not out,
            max_softmax=float(top),
            entropy=float(entropy),
            max_softmax_threshold=thresholds.max_softmax,
            entropy_threshold=thresholds.entropy,
            distance=float(distance),
            distance_threshold=thresholds.distance,
        )
        for out, top, entropy, distance in zip(refused, largest, entropies, distances, strict=True)
    ]


def unsure(probabilities: Floats, *, thresholds: Thresholds) -> Booleans:
    """N×C → N, the dual criterion alone: max-softmax below its threshold AND normalised entropy above its own."""
    low = probabilities.max(axis=1) < thresholds.max_softmax
    return np.asarray(low & (normalised_entropy(probabilities) > thresholds.entropy))


def fit_thresholds(probabilities: Floats, distances: Floats, *, accepted: float, near: float) -> Thresholds:
    """Thresholds under which the share ``accepted`` of these in-distribution predictions passes each part of the dual criterion
    alone, and the share ``near`` passes the detector.
    """
    return Thresholds(
        max_softmax=float(np.quantile(probabilities.max(axis=1), 1 - accepted)),
        entropy=float(np.quantile(normalised_entropy(probabilities), accepted)),
        distance=float(np.quantile(distances, near)),
    )
