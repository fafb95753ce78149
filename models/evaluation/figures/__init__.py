"""Figures of merit over arrays: pure functions that return plain dictionaries, ready for JSON.

A figure ``x`` has its 95 % interval beside it as ``x_95``: ``[low, high]``, or None where there are too few lesions for one.
"""

from models.evaluation.figures.bootstrap import DRAWS, FEWEST
from models.evaluation.figures.card import card_figures
from models.evaluation.figures.classification import classification_figures
from models.evaluation.figures.comparison import comparison_figures, history_figures
from models.evaluation.figures.conformal import conformal_figures
from models.evaluation.figures.ood import ood_figures
from models.evaluation.figures.samples import (
    ClassPredictions,
    EvaluationError,
    OutlineScores,
    age_band,
    attributes_of,
)
from models.evaluation.figures.segmentation import segmentation_figures
from models.evaluation.figures.subgroups import subgroup_figures

__all__ = [
    "DRAWS",
    "FEWEST",
    "ClassPredictions",
    "EvaluationError",
    "OutlineScores",
    "age_band",
    "attributes_of",
    "card_figures",
    "classification_figures",
    "comparison_figures",
    "conformal_figures",
    "history_figures",
    "ood_figures",
    "segmentation_figures",
    "subgroup_figures",
]
