"""All figures of an outliner on one set of images, with the definitions of ISIC's own scoring where they exist."""

from typing import Any

import numpy as np

from models.evaluation.figures.bootstrap import DRAWS, Bootstrap, divided, interval, share_figures
from models.evaluation.figures.samples import Floats, OutlineScores

FAILED = 0.65  # ISIC 2018 task 1: an outline under this Jaccard needs redrawing and counts as 0
BINS = 20  # 0.05 wide, so that 0.65 is an edge
WORST = 20
PIXEL_FIGURES = ("sensitivity", "specificity", "precision", "f1", "global_accuracy")


def segmentation_figures(scores: OutlineScores, *, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """Everything the report says of an outliner; intervals resample ``scores.groups``.

    Keys: images, lesions, jaccard, thresholded_jaccard, share_under_0.65, dice (means over images, each with ``_95``), pixels (sensitivity,
    specificity, precision, f1, global accuracy as means over images), pixels_pooled (the same over all pixels together, where large lesions
    weigh more), empty_predictions, histogram (of Jaccard, 20 bins over 0..1), quantiles and worst.
    """
    bootstrap = Bootstrap(scores.groups, draws=draws, seed=seed)
    values = jaccard_of(scores)
    return {
        "images": len(values),
        "lesions": bootstrap.units,
        **mean_figures("jaccard", values, bootstrap),
        **mean_figures("thresholded_jaccard", thresholded(values), bootstrap),
        **share_figures("share_under_0.65", bootstrap, values < FAILED, np.ones(len(values), np.bool_)),
        **mean_figures("dice", pixel_rates(scores)["f1"], bootstrap),
        "pixels": {key: item for name, rate in pixel_rates(scores).items() for key, item in mean_figures(name, rate, bootstrap).items()},
        "pixels_pooled": _pooled(scores, bootstrap),
        "empty_predictions": int(np.sum(scores.tp + scores.fp == 0)),
        "empty_truths": int(np.sum(scores.tp + scores.fn == 0)),
        "histogram": np.histogram(values, bins=BINS, range=(0, 1))[0].tolist(),
        "quantiles": {str(share): float(np.quantile(values, share)) for share in (0.05, 0.25, 0.5, 0.75, 0.95)},
        "worst": _worst(scores, values),
    }


def jaccard_of(scores: OutlineScores) -> Floats:
    """N: intersection over union; 1 where truth and prediction are both empty (as ISIC's scoring)."""
    return _or_one(scores.tp, scores.tp + scores.fp + scores.fn)


def thresholded(values: Floats) -> Floats:
    """N: every Jaccard under 0.65 as 0 (ISIC 2018 task 1)."""
    return np.where(values < FAILED, 0.0, values)


def pixel_rates(scores: OutlineScores) -> dict[str, Floats]:
    """N each: the five pixel figures per image; an undefined one (say precision of an empty outline) is 1, as in ISIC's scoring."""
    tp, fp, fn, tn = scores.tp, scores.fp, scores.fn, scores.tn
    return {
        "sensitivity": _or_one(tp, tp + fn),
        "specificity": _or_one(tn, tn + fp),
        "precision": _or_one(tp, tp + fp),
        "f1": _or_one(2 * tp, 2 * tp + fp + fn),
        "global_accuracy": _or_one(tp + tn, tp + fp + fn + tn),
    }


def mean_figures(name: str, values: Floats, bootstrap: Bootstrap) -> dict[str, Any]:
    """``name``, the mean over images, and ``name_95``."""
    return {name: float(values.mean()), f"{name}_95": interval(bootstrap.mean(values), units=bootstrap.units)}


def _or_one(top: np.ndarray[Any, Any], bottom: np.ndarray[Any, Any]) -> Floats:
    quotient = divided(top.astype(np.float64), bottom.astype(np.float64))
    return np.where(bottom == 0, 1.0, quotient)


def _pooled(scores: OutlineScores, bootstrap: Bootstrap) -> dict[str, Any]:
    counts = np.stack([scores.tp, scores.fp, scores.fn, scores.tn], axis=1).astype(np.float64)
    values, draws = _pooled_rates(counts.sum(axis=0)[None]), _pooled_rates(bootstrap.sums(counts))
    figures: dict[str, Any] = {}
    for name in PIXEL_FIGURES:
        figures[name] = None if np.isnan(values[name][0]) else float(values[name][0])
        figures[f"{name}_95"] = interval(draws[name], units=bootstrap.units)
    return figures


def _pooled_rates(sums: Floats) -> dict[str, Floats]:
    tp, fp, fn, tn = sums.T
    rates = (divided(tp, tp + fn), divided(tn, tn + fp), divided(tp, tp + fp), divided(2 * tp, 2 * tp + fp + fn))
    return dict(zip(PIXEL_FIGURES, (*rates, divided(tp + tn, sums.sum(axis=1))), strict=True))


def _worst(scores: OutlineScores, values: Floats) -> list[dict[str, Any]]:
    if not len(scores.images):
        return []
    order = sorted(range(len(values)), key=lambda index: (values[index], scores.images[index]))
    return [{"image": scores.images[i], "lesion": scores.groups[i], "jaccard": float(values[i])} for i in order[:WORST]]
