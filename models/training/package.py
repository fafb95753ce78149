"""From a trained network to a bundle: calibrate on validation data, measure on validation and test, write the card.

Every figure is taken through the analyzer itself, on files, so that it holds for what is served.
"""

import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import nn

from models.analyzer import Analyzer, Inferred, Prepared, backend_of
from models.bundle import SHIPPED, Bundle, load_bundle, save_bundle
from models.networks import build_network
from models.ood import (
    Familiarity,
    Thresholds,
    fit_familiarity,
    fit_temperature,
    fit_thresholds,
    judge,
    normalised_entropy,
    probabilities_of,
)
from models.taxonomy import CODES, MALIGNANT
from models.training import classification, segmentation
from models.training.data import Record, Split, of_split
from models.training.metrics import Floats, auroc, classification_figures, interval, jaccard, thresholded_jaccard

BATCH = 8
# One in twenty in-distribution lesions may fail each OOD criterion; one in two hundred may be called blurred.
ACCEPTED, BLURRED = 0.95, 0.005
# One in fifty may lie too far from training; that many training pictures tell where training lies.
NEAR, FAMILIAR_PICTURES = 0.98, 3_000
FEATURES = 1_280  # of a MobileNetV2
NEUTRAL = {"mean": torch.zeros(FEATURES), "basis": torch.zeros(FEATURES, 1), "variances": torch.ones(1), "residual": torch.ones(1)}
PROVISIONAL = {
    "task": "classification",
    "classes": list(CODES),
    "temperature": 1.0,
    "ood": {"thresholds": {"max_softmax": 0.0, "entropy": 1.0, "distance": 1e9}},
    "quality": {"sharpness": 0.0},
    "licence": "not yet calibrated",
    "sha256": "not yet saved",
}


def package_segmenter(*, network: nn.Module, run: dict[str, Any], records: Sequence[Record], command: str, folder: Path) -> dict[str, Any]:
    """Measures the U-Net's Jaccard on validation and test files and writes the bundle. Returns its metrics."""
    side = run["recipe"]["side"]
    card = {
        "name": "U-Net with MobileNetV2 encoder",
        "task": "segmentation",
        "architecture": segmentation.ARCHITECTURE,
        "classes": ["lesion"],
        "input": {"side": side, "hair_removal": "closing_fill", "normalisation": "imagenet"},
        "data": "ISIC 2018 Task 1, images of the ISIC 2016/17 era; split by lesion 80/10/10",
        "licence": "CC0-1.0 (training data), Apache-2.0 (initial ImageNet weights)",
        "training": {**run, "command": command, "revision": _revision()},
    }
    save_bundle(folder=folder, network=network, card=card)
    analyzer = _provisional(segmenter=load_bundle(folder), classifier=_untrained_classifier())
    metrics = {str(split): _outline_figures(analyzer, of_split(records, split)) for split in (Split.VALIDATION, Split.TEST)}
    save_bundle(folder=folder, network=network, card={**card, "metrics": metrics})
    return metrics


def package_classifier(
    *, network: nn.Module, run: dict[str, Any], records: Sequence[Record], outside: Path | None, command: str, folder: Path, segmenter: Path
) -> dict[str, Any]:
    """Fits temperature and thresholds on validation, measures validation, test and ``outside`` pictures, writes the bundle.

    ``outside`` is a folder of folders with pictures that are not lesions; they are measured only, nothing is fitted to them.
    """
    card: dict[str, Any] = {
        **PROVISIONAL,
        "name": "MobileNetV2, eight classes",
        "architecture": classification.ARCHITECTURE,
        "input": {"side": run["recipe"]["side"], "crop": "lesion_square", "normalisation": "imagenet"},
        "data": "HAM10000 (Tschandl et al. 2018, doi:10.7910/DVN/DBW86T) with ISIC 2019 classes; split by lesion 80/10/10",
        "licence": "CC BY-NC 4.0: non-commercial use only (training data HAM10000)",
        "training": {**run, "command": command, "revision": _revision()},
    }
    save_bundle(folder=folder, network=network, card=card, extras=NEUTRAL)
    analyzer = _provisional(segmenter=load_bundle(segmenter), classifier=load_bundle(folder))
    training = of_split(records, Split.TRAIN)
    known = fit_familiarity(_seen(analyzer, training[:: max(1, len(training) // FAMILIAR_PICTURES)]).features)
    seen = {split: _seen(analyzer, of_split(records, split)) for split in (Split.VALIDATION, Split.TEST)}
    card |= _calibration(seen[Split.VALIDATION], known)
    card["metrics"] = {str(split): _class_figures(card, part) for split, part in seen.items()}
    if outside:
        card["metrics"]["outside"] = _outside_figures(analyzer, card, known, outside, seen[Split.TEST])
    save_bundle(folder=folder, network=network, card=card, extras=_tensors(known))
    return dict(card["metrics"])


def _calibration(validation: "Seen", known: Familiarity) -> dict[str, Any]:
    temperature = fit_temperature(validation.logits, validation.labels)
    probabilities = probabilities_of(validation.logits, temperature=temperature)
    thresholds = fit_thresholds(probabilities, known.distance(validation.features), accepted=ACCEPTED, near=NEAR)
    return {
        "temperature": temperature,
        "ood": {
            "criterion": "(max_softmax below AND normalised entropy above) OR distance above",
            "thresholds": asdict(thresholds),
            "accepted": {"dual": ACCEPTED, "distance": NEAR},
        },
        "quality": {"sharpness": float(np.quantile(validation.sharpness, BLURRED))},
    }


def _tensors(known: Familiarity) -> dict[str, torch.Tensor]:
    arrays = {"mean": known.mean, "basis": known.basis, "variances": known.variances, "residual": np.array([known.residual])}
    return {name: torch.from_numpy(np.ascontiguousarray(values)).float() for name, values in arrays.items()}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the networks said of N pictures: logits N×C, labels N (index into CODES, -1: none), lesions, features N×F."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]
    lesions: list[str]
    features: Floats
    sharpness: Floats
    outlined: NDArray[np.bool_]


def _outline_figures(analyzer: Analyzer, records: Sequence[Record]) -> dict[str, Any]:
    values: list[float] = []
    for record, _, inferred in _answers(analyzer, records):
        truth = cv2.imread(str(record.mask), cv2.IMREAD_GRAYSCALE)
        if truth is None:
            continue
        values.append(jaccard(inferred.mask, np.where(_resized(truth, inferred.mask.shape) > 127, 255, 0).astype(np.uint8)))
    found = np.array(values)
    return {
        "images": len(found),
        "jaccard": float(found.mean()),
        "jaccard_95": interval(lambda chosen: float(found[chosen].mean()), groups=[record.lesion for record in records if record.mask]),
        "thresholded_jaccard": thresholded_jaccard(found),
        "share_under_0.65": float((found < 0.65).mean()),
        "dice": float((2 * found / (1 + found)).mean()),
    }


def _seen(analyzer: Analyzer, records: Sequence[Record]) -> Seen:
    answers = list(_answers(analyzer, records))
    return Seen(
        logits=np.stack([inferred.logits for _, _, inferred in answers]),
        labels=np.array([CODES.index(record.diagnosis) if record.diagnosis in CODES else -1 for record, _, _ in answers], np.int64),
        lesions=[record.lesion for record, _, _ in answers],
        features=np.stack([inferred.features for _, _, inferred in answers]).astype(np.float64),
        sharpness=np.array([prepared.quality.sharpness for _, prepared, _ in answers]),
        outlined=np.array([bool(inferred.mask.any()) for _, _, inferred in answers]),
    )


def _class_figures(card: dict[str, Any], seen: Seen) -> dict[str, Any]:
    probabilities = probabilities_of(seen.logits, temperature=card["temperature"])
    return classification_figures(probabilities, seen.labels, codes=list(CODES), malignant=set(MALIGNANT), groups=seen.lesions)


def _outside_figures(analyzer: Analyzer, card: dict[str, Any], known: Familiarity, folder: Path, inside: Seen) -> dict[str, Any]:
    figures: dict[str, Any] = {"in_distribution_test": _rejection(inside, card, known)}
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        records = [Record(path, None, path.stem, "") for path in sorted(part.iterdir()) if path.suffix in (".jpg", ".jpeg", ".png")]
        outside = _seen(analyzer, records)
        strange = np.arange(len(inside.labels) + len(outside.labels)) >= len(inside.labels)
        figures[part.name] = {
            "images": len(outside.labels),
            **_rejection(outside, card, known),
            "no_lesion_found": float(np.mean(~outside.outlined)),
            "entropy_auroc": auroc(np.concatenate([_entropy(inside, card), _entropy(outside, card)]), strange),
            "distance_auroc": auroc(np.concatenate([known.distance(inside.features), known.distance(outside.features)]), strange),
        }
    return figures


def _entropy(seen: Seen, card: dict[str, Any]) -> Floats:
    return normalised_entropy(probabilities_of(seen.logits, temperature=card["temperature"]))


def _rejection(seen: Seen, card: dict[str, Any], known: Familiarity) -> dict[str, float]:
    probabilities = probabilities_of(seen.logits, temperature=card["temperature"])
    thresholds, distances = Thresholds(**card["ood"]["thresholds"]), known.distance(seen.features)
    both = judge(probabilities, distances, thresholds=thresholds)
    dual = judge(probabilities, np.zeros_like(distances), thresholds=thresholds)
    return {
        "rejected": float(np.mean([not item.in_distribution for item in both])),
        "rejected_by_dual_criterion_alone": float(np.mean([not item.in_distribution for item in dual])),
    }


def _answers(analyzer: Analyzer, records: Sequence[Record]) -> Iterator[tuple[Record, Prepared, Inferred]]:
    with ThreadPoolExecutor(max_workers=2) as pool:
        for start in track(range(0, len(records), BATCH), f"measuring {len(records)} images"):
            part = records[start : start + BATCH]
            prepared = list(pool.map(lambda record: analyzer.prepare(record.image.read_bytes()), part))
            yield from zip(part, prepared, analyzer.infer(prepared), strict=True)


def _provisional(*, segmenter: Bundle, classifier: Bundle) -> Analyzer:
    return Analyzer(segmenter=segmenter, classifier=classifier, backend=partial(backend_of, device="cpu"))


def _untrained_classifier() -> Bundle:
    network = build_network(architecture=classification.ARCHITECTURE, classes=len(CODES)).eval()
    return Bundle(network=network, card={**PROVISIONAL, "input": {"side": classification.RECIPE.side}}, extras=NEUTRAL)


def _resized(mask: np.ndarray[Any, Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return mask if mask.shape == shape else cv2.resize(mask, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)


def _revision() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=SHIPPED, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
