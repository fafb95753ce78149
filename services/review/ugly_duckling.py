"""The "ugly duckling": how far each lesion of a patient stands from the patient's other lesions. Never a diagnosis.

A patient's moles resemble each other, and a melanoma often does not (Grob and Bonerandi 1998, doi:10.1001/archderm.134.1.103-a; ranked by
the distance from the patient's other lesions by Soenksen and others 2021, doi:10.1126/scitranslmed.abb3652).

Each figure of a lesion (size, darkness, colours, asymmetry, border, and how far the classifier's features lie from the mean of those of
the other lesions) is set against the patient's median in units of 1.4826 times the median absolute deviation: the modified z-score of
Iglewicz and Hoaglin (1993), with their limit of 3.5. Half of the lesions may be odd before median and deviation move. A deviation smaller
than the error of measuring is no scale (`floor`). The score is the Euclidean length of a lesion's z-scores, so that several oddities add
up; it orders the lesions and has no other meaning.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

FEWEST = 5
STANDS_OUT = 3.5
NAMED = 2.5
CONSISTENT = 1.4826
# Beyond this a figure is just "very different": one of them must not hide all the others in the score.
MOST = 10.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A figure. ``more``, ``less``: what a reader calls a lesion with more or less of it; "" where that is not odd.

    ``floor``: the smallest deviation that counts as a scale, in the figure's unit.
    """

    more: str
    less: str
    floor: float


KINDS: Mapping[str, Kind] = {
    "size": Kind("larger", "smaller", 0.15),  # logarithm of mm²: 16 %
    "darkness": Kind("darker", "paler", 4.0),  # L* of the skin around less that of the lesion
    "colours": Kind("more colours", "", 2.0),  # ΔE from the mean colour
    "asymmetry": Kind("lopsided", "", 0.05),
    "border": Kind("a more irregular border", "", 0.03),
    "look": Kind("a different look", "", 0.02),  # of the classifier's features: 1 - cosine to the mean of the others
}


@dataclass(frozen=True, slots=True)
class Lesion:
    """What is compared. ``figures`` by the names of ``KINDS`` (without ``look``); what is not known is left out.

    ``embedding``: float16, little endian; it is compared within the ``version`` that most of the lesions have.
    """

    key: str
    figures: Mapping[str, float]
    version: str | None = None
    embedding: bytes | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a lesion stands: rank 1 is the farthest from the others. ``oddities``: in words, adjectives first."""

    key: str
    rank: int
    score: float
    stands_out: bool
    oddities: tuple[str, ...]


def rank(lesions: Sequence[Lesion]) -> tuple[Standing, ...]:
    """The lesions from the oddest to the plainest; empty where fewer than ``FEWEST`` have a figure to compare."""
    odd = _scores(lesions)
    known = [(key, scores) for key, scores in odd.items() if scores]
    if len(known) < FEWEST:
        return ()
    ordered = sorted(known, key=lambda entry: (-_length(entry[1]), entry[0]))
    return tuple(_standing(key, number, scores) for number, (key, scores) in enumerate(ordered, 1))


def _standing(key: str, number: int, scores: Mapping[str, float]) -> Standing:
    # Adjectives before nouns, each the strongest first.
    strongest = sorted(scores.items(), key=lambda entry: (" " in KINDS[entry[0]].more, -abs(entry[1])))
    named = [KINDS[name].more if value > 0 else KINDS[name].less for name, value in strongest if abs(value) >= NAMED]
    return Standing(key, number, _length(scores), any(abs(value) >= STANDS_OUT for value in scores.values()), tuple(named))


def _length(scores: Mapping[str, float]) -> float:
    return math.hypot(*(min(abs(value), MOST) for value in scores.values()))


def _scores(lesions: Sequence[Lesion]) -> dict[str, dict[str, float]]:
    """Of each lesion the z-scores by figure; one that has an ordinary value on the side that is not odd counts as 0."""
    figures = {lesion.key: dict(lesion.figures) for lesion in lesions}
    for key, distance in _looks(lesions).items():
        figures[key]["look"] = distance
    found: dict[str, dict[str, float]] = {key: {} for key in figures}
    for name, kind in KINDS.items():
        values = {key: given[name] for key, given in figures.items() if name in given}
        if len(values) < FEWEST:
            continue
        middle = median(values.values())
        spread = max(CONSISTENT * median([abs(value - middle) for value in values.values()]), kind.floor)
        for key, value in values.items():
            score = (value - middle) / spread
            found[key][name] = score if score > 0 or kind.less else 0.0
    return found


def _looks(lesions: Sequence[Lesion]) -> dict[str, float]:
    """1 - cosine between each lesion's features and the mean of the others', among the lesions of the commonest version."""
    versions = [lesion.version for lesion in lesions if lesion.embedding and lesion.version]
    if len(versions) < FEWEST:
        return {}
    commonest = max(sorted(set(versions)), key=versions.count)
    kept = {lesion.key: lesion.embedding for lesion in lesions if lesion.version == commonest and lesion.embedding}
    if len(kept) < FEWEST or len({len(embedding) for embedding in kept.values()}) != 1:
        return {}
    vectors = np.frombuffer(b"".join(kept.values()), dtype="<f2").reshape(len(kept), -1).astype(np.float32)
    others = vectors.sum(axis=0) - vectors
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(others, axis=1)
    if not lengths.all():
        return {}
    cosines = (vectors * others).sum(axis=1) / lengths
    return {key: float(1 - cosine) for key, cosine in zip(kept, cosines, strict=True)}
