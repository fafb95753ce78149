"""Does a stated probability of 0.8 come true eight times in ten? Reliability of the top class."""

from typing import Any

import numpy as np

from models.evaluation.figures.bootstrap import Bootstrap, interval, share_figures
from models.evaluation.figures.samples import ClassPredictions, Floats

BINS = 15


def calibration_figures(predictions: ClassPredictions, bootstrap: Bootstrap, *, bins: int = BINS) -> dict[str, Any]:
    """``expected_calibration_error`` (Guo et al. 2017, equation 5) and the ``reliability`` diagram's bins of equal width.

    Resampling adds scatter to every bin and so lifts the error of all draws; the interval is shifted back by that bias
    (Efron and Tibshirani 1993, chapter 10).
    """
    top, right = predictions.probabilities.max(axis=1), predictions.predicted == predictions.labels
    which = np.minimum((top * bins).astype(np.int64), bins - 1)
    gaps = np.eye(bins)[which] * (top - right)[:, None]
    value = float(_errors(gaps.sum(axis=0), len(top)))
    draws = _errors(bootstrap.sums(gaps), bootstrap.sums(np.ones((len(top), 1)))[:, 0])
    corrected = np.maximum(draws - (draws.mean() - value), 0)
    return {
        "expected_calibration_error": value,
        "expected_calibration_error_95": interval(corrected, units=bootstrap.units),
        "reliability": [
            {
                "low": int(index) / bins,
                "high": (int(index) + 1) / bins,
                "images": int(np.sum(which == index)),
                "confidence": float(top[which == index].mean()),
                **share_figures("accuracy", bootstrap, right, which == index),
            }
            for index in np.unique(which)
        ],
    }


def _errors(gaps: Floats, counts: Floats | int) -> Floats:
    # A bin's |confidence − accuracy| times its share of images is |Σ (confidence − right)| over all images.
    return np.asarray(np.abs(gaps).sum(axis=-1) / counts, np.float64)
