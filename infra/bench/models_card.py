"""The networks on a graphics card: images a second, and how much of that time the card has something to do."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from infra.bench.models_measure import Subject
from models.analyzer import Analyzer
from models.backends import TorchBackend, half_type

BATCH = 64
PROFILED_CALLS = 20


@dataclass(frozen=True, slots=True)
class CardRow:
    """``busy``: share of the time, 0..1, in which kernels or copies ran."""

    name: str
    how: str
    images_per_second: float
    busy: float


def card_rows(subjects: Sequence[Subject], *, seconds: float, say: Callable[[str], None]) -> Iterator[CardRow]:
    """The default pair, uncompiled and compiled, then these networks uncompiled. Nothing without a card."""
    if not torch.cuda.is_available():
        return
    for compiles in (False, True):
        how = "compiled" if compiles else "uncompiled"
        say(f"card: default pair, {how}")
        yield _row("default pair", how, _pair(compiles=compiles), seconds=seconds)
    for subject in subjects:
        say(f"card: {subject.name}")
        backend = TorchBackend(subject.build(), device="cuda", half=half_type("cuda") is not None)
        backend.eager_calls = None
        pixels = np.random.default_rng(0).integers(0, 256, (BATCH, subject.side, subject.side, 3), np.uint8)
        yield _row(_name(subject), "uncompiled", partial(backend, pixels), seconds=seconds)


def _pair(*, compiles: bool) -> Callable[[], None]:
    """One batch through both networks, pixels and answers carried there and back, as the worker does it."""
    analyzer = Analyzer.load(device="cuda")
    for backend in (analyzer.segmenter, analyzer.classifier):
        if isinstance(backend, TorchBackend):
            backend.eager_calls = 0 if compiles else None
    outlines = np.zeros((BATCH, analyzer.segmenter_side, analyzer.segmenter_side, 3), np.uint8)
    crops = np.zeros((BATCH, analyzer.classifier_side, analyzer.classifier_side, 3), np.uint8)

    def one_batch() -> None:
        analyzer.segmenter(outlines)
        analyzer.classifier(crops)

    return one_batch


def _row(name: str, how: str, call: Callable[[], object], *, seconds: float) -> CardRow:
    for _ in range(3):
        call()
    calls, began = 0, time.perf_counter()
    while not calls or time.perf_counter() - began < seconds:
        call()  # ends when the answer has come back
        calls += 1
    rate = BATCH * calls / (time.perf_counter() - began)
    return CardRow(name, how, rate, _busy(call))


def _busy(call: Callable[[], object]) -> float:
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        began = time.perf_counter()
        for _ in range(PROFILED_CALLS):
            call()
        wall = time.perf_counter() - began
    return float(sum(event.self_device_time_total for event in profiler.key_averages())) / 1e6 / wall


def _name(subject: Subject) -> str:
    return f"{subject.name}, {subject.side} px"
