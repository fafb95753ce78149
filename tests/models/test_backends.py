"""The runtimes: they answer alike, for every shipped bundle and every kind of network."""

import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from models import backends
from models.backends import (
    BATCHES,
    BackendUnavailable,
    OpenVinoBackend,
    TorchBackend,
    compiled,
    half_type,
    in_fixed_batches,
    model_threads,
)
from models.bundle import SHIPPED, Bundle, load_bundle
from models.networks import WithFeatures, build_network, fold_batch_norms
from models.pictures.decode import decode
from models.pictures.types import Rgb
from models.preprocess import WORKING_SIDE, to_square, to_working_size
from models.synthetic import Kind, draw

openvino = pytest.importorskip("openvino", reason="the openvino extra is not installed")

BUNDLES = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())
DATA = os.environ.get("DERMATRAIL_DATA")
EVERY = 100  # of HAM10000's pictures


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a runtime may be from torch in float32 on a processor.

    ``worst``, ``mean``: difference of the probability of a class, the largest of any class and picture, and the mean over pictures
    of their largest. ``outline``: mean Jaccard index of the outlines, which says what the pixels' probabilities mean together.
    """

    worst: float
    mean: float
    outline: float


# Float32 differs in the order of sums alone: no displayed digit changes. A card may round the factors of its products to 11 bits.
# In 16 bits (8 of them significant) a probability is right to some hundredths on average and a tenth or two at worst, and one
# outline in twenty moves visibly: enough for where a lesion lies, not for what it is, so classifiers are served in float32.
TOLERANCES: Mapping[str, Tolerance] = {
    "cpu-fp32": Tolerance(worst=1e-4, mean=1e-5, outline=0.9999),
    "cuda-fp32": Tolerance(worst=0.03, mean=0.005, outline=0.99),
    "bf16": Tolerance(worst=0.30, mean=0.05, outline=0.94),
    "fp16": Tolerance(worst=0.03, mean=0.005, outline=0.99),
}


def tolerance_of(name: str) -> Tolerance:
    return next(tolerance for ending, tolerance in TOLERANCES.items() if name.endswith(ending))


def shipped(name: str) -> tuple[Bundle, nn.Module]:
    bundle = load_bundle(SHIPPED / name)
    return bundle, fold_batch_norms(bundle.network)


@cache
def runtimes(name: str) -> dict[str, TorchBackend | OpenVinoBackend]:
    """Every runtime of this machine for one bundle, the yardstick first. 16 bits only where they are native."""
    bundle, _ = shipped(name)
    side, normalisation = int(bundle.card["input"]["side"]), str(bundle.card["input"]["normalisation"])
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    made: list[TorchBackend | OpenVinoBackend] = [
        TorchBackend(shipped(name)[1], device=device, half=half, normalisation=normalisation)
        for device in devices
        for half in precisions(device)
    ]
    made += [OpenVinoBackend(shipped(name)[1], side=side, half=half, normalisation=normalisation) for half in precisions("cpu")]
    return {backend.name: backend for backend in made}


def precisions(device: str) -> list[bool]:
    return [False, True] if half_type(device) else [False]


@cache
def drawn_pictures() -> list[Rgb]:
    return [draw(seed=seed, kind=kind, width=320, height=240).rgb for seed, kind in enumerate([*Kind, *Kind])]


@cache
def real_pictures() -> list[Rgb]:
    if DATA is None:
        pytest.skip("no real pictures: set DERMATRAIL_DATA to the folder with uda1_originals and ham10000")
    files = sorted(Path(DATA, "uda1_originals", "images").glob("*.jpg")) + sorted(Path(DATA, "ham10000", "images").glob("*.jpg"))[::EVERY]
    assert files, f"no pictures in {DATA}"
    return [to_working_size(decode(path.read_bytes(), min_side=WORKING_SIDE).rgb) for path in files]


def answers(backend: Callable[[NDArray[np.uint8]], NDArray[np.float32]], batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate([backend(batch[start : start + 8]) for start in range(0, len(batch), 8)])


@pytest.mark.parametrize("pictures", [drawn_pictures, real_pictures])
@pytest.mark.parametrize("name", BUNDLES)
def test_all_runtimes_answer_alike_with_the_shipped_weights(name: str, pictures: Callable[[], list[Rgb]]) -> None:
    card = load_bundle(SHIPPED / name).card
    batch = np.stack([to_square(picture, side=int(card["input"]["side"])) for picture in pictures()])
    yardstick, *others = runtimes(name).values()
    expected = answers(yardstick, batch)
    for other in others:
        found, tolerance = answers(other, batch), tolerance_of(other.name)
        assert found.shape == expected.shape
        assert found.dtype == np.float32
        if card["task"] == "segmentation":
            assert mean_jaccard(found > 0, expected > 0) >= tolerance.outline, other.name
            continue
        differences = np.abs(probabilities(found, card) - probabilities(expected, card)).max(axis=1)
        assert differences.max() <= tolerance.worst, other.name
        assert differences.mean() <= tolerance.mean, other.name


def probabilities(logits: NDArray[np.float32], card: Mapping[str, Any]) -> NDArray[np.float64]:
    scaled = torch.from_numpy(logits).double() / float(card["temperature"])
    return np.asarray(scaled.softmax(dim=1))


def mean_jaccard(found: NDArray[np.bool_], expected: NDArray[np.bool_]) -> float:
    """Over the pictures in which either finds a lesion."""
    both, either = (found & expected).sum(axis=(1, 2, 3)), (found | expected).sum(axis=(1, 2, 3))
    return float((both[either > 0] / either[either > 0]).mean()) if (either > 0).any() else 1.0


SMALL: Mapping[str, tuple[str, dict[str, Any]]] = {
    "unet_16": ("unet_16", {}),
    "bilstm": ("resnet50_bilstm", {"backbone": "resnet18", "units": 16}),
    "attention": ("resnet50_bilstm", {"backbone": "resnet18", "units": 16, "head": "attention"}),
    "cnn_resnet_lstm": ("cnn_resnet_lstm", {"backbone": "resnet18", "units": 16}),
    "cnn_lstm": ("cnn_lstm", {"units": 16}),
    "vit_b_16": ("vit_b_16", {"image_size": 64, "layers": 1}),
    "convnext_tiny": ("convnext_tiny", {}),
    "ensemble": ("ensemble", {}),
}


@pytest.mark.parametrize("kind", SMALL)
def test_every_kind_of_network_runs_on_every_runtime(kind: str) -> None:
    architecture, options = SMALL[kind]
    torch.manual_seed(0)
    network = fold_batch_norms(build_network(architecture=architecture, classes=3, **options).eval())
    watched = network if architecture.startswith("unet") else WithFeatures(network)
    batch = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    converted = OpenVinoBackend(watched, side=64, half=False, normalisation="unit")
    found, expected = converted(batch), TorchBackend(watched, device="cpu", half=False, normalisation="unit")(batch)
    assert found.shape == expected.shape
    assert np.allclose(found, expected, atol=1e-3)
    assert np.allclose(converted(batch[:1]), expected[:1], atol=1e-3)


class Spread(nn.Module):
    """Tells mean and largest value of what it reads, N×3×H×W → N×2."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.stack([pictures.mean((1, 2, 3)), pictures.amax((1, 2, 3))], dim=1)


class FixedBatch(Spread):
    """Cannot be exported for any size of batch: it turns the size into a number."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return super().forward(pictures).expand(len(pictures), 2)


class Deciding(Spread):
    """Cannot be exported at all: the way through it depends on the pixels."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return super().forward(pictures) * (2 if pictures.sum() > 0 else 1)


def noise(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, 16, 16, 3), np.uint8)


@pytest.mark.parametrize("normalisation", ["unit", "imagenet"])
def test_pixels_are_normalised_as_the_bundle_says(normalisation: str) -> None:
    white = np.full((1, 16, 16, 3), 255, np.uint8)
    largest = 1.0 if normalisation == "unit" else (1 - 0.406) / 0.225  # ImageNet's blue
    for backend in (
        TorchBackend(Spread(), device="cpu", half=False, normalisation=normalisation),
        OpenVinoBackend(Spread(), side=16, half=False, normalisation=normalisation),
    ):
        assert backend(white)[0, 1] == pytest.approx(largest, abs=1e-5)


def test_a_network_that_fixes_its_batch_is_converted_for_one_size_and_answers_any() -> None:
    converted = OpenVinoBackend(FixedBatch(), side=16, half=False)
    for count in (1, 8, 11):
        expected = TorchBackend(FixedBatch(), device="cpu", half=False)(noise(count))
        assert np.allclose(converted(noise(count)), expected, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 9, 33])
def test_openvino_answers_every_picture_of_an_odd_batch_in_its_order(count: int) -> None:
    found = OpenVinoBackend(Spread(), side=16, half=False)(noise(count))
    assert found.shape == (count, 2)
    assert np.allclose(found, TorchBackend(Spread(), device="cpu", half=False)(noise(count)), atol=1e-5)


def test_openvino_keeps_each_answer_when_the_next_batch_comes() -> None:
    converted = OpenVinoBackend(Spread(), side=16, half=False)
    first = converted(noise(4))
    kept = first.copy()
    converted(255 - noise(4))
    assert (first == kept).all()


def test_openvino_compiles_for_a_lone_picture_only_when_one_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def watched(model: Any, *, half: bool) -> Any:
        sizes.append(model.inputs[0].shape[0])
        return compiled(model, half=half)

    monkeypatch.setattr(backends, "compiled", watched)
    converted = OpenVinoBackend(Spread(), side=16, half=False)
    for count in (8, 2, 7, 1):
        converted(noise(count))
    assert sizes == [2, 1]


def test_a_network_that_cannot_be_converted_is_refused_with_the_way_out() -> None:
    with pytest.raises(BackendUnavailable, match=r"runs on torch only, choose the backend torch"):
        OpenVinoBackend(Deciding(), side=16, half=False)


def test_a_missing_openvino_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendUnavailable, match=r"dermatrail\[openvino\]"):
        OpenVinoBackend(Spread(), side=16, half=False)


def test_one_converted_network_answers_several_threads() -> None:
    converted, batches = OpenVinoBackend(Spread(), side=16, half=False), [noise(count) for count in range(1, 17)]
    with ThreadPoolExecutor(4) as pool:
        for found, batch in zip(pool.map(converted, batches), batches, strict=True):
            assert np.allclose(found, TorchBackend(Spread(), device="cpu", half=False)(batch), atol=1e-5)


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (2, [8]), (9, [32]), (64, [64]), (65, [64, 1]), (140, [64, 64, 32])])
def test_batches_are_filled_up_to_the_sizes_that_were_compiled(count: int, sizes: list[int]) -> None:
    run: list[int] = []

    def sums(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        run.append(len(batch))
        return np.asarray(batch.sum(axis=(1, 2, 3), dtype=np.float32)[:, None])

    found = in_fixed_batches(sums, noise(count), sizes=BATCHES)
    assert run == sizes
    assert (found[:, 0] == noise(count).sum(axis=(1, 2, 3))).all()


def test_a_network_is_compiled_once_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = Compiler()
    monkeypatch.setattr(torch, "compile", compiled)
    backend = TorchBackend(Spread(), device="cpu", half=False, compile_after=2)
    found = [backend(noise(3)) for _ in range(4)]
    assert compiled.batches == [8, 8]
    assert all((answer == found[0]).all() for answer in found)


def test_a_machine_that_cannot_compile_answers_uncompiled(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    compiled = Compiler(failure=RuntimeError("Failed to find C compiler"))
    monkeypatch.setattr(torch, "compile", compiled)
    backend = TorchBackend(Spread(), device="cpu", half=False, compile_after=0)
    assert all(backend(noise(3)).shape == (3, 2) for _ in range(3))
    assert len(compiled.batches) == 1
    assert "Failed to find C compiler" in caplog.text


def test_a_full_card_is_left_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", Compiler(failure=torch.OutOfMemoryError("full")))
    with pytest.raises(torch.OutOfMemoryError):
        TorchBackend(Spread(), device="cpu", half=False, compile_after=0)(noise(64))


class Compiler:
    """Stands in for torch.compile: notes the sizes of the batches that what it compiled has run."""

    def __init__(self, *, failure: Exception | None = None) -> None:
        self.batches: list[int] = []
        self.failure = failure

    def __call__(self, network: nn.Module, *, dynamic: bool) -> Callable[[torch.Tensor], torch.Tensor]:
        assert dynamic is False

        def run(pixels: torch.Tensor) -> torch.Tensor:
            self.batches.append(len(pixels))
            if self.failure:
                raise self.failure
            answer: torch.Tensor = network(pixels)
            return answer

        return run


def test_a_card_without_bfloat16_computes_in_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    assert half_type("cuda") is torch.float16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert half_type("cuda:1") is torch.bfloat16


def test_a_processor_runs_batches_side_by_side_and_a_card_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    monkeypatch.setattr(backends, "_cores", lambda: 16)
    assert [model_threads(device="cpu", backend=name) for name in ("torch", "openvino")] == [8, 8]
    assert threads == [2, 2]
    assert model_threads(device="cuda", backend="torch") == 1
