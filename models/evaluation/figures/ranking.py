"""ROC curves under many weightings at once: what scikit-learn gives for one set of weights, for all draws of a bootstrap."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.evaluation.figures.bootstrap import Bootstrap, divided, interval
from models.evaluation.figures.samples import Booleans, Floats

ROUNDING = 1e-9  # 1 − 0.9 is not 0.1 in binary: a target is met within rounding


@dataclass(frozen=True, slots=True)
class Curve:
    """The ROC curve of one set of scores, from (0, 0) on: rates per distinct score, falling thresholds (the first is infinite)."""

    false_positive: Floats
    true_positive: Floats
    thresholds: Floats

    def sensitivity_at(self, specificity: float) -> tuple[float, float]:
        """Highest sensitivity with at least this specificity, and the score from which on an image counts as positive."""
        met = np.flatnonzero(1 - self.false_positive >= specificity - ROUNDING)
        return float(self.true_positive[met[-1]]), float(self.thresholds[met[-1]])

    def specificity_at(self, sensitivity: float) -> tuple[float, float]:
        """Highest specificity with at least this sensitivity, and the score from which on an image counts as positive."""
        met = np.flatnonzero(self.true_positive >= sensitivity - ROUNDING)
        return float(1 - self.false_positive[met[0]]), float(self.thresholds[met[0]])


def curve_of(scores: Floats, positive: Booleans) -> Curve:
    """ROC curve with every distinct score kept. Needs images of both kinds."""
    from sklearn.metrics import roc_curve

    return Curve(*roc_curve(positive, scores, drop_intermediate=False))


def auroc_of(scores: Floats, positive: Booleans) -> float | None:
    """Area under the ROC curve, ties counted half; None where only one kind is there."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, scores)) if 0 < int(positive.sum()) < len(positive) else None


def drawn_points(curve: Curve, *, most: int = 200) -> dict[str, list[float]]:
    """The curve for drawing: its corners, thinned to about ``most`` points."""
    x, y = curve.false_positive, curve.true_positive
    turns = np.ones(len(x), np.bool_)
    turns[1:-1] = np.diff(x)[1:] * np.diff(y)[:-1] != np.diff(x)[:-1] * np.diff(y)[1:]
    kept = np.flatnonzero(turns)
    kept = kept[np.unique(np.linspace(0, len(kept) - 1, min(most, len(kept))).round().astype(int))]
    return {"false_positive_rate": x[kept].tolist(), "true_positive_rate": y[kept].tolist()}


class DrawnCurves:
    """The ROC curves of all draws: areas, and rates at fixed rates. Each result holds one value per draw, NaN where undefined."""

    def __init__(self, bootstrap: Bootstrap, scores: Floats, positive: Booleans) -> None:
        self._bootstrap, self._positive = bootstrap, positive
        self._order = np.argsort(-scores, kind="stable")
        falling = scores[self._order]
        self._starts = np.flatnonzero(np.concatenate([[True], falling[1:] != falling[:-1]]))
        self.units = min(bootstrap.units_of(positive), bootstrap.units_of(~positive))

    def areas(self) -> Floats:
        """Area under each draw's curve."""
        return self.measured(sensitivities=(), specificities=())[0]

    def measured(self, *, specificities: tuple[float, ...], sensitivities: tuple[float, ...]) -> tuple[Floats, Floats, Floats]:
        """Areas (draws), sensitivities at the specificities (draws×S) and specificities at the sensitivities (draws×T)."""
        areas, at_specificity, at_sensitivity = [], [], []
        for fp, tp in self._curves():
            areas.append(np.sum(np.diff(fp) * (tp[:, 1:] + tp[:, :-1]) / 2, axis=1))
            known = ~np.isnan(areas[-1])
            at_specificity.append(_columns(known, [_last(tp, fp <= 1 - rate + ROUNDING) for rate in specificities]))
            at_sensitivity.append(_columns(known, [1 - _first(fp, tp < rate - ROUNDING) for rate in sensitivities]))
        return np.concatenate(areas), np.concatenate(at_specificity), np.concatenate(at_sensitivity)

    def _curves(self) -> Iterator[tuple[Floats, Floats]]:
        positive = self._positive[self._order]
        for weights in self._bootstrap.weights():
            ordered = weights[:, self._order]
            yield self._rates(ordered * ~positive), self._rates(ordered * positive)

    def _rates(self, weights: Floats) -> Floats:
        steps = np.cumsum(np.add.reduceat(weights, self._starts, axis=1), axis=1)
        return divided(np.pad(steps, ((0, 0), (1, 0))), steps[:, -1:])


def _last(values: Floats, met: Booleans) -> Floats:
    # ``met`` is true up to some column and false from there on, in every row.
    places = np.maximum(np.count_nonzero(met, axis=1) - 1, 0)
    return np.asarray(np.take_along_axis(values, places[:, None], axis=1)[:, 0])


def _first(values: Floats, missed: Booleans) -> Floats:
    places = np.minimum(np.count_nonzero(missed, axis=1), values.shape[1] - 1)
    return np.asarray(np.take_along_axis(values, places[:, None], axis=1)[:, 0])


def _columns(known: Booleans, columns: list[Floats]) -> Floats:
    found = np.stack(columns, axis=1) if columns else np.empty((len(known), 0))
    return np.where(known[:, None], found, np.nan)


def auroc_figures(bootstrap: Bootstrap, scores: Floats, positive: Booleans) -> dict[str, Any]:
    """``auroc`` and ``auroc_95``, both None where only one kind is there."""
    value = auroc_of(scores, positive)
    if value is None:
        return {"auroc": None, "auroc_95": None}
    drawn = DrawnCurves(bootstrap, scores, positive)
    return {"auroc": value, "auroc_95": interval(drawn.areas(), units=drawn.units)}
