"""How well a score tells strangers (photographs, healthy skin, ...) from lesions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.evaluation.figures.bootstrap import DRAWS, Bootstrap, interval, share_figures
from models.evaluation.figures.ranking import DrawnCurves, auroc_of, curve_of
from models.evaluation.figures.samples import EvaluationError, Floats

ACCEPTED = 0.95
BINS = 40


def ood_figures(
    *,
    inside: Floats,
    groups: Sequence[str],
    outside: Mapping[str, Floats],
    threshold: float | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Any]:
    """Figures of one detector's scores (higher = stranger) of lesions, ``inside``, against each set of pictures ``outside``.

    ``groups``: lesion names of ``inside``; pictures outside count as independent. ``threshold``: scores at or over it are refused.
    Per set: images, auroc, fpr_at_95_tpr (lesions are the positives, as in Liang et al. 2018: the share of strangers accepted where 95 % of
    lesions are), refused (each with ``_95``) and histogram (shares per bin). Raises EvaluationError on empty or non-finite scores.
    """
    _check(inside, groups, outside)
    edges = _edges([inside, *outside.values()])
    lesions = Bootstrap(groups, draws=draws, seed=seed)
    refused = {} if threshold is None else share_figures("refused", lesions, inside >= threshold, np.ones(len(inside), np.bool_))
    return {
        "threshold": threshold,
        "edges": edges.tolist(),
        "inside": {"images": len(inside), "lesions": lesions.units, **refused, "histogram": _shares(inside, edges)},
        "outside": {
            name: {
                "images": len(scores),
                **_against(inside, scores, threshold=threshold, bootstrap=_joint(groups, len(scores), draws, seed)),
                "histogram": _shares(scores, edges),
            }
            for name, scores in outside.items()
        },
    }


def _joint(groups: Sequence[str], strangers: int, draws: int, seed: int) -> Bootstrap:
    names = [f"lesion {name}" for name in groups] + [f"stranger {index}" for index in range(strangers)]
    return Bootstrap(names, draws=draws, seed=seed)


def _against(inside: Floats, outside: Floats, *, threshold: float | None, bootstrap: Bootstrap) -> dict[str, Any]:
    scores = np.concatenate([inside, outside])
    lesion = np.arange(len(scores)) < len(inside)
    drawn = DrawnCurves(bootstrap, -scores, lesion)
    areas, _, kept_out = drawn.measured(specificities=(), sensitivities=(ACCEPTED,))
    refused = {} if threshold is None else share_figures("refused", bootstrap, scores >= threshold, ~lesion)
    return {
        "auroc": auroc_of(-scores, lesion),
        "auroc_95": interval(areas, units=drawn.units),
        "fpr_at_95_tpr": 1 - curve_of(-scores, lesion).specificity_at(ACCEPTED)[0],
        "fpr_at_95_tpr_95": interval(1 - kept_out[:, 0], units=drawn.units),
        **refused,
    }


def _check(inside: Floats, groups: Sequence[str], outside: Mapping[str, Floats]) -> None:
    if len(groups) != len(inside):
        raise EvaluationError(f"{len(inside)} inside scores, but {len(groups)} groups")
    for name, scores in {"inside": inside, **outside}.items():
        if len(scores) == 0 or not np.isfinite(scores).all():
            raise EvaluationError(f"scores of {name!r} must be finite and at least one: check that its folder holds pictures")


def _edges(parts: Sequence[Floats]) -> Floats:
    # A few enormous scores would squeeze everything else into one bin.
    low = min(float(np.quantile(part, 0.01)) for part in parts)
    high = max(float(np.quantile(part, 0.99)) for part in parts)
    return np.linspace(low, high if high > low else low + 1, BINS + 1)


def _shares(scores: Floats, edges: Floats) -> list[float]:
    counts = np.histogram(np.clip(scores, edges[0], edges[-1]), bins=edges)[0]
    return [float(count) / len(scores) for count in counts]
