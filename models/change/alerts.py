"""When a change is an alert: a table that a dermatologist can read, and its version."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from models.change.changes import Change
from models.change.compare import DAYS_PER_MONTH, Comparison
from models.change.laying import Basis
from models.taxonomy import TAXONOMIES

RULE_VERSION = "r1"
# Of all taxonomies: a set that newly holds one of these is news, one that newly holds a harmless class is not.
MALIGNANT = frozenset(code for taxonomy in TAXONOMIES.values() for code in taxonomy.malignant)
TOLD = 2  # rules in a headline; the others are counted


@dataclass(frozen=True, slots=True)
class Rule:
    """Fires where ``change`` rises by ``threshold`` (its unit: share, ΔE) or more, and by ``errors`` standard deviations.

    ``measures``: what it looks at; ``why``: why that matters and where the threshold is from; ``words``: with the figure in ``{}``.
    """

    name: str
    change: str
    measures: str
    threshold: float
    errors: float
    percent: bool
    words: str
    why: str


# Thresholds were chosen on lesions of HAM10000 outside the test part (an early round of 100 pairs drew from all of it):
# simulated visits (stable ones that are turned, magnified 0.8 to 1.25,
# lit and stored otherwise, and ones that grow by 0 to 100 %), and real pairs of pictures of one lesion on one day. Low, and still such that
# pictures of an unchanged lesion seldom fire. Gravest first.
RULES = (
    Rule(
        name="growth",
        change="area",
        measures="Area of the lesion",
        threshold=0.15,
        errors=2.0,
        percent=True,
        words="grew {}",
        why=(
            "Enlargement is the change most often seen in melanomas under follow-up (E, evolving: Abbasi et al. 2004, JAMA 292:2771). "
            "Naevi in adults hardly grow within a year; under 15 % two photographs of one lesion cannot be told apart surely."
        ),
    ),
    Rule(
        name="malignant_probability",
        change="malignant_probability",
        measures="Probability of a malignant class",
        threshold=0.15,
        errors=2.0,
        percent=False,
        words="p(malignant) rose by {}",
        why="The classifier reads the new picture as more suspicious by more than it varies between two photographs of one lesion.",
    ),
    Rule(
        name="new_class",
        change="malignant_probability",
        measures="A malignant class that is new in the prediction set",
        threshold=0.05,
        errors=1.0,
        percent=False,
        words="prediction set now holds {}",
        why="A set of 90 % coverage leaves a class out for a reason; to come in it must not only stand at its edge: p(malignant) rose too.",
    ),
    Rule(
        name="new_structures",
        change="new_structures",
        measures="Share of the lesion that differs from the earlier picture beyond the noise of photographing twice",
        threshold=0.30,
        errors=2.0,
        percent=True,
        words="{} of it looks different",
        why="New network, dots, streaks or veil are the signs of short-term monitoring (Menzies et al. 2001, Arch Dermatol 137:1583).",
    ),
    Rule(
        name="colour",
        change="colour",
        measures="Mean colour against the skin around",
        threshold=15.0,
        errors=2.0,
        percent=False,
        words="colour changed by ΔE {}",
        why="New colour is a sign of short-term monitoring (Menzies et al. 2001). Another lamp alone leaves some ΔE.",
    ),
    Rule(
        name="asymmetry",
        change="asymmetry",
        measures="Asymmetry of the shape about its best axes",
        threshold=0.10,
        errors=2.0,
        percent=False,
        words="asymmetry rose by {}",
        why="Growth to one side makes a round lesion lopsided (A and E; growing naevi keep their symmetry: Kittler et al. 2000).",
    ),
)


@dataclass(frozen=True, slots=True)
class FiredRule:
    """``rule``: its name; ``text``: what it found, in words; ``value``, ``error``, ``threshold`` in the rule's unit."""

    rule: str
    text: str
    value: float
    error: float
    threshold: float

    def to_json(self) -> dict[str, Any]:
        """Plain types, finite numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """What ``to_json`` wrote. Raises TypeError for anything else."""
        return cls(**given)


def fired(comparison: Comparison) -> tuple[FiredRule, ...]:
    """The rules that a comparison sets off, the gravest first; none for a comparison that is not valid."""
    return tuple(_fired(comparison)) if comparison.valid else ()


def _fired(comparison: Comparison) -> Iterator[FiredRule]:
    fresh = [code for code in comparison.new_classes if code in MALIGNANT]
    for rule in RULES:
        change = comparison.changes.get(rule.change)
        if change is None or change.value < max(rule.threshold, rule.errors * change.error):
            continue
        if rule.name == "new_class" and not fresh:
            continue
        figure = ", ".join(fresh) if rule.name == "new_class" else _figure(rule, change)
        text = rule.words.format(figure) + (_reservation(comparison) if rule.name == "growth" else "")
        yield FiredRule(rule=rule.name, text=text, value=change.value, error=change.error, threshold=rule.threshold)


def _figure(rule: Rule, change: Change) -> str:
    if rule.percent:
        return f"{100 * change.value:.0f} % ± {math.ceil(100 * change.error - 0.5):d}"
    digits = 1 if change.unit == "ΔE" else 2
    return f"{change.value:.{digits}f} ± {change.error:.{digits}f}"


def _reservation(comparison: Comparison) -> str:
    """What the reader must know before believing a growth."""
    if comparison.lower_bound:
        return " (uncertain: it leaves the picture)"
    return "" if comparison.basis is Basis.MM else " (relative)"


def headline(fired: Sequence[FiredRule], *, months: float | None) -> str:
    """One line, e.g. ``grew 38 % ± 6 in 4 months``; empty where nothing fired."""
    if not fired:
        return ""
    first, *others = [rule.text for rule in fired[:TOLD]]
    more = f"; and {len(fired) - TOLD} more" if len(fired) > TOLD else ""
    return "; ".join([first + _period(months), *others]) + more


def _period(months: float | None) -> str:
    if months is None:
        return ""
    days = months * DAYS_PER_MONTH
    for unit, length, least in (("year", 365.25, 3), ("month", DAYS_PER_MONTH, 2), ("week", 7.0, 2), ("day", 1.0, 1)):
        count = round(days / length)
        if count >= least:
            return f" in {count} {unit}{'s' if count > 1 else ''}"
    return ""
