"""Made predictions and outlines: enough to measure, small enough to reckon by hand."""

import numpy as np

from models.evaluation.figures import ClassPredictions, OutlineScores, age_band

CODES = ["MEL", "NV", "BCC"]


def sure(labels: list[int], called: list[int], *, groups: list[str] | None = None, codes: list[str] | None = None) -> ClassPredictions:
    """Images of these true classes, called those with probability 0.8."""
    names = codes or CODES
    probabilities = np.full((len(labels), len(names)), 0.2 / (len(names) - 1))
    probabilities[np.arange(len(labels)), called] = 0.8
    return ClassPredictions(
        probabilities=probabilities,
        labels=np.array(labels, np.int64),
        codes=names,
        malignant={"MEL", "BCC"} & set(names),
        groups=groups or [str(index) for index in range(len(labels))],
    )


def noisy(count: int, *, classes: int = 3, seed: int = 0, lesions: int | None = None, skill: float = 2.0) -> ClassPredictions:
    """Predictions of some skill for ``count`` images of ``lesions`` lesions, with ages, sexes and sites."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    logits = generator.normal(size=(count, classes))
    logits[np.arange(count), labels] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return ClassPredictions(
        probabilities=probabilities,
        labels=labels.astype(np.int64),
        codes=(CODES if classes == 3 else [f"C{index}" for index in range(classes)]),
        malignant={"MEL", "BCC"} if classes == 3 else {"C0"},
        groups=[f"lesion {index}" for index in generator.integers(0, lesions or count, count)],
        attributes={
            "age": [age_band(age) if age < 85 else None for age in generator.uniform(10, 90, count)],
            "sex": generator.choice(["female", "male"], count).tolist(),
            "fitzpatrick": [None] * count,
        },
        images=[f"ISIC_{index:07d}" for index in range(count)],
    )


def outlines(count: int, *, seed: int = 0) -> OutlineScores:
    """Outlines of mostly good overlap, with a source each."""
    generator = np.random.default_rng(seed)
    hit = generator.integers(300, 1_000, count)
    return OutlineScores(
        tp=hit,
        fp=generator.integers(0, 150, count),
        fn=1_000 - hit,
        tn=generator.integers(3_000, 4_000, count),
        groups=[f"lesion {index}" for index in range(count)],
        attributes={"source": generator.choice(["HAM10000", "ISIC 2018"], count).tolist()},
        images=[f"ISIC_{index:07d}" for index in range(count)],
    )
