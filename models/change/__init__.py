"""The same lesion at two visits: where it lies in the other picture, and what has changed beyond the error of looking twice."""

from models.change.alerts import RULE_VERSION, FiredRule, fired, headline
from models.change.changes import Change
from models.change.compare import COMPARE_VERSION, Comparison, compare
from models.change.laying import Basis
from models.change.look import Look, look_at
from models.change.measures import Estimate, VisitMeasures
from models.change.measuring import MEASURE_VERSION, measure_visit
from models.change.registration import NoComparison, Registration, Way, Why, register
from models.change.scale import Scale, ScaleSource, believable, scale_of
from models.change.visit import Visit

__all__ = [
    "COMPARE_VERSION",
    "MEASURE_VERSION",
    "RULE_VERSION",
    "Basis",
    "Change",
    "Comparison",
    "Estimate",
    "FiredRule",
    "Look",
    "NoComparison",
    "Registration",
    "Scale",
    "ScaleSource",
    "Visit",
    "VisitMeasures",
    "Way",
    "Why",
    "believable",
    "compare",
    "fired",
    "headline",
    "look_at",
    "measure_visit",
    "register",
    "scale_of",
]
