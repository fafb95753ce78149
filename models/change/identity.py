"""Whether two pictures of a patient may show the same lesion: place, likeness and geometry, added up to a score with its reasons.

Three kinds of evidence, each in log odds (`EVIDENCE`): where the lesions sit, how alike the classifier finds them, and whether the
pictures can be laid over each other. A score is a proposal for a human and never a decision.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.change.registration import NoComparison, Registration, Why

# Proposed from this score on: a human looks, so a miss costs more than a question. Registered at most this many, because a
# registration costs about a hundred times a likeness.
PROPOSE, REGISTERED = 0.3, 5


class Nearness(StrEnum):
    """How the places of two lesions go together, as far as the portals said."""

    SAME = "same"
    REGION = "region"
    UNKNOWN = "unknown"
    OTHER = "other"


# Log odds. Places are the portals' words, and most lesions at one site are neighbours and not the same.
EVIDENCE = {Nearness.SAME: -1.0, Nearness.REGION: -2.0, Nearness.UNKNOWN: -1.5}
# The classifier's cosine, by logistic regression on 188 lesions of HAM10000's validation part: 0.92 (5 to 95 %: 0.70 to 0.98) between two
# pictures of one lesion, 0.50 (0.14 to 0.83) between lesions at one site. At the middle it says nothing. It may say this much and no more:
# naevi of one person are more alike than those of many.
LIKENESS_MIDDLE, LIKENESS_SLOPE, LIKENESS_LEAST, LIKENESS_MOST = 0.75, 16.0, -2.5, 2.0
# Two pictures that lie over each other leave little doubt. What a failure says is a judgement and was not fitted:
# about one pair of one lesion in thirteen fails (docs/benchmarks-trail.md).
AGREES, DISAGREES = 5.0, -1.2

# Words that portals use for places, by region; the longest word that fits counts ("upper back" is a back, "back of hand" a hand).
REGIONS: dict[str, tuple[str, ...]] = {
    "head": ("head", "face", "scalp", "cheek", "forehead", "nose", "ear", "lip", "chin", "eyelid", "temple", "eye", "oral/genital", "jaw"),
    "neck": ("neck", "head/neck", "head and neck", "nape"),
    "front": ("chest", "abdomen", "breast", "anterior torso", "belly", "stomach", "groin", "navel"),
    "back": ("back", "posterior torso", "shoulder", "scapula", "buttock", "lower back", "upper back", "flank", "lateral torso"),
    "trunk": ("trunk", "torso"),
    "arm": ("arm", "forearm", "upper extremity", "elbow", "wrist", "upper arm", "axilla", "armpit"),
    "hand": ("hand", "finger", "palm", "thumb", "back of hand", "back of the hand", "palms/soles", "nail"),
    "leg": ("leg", "thigh", "lower extremity", "knee", "calf", "shin", "ankle", "lower leg", "hip"),
    "foot": ("foot", "toe", "sole", "heel", "back of foot"),
    "genital": ("genital", "genitals", "perineum", "anus"),
}
# What one doctor calls the one, another calls the other.
TOUCHING = (
    {"head", "neck"},
    {"neck", "back"},
    {"neck", "front"},
    {"front", "back"},
    {"trunk", "front"},
    {"trunk", "back"},
    {"back", "arm"},
    {"arm", "hand"},
    {"leg", "foot"},
    {"leg", "front"},
    {"leg", "back"},
    {"genital", "front"},
    {"genital", "leg"},
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lesion sits, in the portal's words; ``laterality``: left, right, midline or None."""

    body_site: str | None = None
    laterality: str | None = None


@dataclass(frozen=True, slots=True)
class Likely:
    """``value`` 0..1 and what it rests on. ``likeness``: a cosine, None where the pictures cannot be compared.

    ``registration``: None where the pictures were not laid over each other.
    """

    value: float
    nearness: Nearness
    likeness: float | None = None
    registration: Registration | NoComparison | None = None

    def reasons(self) -> dict[str, Any]:
        """JSON-ready: `{"site": "same", "likeness": 0.91, "geometry": {"agrees": true, "inliers": 34, …}}`; what is not known is null."""
        likeness = None if self.likeness is None else round(self.likeness, 3)
        return {"site": self.nearness.value, "likeness": likeness, "geometry": _geometry(self.registration)}


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ranked(Generic[T]):
    """A candidate with its score."""

    candidate: T
    likely: Likely


def nearness(one: Place, other: Place) -> Nearness:
    """Compare two places. Sides that contradict each other are another place, whatever the site; `midline` contradicts neither."""
    (site, side), (other_site, other_side) = _parts(one), _parts(other)
    if {side, other_side} == {"left", "right"}:
        return Nearness.OTHER
    if not site or not other_site:
        return Nearness.UNKNOWN
    if site == other_site:
        return Nearness.SAME
    regions = {region_of(site), region_of(other_site)}
    if None in regions:
        return Nearness.UNKNOWN
    return Nearness.REGION if len(regions) == 1 or regions in TOUCHING else Nearness.OTHER


def region_of(body_site: str) -> str | None:
    """The region that a portal's words name, or None: `"Left upper arm"` → `"arm"`."""
    words = f" {_plain(body_site)} "
    fitting = [(len(word), region) for region, names in REGIONS.items() for word in names if _holds(words, word)]
    return max(fitting)[1] if fitting else None


def likeness(one: bytes | None, other: bytes | None) -> float | None:
    """Cosine of two embeddings (float16, little endian, of length 1) of one pipeline version: -1..1; None where one is missing."""
    if not one or not other or len(one) != len(other):
        return None
    return float(np.clip(_vector(one) @ _vector(other), -1, 1))


def likely(near: Nearness, alike: float | None = None, registration: Registration | NoComparison | None = None) -> Likely:
    """Add the evidence up. Another place is 0 without a look at the pictures."""
    if near is Nearness.OTHER:
        return Likely(0.0, near, alike, registration)
    odds = EVIDENCE[near] + _by_likeness(alike) + _by_geometry(registration)
    return Likely(1 / (1 + math.exp(-odds)), near, alike, registration)


def shortlist(
    this: tuple[Place, bytes | None], others: Sequence[tuple[T, Place, bytes | None]], *, limit: int = REGISTERED
) -> list[Ranked[T]]:
    """The likeliest `limit` of a patient's other lesions before anything is registered, the likeliest first; none at another place."""
    place, embedding = this
    ranked = [Ranked(one, likely(nearness(place, there), likeness(embedding, seen))) for one, there, seen in others]
    possible = [one for one in ranked if one.likely.nearness is not Nearness.OTHER]
    return sorted(possible, key=lambda one: -one.likely.value)[:limit]


def _plain(words: str) -> str:
    return " ".join(words.casefold().replace(",", " ").replace("-", " ").replace("_", " ").split())


def _parts(place: Place) -> tuple[str, str | None]:
    """Site without its side, and the side, which a portal may have written into the site: "left forearm"."""
    words = _plain(place.body_site or "").split()
    sides = [word for word in words if word in ("left", "right")]
    return " ".join(word for word in words if word not in ("left", "right")), place.laterality or (sides[0] if len(sides) == 1 else None)


def _holds(words: str, word: str) -> bool:
    return f" {word} " in words or f" {word}s " in words


def _vector(embedding: bytes) -> NDArray[np.float32]:
    return np.frombuffer(embedding, "<f2").astype(np.float32)


def _by_likeness(alike: float | None) -> float:
    """Bounded: the classifier was taught to tell kinds of lesions apart, not lesions."""
    if alike is None:
        return 0.0
    return max(LIKENESS_LEAST, min(LIKENESS_MOST, LIKENESS_SLOPE * (alike - LIKENESS_MIDDLE)))


def _by_geometry(registration: Registration | NoComparison | None) -> float:
    """Pictures that are blurred or empty cannot speak against anything."""
    if isinstance(registration, Registration):
        return AGREES
    return DISAGREES if isinstance(registration, NoComparison) and registration.why is Why.OTHER_PLACE else 0.0


def _geometry(registration: Registration | NoComparison | None) -> dict[str, Any] | None:
    if registration is None:
        return None
    seen = {"inliers": registration.inliers, "correlation": round(registration.correlation, 3)}
    if isinstance(registration, Registration):
        return {"agrees": True, **seen}
    return {"agrees": False, "why": registration.why.value, **seen}
