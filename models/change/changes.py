"""The figures of a comparison: each change with its error, its rate, and whether it is more than the error of looking twice."""

import base64
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from models.change.difference import Difference
from models.change.laying import Basis, Ratio
from models.change.measures import Estimate, Lab, VisitMeasures
from models.change.tracking import Movement

# A change is called significant from this many standard deviations on, and never below what is of no use to know.
SIGNIFICANT = 2.0
LEAST: Mapping[str, float] = MappingProxyType(
    {
        "area": 0.05,
        "major": 0.03,
        "minor": 0.03,
        "asymmetry": 0.03,
        "colour_asymmetry": 1.5,
        "border_irregularity": 0.015,
        "colour_variegation": 1.5,
        "colour": 6.0,
        "new_structures": 0.05,
        "embedding": 0.2,
        "malignant_probability": 0.05,
    }
)
# Standard deviation of the logarithm of the ratio of areas: what tracking a border leaves at its best, and how much of what its several
# ways of asking, or the outlines made apart from each other, disagree by. Fitted on simulated visits of lesions of HAM10000 outside the
# test part.
TRACKED, DISAGREED, GAP = 0.02, 2.0, 0.2
# A border that is hardly darker than the skin is followed badly: this much, falling by e with every PALE ΔE of contrast.
LOST, PALE = 0.5, 4.0
COLOUR_ERROR = 3.0  # ΔE, between two pictures of unchanged skin after the light is taken off
STRUCTURE_ERROR = 0.08  # share of the lesion that another photograph alone makes differ
EMBEDDING_ERROR = 0.05  # cosine distance
MAJOR, MINOR, AREA = ("major", 1), ("minor", 1), ("area", 2)


@dataclass(frozen=True, slots=True)
class Change:
    """``earlier``, ``later``: the figures in ``unit``; ``absolute``: their difference. All None where sizes have no common unit.

    ``relative``: of sizes, share of the earlier figure (0.38: 38 % more). ``error``: one standard deviation of ``value``.
    ``per_month``: ``value`` over the months (of 30.44 days) between the visits; None where these are not known, or under a day.
    ``unit``: mm², mm, ΔE, share (0..1) or % (relative only). ``significant``: more than the error of looking twice.
    """

    absolute: float | None
    relative: float | None
    error: float
    per_month: float | None
    unit: str
    significant: bool
    earlier: float | None = None
    later: float | None = None

    @property
    def value(self) -> float:
        """The figure that ``error``, ``per_month`` and ``significant`` speak of: ``relative`` where there is one, else ``absolute``."""
        found = self.absolute if self.relative is None else self.relative
        return 0.0 if found is None else found

    def to_json(self) -> dict[str, Any]:
        """Plain types, finite numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """What ``to_json`` wrote. Raises TypeError, ValueError for anything else."""
        read = cls(**given)
        figures = (read.absolute, read.relative, read.error, read.per_month, read.earlier, read.later)
        if not all(figure is None or math.isfinite(figure) for figure in figures):
            raise ValueError(f"a change has finite figures only: {dict(given)}")
        return read


def changes_of(
    one: VisitMeasures, other: VisitMeasures, *, ratio: Ratio, movement: Movement | None, difference: Difference, months: float | None
) -> dict[str, Change]:
    """Every figure by name; p(malignant) and the embedding only where both visits went through the same networks."""
    found = _sizes(one, other, ratio=ratio, movement=movement, months=months)
    for name in ("asymmetry", "colour_asymmetry", "border_irregularity", "colour_variegation"):
        unit = "ΔE" if name.startswith("colour") else "share"
        found[name] = _plain(name, getattr(one, name), getattr(other, name), unit=unit, months=months)
    found["colour"] = _colour(one, other, difference, months)
    found["new_structures"] = _level("new_structures", difference.share, STRUCTURE_ERROR, unit="share", months=months)
    if one.pipeline_version == other.pipeline_version:
        found |= _opinions(one, other, months)
    return found


def _sizes(one: VisitMeasures, other: VisitMeasures, *, ratio: Ratio, movement: Movement | None, months: float | None) -> dict[str, Change]:
    apart = {name: _apart(one, other, name, ratio) for name in ("area", "major", "minor")}
    tracked = _tracked(movement, apart["area"])
    found: dict[str, Change] = {}
    for name, power in (AREA, MAJOR, MINOR):
        log = apart[name] if tracked is None else _agreed(tracked[name], apart[name] if one.drawn and other.drawn else None)
        error = math.hypot(log.error, power * ratio.error)
        found[name] = _size(name, one, other, Estimate(log.value, error), basis=ratio.basis, months=months)
    return found


def _apart(one: VisitMeasures, other: VisitMeasures, name: str, ratio: Ratio) -> Estimate:
    """Logarithm of later over earlier, each outlined by itself."""
    old, new = getattr(one, f"{name}_px"), getattr(other, f"{name}_px")
    power = 2 if name == "area" else 1
    return Estimate(
        math.log(new.value / old.value) - power * math.log(ratio.value), math.hypot(old.error / old.value, new.error / new.value)
    )


def _tracked(movement: Movement | None, apart: Estimate) -> dict[str, Estimate] | None:
    """Logarithms of later over earlier by the border's own movement; None where it could not be followed."""
    if movement is None or movement.area_ratio <= 0:
        return None
    area = math.log(movement.area_ratio)
    lost = LOST * math.exp(-movement.contrast / PALE)
    error = math.hypot(TRACKED, DISAGREED * movement.disagreement, GAP * (area - apart.value), lost)
    long, short = (math.log(max(side, 1e-3)) for side in movement.side_ratios)
    # A diameter is one length of many: it averages less than an area does.
    return {"area": Estimate(area, error), "major": Estimate(long, 0.7 * error), "minor": Estimate(short, 0.7 * error)}


def _agreed(tracked: Estimate, drawn: Estimate | None) -> Estimate:
    """With what readers drew in both pictures, each weighed by its error; where they disagree, the error grows (Birge 1932)."""
    if drawn is None:
        return tracked
    weights = np.array([1 / tracked.error**2, 1 / max(drawn.error, 1e-3) ** 2])
    values = np.array([tracked.value, drawn.value])
    mean = float((weights * values).sum() / weights.sum())
    strain = math.sqrt(float((weights * (values - mean) ** 2).sum()))
    return Estimate(mean, max(1.0, strain) / math.sqrt(float(weights.sum())))


def _size(name: str, one: VisitMeasures, other: VisitMeasures, log: Estimate, *, basis: Basis, months: float | None) -> Change:
    """The level is that of both visits together; the ratio is the one tracked."""
    relative = math.expm1(log.value)
    error = math.exp(log.value) * log.error
    earlier = later = None
    unit = "%"
    if basis is Basis.MM:
        unit = "mm²" if name == "area" else "mm"
        old, new = (getattr(seen, f"{name}_{'mm2' if name == 'area' else 'mm'}").value for seen in (one, other))
        level = math.sqrt(old * new)
        earlier, later = level * math.exp(-log.value / 2), level * math.exp(log.value / 2)
    return Change(
        absolute=None if earlier is None or later is None else later - earlier,
        relative=relative,
        error=error,
        per_month=_rate(relative, months),
        unit=unit,
        significant=_matters(name, relative, error),
        earlier=earlier,
        later=later,
    )


def _plain(name: str, old: Estimate, new: Estimate, *, unit: str, months: float | None) -> Change:
    absolute, error = new.value - old.value, math.hypot(old.error, new.error)
    return Change(absolute, None, error, _rate(absolute, months), unit, _matters(name, absolute, error), old.value, new.value)


def _level(name: str, value: float, error: float, *, unit: str, months: float | None) -> Change:
    """A figure that only two pictures together have: 0 where nothing changed."""
    return Change(value, None, error, _rate(value, months), unit, _matters(name, value, error))


def _colour(one: VisitMeasures, other: VisitMeasures, difference: Difference, months: float | None) -> Change:
    """ΔE between the later mean colour and the earlier one as it would look in the later light: that of the skin around."""
    lesion, skin, light = (_rgb(lab) for lab in (one.lesion_lab, one.skin_lab, other.skin_lab))
    expected = _lab(np.clip(lesion * (light + 0.02) / (skin + 0.02), 0, 1))
    value = float(np.linalg.norm(_values(other.lesion_lab) - expected))
    lamp = 100 / 3 * float(np.linalg.norm(difference.gain_error))  # a gain moves L* by about a third of what it is off by
    spread = math.sqrt(sum(part.error**2 for lab in (one.lesion_lab, other.lesion_lab) for part in lab))
    return _level("colour", value, math.hypot(COLOUR_ERROR, lamp, spread), unit="ΔE", months=months)


def _values(lab: Lab) -> NDArray[np.float32]:
    return np.array([part.value for part in lab], np.float32)


def _rgb(lab: Lab) -> NDArray[np.float32]:
    """L*a*b* → sRGB, 0..1."""
    return np.asarray(cv2.cvtColor(_values(lab)[None, None], cv2.COLOR_LAB2RGB)[0, 0], np.float32)


def _lab(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(rgb[None, None].astype(np.float32), cv2.COLOR_RGB2LAB)[0, 0], np.float32)


def _opinions(one: VisitMeasures, other: VisitMeasures, months: float | None) -> dict[str, Change]:
    found = {
        "malignant_probability": _plain(
            "malignant_probability", one.malignant_probability, other.malignant_probability, unit="share", months=months
        )
    }
    old, new = (np.frombuffer(base64.b64decode(seen.embedding), "<f2").astype(np.float64) for seen in (one, other))
    if len(old) and len(old) == len(new):
        distance = float(np.clip(1 - old @ new, 0, 2))
        found["embedding"] = _level(
            "embedding", distance, math.hypot(EMBEDDING_ERROR, one.embedding_spread + other.embedding_spread), unit="share", months=months
        )
    return found


def _matters(name: str, value: float, error: float) -> bool:
    return abs(value) > max(LEAST[name], SIGNIFICANT * error)


def _rate(value: float, months: float | None) -> float | None:
    return value / months if months else None
