"""Lesions against strangers, by the features that a classifier has anyway.

A classifier trained on lesions alone has no reason to be unsure of anything else. Its features tell strangers apart all the same; one
linear layer on top of them, which has seen some strangers, finds those that it has not (outlier exposure: Hendrycks et al. 2019,
arXiv:1812.04606; here the network itself stays as it is). Its strangers are made from training pictures (models.ood.strangers).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Weight of ‖w‖² for features of unit variance against the mean cross-entropy.
RIDGE = 1e-2
STEPS = 2_000


def fit_exposure(lesions: NDArray[np.float32], strangers: NDArray[np.float32]) -> tuple[Floats, float]:
    """N×F and M×F features → weights F and bias of the log-odds of being a stranger, both kinds weighing the same as a whole.

    L2-regularised logistic regression (Hastie et al. 2009, section 4.4); deterministic.
    """
    from sklearn.linear_model import LogisticRegression  # only where something is fitted

    features = np.concatenate([lesions, strangers]).astype(np.float64)
    strange = np.arange(len(features)) >= len(lesions)
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    model = LogisticRegression(C=1 / (2 * RIDGE * len(features)), class_weight="balanced", max_iter=STEPS)
    model.fit((features - mean) / spread, strange)
    weights = model.coef_[0] / spread
    return weights, float(model.intercept_[0] - weights @ mean)
