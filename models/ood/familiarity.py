"""One Gaussian of the features of training lesions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Familiarity:
    """A Gaussian of the features of training lesions: probabilistic PCA (Tipping and Bishop 1999, section 3).

    ``mean`` F, ``basis`` F×K with orthonormal columns, ``variances`` K along them, ``residual`` the variance of every other
    direction. Features far from it under the Mahalanobis distance are not of lesions (Lee et al. 2018, arXiv:1807.03888).
    """

    mean: Floats
    basis: Floats
    variances: Floats
    residual: float

    def distance(self, features: Floats) -> Floats:
        """N×F → N Mahalanobis distances over the root of F: about 1 for features like those of training."""
        centred = features - self.mean
        along = centred @ self.basis
        across = (centred**2).sum(axis=1) - (along**2).sum(axis=1)
        squared = (along**2 / self.variances).sum(axis=1) + np.maximum(across, 0) / self.residual
        return np.asarray(np.sqrt(squared / features.shape[1]))


def fit_familiarity(features: Floats, *, directions: int = 64) -> Familiarity:
    """The Gaussian of N×F features, N well above ``directions``."""
    mean = features.mean(axis=0)
    variances, vectors = np.linalg.eigh(np.cov(features - mean, rowvar=False))
    kept = slice(len(variances) - directions, None)
    return Familiarity(
        mean=mean, basis=vectors[:, kept], variances=variances[kept], residual=float(variances[: -directions or None].mean())
    )
