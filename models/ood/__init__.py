"""Is a picture like what the classifier was trained on? Calibrated probabilities, detectors of strangers, and when to abstain."""

from models.ood.calibration import fit_temperature, normalised_entropy, probabilities_of
from models.ood.detectors import DETECTORS, Detector, LabelledRows, OodError, Rows
from models.ood.familiarity import Familiarity, fit_familiarity
from models.ood.fit import DEFAULT, detector_of, fit_ood
from models.ood.judge import Thresholds, fit_thresholds, judge
from models.ood.strangers import Stranger, made_strangers, unseen

__all__ = [
    "DEFAULT",
    "DETECTORS",
    "Detector",
    "Familiarity",
    "LabelledRows",
    "OodError",
    "Rows",
    "Stranger",
    "Thresholds",
    "detector_of",
    "fit_familiarity",
    "fit_ood",
    "fit_temperature",
    "fit_thresholds",
    "judge",
    "made_strangers",
    "normalised_entropy",
    "probabilities_of",
    "unseen",
]
