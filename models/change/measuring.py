"""What is measured of one visit's picture, each figure with the error of having looked once."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.analyzer import Analyzer, embedding_of
from models.change.measures import Estimate, Lab, VisitMeasures
from models.change.perturb import outlined, redrawn, shown_squares
from models.change.regions import fitted, mean_lab, polygons_of, skin_around
from models.change.scale import Scale
from models.finding import Measures
from models.inputs import HAIR, after_steps
from models.masks import tidy
from models.measure import measure
from models.pictures.types import Gray, Rgb
from models.preprocess import to_working_size

MEASURE_VERSION = "m1"

# Another photograph differs more than a perturbed one. Between simulated visits of stable lesions of HAM10000, outside the test part
# but for an early round of 100 pairs (turned, magnified 0.8 to 1.25, light ±25 %, gamma 0.8 to 1.25, hair, noise, JPEG), figures differ
# by about these many spreads, and by
# the floors where all views agree. The lamp alone moves colours.
SPREAD_FACTOR, SIZE_FLOOR = 1.4, 0.02
FLOORS = MappingProxyType({"asymmetry": 0.01, "colour_asymmetry": 1.2, "border_irregularity": 0.008, "colour_variegation": 1.2})
PROBABILITY_FACTOR, PROBABILITY_FLOOR = 2.0, 0.02
COLOUR_FLOOR = 0.5  # L*, a*, b*


def measure_visit(
    picture: Rgb, *, analyzer: Analyzer, mask: Gray | None, scale: Scale | None, full_size: tuple[int, int] | None = None
) -> VisitMeasures | None:
    """H×W×3 uint8 upright picture of a visit → its measures; None where no lesion is found.

    ``mask``: a reader's outline, 0/255, any size, over the whole picture: it wins over the analyzer's. ``scale``: of the upright
    original, whose (width, height) is ``full_size`` where ``picture`` is a reduction of it.
    """
    width, height = full_size or (picture.shape[1], picture.shape[0])
    seen = _Seen.of(picture, analyzer=analyzer, width=width, height=height)
    lesion, others = _outlines(seen, mask, analyzer=analyzer)
    figures = seen.measured(lesion)
    if figures is None:
        return None
    again = [other for other in map(seen.measured, others) if other is not None]
    opinion = _opinion(seen, lesion, analyzer=analyzer)
    return VisitMeasures(
        width=width,
        height=height,
        mm_per_px=scale.mm_per_px if scale else None,
        scale_source=scale.source if scale else None,
        area_px=_size(figures, again, "area_px"),
        major_px=_size(figures, again, "major_diameter_px"),
        minor_px=_size(figures, again, "minor_diameter_px"),
        asymmetry=_figure(figures, again, "asymmetry"),
        colour_asymmetry=_figure(figures, again, "colour_asymmetry"),
        border_irregularity=_figure(figures, again, "border_irregularity"),
        colour_variegation=_figure(figures, again, "colour_variegation"),
        malignant_probability=opinion.malignant,
        lesion_lab=_colour(seen.clean, [lesion, *others]),
        skin_lab=_colour(seen.clean, [skin_around(one) for one in (lesion, *others)]),
        classes=opinion.classes,
        embedding=base64.b64encode(opinion.embedding).decode("ascii"),
        embedding_spread=opinion.spread,
        pipeline_version=analyzer.pipeline_version,
        touches_border=figures.touches_border,
        drawn=mask is not None,
        outline=polygons_of(lesion),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """``clean``, ``outlined``, ``classified``: H×W×3 at working size, without hair and after each network's steps."""

    clean: Rgb
    outlined: Rgb
    classified: Rgb
    width: int
    height: int

    @classmethod
    def of(cls, picture: Rgb, *, analyzer: Analyzer, width: int, height: int) -> Self:
        working = to_working_size(picture)
        plans = ((HAIR,), analyzer.outline_plan.steps, analyzer.plan.steps)
        _, (clean, outlined, classified) = after_steps(working, plans)
        return cls(clean=clean, outlined=outlined, classified=classified, width=width, height=height)

    def measured(self, mask: Gray) -> Measures | None:
        return measure(self.clean, mask, full_width=self.width, full_height=self.height, pixel_spacing_mm=None)


def _outlines(seen: _Seen, drawn: Gray | None, *, analyzer: Analyzer) -> tuple[Gray, list[Gray]]:
    """The outline that stands, and what it might as well have been. An empty drawing says that there is no lesion."""
    if drawn is not None:
        mask = fitted(drawn, width=seen.clean.shape[1], height=seen.clean.shape[0])
        return mask, redrawn(mask) if mask.any() else []
    each = outlined(seen.outlined, analyzer=analyzer)
    mean, *others = (tidy(np.where(one > 0.5, 255, 0).astype(np.uint8)) for one in (each.mean(0), *each))
    return mean, others


@dataclass(frozen=True, slots=True)
class _Opinion:
    classes: tuple[str, ...]
    malignant: Estimate
    embedding: bytes
    spread: float


def _opinion(seen: _Seen, lesion: Gray, *, analyzer: Analyzer) -> _Opinion:
    """What the classifier says of slightly different squares taken together; the errors are their spread."""
    square = analyzer.plan.square(seen.clean, lesion)
    rows = analyzer.classifier(shown_squares(seen.classified, square, analyzer=analyzer))
    logits, features = analyzer.layout.logits_of(rows), analyzer.layout.features_of(rows)
    together = analyzer.judge(logits.mean(0), features.mean(0))
    each = [analyzer.judge(*row).malignant_probability for row in zip(logits, features, strict=True)]
    error = math.hypot(PROBABILITY_FLOOR, PROBABILITY_FACTOR * _spread(each, together.malignant_probability))
    return _Opinion(
        classes=together.classes,
        malignant=Estimate(together.malignant_probability, error),
        embedding=embedding_of(features.mean(0)),
        spread=_strangeness(features),
    )


def _strangeness(features: NDArray[np.float32]) -> float:
    """Mean cosine distance of N×F features to their mean: 0..2; 0 where there is none."""
    mean = features.mean(0)
    lengths = np.linalg.norm(features, axis=1) * np.linalg.norm(mean)
    alike = np.divide(features @ mean, lengths, out=np.ones(len(features), np.float32), where=lengths > 0)
    return float(1 - alike.mean())


def _size(figures: Measures, again: Sequence[Measures], name: str) -> Estimate:
    """A size: its error is a share of it."""
    value = float(getattr(figures, name))
    spread = _spread([float(getattr(other, name)) for other in again], value)
    return Estimate(value, math.hypot(SIZE_FLOOR * value, SPREAD_FACTOR * spread))


def _figure(figures: Measures, again: Sequence[Measures], name: str) -> Estimate:
    value = float(getattr(figures, name))
    spread = _spread([float(getattr(other, name)) for other in again], value)
    return Estimate(value, math.hypot(FLOORS[name], SPREAD_FACTOR * spread))


def _spread(values: Sequence[float], centre: float) -> float:
    """Root mean square distance from ``centre``: what stands is the mean outline's figure, not the mean of the figures."""
    return math.sqrt(sum((value - centre) ** 2 for value in values) / len(values)) if values else 0.0


def _colour(clean: Rgb, regions: Sequence[Gray]) -> Lab:
    """Mean L*a*b* in the first of the regions; its errors are the spread over all of them."""
    means = [mean_lab(clean, region) for region in regions]
    first, second, third = (
        Estimate(means[0][axis], math.hypot(COLOUR_FLOOR, _spread([mean[axis] for mean in means[1:]], means[0][axis]))) for axis in range(3)
    )
    return first, second, third
