"""Everything that a confusion matrix tells, for one matrix by scikit-learn and for all draws of a bootstrap at once."""

from typing import Any

import numpy as np

from models.evaluation.figures.bootstrap import Bootstrap, divided, interval, share_interval
from models.evaluation.figures.samples import ClassPredictions, Floats

KINDS = ("precision", "recall", "f1")


def confusion_figures(predictions: ClassPredictions, bootstrap: Bootstrap) -> dict[str, Any]:
    """Accuracy, balanced accuracy, precision, recall and F1 per class, their macro and weighted means, and the matrix itself.

    Means are over the classes that occur in the truth; there, a class that is never predicted has precision 0. Balanced accuracy is the
    mean recall over those classes (ISIC 2018 task 3).
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

    labels, predicted, classes = predictions.labels, predictions.predicted, np.arange(len(predictions.codes))
    matrix = confusion_matrix(labels, predicted, labels=classes)
    per_class = np.array(precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=np.nan)[:3])
    counts = matrix.sum(axis=1)
    drawn = drawn_matrices(predictions, bootstrap)
    shares, balanced = _drawn_shares(drawn), float(np.mean(per_class[1][counts > 0]))
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "accuracy_95": share_interval(np.trace(drawn, axis1=1, axis2=2) / drawn.sum(axis=(1, 2)), units=bootstrap.units),
        "balanced_accuracy": balanced,
        "balanced_accuracy_95": interval(_macro(shares[1], drawn), units=bootstrap.units),
        **_by_class(predictions, bootstrap, per_class, shares),
        "macro": _means(per_class, counts > 0, [_macro(share, drawn) for share in shares], bootstrap),
        "weighted": _means(per_class, counts, [_weighted(share, drawn) for share in shares], bootstrap),
        "count": {code: int(count) for code, count in zip(predictions.codes, counts, strict=True)},
        "confusion": matrix.tolist(),
    }


def drawn_matrices(predictions: ClassPredictions, bootstrap: Bootstrap) -> Floats:
    """draws×C×C: how many images of each true class (rows) are called each class (columns)."""
    classes, count = len(predictions.codes), len(predictions.labels)
    cells = np.zeros((count, classes * classes))
    cells[np.arange(count), predictions.labels * classes + predictions.predicted] = 1
    return bootstrap.sums(cells).reshape(-1, classes, classes)


def drawn_balanced_accuracy(predictions: ClassPredictions, bootstrap: Bootstrap) -> Floats:
    """draws: mean recall over the classes that occur in each."""
    matrices = drawn_matrices(predictions, bootstrap)
    return _macro(_drawn_shares(matrices)[1], matrices)


def _drawn_shares(matrices: Floats) -> list[Floats]:
    hits, called, true = np.diagonal(matrices, axis1=1, axis2=2), matrices.sum(axis=1), matrices.sum(axis=2)
    return [divided(hits, called), divided(hits, true), divided(2 * hits, called + true)]


def _macro(share: Floats, matrices: Floats) -> Floats:
    present = matrices.sum(axis=2) > 0
    return np.asarray(np.where(present, np.nan_to_num(share), 0).sum(axis=1) / present.sum(axis=1), np.float64)


def _weighted(share: Floats, matrices: Floats) -> Floats:
    true = matrices.sum(axis=2)
    return np.asarray((np.nan_to_num(share) * true).sum(axis=1) / true.sum(axis=1), np.float64)


def _by_class(predictions: ClassPredictions, bootstrap: Bootstrap, values: Floats, draws: list[Floats]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    lesions = [bootstrap.units_of(predictions.labels == index) for index in range(len(predictions.codes))]
    called = [bootstrap.units_of(predictions.predicted == index) for index in range(len(predictions.codes))]
    units = {"precision": called, "recall": lesions, "f1": lesions}
    for kind, row, drawn in zip(KINDS, values, draws, strict=True):
        figures[kind] = {code: None if np.isnan(value) else float(value) for code, value in zip(predictions.codes, row, strict=True)}
        figures[f"{kind}_95"] = {
            code: share_interval(drawn[:, index], units=min(units[kind][index], lesions[index]))
            for index, code in enumerate(predictions.codes)
        }
    figures["lesion_count"] = dict(zip(predictions.codes, lesions, strict=True))
    return figures


def _means(values: Floats, weights: Floats, means: list[Floats], bootstrap: Bootstrap) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for kind, row, drawn in zip(KINDS, np.nan_to_num(values), means, strict=True):
        figures[kind] = float(np.average(row, weights=weights))
        figures[f"{kind}_95"] = interval(drawn, units=bootstrap.units)
    return figures
