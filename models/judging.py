"""What a classifier's numbers mean: calibrated probabilities, strangers, prediction sets and suspicion."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle, BundleError
from models.conformal import Conformal, ConformalError
from models.finding import AbstainReason, NextStep, Ood, OperatingPoint, Outcome, Quality
from models.ood import Detector, OodError, Thresholds, detector_of, judge, probabilities_of
from models.taxonomy import taxonomy_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """What a classifier saw of one picture: 1×C logits and 1×F features, means over its views."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the classifier says of one picture, before its quality and outline are looked at.

    ``probabilities`` in the order of the bundle's classes; ``classes``: the prediction set (the top class where the bundle has no
    conformal calibration), most likely first; ``ood`` None where it has no detector.
    """

    probabilities: dict[str, float]
    malignant_probability: float
    classes: tuple[str, ...]
    coverage: float | None
    ood: Ood | None
    suspicious: bool | None


class Judge:
    """Reads one classifier's numbers with what its bundle was calibrated to; a part that its card lacks is left out of the answer.

    Raises BundleError for a calibration that this version cannot read.
    """

    def __init__(self, classifier: Bundle) -> None:
        card = classifier.card
        self.codes = tuple(card["classes"])
        malignant = taxonomy_of(card["taxonomy"]).malignant
        self.malignant = np.array([code in malignant for code in self.codes])
        self.temperature = float(card["temperature"])
        self.operating_point = OperatingPoint(**card["operating_point"]) if card["operating_point"] else None
        self.thresholds: Thresholds | None = None
        self.detector: Detector | None = None
        try:
            self.conformal = Conformal.from_json(card["conformal"]) if card["conformal"] else None
            if card["ood"]:
                self.thresholds, self.detector = Thresholds(**card["ood"]["thresholds"]), detector_of(card["ood"], classifier.extras)
        except (ConformalError, OodError, KeyError, TypeError) as error:
            raise BundleError(f"the classifier's calibration cannot be read: {error}") from error

    def __call__(self, logits: NDArray[np.float32], features: NDArray[np.float32]) -> Judgement:
        """C logits and F features of one picture, both means over its views."""
        row = Row(logits[None], features[None])
        probabilities = probabilities_of(row.logits, temperature=self.temperature)
        malignant = float(min(probabilities[0, self.malignant].sum(), 1.0))
        chosen = self.conformal.sets(probabilities)[0] if self.conformal else (int(probabilities[0].argmax()),)
        return Judgement(
            probabilities={code: float(value) for code, value in zip(self.codes, probabilities[0], strict=True)},
            malignant_probability=malignant,
            classes=tuple(self.codes[index] for index in chosen),
            coverage=self.conformal.coverage if self.conformal else None,
            ood=self._stranger(probabilities, row),
            suspicious=malignant >= self.operating_point.malignant_probability if self.operating_point else None,
        )

    def _stranger(self, probabilities: Floats, row: Row) -> Ood | None:
        if self.detector is None or self.thresholds is None:
            return None
        (ood,) = judge(probabilities, self.detector.score(row), thresholds=self.thresholds)
        return ood


@dataclass(frozen=True, slots=True)
class Answer:
    """How the analysis ends, and what the reader should do about an abstention."""

    outcome: Outcome
    classes: tuple[str, ...] = ()
    reason: AbstainReason | None = None
    next_step: NextStep | None = None


def answer_of(judgement: Judgement, *, quality: Quality, lesion: bool) -> Answer:
    """Abstains for the first reason that holds, the one that the portal can mend first; else one class, or a set of several."""
    if not quality.acceptable:
        return Answer(Outcome.ABSTAIN, reason=AbstainReason.POOR_QUALITY, next_step=NextStep.RETAKE)
    if not lesion:
        return Answer(Outcome.ABSTAIN, reason=AbstainReason.NO_LESION_FOUND, next_step=NextStep.RETAKE)
    if judgement.ood is not None and not judgement.ood.in_distribution:
        return Answer(Outcome.ABSTAIN, reason=AbstainReason.OUT_OF_DISTRIBUTION, next_step=stranger_step(judgement.ood))
    outcome = Outcome.PREDICTION if len(judgement.classes) == 1 else Outcome.SET
    return Answer(outcome, classes=judgement.classes)


def stranger_step(ood: Ood) -> NextStep:
    """What is far from every lesion of the training may be no skin at all; what is only hard to name needs a dermatologist."""
    return NextStep.NOT_SKIN if ood.distance > ood.distance_threshold else NextStep.DERMATOLOGIST
