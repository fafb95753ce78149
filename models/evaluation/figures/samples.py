"""What figures are computed from: predictions and outlines beside their truth, and whose lesion each image shows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Attributes = Mapping[str, Sequence[str | None]]

# Fifteen-year bands keep the melanoma-rich decades apart and still fill with a few hundred lesions.
AGE_BANDS = (("under 30", 30), ("30–44", 45), ("45–59", 60), ("60–74", 75))
OLDEST = "75 and over"


class EvaluationError(ValueError):
    """Predictions, truth or descriptions that do not fit together, or that no figure can be computed from."""


class Described(Protocol):
    """What a record tells of its image, None where nobody wrote it down. ``age`` in years."""

    @property
    def age(self) -> float | None: ...
    @property
    def sex(self) -> str | None: ...
    @property
    def site(self) -> str | None: ...
    @property
    def fitzpatrick(self) -> str | None: ...
    @property
    def source(self) -> str | None: ...


def age_band(age: float | None) -> str | None:
    """``under 30``, ``30–44``, ``45–59``, ``60–74`` or ``75 and over``; None for an unknown age in years."""
    if age is None or not np.isfinite(age):
        return None
    return next((name for name, end in AGE_BANDS if age < end), OLDEST)


def attributes_of(records: Iterable[Described]) -> dict[str, list[str | None]]:
    """Age band, sex, site, Fitzpatrick type and source of each record, in order, as the subgroup figures read them."""
    found = list(records)
    return {
        "age": [age_band(record.age) for record in found],
        "sex": [record.sex or None for record in found],
        "site": [record.site or None for record in found],
        "fitzpatrick": [record.fitzpatrick or None for record in found],
        "source": [record.source or None for record in found],
    }


@dataclass(frozen=True, slots=True, eq=False)
class ClassPredictions:
    """N classified images.

    ``probabilities`` N×C float64, rows sum to 1; ``labels`` N int64, the true class as an index into ``codes``;
    ``malignant``: those codes that must not be missed, may be empty; ``groups``: N lesion names, intervals resample them;
    ``attributes``: N values each, None where unknown; ``images``: N names for the list of missed malignant lesions, or none.
    Raises EvaluationError where these do not fit together.
    """

    probabilities: Floats
    labels: Labels
    codes: Sequence[str]
    malignant: Collection[str]
    groups: Sequence[str]
    attributes: Attributes = field(default_factory=dict)
    images: Sequence[str] = ()

    def __post_init__(self) -> None:
        shape, classes = np.shape(self.probabilities), len(self.codes)
        if len(shape) != 2 or shape[1] != classes:
            raise EvaluationError(f"probabilities are {shape}, must be images × {classes} classes ({', '.join(self.codes)})")
        _check_lengths(shape[0], labels=self.labels, groups=self.groups, attributes=self.attributes, images=self.images)
        if not np.isfinite(self.probabilities).all() or np.abs(np.sum(self.probabilities, axis=1) - 1).max() > 1e-3:
            raise EvaluationError("probabilities must be finite and sum to 1 in every row: apply softmax to the logits first")
        if np.min(self.labels) < 0 or np.max(self.labels) >= classes:
            raise EvaluationError(f"labels must be 0 to {classes - 1}: leave images without a diagnosis out before measuring")
        if unknown := set(self.malignant) - set(self.codes):
            raise EvaluationError(f"malignant codes {sorted(unknown)} are not among the classes {list(self.codes)}")

    @property
    def predicted(self) -> Labels:
        """N: the class with the highest probability; an exact tie goes to the first of them (ISIC's scoring counts a tie as wrong)."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def malignant_probability(self) -> Floats:
        """N: the summed probability of all malignant classes."""
        chosen = [index for index, code in enumerate(self.codes) if code in self.malignant]
        return np.asarray(self.probabilities[:, chosen].sum(axis=1), np.float64)

    @property
    def truly_malignant(self) -> Booleans:
        """N: the true class is a malignant one."""
        return np.isin(self.labels, [index for index, code in enumerate(self.codes) if code in self.malignant])

    def take(self, chosen: NDArray[Any]) -> Self:
        """The images at ``chosen`` (indices or mask), in that order."""
        indices = np.arange(len(self.labels))[chosen]
        return replace(self, probabilities=self.probabilities[indices], labels=self.labels[indices], **_taken(self, indices))


@dataclass(frozen=True, slots=True, eq=False)
class OutlineScores:
    """N outlined images as pixel counts against the true masks: ``tp``, ``fp``, ``fn``, ``tn``, each N integers.

    ``groups``, ``attributes`` and ``images`` as in ClassPredictions. Raises EvaluationError where these do not fit together.
    """

    tp: Labels
    fp: Labels
    fn: Labels
    tn: Labels
    groups: Sequence[str]
    attributes: Attributes = field(default_factory=dict)
    images: Sequence[str] = ()

    def __post_init__(self) -> None:
        counts = {name: np.asarray(getattr(self, name)) for name in ("tp", "fp", "fn", "tn")}
        _check_lengths(len(self.tp), **counts, groups=self.groups, attributes=self.attributes, images=self.images)
        if any(values.dtype.kind not in "iu" or values.min() < 0 for values in counts.values()):
            raise EvaluationError("pixel counts must be whole numbers, 0 or more")

    @classmethod
    def of_masks(
        cls,
        *,
        predicted: Iterable[NDArray[Any]],
        truth: Iterable[NDArray[Any]],
        groups: Sequence[str],
        attributes: Attributes | None = None,
        images: Sequence[str] = (),
    ) -> Self:
        """Counts pixels of N pairs of H×W masks (bool, or integers with 0 = skin and 1 or 255 = lesion); generators are read once."""
        rows = [_pixels(one, other, index) for index, (one, other) in enumerate(_pairs(predicted, truth))]
        tp, fp, fn, tn = np.array(rows, np.int64).reshape(-1, 4).T
        return cls(tp=tp, fp=fp, fn=fn, tn=tn, groups=groups, attributes=attributes or {}, images=images)

    def take(self, chosen: NDArray[Any]) -> Self:
        """The images at ``chosen`` (indices or mask), in that order."""
        indices = np.arange(len(self.tp))[chosen]
        counts = {"tp": self.tp[indices], "fp": self.fp[indices], "fn": self.fn[indices], "tn": self.tn[indices]}
        return replace(self, **counts, **_taken(self, indices))


Samples = ClassPredictions | OutlineScores


def _taken(samples: Samples, indices: NDArray[np.int64]) -> dict[str, Any]:
    return {
        "groups": [samples.groups[index] for index in indices],
        "attributes": {name: [values[index] for index in indices] for name, values in samples.attributes.items()},
        "images": [samples.images[index] for index in indices] if len(samples.images) else (),
    }


def _check_lengths(count: int, *, groups: Sequence[str], attributes: Attributes, images: Sequence[str], **arrays: NDArray[Any]) -> None:
    if count == 0:
        raise EvaluationError("there are no images to measure: check the data folder and the split")
    lengths = {"groups": len(groups), **{name: len(values) for name, values in arrays.items()}}
    lengths |= {f"attribute {name}": len(values) for name, values in attributes.items()} | ({"images": len(images)} if len(images) else {})
    if wrong := {name: length for name, length in lengths.items() if length != count}:
        raise EvaluationError(f"{count} images, but {', '.join(f'{length} {name}' for name, length in wrong.items())}")
    if "" in set(groups):
        raise EvaluationError("a group is empty: images without a lesion name need one each (the image's own), or they count as one lesion")


def _pairs(predicted: Iterable[NDArray[Any]], truth: Iterable[NDArray[Any]]) -> Iterable[tuple[NDArray[Any], NDArray[Any]]]:
    try:
        yield from zip(predicted, truth, strict=True)
    except ValueError as error:
        raise EvaluationError("there are not as many predicted masks as true ones") from error


def _pixels(predicted: NDArray[Any], truth: NDArray[Any], index: int) -> list[int]:
    if predicted.shape != truth.shape:
        raise EvaluationError(f"mask {index}: predicted {predicted.shape}, truth {truth.shape}; resize one to the other first")
    for name, mask in (("predicted", predicted), ("true", truth)):
        # Grey edges of a resized or JPEG mask would all count as lesion and make it fat.
        if mask.dtype != np.bool_ and not ((mask == 0) | (mask == 1) | (mask == 255)).all():
            raise EvaluationError(f"mask {index}: the {name} one holds grey values; make it 0 and 255 first, for example mask > 127")
    a, b = predicted != 0, truth != 0
    both, found, true = (int(np.count_nonzero(part)) for part in (a & b, a, b))
    return [both, found - both, true - both, a.size - found - true + both]
