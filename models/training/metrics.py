"""The figures that a bundle's card carries. Pure functions over arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.pictures.types import Gray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
BOOTSTRAPS = 1_000
ISIC_FAILED = 0.65  # ISIC 2018 Task 1 counts a Jaccard under this as zero


def jaccard(predicted: Gray, truth: Gray) -> float:
    """Intersection over union of two H×W masks (non-zero = lesion); 1 when both are empty."""
    a, b = predicted > 0, truth > 0
    union = int(np.count_nonzero(a | b))
    return 1.0 if union == 0 else int(np.count_nonzero(a & b)) / union


def thresholded_jaccard(values: Floats) -> float:
    """Mean Jaccard with every value under 0.65 counted as 0 (ISIC 2018 Task 1)."""
    return float(np.where(values < ISIC_FAILED, 0, values).mean())


def accuracy(predicted: Labels, labels: Labels) -> float:
    """Share of equal labels."""
    return float((predicted == labels).mean())


def balanced_accuracy(predicted: Labels, labels: Labels) -> float:
    """Mean recall over the classes present in ``labels``."""
    return float(np.mean([(predicted[labels == label] == label).mean() for label in np.unique(labels)]))


def auroc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve by ranks, ties counted half. Needs both classes."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positives, negatives = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def calibration_error(probabilities: Floats, labels: Labels, *, bins: int = 15) -> float:
    """Expected calibration error of the top class over equal-width bins (Guo et al. 2017, equation 5)."""
    top, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    which = np.minimum((top * bins).astype(int), bins - 1)
    gaps = [abs(right[which == index].mean() - top[which == index].mean()) * (which == index).mean() for index in np.unique(which)]
    return float(np.sum(gaps))


def interval(figure: Callable[[NDArray[np.int64]], float], *, groups: list[str], seed: int = 0) -> list[float]:
    """95 % bootstrap interval of ``figure(indices)``, resampling whole groups (lesions), not pictures."""
    names, inverse = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(inverse == index) for index in range(len(names))]
    generator = np.random.default_rng(seed)
    draws = [figure(np.concatenate([members[i] for i in generator.integers(0, len(names), len(names))])) for _ in range(BOOTSTRAPS)]
    return [float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))]


def classification_figures(
    probabilities: Floats, labels: Labels, *, codes: list[str], malignant: set[str], groups: list[str]
) -> dict[str, Any]:
    """Everything the card says of a classifier on one split."""
    predicted = probabilities.argmax(axis=1)
    bad = np.array([codes[label] in malignant for label in labels])
    score = probabilities[:, [codes.index(code) for code in codes if code in malignant]].sum(axis=1)
    return {
        "images": len(labels),
        "accuracy": accuracy(predicted, labels),
        "accuracy_95": interval(lambda chosen: accuracy(predicted[chosen], labels[chosen]), groups=groups),
        "balanced_accuracy": balanced_accuracy(predicted, labels),
        "balanced_accuracy_95": interval(lambda chosen: balanced_accuracy(predicted[chosen], labels[chosen]), groups=groups),
        "malignant_auroc": auroc(score, bad),
        "expected_calibration_error": calibration_error(probabilities, labels),
        "recall": {codes[label]: float((predicted[labels == label] == label).mean()) for label in np.unique(labels)},
        "precision": {codes[label]: float((labels[predicted == label] == label).mean()) for label in np.unique(predicted)},
        "count": {codes[label]: int((labels == label).sum()) for label in np.unique(labels)},
    }
