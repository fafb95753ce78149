"""Prediction sets that hold the true class as often as they promise: split conformal prediction on validation lesions.

A score says how badly a class fits a picture. The sets of new pictures hold every class that fits no worse than all but about a
tenth of the validation pictures' true classes did; if new pictures come as those did, they cover the truth in nine cases of ten,
however good or bad the network is (Vovk et al. 2005; Angelopoulos and Bates 2023, arXiv:2107.07511, section 1).

Three scores, from probabilities p in falling order, for the class of rank k (from 0):
* lac:  1 − p_k, the smallest sets on average (Sadinle et al. 2019, arXiv:1609.00451);
* aps:  p_0 + … + p_k, more even between easy and hard pictures (Romano et al. 2020, arXiv:2006.02544, without its randomisation);
* raps: aps + a penalty for every rank from PENALISED on, for fewer very large sets (Angelopoulos et al. 2021, arXiv:2009.14193).

A set is never empty: an empty one would say that a picture is odd, which is the out-of-distribution detector's business. The likeliest
class therefore scores lowest of all, while fitting as in use, so that this costs nothing of the promise's exactness. Where the
network is right more often than promised, every set is its likeliest class.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Booleans = NDArray[np.bool_]

PENALISED, PENALTY = 2, 0.1
# Under every score, which lie in 0..1 + C × PENALTY; over every score: the class is in every set.
ALWAYS_IN, EVERYTHING = -1.0, 1e9
FOLDS = 5
# Sets may be this much short of the promise on the folds before their score is passed over for one with larger sets.
SLACK = 0.01


class ConformalError(ValueError):
    """Pictures from which no prediction sets can be fitted."""


@dataclass(frozen=True, slots=True)
class Conformal:
    """Fitted prediction sets, plain JSON values for a bundle's card.

    ``thresholds``: the worst score of a class that still belongs to a set, one per class; ``strata``: classes with the same number keep
    the promise together, and share a threshold; all 0 when it holds for lesions at large.
    ``fitted_on``: validation pictures; ``cross_fitted``: coverage and mean size on folds of them, each left out of its own fitting.
    """

    method: str
    coverage: float
    strata: tuple[int, ...]
    thresholds: tuple[float, ...]
    fitted_on: int
    cross_fitted: dict[str, float]

    def members(self, probabilities: Floats) -> Booleans:
        """N×C probabilities → N×C, True where the class belongs to the picture's set; at least one in every row."""
        return np.asarray(_scores(probabilities, SCORES[self.method]) <= np.array(self.thresholds))

    def sets(self, probabilities: Floats) -> list[tuple[int, ...]]:
        """N×C probabilities → the class indices of each picture's set, likeliest first, never empty."""
        order, members = _ranked(probabilities), self.members(probabilities)
        return [tuple(int(index) for index in row if inside[index]) for row, inside in zip(order, members, strict=True)]

    def as_json(self) -> dict[str, Any]:
        """For the card; ``from_json`` reads it."""
        return {**asdict(self), "strata": list(self.strata), "thresholds": list(self.thresholds)}

    @classmethod
    def from_json(cls, card: dict[str, Any]) -> "Conformal":
        """Raises ConformalError for a card that another version wrote."""
        try:
            tuples = {"strata": tuple(map(int, card["strata"])), "thresholds": tuple(map(float, card["thresholds"]))}
            known = cls(**{**card, **tuples})
        except (KeyError, TypeError, ValueError) as error:
            raise ConformalError(f"the card's conformal part cannot be read ({error}): package the bundle again") from error
        if known.method not in SCORES:
            raise ConformalError(f"the card's prediction sets are of the unknown method {known.method!r}: use one of {', '.join(SCORES)}")
        return known


def fit_conformal(
    *,
    probabilities: Floats,
    labels: Labels,
    coverage: float = 0.9,
    method: str | None = None,
    strata: Sequence[int] | None = None,
    groups: Sequence[str] | None = None,
) -> Conformal:
    """Prediction sets from validation pictures: N×C calibrated probabilities, N labels (negative ones are left out).

    ``method`` None takes the score with the smallest sets on folds of these pictures, among those that keep the promise there.
    ``strata``, a number for each class, keeps it within every stratum of true classes (Mondrian; Vovk 2012, arXiv:1209.2673): a number
    of its own for every class for class-conditional sets, one for malignant and one for benign classes for a promise to both. The price
    is larger sets, and a stratum of fewer than coverage / (1 − coverage) pictures is in every set. ``groups``: lesion names, kept
    together in a fold.
    Raises ConformalError when there are no labelled pictures, or a name or share is out of range.
    """
    if not 0 < coverage < 1 or (method is not None and method not in SCORES):
        raise ConformalError(f"coverage {coverage} of method {method!r}: give a share between 0 and 1 and one of {', '.join(SCORES)}")
    together = np.zeros(probabilities.shape[1], np.int64) if strata is None else np.asarray(strata, np.int64)
    known = labels >= 0
    probabilities, labels = probabilities[known], labels[known]
    if not len(labels):
        raise ConformalError("no labelled validation pictures: prediction sets cannot be fitted; give the validation part labels")
    names = np.arange(len(labels)).astype(str) if groups is None else np.asarray(groups)[known]
    tried = {
        name: _cross_fitted(_scores(probabilities, SCORES[name]), labels, names, together, coverage)
        for name in ([method] if method else SCORES)
    }
    chosen = _best(tried, coverage)
    thresholds = _thresholds(_scores(probabilities, SCORES[chosen]), labels, together, coverage)
    return Conformal(
        method=chosen,
        coverage=coverage,
        strata=tuple(together.tolist()),
        thresholds=tuple(thresholds.tolist()),
        fitted_on=len(labels),
        cross_fitted=tried[chosen],
    )


def _lac(falling: Floats) -> Floats:
    return 1 - falling


def _aps(falling: Floats) -> Floats:
    return np.cumsum(falling, axis=1)


def _raps(falling: Floats) -> Floats:
    return _aps(falling) + PENALTY * np.maximum(0, np.arange(falling.shape[1]) - PENALISED + 1)


SCORES: dict[str, Callable[[Floats], Floats]] = {"lac": _lac, "aps": _aps, "raps": _raps}


def _ranked(probabilities: Floats) -> NDArray[np.intp]:
    return np.argsort(-probabilities, axis=1, kind="stable")


def _scores(probabilities: Floats, score: Callable[[Floats], Floats]) -> Floats:
    """N×C scores of each class, lower fits better; the likeliest class has ALWAYS_IN."""
    order = _ranked(probabilities)
    by_rank = score(np.take_along_axis(probabilities.astype(np.float64), order, axis=1))
    by_rank[:, 0] = ALWAYS_IN
    scores = np.empty_like(by_rank)
    np.put_along_axis(scores, order, by_rank, axis=1)
    return scores


def _thresholds(scores: Floats, labels: Labels, strata: Labels, coverage: float) -> Floats:
    """C thresholds from the true classes' scores."""
    true = scores[np.arange(len(labels)), labels]
    return np.array([_quantile(true[strata[labels] == stratum], coverage) for stratum in strata])


def _quantile(scores: Floats, coverage: float) -> float:
    """The ⌈(n + 1) · coverage⌉-th smallest of n scores: the finite sample's correction of the quantile."""
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else EVERYTHING


def _cross_fitted(scores: Floats, labels: Labels, names: NDArray[Any], strata: Labels, coverage: float) -> dict[str, float]:
    """Coverage and mean size on folds that the thresholds have not seen; lesions are dealt to folds in a fixed shuffled order."""
    lesions, place = np.unique(names, return_inverse=True)
    fold = (np.random.default_rng(0).permutation(len(lesions)) % FOLDS)[place]
    members = np.zeros(scores.shape, np.bool_)
    for index in np.unique(fold):
        held = fold == index
        rest = ~held if not held.all() else held  # a single lesion has nothing else to be fitted on
        members[held] = scores[held] <= _thresholds(scores[rest], labels[rest], strata, coverage)
    return {"coverage": float(members[np.arange(len(labels)), labels].mean()), "mean_size": float(members.sum(axis=1).mean())}


def _best(tried: dict[str, dict[str, float]], coverage: float) -> str:
    keeping = [name for name, figures in tried.items() if figures["coverage"] >= coverage - SLACK]
    return min(keeping or tried, key=lambda name: tried[name]["mean_size"])
