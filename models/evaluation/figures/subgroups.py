"""The same figures for parts of the people: who is served less well than the mean says?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.evaluation.figures.bootstrap import DRAWS, FEWEST, Bootstrap, interval, share_figures
from models.evaluation.figures.confusion import drawn_balanced_accuracy
from models.evaluation.figures.ranking import auroc_figures
from models.evaluation.figures.samples import AGE_BANDS, OLDEST, ClassPredictions, OutlineScores, Samples
from models.evaluation.figures.segmentation import FAILED, jaccard_of, mean_figures, pixel_rates, thresholded

CLASS_FIGURES = ("accuracy", "balanced_accuracy", "malignant_auroc", "sensitivity", "specificity")
OUTLINE_FIGURES = ("jaccard", "thresholded_jaccard", "share_under_0.65", "dice")
NOT_RECORDED = "not recorded"
AGES = [name for name, _ in AGE_BANDS] + [OLDEST]


def subgroup_figures(samples: Samples, *, malignant_threshold: float = 0.5, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """Figures for each value of each attribute, with intervals over its lesions; a part of under ten lesions is counted, not measured.

    ``malignant_threshold``: summed malignant probability from which sensitivity and specificity count a lesion as suspect.
    Keys: figures (their names), overall (a row), attributes (name → rows; a row has value, images, lesions, and figures or None), fewest.
    Attributes without any recorded value are left out.
    """

    def row(value: str, chosen: np.ndarray[Any, Any]) -> dict[str, Any]:
        return {"value": value, **_measured(samples.take(chosen), malignant_threshold, draws, seed)}

    count = len(samples.groups)
    found = {
        name: [row(value, np.array([(item or NOT_RECORDED) == value for item in values])) for value in _ordered(values)]
        for name, values in samples.attributes.items()
        if any(values)
    }
    return {
        "figures": list(CLASS_FIGURES if isinstance(samples, ClassPredictions) else OUTLINE_FIGURES),
        "malignant_threshold": malignant_threshold if isinstance(samples, ClassPredictions) else None,
        "fewest": FEWEST,
        "overall": row("all", np.arange(count)),
        "attributes": found,
    }


def _ordered(values: Sequence[str | None]) -> list[str]:
    known = {value for value in values if value}
    ordered = sorted(known, key=lambda value: (AGES.index(value) if value in AGES else -1, value))
    return ordered + ([NOT_RECORDED] if not all(values) else [])


def _measured(part: Samples, threshold: float, draws: int, seed: int) -> dict[str, Any]:
    bootstrap = Bootstrap(part.groups, draws=draws, seed=seed)
    sizes = {"images": len(part.groups), "lesions": bootstrap.units}
    if bootstrap.units < FEWEST:
        names = CLASS_FIGURES if isinstance(part, ClassPredictions) else OUTLINE_FIGURES
        return sizes | {key: None for name in names for key in (name, f"{name}_95")}
    if isinstance(part, OutlineScores):
        return sizes | _outline_row(part, bootstrap)
    return sizes | _class_row(part, bootstrap, threshold)


def _class_row(part: ClassPredictions, bootstrap: Bootstrap, threshold: float) -> dict[str, Any]:
    right, everyone = part.predicted == part.labels, np.ones(len(part.labels), np.bool_)
    balanced = np.mean([right[part.labels == label].mean() for label in np.unique(part.labels)])
    ranked = auroc_figures(bootstrap, part.malignant_probability, part.truly_malignant)
    return {
        **share_figures("accuracy", bootstrap, right, everyone),
        "balanced_accuracy": float(balanced),
        "balanced_accuracy_95": interval(drawn_balanced_accuracy(part, bootstrap), units=bootstrap.units),
        **_enough({"malignant_auroc": ranked["auroc"], "malignant_auroc_95": ranked["auroc_95"]}),
        "malignant_lesions": bootstrap.units_of(part.truly_malignant),
        **_enough(share_figures("sensitivity", bootstrap, part.malignant_probability >= threshold, part.truly_malignant)),
        **_enough(share_figures("specificity", bootstrap, part.malignant_probability < threshold, ~part.truly_malignant)),
    }


def _enough(figures: dict[str, Any]) -> dict[str, Any]:
    """A figure of under ten lesions has no interval; without one it is not shown either."""
    return figures if any(isinstance(value, list) for value in figures.values()) else dict.fromkeys(figures)


def _outline_row(part: OutlineScores, bootstrap: Bootstrap) -> dict[str, Any]:
    values = jaccard_of(part)
    return {
        **mean_figures("jaccard", values, bootstrap),
        **mean_figures("thresholded_jaccard", thresholded(values), bootstrap),
        **share_figures("share_under_0.65", bootstrap, values < FAILED, np.ones(len(values), np.bool_)),
        **mean_figures("dice", pixel_rates(part)["f1"], bootstrap),
    }
