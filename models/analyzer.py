"""The analyzer: picture bytes in, findings out. No database, no store, no queue.

Three stages, so that a caller may overlap them: ``prepare`` (decode, threads), ``infer`` (networks, one thread) and
``finish`` (measures and files, threads). ``analyse`` runs all three.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray

from models.backends import Backend, OpenVinoBackend, TorchBackend, choose_device, computes_bfloat16
from models.bundle import SHIPPED, Bundle, BundleError, load_bundle
from models.crop import cut, lesion_square
from models.finding import NEXT_STEPS, AbstainReason, Finding, Ood, Outcome, Quality, Timings
from models.masks import mask_of
from models.measure import measure
from models.networks import WithFeatures, fold_batch_norms
from models.ood import Familiarity, Thresholds, judge, probabilities_of
from models.pictures.decode import decode
from models.pictures.errors import PictureRefused
from models.pictures.masks import encode_png
from models.pictures.types import Gray, Rgb
from models.preprocess import WORKING_SIDE, remove_hair, to_square, to_working_size
from models.quality import QualityLimits, assess
from models.taxonomy import ISIC2019, MALIGNANT

# Raised when the way from pixels to answer changes while the weights stay: old and new analyses then stand side by side.
PIPELINE = 1
FAMILIARITY = ("mean", "basis", "variances", "residual")
THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 256, 80
MAX_PIXELS = 100_000_000
TAXONOMY = tuple({"code": diagnosis.code, "name": diagnosis.name, "malignant": diagnosis.malignant} for diagnosis in ISIC2019)


@dataclass(frozen=True, slots=True)
class Prepared:
    """One decoded picture at working size (long side ≤ 512 px) and what was learnt on the way."""

    picture: Rgb
    segmenter_input: Rgb
    quality: Quality
    full_width: int
    full_height: int
    pixel_spacing_mm: float | None
    prepare_ms: float


@dataclass(frozen=True, slots=True)
class Inferred:
    """What the networks say: the mask at working size, one row of class logits, and the features they were read from."""

    mask: Gray
    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    model_ms: float


class Analyzer:
    """Segmentation, then classification of the lesion's surroundings, then the out-of-distribution check."""

    def __init__(self, *, segmenter: Bundle, classifier: Bundle, backend: Callable[[Bundle], Backend]) -> None:
        self.pipeline_version = f"p{PIPELINE}-{segmenter.digest}-{classifier.digest}"
        self.licence = str(classifier.card["licence"])
        self.codes: list[str] = classifier.card["classes"]
        self.temperature = float(classifier.card["temperature"])
        self.thresholds = Thresholds(**classifier.card["ood"]["thresholds"])
        self.familiarity = familiarity_of(classifier)
        self.limits = QualityLimits(**classifier.card["quality"])
        self.segmenter_side, self.classifier_side = int(segmenter.card["input"]["side"]), int(classifier.card["input"]["side"])
        self.segmenter, self.classifier = backend(segmenter), backend(classifier)

    @classmethod
    def load(cls, *, bundles: Path | None = None, device: str = "auto", backend: str = "torch", half: bool | None = None) -> "Analyzer":
        """Loads the bundles ``segmenter`` and ``classifier`` of a folder (default: the shipped ones).

        ``half`` forces (True) or forbids (False) bfloat16 for the outline. Raises BundleError for a damaged bundle.
        """
        folder = bundles or SHIPPED
        run = partial(backend_of, device=choose_device(device), backend=backend, half=half)
        return cls(segmenter=load_bundle(folder / "segmenter"), classifier=load_bundle(folder / "classifier"), backend=run)

    def analyse(self, images: Sequence[bytes], *, batch: int = 8) -> list[Finding]:
        """One finding per image, in order; a picture that cannot be analysed has outcome ``failed`` and costs no other one."""
        findings: list[Finding] = []
        with ThreadPoolExecutor(max_workers=2) as pool:
            for start in range(0, len(images), batch):
                prepared = list(pool.map(self.prepare_or_fail, images[start : start + batch]))
                findings += self._answer(prepared, pool)
        return findings

    def _answer(self, prepared: Sequence[Prepared | Finding], pool: ThreadPoolExecutor) -> list[Finding]:
        ready = [item for item in prepared if isinstance(item, Prepared)]
        inferred = infer_bisecting(self.infer, ready)
        finished = iter(pool.map(self.finish_or_fail, ready, inferred))
        return [item if isinstance(item, Finding) else next(finished) for item in prepared]

    def prepare_or_fail(self, data: bytes) -> Prepared | Finding:
        """``prepare``, with a refusal turned into a ``failed`` finding."""
        try:
            return self.prepare(data)
        except PictureRefused as refusal:
            return self.failed(str(refusal.reason), str(refusal))

    def prepare(self, data: bytes) -> Prepared:
        """Decodes at reduced scale, removes hair for the segmenter and assesses quality. Raises PictureRefused."""
        start = time.perf_counter()
        decoded = decode(data, min_side=WORKING_SIDE, max_pixels=MAX_PIXELS)
        picture = to_working_size(decoded.rgb)
        clean, hair = remove_hair(picture)
        full_side = max(decoded.full_width, decoded.full_height)
        return Prepared(
            picture=picture,
            segmenter_input=to_square(clean, side=self.segmenter_side),
            quality=assess(picture, hair=hair, full_side=full_side, limits=self.limits),
            full_width=decoded.full_width,
            full_height=decoded.full_height,
            pixel_spacing_mm=decoded.pixel_spacing_mm,
            prepare_ms=_since(start),
        )

    def infer(self, batch: Sequence[Prepared]) -> list[Inferred]:
        """Both networks on one batch. Not thread-safe: one thread owns the networks."""
        if not batch:
            return []
        start = time.perf_counter()
        outlines = self.segmenter(np.stack([item.segmenter_input for item in batch]))[:, 0]
        masks = [
            mask_of(outline, width=item.picture.shape[1], height=item.picture.shape[0])
            for item, outline in zip(batch, outlines, strict=True)
        ]
        crops = [self.crop(item.picture, mask) for item, mask in zip(batch, masks, strict=True)]
        seen = self.classifier(np.stack(crops))
        each, classes = _since(start) / len(batch), len(self.codes)
        return [
            Inferred(mask=mask, logits=row[:classes], features=row[classes:], model_ms=each) for mask, row in zip(masks, seen, strict=True)
        ]

    def crop(self, picture: Rgb, mask: Gray) -> Rgb:
        """What the classifier sees of a picture: the lesion's square, side×side×3 uint8."""
        square = lesion_square(mask, width=picture.shape[1], height=picture.shape[0])
        return cut(picture, square, side=self.classifier_side)

    def finish_or_fail(self, prepared: Prepared, inferred: "Inferred | Exception") -> Finding:
        """``finish``, or a ``failed`` finding when the networks failed on this picture."""
        if isinstance(inferred, Exception):
            return self.failed("model_error", f"The model failed on this picture: {type(inferred).__name__}. Read it by hand.")
        return self.finish(prepared, inferred)

    def finish(self, prepared: Prepared, inferred: Inferred) -> Finding:
        """Probabilities, abstention, measures, mask PNG and thumbnail of one picture."""
        start = time.perf_counter()
        probabilities = probabilities_of(inferred.logits[None], temperature=self.temperature)
        distances = self.familiarity.distance(inferred.features[None].astype(np.float64))
        (ood,) = judge(probabilities, distances, thresholds=self.thresholds)
        by_code = {code: float(value) for code, value in zip(self.codes, probabilities[0], strict=True)}
        measures = measure(
            prepared.picture,
            inferred.mask,
            full_width=prepared.full_width,
            full_height=prepared.full_height,
            pixel_spacing_mm=prepared.pixel_spacing_mm,
        )
        reason = abstain_reason(ood=ood, quality=prepared.quality, lesion=measures is not None)
        mask_png, thumbnail = encode_png(inferred.mask), _thumbnail(prepared.picture)
        return Finding(
            outcome=Outcome.ABSTAIN if reason else Outcome.PREDICTION,
            pipeline_version=self.pipeline_version,
            reason=reason,
            next_step=NEXT_STEPS[reason] if reason else None,
            prediction=None if reason else max(by_code, key=lambda code: by_code[code]),
            probabilities=by_code,
            malignant_probability=sum(value for code, value in by_code.items() if code in MALIGNANT),
            ood=ood,
            quality=prepared.quality,
            measures=measures,
            width=prepared.full_width,
            height=prepared.full_height,
            licence=self.licence,
            taxonomy=TAXONOMY,
            timings=Timings(prepare_ms=prepared.prepare_ms, model_ms=inferred.model_ms, finish_ms=_since(start)),
            mask_png=mask_png,
            thumbnail_jpeg=thumbnail,
        )

    def failed(self, reason: str, detail: str) -> Finding:
        """The finding of a picture that could not be analysed."""
        return Finding(outcome=Outcome.FAILED, pipeline_version=self.pipeline_version, reason=reason, detail=detail)


def backend_of(bundle: Bundle, *, device: str, backend: str = "torch", half: bool | None = None) -> Backend:
    """Where a bundle runs. The outline may be computed in bfloat16 (None: where that is native): it costs half as much.

    The classifier always runs in float32: bfloat16 there would double how much probabilities differ between processors, and
    save a tenth of the time.
    """
    outlines = bundle.card["task"] == "segmentation"
    lower = outlines and (computes_bfloat16(device) if half is None else half)
    folded = fold_batch_norms(bundle.network)
    network = folded if outlines else WithFeatures(folded)
    if backend == "openvino":
        return OpenVinoBackend(network, side=int(bundle.card["input"]["side"]), half=lower)
    return TorchBackend(network, device=device, half=lower)


def familiarity_of(classifier: Bundle) -> Familiarity:
    """The Gaussian of training features that a classifier's bundle carries. Raises BundleError when it has none."""
    try:
        mean, basis, variances, residual = (classifier.extras[name].double().numpy() for name in FAMILIARITY)
    except KeyError as error:
        raise BundleError(f"the classifier's bundle lacks the tensor extra.{error.args[0]}: train and package it again") from error
    return Familiarity(mean=mean, basis=basis, variances=variances, residual=float(residual[0]))


def abstain_reason(*, ood: Ood, quality: Quality, lesion: bool) -> AbstainReason | None:
    """The first reason not to predict, the one that the portal can mend first."""
    if not quality.acceptable:
        return AbstainReason.POOR_QUALITY
    if not lesion:
        return AbstainReason.NO_LESION_FOUND
    return None if ood.in_distribution else AbstainReason.OUT_OF_DISTRIBUTION


def infer_bisecting(infer: Callable[[Sequence[Any]], list[Any]], batch: Sequence[Any]) -> list[Any]:
    """``infer`` over a batch; when it fails the batch is halved until only the picture at fault carries the exception.

    Out of memory on a card is the usual cause: the cache is emptied before each smaller try.
    """
    try:
        return infer(batch) if batch else []
    except Exception as error:  # noqa: BLE001  # whatever a network raises must not cost the other pictures
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if len(batch) == 1:
            return [error]
        middle = len(batch) // 2
        return infer_bisecting(infer, batch[:middle]) + infer_bisecting(infer, batch[middle:])


def _thumbnail(picture: Rgb) -> bytes:
    height, width = picture.shape[:2]
    scale = min(1.0, THUMBNAIL_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(small), quality=THUMBNAIL_QUALITY, colorspace="RGB"))


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1_000
