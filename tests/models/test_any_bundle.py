"""Whatever a card may name is served: every system's network and taxonomy, crop, steps, normalisation and views."""

from functools import partial
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from models.analyzer import Analyzer
from models.backends import OpenVinoBackend
from models.bundle import SHIPPED, Bundle, load_bundle
from models.explain import ExplainError, HeatMaps
from models.loading import backend_of
from models.networks import build_network
from models.synthetic import Kind, draw
from models.taxonomy import taxonomy_of
from tests.models.cards import classifier_card

SMALL = {"backbone": "resnet18", "units": 8}
CALIBRATION = {"options": {}, "views": 1, "temperature": 1.0, "ood": None, "conformal": None, "operating_point": None}
PICTURE = cv2.imencode(".png", draw(seed=0, kind=Kind.NAEVUS, width=320, height=240).rgb[..., ::-1])[1].tobytes()
# (architecture, options, taxonomy, task, input, views, whether its class activation maps come for free)
SYSTEMS: dict[str, tuple[str, dict[str, Any], str, str, dict[str, Any], int, bool]] = {
    "s0": ("cnn_resnet_lstm", SMALL, "binary", "classification", {"steps": ["denoise"], "normalisation": "unit"}, 1, False),
    "s1": ("resnet50_bilstm", SMALL, "skindiseasenet", "classification", {}, 1, False),
    "s1 attention": ("resnet50_bilstm", {**SMALL, "head": "attention"}, "skindiseasenet", "classification", {}, 2, False),
    "s2": ("resnet18", {"dense": 16}, "isic2019", "classification", {"steps": ["hair_telea", "clahe"], "normalisation": "unit"}, 1, False),
    "s3": ("cnn_lstm", {"filters": 4, "units": 8}, "isic2019_unknown", "sequence", {}, 1, False),
    "s4": ("ensemble", {}, "ham10000", "classification", {}, 4, True),
    "plain": ("resnet18", {}, "pad_ufes_20", "classification", {"crop": "lesion_square", "steps": ["shades_of_grey"]}, 8, True),
    "transformer": ("vit_b_16", {"image_size": 64, "layers": 1}, "ham10000", "classification", {}, 1, False),
}


@pytest.fixture(scope="module")
def segmenter() -> Bundle:
    return load_bundle(SHIPPED / "segmenter")


def classifier(name: str) -> Bundle:
    """The system with random weights, ready to be served."""
    architecture, options, taxonomy, task, given, views, _ = SYSTEMS[name]
    codes = list(taxonomy_of(taxonomy).codes)
    torch.manual_seed(0)
    network = build_network(architecture=architecture, classes=len(codes), **options).eval()
    plan = {"side": 64, "crop": "whole", "steps": [], "normalisation": "imagenet", **given}
    card = classifier_card(architecture=architecture, taxonomy=taxonomy, classes=codes, task=task, input=plan, sha256="0" * 64)
    return Bundle(network=network, card={**card, **CALIBRATION, "views": views})


def analyzer(segmenter: Bundle, name: str, *, heatmaps: HeatMaps, backend: str = "torch") -> Analyzer:
    run = partial(backend_of, device="cpu", backend=backend, half=False)
    return Analyzer(segmenter=segmenter, classifier=classifier(name), backend=run, heatmaps=heatmaps)


@pytest.mark.parametrize("name", SYSTEMS)
def test_it_answers_in_its_taxonomy_and_looks_for_the_evidence_that_is_asked_for(segmenter: Bundle, name: str) -> None:
    *_, taxonomy, _, _, _, free = SYSTEMS[name]
    for heatmaps, looks in ((HeatMaps.OFF, False), (HeatMaps.CAM, free), (HeatMaps.GRADCAM, True)):
        served = analyzer(segmenter, name, heatmaps=heatmaps)
        prepared = served.prepare(PICTURE)
        (inferred,) = served.infer([prepared])
        finding = served.finish(prepared, inferred)
        assert finding.probabilities is not None
        assert tuple(finding.probabilities) == taxonomy_of(taxonomy).codes
        assert sum(finding.probabilities.values()) == pytest.approx(1)
        assert [entry["code"] for entry in finding.taxonomy] == list(finding.probabilities)
        assert finding.prediction == max(finding.probabilities, key=lambda code: (finding.probabilities or {})[code])
        assert (inferred.evidence is not None) is looks
        # Random weights may speak against every class everywhere: then there is nothing to draw.
        assert bool(finding.heatmap_jpeg) is (inferred.evidence is not None and bool(inferred.evidence.max() > 0))


def test_several_views_are_the_mean_of_each_alone(segmenter: Bundle) -> None:
    several = analyzer(segmenter, "s4", heatmaps=HeatMaps.OFF)
    prepared = several.prepare(PICTURE)
    (mean,) = several.infer([prepared])
    square = several.plan.cut(prepared.classifier_picture, mean.square)
    turned = [square, square[:, ::-1], square[::-1], square[::-1, ::-1]]
    alone = np.stack([several.classifier(np.ascontiguousarray(view)[None])[0] for view in turned])
    assert np.allclose(mean.logits, several.layout.logits_of(alone).mean(axis=0), atol=1e-4)
    assert np.allclose(mean.features, several.layout.features_of(alone).mean(axis=0), atol=1e-4)


def test_a_lone_picture_and_one_of_many_get_the_same_answer(segmenter: Bundle) -> None:
    every = analyzer(segmenter, "plain", heatmaps=HeatMaps.CAM)
    other = cv2.imencode(".png", draw(seed=5, kind=Kind.MELANOMA, width=320, height=240).rgb[..., ::-1])[1].tobytes()
    (alone,) = every.analyse([PICTURE])
    _, among, _ = every.analyse([other, PICTURE, other])
    assert among.probabilities == pytest.approx(alone.probabilities, abs=1e-4)


def test_grad_cam_on_openvino_is_refused_before_any_picture(segmenter: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenVinoBackend, "__init__", lambda self, *_, **__: setattr(self, "name", "openvino-cpu-fp32"))
    with pytest.raises(ExplainError, match="Grad-CAM needs the backend torch, this classifier runs on openvino-cpu-fp32"):
        analyzer(segmenter, "s1", heatmaps=HeatMaps.GRADCAM, backend="openvino")
    analyzer(segmenter, "plain", heatmaps=HeatMaps.GRADCAM, backend="openvino")
