"""Images a second of each network on each runtime, beside what the processor can multiply in the same minute."""

import copy
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from models.analyzer import Analyzer
from models.backends import Backend, BackendUnavailable, OpenVinoBackend, TorchBackend, compiled, half_type
from models.bundle import SHIPPED, load_bundle, read_card
from models.networks import build_network, fold_batch_norms
from models.networks.catalogue import members_of
from models.networks.ensemble import Ensemble

BATCH = 8
ROUNDS = 3
GEMM_SIDE = 2048
RUNTIMES = ("torch", "openvino")
HALF = "bf16"
# Of what matrix products reach, MobileNetV2's depthwise convolutions leave this share: OpenVINO, bfloat16, two quiet Zen 4 cores.
MOBILENET_SHARE = 0.62


@dataclass(frozen=True, slots=True)
class Subject:
    """A network of the table. ``reference``: img/s of OpenVINO in bfloat16 on two quiet Zen 4 cores of 209 GFLOP/s each, batch 8."""

    name: str
    architecture: str
    side: int
    reference: float
    options: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """With random weights: speed does not depend on them."""
        classes = 1 if self.architecture.startswith("unet") else 8
        return fold_batch_norms(build_network(architecture=self.architecture, classes=classes, **self.options).eval())


REFERENCE_PEAK = 419.0  # GFLOP/s of the reference's two cores in bfloat16
SUBJECTS = (
    Subject("unet_16", "unet_16", 256, 60.7),
    Subject("unet_resnet34_wide", "unet_resnet34", 256, 28.0, {"decoder": (256, 128, 64, 32, 16)}),
    Subject("resnet18", "resnet18", 224, 125.0),
    Subject("resnet50", "resnet50", 224, 52.0),
    Subject("resnet101", "resnet101", 224, 26.4),
    Subject("mobilenet_v2", "mobilenet_v2", 224, 435.0),
    Subject("resnet50_bilstm", "resnet50_bilstm", 224, 44.3),
)


@dataclass(frozen=True, slots=True)
class Work:
    """GFLOP (a multiplication and an addition are two) for one picture; ``mobilenet``: the part that MobileNetV2 does."""

    total: float
    mobilenet: float

    def seconds(self, peak: float) -> float:
        """The least that one picture takes at ``peak`` GFLOP/s, with MobileNetV2's part at its own pace."""
        return (self.total - self.mobilenet + self.mobilenet / MOBILENET_SHARE) / peak


@dataclass(frozen=True, slots=True)
class Rate:
    """Images a second, and processor milliseconds an image: the best of the rounds."""

    images_per_second: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Row:
    """One network. ``rates``: by the backend's name; a runtime that cannot run it is missing."""

    subject: Subject
    work: Work
    rates: Mapping[str, Rate]


@dataclass(frozen=True, slots=True)
class Pair:
    """The shipped segmenter and classifier, one after the other, as the worker runs them.

    ``works``: precision and GFLOP of each. ``rate``: of both together.
    """

    runtime: str
    works: tuple[tuple[str, Work], ...]
    rate: Rate


Peaks = dict[tuple[str, str], float]  # (library, precision) → GFLOP/s of all cores


def work_of(network: nn.Module, *, architecture: str, side: int) -> Work:
    """Counts without computing: on tensors that have shapes and no values."""
    shapes = copy.deepcopy(network).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        shapes(torch.zeros(1, 3, side, side, device="meta"))
    total = counter.get_total_flops() / 1e9
    if "mobilenet" not in architecture:
        return Work(total, 0.0)
    encoders = [sum(counts.values()) / 1e9 for name, counts in counter.get_flop_counts().items() if name.endswith(".encoder")]
    return Work(total, encoders[0] if encoders else total)


def rate_of(call: Callable[[], object], *, images: int, threads: int, seconds: float) -> Rate:
    """The best of three rounds in which ``threads`` threads call for ``seconds`` altogether; ``images`` per call."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: call(), range(threads)))  # memory, threads and primitives are made on the first call
        rounds = [_round(pool, call, images=images, threads=threads, seconds=seconds / ROUNDS) for _ in range(ROUNDS)]
    return Rate(max(found.images_per_second for found in rounds), min(found.cpu_ms for found in rounds))


def _round(pool: ThreadPoolExecutor, call: Callable[[], object], *, images: int, threads: int, seconds: float) -> Rate:
    wall, cpu = time.perf_counter(), time.process_time()

    def work(_: int) -> int:
        calls = 0
        while not calls or time.perf_counter() - wall < seconds:
            call()
            calls += 1
        return calls

    done = images * sum(pool.map(work, range(threads)))
    return Rate(done / (time.perf_counter() - wall), 1_000 * (time.process_time() - cpu) / done)


def peaks(*, threads: int, seconds: float) -> Peaks:
    """GFLOP/s of 2048³ matrix products, one a thread: what torch reaches and what OpenVINO reaches."""
    found: Peaks = {}
    flop = 2 * GEMM_SIDE**3 / 1e9
    for precision in precisions():
        for library, product in (("torch", _torch_product), ("openvino", _openvino_product)):
            try:
                call = product(precision)
            except BackendUnavailable:
                continue
            found[library, precision] = flop * rate_of(call, images=1, threads=threads, seconds=seconds).images_per_second
    return found


def peak_of(found: Peaks, precision: str) -> float:
    """The better library's: what this processor can do, whoever asks it to."""
    return max(value for (_, name), value in found.items() if name == precision)


def _torch_product(precision: str) -> Callable[[], object]:
    factor = torch.ones(GEMM_SIDE, GEMM_SIDE, dtype=torch.bfloat16 if precision == HALF else torch.float32)
    return lambda: factor @ factor


def _openvino_product(precision: str) -> Callable[[], object]:
    try:
        from openvino import Model, opset13
    except ModuleNotFoundError as error:
        raise BackendUnavailable("OpenVINO is not installed") from error
    factor = np.ones((GEMM_SIDE, GEMM_SIDE), np.float32)
    left = opset13.parameter(factor.shape, np.float32)
    product = compiled(
        Model([opset13.matmul(left, opset13.constant(factor), transpose_a=False, transpose_b=False)], [left]), half=precision == HALF
    )
    return lambda: product.create_infer_request().infer(factor, share_inputs=True, share_outputs=True)


def precisions() -> list[str]:
    """Those that are native here."""
    return ["fp32", HALF] if half_type("cpu") else ["fp32"]


def row_of(subject: Subject, *, threads: int, seconds: float, say: Callable[[str], None]) -> Row:
    """One network on every runtime and precision, in batches of 8."""
    pixels = _noise(BATCH, subject.side)
    rates: dict[str, Rate] = {}
    for runtime in RUNTIMES:
        for precision in precisions():
            say(f"{subject.name}: {runtime} {precision}")
            try:
                backend = _backend(subject, runtime=runtime, half=precision == HALF)
            except BackendUnavailable:
                continue
            rates[backend.name] = rate_of(partial(backend, pixels), images=BATCH, threads=threads, seconds=seconds)
    return Row(subject, work_of(subject.build(), architecture=subject.architecture, side=subject.side), rates)


def _backend(subject: Subject, *, runtime: str, half: bool) -> Backend:
    if runtime == "openvino":
        return OpenVinoBackend(subject.build(), side=subject.side, half=half)
    return TorchBackend(subject.build(), device="cpu", half=half)


def pair_of(runtime: str, *, threads: int, seconds: float) -> Pair:
    """The default pair on one runtime, in the precisions in which it is served. Raises BackendUnavailable."""
    analyzer = Analyzer.load(device="cpu", backend=runtime)
    views = int(read_card(SHIPPED / "classifier")["views"])
    outlines, crops = _noise(BATCH, analyzer.segmenter_side), _noise(BATCH * views, analyzer.classifier_side)

    def one_batch() -> None:
        analyzer.segmenter(outlines)
        analyzer.classifier(crops)

    rate = rate_of(one_batch, images=BATCH, threads=threads, seconds=seconds)
    works = tuple(
        (backend.name.rpartition("-")[2], _work_of_shipped(name, times))
        for name, backend, times in (("segmenter", analyzer.segmenter, 1), ("classifier", analyzer.classifier, views))
    )
    return Pair(runtime, works, rate)


def _work_of_shipped(name: str, times: int) -> Work:
    bundle = load_bundle(SHIPPED / name)
    network, architecture, side = bundle.network, bundle.card["architecture"], int(bundle.card["input"]["side"])
    parts = [(architecture, network)]
    if isinstance(network, Ensemble):
        parts = [(name, one) for (name, _), one in zip(members_of(bundle.card["options"]), network.each(), strict=True)]
    works = [work_of(one, architecture=name, side=side) for name, one in parts]
    return Work(times * sum(work.total for work in works), times * sum(work.mobilenet for work in works))


def _noise(count: int, side: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
