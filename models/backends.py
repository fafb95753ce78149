"""Where a network runs: one interface, N×S×S×3 uint8 pixels in, one float32 array out, whatever the runtime.

Torch runs every architecture. OpenVINO is for processors and the ``openvino`` extra: the same answers in about half the time.
Every runtime gets the same module, normalisation included, so that none can normalise differently. ``half`` computes in 16 bits;
tests/models/test_backends.py holds the runtimes together and states how far apart they may be.
"""

import ctypes
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.preprocess import normalise

log = logging.getLogger(__name__)

Pixels: TypeAlias = NDArray[np.uint8]
Answers: TypeAlias = NDArray[np.float32]

MOST_MODEL_THREADS = 8  # each holds a batch of activations
# What is compiled is compiled for one size of batch. These cost at most eight times the pictures of a lone one, and few compilations.
BATCHES = (1, 8, 32, 64)
COMPILE_AFTER = 100  # calls: a compilation takes some ten seconds, which a short run would never earn back
# On a processor larger batches are cut. OpenVINO is fastest while activations stay in the cache and while it knows the size of the
# batch (pieces of 2 take 0.85 of the time of pieces of 8 of any size); torch chooses faster convolutions from 16 on, and gains
# nothing beyond.
TORCH_PART = 16
OPENVINO_BATCHES = (1, 2)
KEPT_BYTES = 2**30


class BackendUnavailable(Exception):
    """This runtime is not installed, or cannot run this network."""


class Backend(Protocol):
    """Runs one network on a batch of N ≥ 1 pictures."""

    name: str

    def __call__(self, batch: Pixels) -> Answers:
        """N×S×S×3 uint8 RGB → what the network answers: N×C logits or features, N×C×S×S for a segmenter."""


class FromPixels(nn.Module):
    """A network with its normalisation in front: N×S×S×3 uint8 → the network's answer, in the network's own type."""

    def __init__(self, network: nn.Module, *, normalisation: str, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.network = network
        self.normalisation = normalisation
        self.dtype = dtype

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Colours before the sides, numbers as in training (computed in float32), then the network."""
        answer: torch.Tensor = self.network(normalise(pixels.permute(0, 3, 1, 2), self.normalisation).to(self.dtype))
        return answer


class TorchBackend:
    """Torch, channels last; on a card compiled, once enough batches have come for it to pay.

    ``half``: bfloat16, or float16 on a card that has no bfloat16 of its own. ``compile_after``: that many calls; by default 100 on
    a card and never on a processor. Thread-safe on a processor. ``eager_calls``: how many are left; None: it stays as it is.
    """

    def __init__(
        self, network: nn.Module, *, device: str, half: bool, normalisation: str = "imagenet", compile_after: int | None = None
    ) -> None:
        self.device = torch.device(device)
        self.dtype = (half_type(device) or torch.bfloat16) if half else torch.float32
        self.name = f"torch-{self.device.type}-{_short(self.dtype)}"
        wrapped = FromPixels(network, normalisation=normalisation, dtype=self.dtype).eval()
        self.network: nn.Module = wrapped.to(device=self.device, dtype=self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._compiled: Callable[[torch.Tensor], torch.Tensor] | None = None
        on_card = COMPILE_AFTER if self.device.type == "cuda" else None
        self.eager_calls = on_card if compile_after is None else compile_after

    def __call__(self, batch: Pixels) -> Answers:
        """N×S×S×3 uint8 → float32."""
        if self.eager_calls is not None:
            self._compile_when_due()
        if self._compiled is not None:
            try:
                return in_fixed_batches(lambda part: self._run(self._compiled, part), batch, sizes=BATCHES)
            except torch.OutOfMemoryError:
                raise  # the caller tries smaller batches
            except Exception as error:  # noqa: BLE001  # whatever a compiler lacks (Triton, gcc, headers) must not stop the analyses
                log.warning("%s goes on uncompiled, more slowly: %s: %.300s", self.name, type(error).__name__, error)
                self._compiled = None
        if self.device.type == "cpu":
            return in_parts(lambda part: self._run(self.network, part), batch, most=TORCH_PART)
        return self._run(self.network, batch)

    def _compile_when_due(self) -> None:
        if self.eager_calls:
            self.eager_calls -= 1
            return
        self.eager_calls = None
        self._compiled = torch.compile(self.network, dynamic=False)

    def _run(self, network: Any, batch: Pixels) -> Answers:
        with torch.inference_mode():
            answer: torch.Tensor = network(torch.from_numpy(batch).to(self.device, non_blocking=True))
            return np.asarray(answer.float().cpu().numpy())


class OpenVinoBackend:
    """OpenVINO on the processor, in pieces of one or two pictures that run side by side, on as many cores as torch's threads leave.

    Thread-safe: pieces of several threads take turns. ``side``: S of the pictures to come. Raises BackendUnavailable.
    """

    def __init__(self, network: nn.Module, *, side: int, half: bool, normalisation: str = "imagenet") -> None:
        self.name = f"openvino-cpu-{'bf16' if half else 'fp32'}"
        self.side, self.half = side, half
        wrapped = FromPixels(network.float(), normalisation=normalisation).eval()
        self._model, self._sizes = converted(wrapped, side=side)
        self._compiled: dict[int, Any] = {}
        self._compiling = threading.Lock()
        self._compiled_for(self._sizes[-1])  # what cannot be compiled shows now, and the first batch does not wait

    def __call__(self, batch: Pixels) -> Answers:
        """N×S×S×3 uint8 → float32."""
        pieces = list(fixed_batches(batch, sizes=self._sizes))  # kept until the last answer: the requests read their memory
        started = [self._started(piece) for piece in pieces]
        return np.concatenate([_answer_of(request) for request in started])[: len(batch)]

    def _started(self, piece: Pixels) -> Any:
        request = self._compiled_for(len(piece)).create_infer_request()
        request.start_async(piece, share_inputs=True)
        return request

    def _compiled_for(self, size: int) -> Any:
        """Each is compiled when first asked for: it holds the weights once more, and many a process never meets a lone picture."""
        with self._compiling:
            if size not in self._compiled:
                model = self._model.clone()
                model.reshape([size, self.side, self.side, 3])
                self._compiled[size] = compiled(model, half=self.half)
            return self._compiled[size]


def _answer_of(request: Any) -> Answers:
    request.wait()
    return np.array(request.get_output_tensor(0).data, np.float32)  # a copy: the tensor goes with its request


def converted(network: nn.Module, *, side: int) -> tuple[Any, tuple[int, ...]]:
    """The OpenVINO model of a network that reads N×side×side×3 uint8, and the sizes of batch for which it may be compiled.

    A network whose operations fix the size of the batch is converted for one. Raises BackendUnavailable.
    """
    openvino = _openvino()
    reason, most = "", OPENVINO_BATCHES[-1]
    for dynamic, sizes in ((({0: torch.export.Dim("batch", min=1)},), OPENVINO_BATCHES), (None, (most,))):
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The tensor attributes", UserWarning)  # an LSTM's weights by their second names
                exported = torch.export.export(network, (torch.zeros(most, side, side, 3, dtype=torch.uint8),), dynamic_shapes=dynamic)
            return openvino.convert_model(exported), sizes
        except Exception as error:  # noqa: BLE001  # either converter raises whatever it meets
            reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    raise BackendUnavailable(f"OpenVINO cannot take this network over ({reason:.300}): it runs on torch only, choose the backend torch")


def compiled(model: Any, *, half: bool) -> Any:
    """An OpenVINO model ready for the processor. Raises BackendUnavailable."""
    # Without the first hint the precision follows the processor, and so would the answers. Pinned threads would wait for
    # whoever else runs on their core.
    config = {
        "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
        "INFERENCE_NUM_THREADS": _cores(),
        "NUM_STREAMS": max(1, _cores() // torch.get_num_threads()),
        "ENABLE_CPU_PINNING": False,
    }
    return _openvino().Core().compile_model(model, "CPU", config)


def in_parts(run: Callable[[Pixels], Answers], batch: Pixels, *, most: int) -> Answers:
    """``run`` over N ≥ 1 pictures, at most ``most`` at a time."""
    if len(batch) <= most:
        return run(batch)
    return np.concatenate([run(batch[start : start + most]) for start in range(0, len(batch), most)])


def in_fixed_batches(run: Callable[[Pixels], Answers], batch: Pixels, *, sizes: Sequence[int]) -> Answers:
    """``run`` over N ≥ 1 pictures in batches of only these sizes (ascending). What fills the last one up is not answered."""
    return np.concatenate([run(piece) for piece in fixed_batches(batch, sizes=sizes)])[: len(batch)]


def fixed_batches(batch: Pixels, *, sizes: Sequence[int]) -> Iterator[Pixels]:
    """N ≥ 1 pictures in pieces of only these sizes (ascending), the largest first. The last one is filled up with black."""
    for start in range(0, len(batch), sizes[-1]):
        piece = batch[start : start + sizes[-1]]
        missing = next(size for size in sizes if size >= len(piece)) - len(piece)
        yield np.ascontiguousarray(np.pad(piece, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else piece)


def model_threads(*, device: str, backend: str) -> int:
    """How many threads may run batches side by side, with this process's memory and torch's own threads set to match.

    Call it first of all: before a backend is made and before there are threads.

    On a processor each batch gets few threads of its own: threads that share one batch wait for each other at every layer,
    and for the slowest one whenever something else needs a core. A card takes one batch at a time.
    """
    if device != "cpu" and backend == "torch":
        return 1
    keep_memory()
    side_by_side = min(_cores(), MOST_MODEL_THREADS)
    torch.set_num_threads(max(1, _cores() // side_by_side))
    return side_by_side


def keep_memory() -> None:
    """Lets this process keep the memory that it frees, in one pool for all threads. Call it before there are other threads.

    A network frees its activations after each layer. By default the C library gives such large blocks back at once, and the
    kernel clears every page anew for the next layer: of torch's time on a processor that was nearly half. Does nothing where
    the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, mmap_threshold, arena_max = -1, -3, -8  # malloc.h
        for parameter, value in ((trim_threshold, KEPT_BYTES), (mmap_threshold, KEPT_BYTES), (arena_max, 1)):
            mallopt(parameter, value)


def choose_device(wanted: str) -> str:
    """``auto`` → the card when there is one, else the processor; anything else is taken as torch names it."""
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def half_type(device: str) -> torch.dtype | None:
    """The 16-bit type that is faster there than float32: bfloat16 where it is native, float16 on any other card, else None."""
    if computes_bfloat16(device):
        return torch.bfloat16
    return torch.float16 if device.startswith("cuda") else None


def computes_bfloat16(device: str) -> bool:
    """Whether bfloat16 is native there: emulated it is slower than float32."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001  # torch has no public name for it


def _short(dtype: torch.dtype) -> str:
    return {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _openvino() -> Any:
    try:
        import openvino  # an optional extra
    except ModuleNotFoundError as error:
        raise BackendUnavailable("OpenVINO is not installed: pip install 'dermatrail[openvino]', or choose the backend torch") from error
    return openvino
