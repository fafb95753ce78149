"""From which malignant probability on a lesion counts as suspicious."""

import math

import numpy as np
from numpy.typing import NDArray

from models.finding import OperatingPoint

CONFIDENCE = 0.95


def operating_point(
    *,
    malignant_probability: NDArray[np.float64],
    malignant: NDArray[np.bool_],
    sensitivity: float = 0.90,
    confidence: float = CONFIDENCE,
) -> OperatingPoint | None:
    """The highest threshold with which ``sensitivity`` is expected to be kept on held-out lesions too, by N validation pictures.

    So few malignant ones may lie under it that the one-sided lower bound of Clopper and Pearson (1934) at ``confidence`` is still at
    ``sensitivity``; where there are too few malignant pictures for any such statement, none may. A lesion is suspicious at or above
    the threshold. The returned sensitivity and specificity are those of these pictures. None without a malignant or a benign one.
    Raises ValueError for shares outside of 0..1.
    """
    if not 0 < sensitivity < 1 or not 0 < confidence < 1:
        raise ValueError(f"sensitivity {sensitivity} and confidence {confidence} must lie between 0 and 1")
    bad, good = np.sort(malignant_probability[malignant]), malignant_probability[~malignant]
    if not len(bad) or not len(good):
        return None
    threshold = float(bad[_allowed_misses(len(bad), sensitivity=sensitivity, confidence=confidence)])
    return OperatingPoint(
        malignant_probability=threshold, sensitivity=float((bad >= threshold).mean()), specificity=float((good < threshold).mean())
    )


def _allowed_misses(count: int, *, sensitivity: float, confidence: float) -> int:
    """The most misses among ``count`` that would be a surprise if the true sensitivity were lower: P(misses or fewer) ≤ 1 − confidence."""
    missed, tail = 0, 0.0
    while True:
        ways = math.lgamma(count + 1) - math.lgamma(missed + 1) - math.lgamma(count - missed + 1)
        tail += math.exp(ways + missed * math.log(1 - sensitivity) + (count - missed) * math.log(sensitivity))
        if tail > 1 - confidence:
            return max(missed - 1, 0)
        missed += 1
