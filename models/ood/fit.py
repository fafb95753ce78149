"""From arrays to what a bundle keeps of a detector, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.ood.calibration import probabilities_of
from models.ood.detectors import DETECTORS, Detector, LabelledRows, OodError, Rows
from models.ood.judge import fit_thresholds, unsure

DEFAULT = "exposure"
# Of validation lesions: each part of the dual criterion alone passes this share, and both criteria together refuse at most that.
# Unsure answers are what prediction sets are for, so the dual criterion gets the smaller part.
DUAL_ACCEPTED, REFUSED = 0.985, 0.035
PREFIX = "ood."


def fit_ood(
    *,
    known: LabelledRows,
    validation: Rows,
    strangers: Rows | None,
    temperature: float,
    sources: Sequence[str] | None = None,
    detector: str = DEFAULT,
    refused: float = REFUSED,
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Fits the named detector on training lesions ``known`` (and ``strangers``), its threshold on ``validation`` lesions.

    At most the share ``refused`` of validation pictures is refused by both criteria together, in each of the ``sources`` (one name a
    validation picture) by itself: lesions of one clinic must not pay for those of another. Returns the card's ``ood`` part and the
    tensors to keep as extras of the bundle. Raises OodError.
    """
    if not len(validation.logits):
        raise OodError("no validation pictures: the out-of-distribution thresholds cannot be fitted")
    if detector not in DETECTORS:
        raise OodError(f"unknown detector {detector!r}: choose one of {', '.join(DETECTORS)}")
    tensors = DETECTORS[detector].fit(known, strangers).tensors()
    fitted = DETECTORS[detector].from_tensors(tensors)  # as it will be served, rounded to the bundle's precision
    scores, probabilities = fitted.score(validation), probabilities_of(validation.logits, temperature=temperature)
    names = np.zeros(len(scores)) if sources is None else np.asarray(sources)
    thresholds = fit_thresholds(probabilities, scores, accepted=DUAL_ACCEPTED, near=1)
    doubtful = unsure(probabilities, thresholds=thresholds)
    limits = [_limit(scores[names == name], doubtful[names == name], refused=refused) for name in np.unique(names)]
    card = {
        "detector": detector,
        "criterion": "(max_softmax below AND normalised entropy above) OR distance above",
        "thresholds": asdict(replace(thresholds, distance=max(limits))),
        "accepted": {"dual": DUAL_ACCEPTED, "together": 1 - refused},
    }
    return card, {PREFIX + name: tensor for name, tensor in tensors.items()}


def detector_of(card: Mapping[str, Any], extras: Mapping[str, torch.Tensor]) -> Detector:
    """The detector of a bundle from the card's ``ood`` part and the bundle's extras. Raises OodError, saying what is missing.

    Bundles from before detectors had names carry a Gaussian of features, without a prefix.
    """
    name = card.get("detector", "gaussian")
    if name not in DETECTORS:
        raise OodError(f"this version knows no detector {name!r}: package the bundle anew with one of {', '.join(DETECTORS)}")
    tensors = {key.removeprefix(PREFIX): tensor for key, tensor in extras.items()}
    try:
        return DETECTORS[name].from_tensors(tensors)
    except KeyError as error:
        raise OodError(f"the bundle lacks the tensor extra.{PREFIX}{error.args[0]} of its detector {name!r}: package it again") from error


def _limit(scores: NDArray[np.float64], doubtful: NDArray[np.bool_], *, refused: float) -> float:
    """The score above which so many are refused that, with the doubtful ones, it is at most the share ``refused``."""
    falling = np.sort(scores[~doubtful])[::-1]
    allowed = max(0, int(refused * len(scores)) - int(doubtful.sum()))
    return float(falling[min(allowed, len(falling) - 1)]) if len(falling) else float(scores.max())
