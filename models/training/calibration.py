"""What is fitted after training, on validation lesions alone: temperature, detector, prediction sets, operating point, sharpness."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.conformal import Conformal, fit_conformal
from models.ood import Detector, Thresholds, detector_of, fit_ood, fit_temperature, probabilities_of
from models.ood.judge import unsure
from models.operating import operating_point
from models.taxonomy import taxonomy_of
from models.training.recipe import Recipe
from models.training.seen import Seen

# One in two hundred validation lesions may be called blurred.
BLURRED = 0.005
# A card before calibration: every picture passes.
PROVISIONAL: dict[str, Any] = {"temperature": 1.0, "ood": None, "conformal": None, "operating_point": None, "quality": {"sharpness": 0.0}}


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A classifier's calibration, from the parts of its card, and what it makes of pictures seen by its networks."""

    card: dict[str, Any]
    codes: tuple[str, ...]
    taxonomy: str
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, card: Mapping[str, Any], tensors: dict[str, torch.Tensor]) -> "Calibrated":
        """That of a finished bundle."""
        return cls({name: card[name] for name in PROVISIONAL}, codes=tuple(card["classes"]), taxonomy=card["taxonomy"], tensors=tensors)

    @property
    def operating_point(self) -> dict[str, float] | None:
        """Malignant probability from which a lesion is suspicious, with its sensitivity and specificity on validation."""
        point: dict[str, float] | None = self.card["operating_point"]
        return point

    @property
    def conformal(self) -> Conformal:
        """The prediction sets."""
        return Conformal.from_json(self.card["conformal"])

    @property
    def coverage(self) -> float:
        """What the prediction sets promise."""
        return self.conformal.coverage

    @property
    def detector(self) -> Detector:
        """The detector of strangers."""
        return detector_of(self.card["ood"], self.tensors)

    @property
    def ood_threshold(self) -> float:
        """The detector's score above which a picture is refused."""
        return self._thresholds.distance

    @property
    def _thresholds(self) -> Thresholds:
        return Thresholds(**self.card["ood"]["thresholds"])

    def probabilities(self, seen: Seen) -> NDArray[np.float64]:
        """N×C."""
        return probabilities_of(seen.logits, temperature=self.card["temperature"])

    def strangeness(self, seen: Seen) -> NDArray[np.float64]:
        """N, higher = stranger."""
        return self.detector.score(seen)

    def refused(self, seen: Seen) -> NDArray[np.bool_]:
        """N: what the analyzer would not stand for, by the detector or the dual criterion."""
        return (self.strangeness(seen) > self.ood_threshold) | unsure(self.probabilities(seen), thresholds=self._thresholds)

    def sets(self, seen: Seen) -> NDArray[np.bool_]:
        """N×C: which classes belong to each picture's prediction set."""
        return self.conformal.members(self.probabilities(seen))


def calibrate(*, recipe: Recipe, training: Seen, strangers: Seen, validation: Seen, codes: tuple[str, ...]) -> Calibrated:
    """Fits everything. ``training`` and ``strangers`` teach the detector, every threshold comes from ``validation``."""
    temperature = fit_temperature(validation.logits, validation.labels)
    probabilities = probabilities_of(validation.logits, temperature=temperature)
    ood, tensors = fit_ood(
        known=training,
        validation=validation,
        strangers=strangers,
        temperature=temperature,
        sources=[record.source for record in validation.records],
        refused=1 - recipe.measuring.accepted,
    )
    malignant = taxonomy_of(recipe.data.taxonomy).malignant
    bad = np.array([code in malignant for code in codes])
    sets = fit_conformal(
        probabilities=probabilities,
        labels=validation.labels,
        coverage=recipe.measuring.coverage,
        groups=validation.lesions,
        # The promise is kept among malignant lesions and among benign ones: the many naevi must not pay for missed melanomas.
        strata=bad.astype(int).tolist() if 0 < bad.sum() < len(bad) else None,
    )
    point = operating_point(
        malignant_probability=probabilities[:, bad].sum(axis=1),
        malignant=bad[validation.labels],
        sensitivity=recipe.measuring.sensitivity,
    )
    card = {
        "temperature": temperature,
        "ood": ood,
        "conformal": sets.as_json(),
        "operating_point": asdict(point) if point else None,
        "quality": {"sharpness": float(np.quantile(validation.sharpness, BLURRED))},
    }
    return Calibrated(card=card, codes=codes, taxonomy=recipe.data.taxonomy, tensors=tensors)
