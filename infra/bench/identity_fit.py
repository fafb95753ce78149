"""Fits the judgement of ``models.pictures.identity`` on development pictures alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infra.bench.identity_pictures import Part, Sample, device_samples, skin, written
from models.pictures.identity import FEATURES, Judge, line_features

VERSION = "text-1"
MOST = 1_000  # real pictures of each source
# A row of real skin weighs more than one of drawn writing: alarms that are false tire the people who look at them.
WEIGHT = 3.0
STRENGTH = 0.05  # of the regularisation's inverse
ALARMS = 0.006  # share of development pictures of skin that may ring
CHANGED_LEVELS, CHANGED_SHARE = 50, 0.08

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rows:
    """N rows: their features, which sample they are of, whether they are writing."""

    features: Floats
    owners: NDArray[np.intp]
    writing: NDArray[np.bool_]


def fit(data: Path, *, seed: int) -> Judge:
    """Fit on the development part, and choose the threshold at which ``ALARMS`` of its untouched pictures ring."""
    from sklearn.linear_model import LogisticRegression

    plain = list(skin(data, Part.DEVELOPMENT, most=MOST))
    drawn = list(written(plain, Part.DEVELOPMENT, seed=seed))
    rows = [_rows(plain, None), _rows(drawn, plain), *[_device_rows(data)] * 3]
    features = np.concatenate([one.features for one in rows])
    writing = np.concatenate([one.writing for one in rows])
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-9
    upper = np.triu_indices(len(FEATURES))
    products = _products(features, mean, scale, upper)
    centre, spread = products.mean(axis=0), products.std(axis=0) + 1e-9
    model = LogisticRegression(C=STRENGTH, max_iter=5_000)
    model.fit((products - centre) / spread, writing, sample_weight=np.where(writing, 1.0, WEIGHT))
    weights = model.coef_[0] / spread
    judge = Judge(
        version=VERSION,
        threshold=0.5,
        bias=float(model.intercept_[0] - weights @ centre),
        mean=mean,
        scale=scale,
        weights=weights[: len(FEATURES)],
        squares=_symmetric(weights[len(FEATURES) :], upper),
    )
    return _at_alarms(judge, rows[0], len(plain))


def save(judge: Judge, path: Path) -> None:
    """Write what ``load_judge`` reads, in 6 digits."""
    fitted = {
        "version": judge.version,
        "threshold": round(judge.threshold, 4),
        "bias": round(judge.bias, 6),
        "features": list(FEATURES),
        **{name: np.round(getattr(judge, name), 6).tolist() for name in ("mean", "scale", "weights", "squares")},
    }
    path.write_text(json.dumps(fitted) + "\n", encoding="utf-8")


def _products(features: Floats, mean: Floats, scale: Floats, upper: tuple[NDArray[np.intp], NDArray[np.intp]]) -> Floats:
    z = np.clip((features - mean) / scale, -6, 6)
    return np.concatenate([z, z[:, upper[0]] * z[:, upper[1]]], axis=1)


def _symmetric(weights: Floats, upper: tuple[NDArray[np.intp], NDArray[np.intp]]) -> Floats:
    squares = np.zeros((len(FEATURES), len(FEATURES)))
    squares[upper] = weights
    return (squares + squares.T) / 2


def _at_alarms(judge: Judge, plain: Rows, count: int) -> Judge:
    highest = np.zeros(count)
    scores = np.asarray([judge.score(features) for features in plain.features])
    np.maximum.at(highest, plain.owners, scores)
    threshold = float(np.quantile(highest, 1 - ALARMS))
    return Judge(judge.version, threshold, judge.bias, judge.mean, judge.scale, judge.weights, judge.squares)


def _rows(samples: Sequence[Sample], before: Sequence[Sample] | None) -> Rows:
    """Rows of pictures; those that differ from the picture ``before`` the drawing are writing."""
    features, owners, writing = [], [], []
    for number, sample in enumerate(samples):
        for values, (left, top, right, bottom) in line_features(sample.picture):
            features.append(values)
            owners.append(number)
            part = np.s_[int(top) : int(bottom), int(left) : int(right)]
            was = sample.picture if before is None else before[number].picture
            changed = np.abs(was[part].astype(np.int16) - sample.picture[part]).max(axis=2) > CHANGED_LEVELS
            writing.append(bool(changed.mean() > CHANGED_SHARE))
    return Rows(np.asarray(features), np.asarray(owners, np.intp), np.asarray(writing, np.bool_))


def _device_rows(data: Path) -> Rows:
    """The writing of the development samples stands left of their round picture (VL1) or in the upper corner (VL6)."""
    features, owners, writing = [], [], []
    for number, sample in enumerate(device_samples(data, Part.DEVELOPMENT)):
        for values, (_, _, right, bottom) in line_features(sample.picture):
            features.append(values)
            owners.append(number)
            writing.append(right < 174 if sample.name.startswith("VL1") else right < 60 and bottom < 25)
    return Rows(np.asarray(features), np.asarray(owners, np.intp), np.asarray(writing, np.bool_))
