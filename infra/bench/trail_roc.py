"""Who would be alerted at which measured growth: the curve, and a point on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from infra.bench.trail_growth import ALERTING, Growth


@dataclass(frozen=True, slots=True)
class Point:
    """``threshold``: of the measured growth, a share. ``growing``, ``stable``: how many lesions there are of each."""

    threshold: float
    growing: int
    stable: int
    sensitivity: float
    specificity: float


def at_threshold(growths: Sequence[Growth], threshold: float) -> Point:
    """Alerts from ``threshold`` on. Lesions that cannot be compared raise none."""
    growing, stable = _scores(growths)
    return Point(threshold, len(growing), len(stable), _share(growing >= threshold), _share(stable < threshold))


def chosen(growths: Sequence[Growth], *, specificity: float) -> float:
    """The lowest threshold with at least this specificity; NaN without stable lesions."""
    _, stable = _scores(growths)
    if not len(stable):
        return float("nan")
    # A lesion that could not be compared measures less than any growth.
    ranked = np.sort(stable)
    place = int(np.ceil(specificity * len(ranked))) - 1
    return max(0.0, float(np.nextafter(ranked[place], np.inf)))


def area_under(growths: Sequence[Growth]) -> float:
    """Probability that a growing lesion measures more growth than a stable one; ties count half."""
    growing, stable = _scores(growths)
    if not len(growing) or not len(stable):
        return float("nan")
    above = (growing[:, None] > stable[None]).mean() + (growing[:, None] == stable[None]).mean() / 2
    return float(above)


def _scores(growths: Sequence[Growth]) -> tuple[np.ndarray, np.ndarray]:
    """Of lesions that truly grew by ALERTING or more, and of those that did not grow at all."""
    score = [-np.inf if growth.measured is None else growth.measured for growth in growths]
    true = np.array([growth.true for growth in growths])
    scores = np.array(score, np.float64)
    return scores[true >= ALERTING], scores[true == 0]


def _share(which: np.ndarray) -> float:
    return float(which.mean()) if len(which) else float("nan")
