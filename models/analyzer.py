"""The analyzer: picture bytes in, findings out. No database, no store, no queue.

Three stages, so that a caller may overlap them: ``prepare`` (decode, threads), ``infer`` (networks, one thread) and
``finish`` (measures and files, threads). ``analyse`` runs all three.
"""

import time
from collections.abc import Callable, Mapping, Sequence
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
from torch import nn

from models.backends import Backend, choose_device
from models.bundle import Bundle
from models.crop import Square
from models.explain import HeatMaps, explainer_of, heatmap_jpeg
from models.finding import Finding, Identity, Outcome, Quality, Timings
from models.inputs import InputPlan, after_steps
from models.judging import Judge, answer_of
from models.loading import backend_of, load_pair
from models.masks import mask_of
from models.measure import measure
from models.networks import fold_batch_norms
from models.observe import Observer
from models.pictures.decode import decode
from models.pictures.errors import PictureRefused
from models.pictures.identity import VERSION, find_text
from models.pictures.masks import encode_png
from models.pictures.types import Gray, Rgb
from models.preprocess import WORKING_SIDE, remove_hair_telea, to_square, to_working_size
from models.quality import QualityLimits, assess
from models.taxonomy import taxonomy_of
from models.views import mean_over_views, views_of

__all__ = ["PIPELINE", "Analyzer", "Inferred", "Prepared", "backend_of", "infer_bisecting"]

# Raised when the way from pixels to answer changes while the weights stay: old and new analyses then stand side by side.
PIPELINE = 1
THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 256, 80
# Under this share of the picture, hair hides nothing: the filter finds dark threads in any skin, up to 0.15 of hairless drawn skin.
# The median of real pictures is about 0.16, and painting over costs 5..15 ms of processor time, a third of what the networks take.
HAIR_SHARE, HAIRFREE_QUALITY = 0.2, 90
MAX_PIXELS = 100_000_000

Run = Callable[[nn.Module, Mapping[str, Any]], Backend]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One decoded picture at working size (long side ≤ 512 px), what each network is to see of it, and what was learnt on the way."""

    picture: Rgb
    segmenter_input: Rgb
    classifier_picture: Rgb
    quality: Quality
    full_width: int
    full_height: int
    pixel_spacing_mm: float | None
    identity: Identity
    prepare_ms: float


@dataclass(frozen=True, slots=True)
class Inferred:
    """What the networks say: the mask at working size, C logits and F features (means over the views), and what they were shown.

    ``evidence``: h×w inside ``square``, how much each place speaks for the top class; None where no heat map is made.
    """

    mask: Gray
    square: Square
    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    evidence: NDArray[np.float32] | None
    model_ms: float


class Analyzer:
    """Segmentation, then classification of the lesion's surroundings, then judgement: stranger, set or prediction."""

    def __init__(self, *, segmenter: Bundle, classifier: Bundle, backend: Run, heatmaps: HeatMaps = HeatMaps.OFF) -> None:
        """``backend`` says where a network with this card runs. Raises BundleError, ExplainError."""
        # Pictures are worked on side by side. Within one, OpenCV's threads win nothing at working size: they wait for each other in
        # a loop, which took a third of preparing and measuring.
        cv2.setNumThreads(1)
        card = classifier.card
        self.pipeline_version = f"p{PIPELINE}-{segmenter.digest}-{classifier.digest}"
        self.licence, self.non_commercial = str(card["licence"]), bool(card["non_commercial"])
        self.codes: list[str] = card["classes"]
        self.taxonomy = taxonomy_json(card)
        self.limits = QualityLimits(**(card["quality"] or {"sharpness": 0.0}))
        self.judge = Judge(classifier)
        self.outline_plan, self.plan = InputPlan.of(segmenter.card), InputPlan.of(card)
        self.segmenter_side, self.classifier_side = self.outline_plan.side, self.plan.side
        observer = Observer(fold_batch_norms(classifier.network), side=self.plan.side)
        self.layout = observer.layout
        self.segmenter = backend(fold_batch_norms(segmenter.network), segmenter.card)
        self.classifier = backend(observer, card)
        self.explain = explainer_of(classifier.network, wanted=heatmaps, layout=self.layout, plan=self.plan, runs_on=self.classifier)

    @classmethod
    def load(
        cls,
        *,
        bundles: Path | None = None,
        segmenter: str = "segmenter",
        classifier: str = "classifier",
        device: str = "auto",
        backend: str = "torch",
        half: bool | None = None,
        heatmaps: HeatMaps = HeatMaps.CAM,
    ) -> "Analyzer":
        """Loads two bundles of a folder (default: the shipped ones) by their names.

        ``half`` forces (True) or forbids (False) bfloat16 for the outline. Raises BundleError for a damaged bundle, ExplainError
        for heat maps that its network cannot give.
        """
        outliner, namer = load_pair(folder=bundles, segmenter=segmenter, classifier=classifier)
        run = partial(backend_of, device=choose_device(device), backend=backend, half=half)
        return cls(segmenter=outliner, classifier=namer, backend=run, heatmaps=heatmaps)

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
        """Decodes at reduced scale, applies both networks' steps and assesses quality. Raises PictureRefused."""
        start = time.perf_counter()
        decoded = decode(data, min_side=WORKING_SIDE, max_pixels=MAX_PIXELS)
        picture = to_working_size(decoded.rgb)
        hair, (outlined, classified) = after_steps(picture, (self.outline_plan.steps, self.plan.steps))
        full_side = max(decoded.full_width, decoded.full_height)
        return Prepared(
            picture=picture,
            segmenter_input=to_square(outlined, side=self.segmenter_side),
            classifier_picture=classified,
            quality=assess(picture, hair=hair, full_side=full_side, limits=self.limits),
            full_width=decoded.full_width,
            full_height=decoded.full_height,
            pixel_spacing_mm=decoded.pixel_spacing_mm,
            identity=Identity(VERSION, find_text(picture), declared=decoded.declares_identity),
            prepare_ms=_since(start),
        )

    def infer(self, batch: Sequence[Prepared]) -> list[Inferred]:
        """Both networks on one batch. Not thread-safe on a card: there one thread owns the networks."""
        if not batch:
            return []
        start = time.perf_counter()
        masks = self._masks(batch)
        squares = [self.plan.square(item.picture, mask) for item, mask in zip(batch, masks, strict=True)]
        shown = np.stack([self.plan.cut(item.classifier_picture, square) for item, square in zip(batch, squares, strict=True)])
        rows = self.classifier(views_of(shown, count=self.plan.views))
        logits = mean_over_views(self.layout.logits_of(rows), count=self.plan.views)
        features = mean_over_views(self.layout.features_of(rows), count=self.plan.views)
        evidence = self.explain(shown, rows, logits.argmax(axis=1))
        each = _since(start) / len(batch)
        return [
            Inferred(mask=mask, square=square, logits=one, features=seen, evidence=places, model_ms=each)
            for mask, square, one, seen, places in zip(masks, squares, logits, features, evidence, strict=True)
        ]

    def _masks(self, batch: Sequence[Prepared]) -> list[Gray]:
        outlines = self.segmenter(np.stack([item.segmenter_input for item in batch]))[:, 0]
        sizes = [item.picture.shape for item in batch]
        return [mask_of(outline, width=size[1], height=size[0]) for outline, size in zip(outlines, sizes, strict=True)]

    def finish_or_fail(self, prepared: Prepared, inferred: "Inferred | Exception") -> Finding:
        """``finish``, or a ``failed`` finding when the networks failed on this picture."""
        if isinstance(inferred, Exception):
            return self.failed("model_error", f"The model failed on this picture: {type(inferred).__name__}. Read it by hand.")
        return self.finish(prepared, inferred)

    def finish(self, prepared: Prepared, inferred: Inferred) -> Finding:
        """Judgement, measures, mask PNG, thumbnail and heat map of one picture."""
        start = time.perf_counter()
        judgement = self.judge(inferred.logits, inferred.features)
        measures = measure(
            prepared.picture,
            inferred.mask,
            full_width=prepared.full_width,
            full_height=prepared.full_height,
            pixel_spacing_mm=prepared.pixel_spacing_mm,
        )
        answer = answer_of(judgement, quality=prepared.quality, lesion=measures is not None)
        stands = answer.outcome is not Outcome.ABSTAIN
        files = encode_png(inferred.mask), _thumbnail(prepared.picture), self._heatmap(prepared, inferred) if stands else b""
        return Finding(
            outcome=answer.outcome,
            pipeline_version=self.pipeline_version,
            reason=answer.reason,
            next_step=answer.next_step,
            prediction=answer.classes[0] if answer.outcome is Outcome.PREDICTION else None,
            classes=answer.classes,
            coverage=judgement.coverage if stands else None,
            probabilities=judgement.probabilities,
            malignant_probability=judgement.malignant_probability,
            # What the models do not stand for is not called suspicious, nor harmless.
            suspicious=judgement.suspicious if stands else None,
            operating_point=self.judge.operating_point,
            ood=judgement.ood,
            quality=prepared.quality,
            measures=measures,
            width=prepared.full_width,
            height=prepared.full_height,
            licence=self.licence,
            non_commercial=self.non_commercial,
            taxonomy=self.taxonomy,
            timings=Timings(prepare_ms=prepared.prepare_ms, model_ms=inferred.model_ms, finish_ms=_since(start)),
            mask_png=files[0],
            thumbnail_jpeg=files[1],
            heatmap_jpeg=files[2],
            hairfree_jpeg=_hairfree(prepared),
            embedding=embedding_of(inferred.features),
            identity=prepared.identity,
        )

    def _heatmap(self, prepared: Prepared, inferred: Inferred) -> bytes:
        if inferred.evidence is None:
            return b""
        height, width = prepared.picture.shape[:2]
        return heatmap_jpeg(inferred.evidence, square=inferred.square, width=width, height=height)

    def failed(self, reason: str, detail: str) -> Finding:
        """The finding of a picture that could not be analysed."""
        return Finding(outcome=Outcome.FAILED, pipeline_version=self.pipeline_version, reason=reason, detail=detail)


def embedding_of(features: NDArray[np.float32]) -> bytes:
    """F features → 2·F bytes, float16 little endian of length 1; nothing where the features have no direction (all 0, or not finite)."""
    length = float(np.linalg.norm(features))
    return (features / length).astype("<f2").tobytes() if 0.0 < length < float("inf") else b""


def taxonomy_json(card: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Code, name and malignancy of each class of a classifier's card, in its order."""
    taxonomy = taxonomy_of(card["taxonomy"])
    return tuple({"code": code, "name": taxonomy[code].name, "malignant": taxonomy[code].malignant} for code in card["classes"])


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


def _hairfree(prepared: Prepared) -> bytes:
    """The picture with its hair painted over, for the reader's eye; empty where hair hides little."""
    if prepared.quality.hair_share < HAIR_SHARE:
        return b""
    # Inpainting: the quicker closing leaves blocks that a reader would take for structure.
    clean = np.ascontiguousarray(remove_hair_telea(prepared.picture)[0])
    return bytes(simplejpeg.encode_jpeg(clean, quality=HAIRFREE_QUALITY, colorspace="RGB", colorsubsampling="444"))


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1_000
