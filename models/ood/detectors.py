"""Detectors of strangers: each tells how strange a picture is from what the classifier saw, and is kept in its bundle as tensors.

``exposure`` learns what strangers look like and is the default; the others know lesions alone. Energy, Mahalanobis, kNN and ViM are those
of pytorch-ood (Kirchheim et al. 2022): it fits whatever there is to fit, while serving takes a few lines of NumPy and imports neither
it nor SciPy. A test holds both scores equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray

from models.ood.calibration import normalised_entropy, probabilities_of
from models.ood.exposure import fit_exposure
from models.ood.familiarity import Familiarity, fit_familiarity

Floats = NDArray[np.float64]
Tensors = Mapping[str, torch.Tensor]

DIRECTIONS = 64
COMPONENTS, LEAST_VARIANCE = 256, 1e-6  # whitened for Mahalanobis: at most so many, none of a share of the largest under that
NEIGHBOURS = 50  # the paper's choice for its smaller sets
PRINCIPAL_SHARE = 0.1  # of the features: the rest is ViM's residual
DUAL_ACCEPTED = 0.95


class OodError(ValueError):
    """A detector that cannot be fitted, or a bundle whose detector cannot be read."""


class Rows(Protocol):
    """What a classifier saw of N pictures."""

    @property
    def logits(self) -> NDArray[np.float32]:
        """N×C."""

    @property
    def features(self) -> NDArray[np.float32]:
        """N×F, what the last layer reads."""


class LabelledRows(Rows, Protocol):
    """Rows of lesions whose class is known."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """N class indices; −1 where there is none."""


class Detector(Protocol):
    """Tells strangers from lesions. ``fit`` may ignore the strangers."""

    @classmethod
    def fit(cls, known: LabelledRows, strangers: Rows | None) -> Self:
        """From training lesions and pictures that are none. Raises OodError when something is lacking."""

    def score(self, rows: Rows) -> Floats:
        """N scores, higher = stranger, each of its own row alone."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything the score needs, for the bundle."""

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """What ``tensors`` gave. Raises KeyError with the name of a missing one."""


@dataclass(frozen=True, slots=True)
class _Arrays:
    """Arrays by name, to and from a bundle as float32."""

    arrays: Mapping[str, Floats]
    NAMES: ClassVar[tuple[str, ...]] = ()

    def tensors(self) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(np.ascontiguousarray(values, np.float32)) for name, values in self.arrays.items()}

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        return cls({name: tensors[name].double().numpy() for name in cls.NAMES})


class Exposure(_Arrays):
    """The default: −ln p(lesion | features) by logistic regression of lesions against made strangers; see models.ood.exposure."""

    NAMES = ("weights", "bias")

    @classmethod
    def fit(cls, known: LabelledRows, strangers: Rows | None) -> Self:
        if strangers is None or not len(strangers.features):
            raise OodError("the detector 'exposure' learns from strangers: give pictures by models.ood.made_strangers")
        weights, bias = fit_exposure(known.features, strangers.features)
        return cls({"weights": weights, "bias": np.array([bias])})

    def score(self, rows: Rows) -> Floats:
        return np.logaddexp(0, rows.features @ self.arrays["weights"] + self.arrays["bias"])


class Gaussian(_Arrays):
    """Distance from one Gaussian of the features; see models.ood.familiarity."""

    NAMES = ("mean", "basis", "variances", "residual")

    @classmethod
    def fit(cls, known: LabelledRows, strangers: Rows | None) -> Self:  # noqa: ARG003  # all detectors are fitted alike
        directions = min(DIRECTIONS, (known.features.shape[1] - 1) // 2)
        fitted = fit_familiarity(known.features.astype(np.float64), directions=directions)
        arrays = {"mean": fitted.mean, "basis": fitted.basis, "variances": fitted.variances, "residual": np.array([fitted.residual])}
        return cls(arrays)

    def score(self, rows: Rows) -> Floats:
        mean, basis, variances, residual = (self.arrays[name] for name in self.NAMES)
        known = Familiarity(mean=mean, basis=basis, variances=variances, residual=float(residual[0]))
        return known.distance(rows.features.astype(np.float64))


class Dual(_Arrays):
    """Max-softmax under one threshold and normalised entropy over another, as one score: over 1 when both criteria refuse."""

    NAMES = ("max_softmax", "entropy")

    @classmethod
    def fit(cls, known: LabelledRows, strangers: Rows | None) -> Self:  # noqa: ARG003  # all detectors are fitted alike
        probabilities = probabilities_of(known.logits, temperature=1)
        low = np.quantile(probabilities.max(axis=1), 1 - DUAL_ACCEPTED, keepdims=True)
        return cls({"max_softmax": low, "entropy": np.quantile(normalised_entropy(probabilities), DUAL_ACCEPTED, keepdims=True)})

    def score(self, rows: Rows) -> Floats:
        probabilities = probabilities_of(rows.logits, temperature=1)
        doubt = (1 - probabilities.max(axis=1)) / (1 - self.arrays["max_softmax"])
        return np.asarray(np.minimum(doubt, normalised_entropy(probabilities) / self.arrays["entropy"]))


class Energy(_Arrays):
    """−ln Σ exp(logits) (Liu et al. 2020, arXiv:2010.03759)."""

    @classmethod
    def fit(cls, known: LabelledRows, strangers: Rows | None) -> Self:  # noqa: ARG003
        return cls({})

    def score(self, rows: Rows) -> Floats:
        return -_log_sum_exp(rows.logits.astype(np.float64))


class Mahalanobis(_Arrays):
    """Half the squared distance to the nearest class mean under one covariance (Lee et al. 2018, arXiv:1807.03888).

    Of whitened principal components: the distance does not mind, but the covariance of raw features is all but singular, and the
    library inverts it in float32.
    """

    NAMES = ("mean", "whitening", "class_means", "precision")

    @classmethod
    def fit(cls, known: LabelledRows, strangers: Rows | None) -> Self:  # noqa: ARG003
        from pytorch_ood.detector import Mahalanobis as Library

        features, labels = _labelled(known)
        mean = features.mean(0)
        variances, vectors = torch.linalg.eigh(torch.cov((features - mean).T.double()))
        kept = variances >= max(float(variances[-1]) * LEAST_VARIANCE, float(variances[-min(COMPONENTS, len(variances))]))
        whitening = vectors[:, kept] / variances[kept].sqrt()
        whitened = (features - mean).double() @ whitening
        library = Library(None).fit_features(whitened.float(), torch.unique(labels, return_inverse=True)[1])
        found = {"mean": mean, "whitening": whitening, "class_means": library.mu, "precision": library.precision}
        return cls({name: tensor.double().numpy() for name, tensor in found.items()})

    def score(self, rows: Rows) -> Floats:
        whitened = (rows.features - self.arrays["mean"]) @ self.arrays["whitening"]
        away = whitened[:, None] - self.arrays["class_means"]
        return np.asarray(np.einsum("nkf,nkf->nk", away @ self.arrays["precision"], away).min(axis=1) / 2)


class Knn(_Arrays):
    """Distance to the 50th nearest training lesion on the unit sphere (Sun et al. 2022, arXiv:2204.06507)."""

    NAMES = ("bank",)

    @classmethod
    def fit(cls, known: LabelledRows, strangers: Rows | None) -> Self:  # noqa: ARG003
        if len(known.features) < NEIGHBOURS:
            raise OodError(f"the detector 'knn' needs {NEIGHBOURS} training pictures or more, there are {len(known.features)}")
        return cls({"bank": _unit(known.features)})

    def score(self, rows: Rows) -> Floats:
        squared = 2 - 2 * _unit(rows.features) @ self.arrays["bank"].T
        return np.sqrt(np.maximum(np.partition(squared, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1], 0))


class Vim(_Arrays):
    """Virtual-logit matching: what the principal features leave over, against the energy (Wang et al. 2022, arXiv:2203.10807)."""

    NAMES = ("origin", "residual", "alpha")

    @classmethod
    def fit(cls, known: LabelledRows, strangers: Rows | None) -> Self:  # noqa: ARG003
        from pytorch_ood.detector import ViM

        features, labels = _labelled(known)
        library = ViM(None, max(1, int(PRINCIPAL_SHARE * features.shape[1])), *_last_layer(known)).fit_features(features, labels)
        arrays = {"origin": library.u, "residual": library.principal_subspace, "alpha": torch.tensor([library.alpha])}
        return cls({name: tensor.double().numpy() for name, tensor in arrays.items()})

    def score(self, rows: Rows) -> Floats:
        left = np.linalg.norm((rows.features - self.arrays["origin"]) @ self.arrays["residual"], axis=1)
        return np.asarray(self.arrays["alpha"] * left - _log_sum_exp(rows.logits.astype(np.float64)))


DETECTORS: dict[str, type[Detector]] = {
    "exposure": Exposure,
    "gaussian": Gaussian,
    "dual": Dual,
    "energy": Energy,
    "mahalanobis": Mahalanobis,
    "knn": Knn,
    "vim": Vim,
}


def _last_layer(rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights C×F and bias C of the layer that made these logits from these features: it is linear, so least squares finds it."""
    extended = np.column_stack([rows.features, np.ones(len(rows.features), np.float32)]).astype(np.float64)
    solution = torch.from_numpy(np.linalg.lstsq(extended, rows.logits.astype(np.float64), rcond=None)[0].T)
    return solution[:, :-1], solution[:, -1]


def _labelled(rows: LabelledRows) -> tuple[torch.Tensor, torch.Tensor]:
    known = rows.labels >= 0
    return torch.from_numpy(rows.features[known]).float(), torch.from_numpy(rows.labels[known])


def _unit(features: NDArray[np.float32]) -> Floats:
    lengths = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-12))


def _log_sum_exp(logits: Floats) -> Floats:
    largest = logits.max(axis=1)
    return np.asarray(largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1)))
