"""All figures of a classifier on one set of images."""

from typing import Any

import numpy as np

from models.evaluation.figures.bootstrap import DRAWS, Bootstrap, divided, interval, share_figures, share_interval
from models.evaluation.figures.calibration import calibration_figures
from models.evaluation.figures.confusion import confusion_figures
from models.evaluation.figures.ranking import DrawnCurves, auroc_of, curve_of, drawn_points
from models.evaluation.figures.samples import Booleans, ClassPredictions, Floats

SPECIFICITIES = (0.80, 0.90, 0.95)
SENSITIVITIES = (0.90, 0.95, 0.98)
MISSED = 20


def classification_figures(
    predictions: ClassPredictions, *, malignant_threshold: float | None = None, draws: int = DRAWS, seed: int = 0
) -> dict[str, Any]:
    """Everything the report says of a classifier; intervals resample ``predictions.groups``.

    ``malignant_threshold``: the shipped operating point, the summed malignant probability (0..1) from which a lesion counts as suspect.
    Keys: images, lesions, classes, accuracy, balanced_accuracy, expected_calibration_error, malignant_auroc (each with ``_95``), per class
    count, lesion_count, precision, recall, f1, auroc, the means macro and weighted, confusion (rows: truth), reliability, roc (curves per
    class and ``malignant``), malignant (rates at fixed rates and at the operating point) and missed (least suspected malignant images).
    """
    bootstrap = Bootstrap(predictions.groups, draws=draws, seed=seed)
    figures = confusion_figures(predictions, bootstrap)
    ranks = _rank_figures(predictions, bootstrap)
    for mean in ("macro", "weighted"):
        figures[mean] |= ranks.pop(mean)
    malignant = malignant_figures(predictions, bootstrap, threshold=malignant_threshold)
    return {
        "images": len(predictions.labels),
        "lesions": bootstrap.units,
        "classes": list(predictions.codes),
        "malignant_classes": [code for code in predictions.codes if code in predictions.malignant],
        **figures,
        **ranks,
        **calibration_figures(predictions, bootstrap),
        "malignant_auroc": malignant and malignant["auroc"],
        "malignant_auroc_95": malignant and malignant["auroc_95"],
        "malignant": malignant,
        "missed": _missed(predictions),
    }


def malignant_figures(predictions: ClassPredictions, bootstrap: Bootstrap, *, threshold: float | None) -> dict[str, Any] | None:
    """Malignant against benign by summed probability; None where the images or the classes hold only one of the two."""
    scores, bad = predictions.malignant_probability, predictions.truly_malignant
    if not 0 < int(bad.sum()) < len(bad):
        return None
    curve, drawn = curve_of(scores, bad), DrawnCurves(bootstrap, scores, bad)
    areas, sensitivities, specificities = drawn.measured(specificities=SPECIFICITIES, sensitivities=SENSITIVITIES)
    return {
        "images": int(bad.sum()),
        "lesions": bootstrap.units_of(bad),
        "auroc": auroc_of(scores, bad),
        "auroc_95": interval(areas, units=drawn.units),
        "sensitivity_at_specificity": [
            {"specificity": rate} | _rate("sensitivity", curve.sensitivity_at(rate), sensitivities[:, index], units=bootstrap.units_of(bad))
            for index, rate in enumerate(SPECIFICITIES)
        ],
        "specificity_at_sensitivity": [
            {"sensitivity": rate}
            | _rate("specificity", curve.specificity_at(rate), specificities[:, index], units=bootstrap.units_of(~bad))
            for index, rate in enumerate(SENSITIVITIES)
        ],
        "operating_point": None if threshold is None else operating_point_figures(scores >= threshold, bad, bootstrap, threshold=threshold),
    }


def operating_point_figures(suspect: Booleans, bad: Booleans, bootstrap: Bootstrap, *, threshold: float) -> dict[str, Any]:
    """Sensitivity, specificity and both predictive values of calling images ``suspect``, with intervals."""
    return {
        "malignant_probability": threshold,
        **share_figures("sensitivity", bootstrap, suspect, bad),
        **share_figures("specificity", bootstrap, ~suspect, ~bad),
        **share_figures("positive_predictive_value", bootstrap, bad, suspect),
        **share_figures("negative_predictive_value", bootstrap, ~bad, ~suspect),
    }


def _rate(name: str, found: tuple[float, float], draws: Floats, *, units: int) -> dict[str, Any]:
    value, threshold = found
    return {
        name: value,
        f"{name}_95": share_interval(draws, units=units),
        # Above every score there is no threshold to use: nothing counts as positive.
        "malignant_probability": threshold if np.isfinite(threshold) else None,
    }


def _rank_figures(predictions: ClassPredictions, bootstrap: Bootstrap) -> dict[str, Any]:
    """One-against-rest ROC per class, and the means of the areas over the classes that have one."""
    areas: dict[str, float | None] = {}
    intervals: dict[str, list[float] | None] = {}
    roc: dict[str, Any] = {}
    drawn: dict[str, Floats] = {}
    for index, code in enumerate(predictions.codes):
        scores, positive = predictions.probabilities[:, index], predictions.labels == index
        areas[code], intervals[code] = auroc_of(scores, positive), None
        if areas[code] is not None:
            curves = DrawnCurves(bootstrap, scores, positive)
            drawn[code] = curves.areas()
            intervals[code] = interval(drawn[code], units=curves.units)
            roc[code] = drawn_points(curve_of(scores, positive))
    bad = predictions.truly_malignant
    if 0 < int(bad.sum()) < len(bad):
        roc["malignant"] = drawn_points(curve_of(predictions.malignant_probability, bad))
    return {"auroc": areas, "auroc_95": intervals, "roc": roc, **_mean_areas(predictions, areas, drawn, bootstrap)}


def _mean_areas(
    predictions: ClassPredictions, areas: dict[str, float | None], drawn: dict[str, Floats], bootstrap: Bootstrap
) -> dict[str, dict[str, Any]]:
    if not drawn:
        return {name: {"auroc": None, "auroc_95": None} for name in ("macro", "weighted")}
    values = np.array([areas[code] for code in drawn], np.float64)
    draws = np.stack(list(drawn.values()), axis=1)
    counts = np.array([np.sum(predictions.labels == list(predictions.codes).index(code)) for code in drawn], np.float64)
    figures = {}
    for name, weights in (("macro", np.ones(len(values))), ("weighted", counts)):
        shares = weights * ~np.isnan(draws)
        means = divided((np.nan_to_num(draws) * shares).sum(axis=1), shares.sum(axis=1))
        figures[name] = {"auroc": float(np.average(values, weights=weights)), "auroc_95": interval(means, units=bootstrap.units)}
    return figures


def _missed(predictions: ClassPredictions) -> list[dict[str, Any]]:
    """The malignant images that looked least so: what a clinical reader wants to see first."""
    if not len(predictions.images):
        return []
    scores, predicted = predictions.malignant_probability, predictions.predicted
    malignant = sorted(np.flatnonzero(predictions.truly_malignant).tolist(), key=lambda index: (scores[index], predictions.images[index]))
    return [
        {
            "image": predictions.images[index],
            "lesion": predictions.groups[index],
            "diagnosis": predictions.codes[predictions.labels[index]],
            "predicted": predictions.codes[predicted[index]],
            "malignant_probability": float(scores[index]),
        }
        for index in malignant[:MISSED]
    ]
