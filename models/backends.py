"""Where a network runs: one interface, N×3×S×S uint8 in, float32 logits out."""

import os
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.preprocess import normalise

MOST_MODEL_THREADS = 8  # each holds a batch of activations


class Backend(Protocol):
    """Runs one network on a batch."""

    name: str

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """N×S×S×3 uint8 RGB → logits: N×C for a classifier, N×C×S×S for a segmenter."""


class TorchBackend:
    """Eager torch, channels last. bfloat16 where the processor or card computes it natively, else float32."""

    def __init__(self, network: nn.Module, *, device: str, half: bool) -> None:
        self.device = torch.device(device)
        self.dtype = torch.bfloat16 if half else torch.float32
        self.name = f"torch-{self.device.type}-{'bf16' if half else 'fp32'}"
        self.network: nn.Module = network.to(device=self.device, dtype=self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = torch.from_numpy(batch).to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        with torch.inference_mode():
            logits: torch.Tensor = self.network(normalise(pixels).to(self.dtype))
            return np.asarray(logits.float().cpu().numpy())


class OpenVinoBackend:
    """OpenVINO on the processor, for the ``openvino`` extra: the same answers in about half the time."""

    def __init__(self, network: nn.Module, *, side: int, half: bool) -> None:
        import openvino  # an optional extra

        example = torch.zeros(2, 3, side, side)
        exported = torch.export.export(network.float(), (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
        converted = openvino.convert_model(exported)
        # Without the hint the precision follows the processor, and so would the answers.
        config = {"INFERENCE_PRECISION_HINT": "bf16" if half else "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        self.compiled: Any = openvino.Core().compile_model(converted, "CPU", config)
        self.name = f"openvino-cpu-{'bf16' if half else 'fp32'}"

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = normalise(torch.from_numpy(batch).permute(0, 3, 1, 2)).contiguous().numpy()
        return np.asarray(self.compiled(pixels)[0], np.float32)


def model_threads(*, device: str, backend: str) -> int:
    """How many threads may run batches side by side, with torch's own threads set to match.

    On a processor each batch gets few threads of its own: threads that share one batch wait for each other at every layer,
    and for the slowest one whenever something else needs a core. A card takes one batch at a time.
    """
    if device != "cpu" or backend != "torch":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    side_by_side = min(cores, MOST_MODEL_THREADS)
    torch.set_num_threads(max(1, cores // side_by_side))
    return side_by_side


def choose_device(wanted: str) -> str:
    """``auto`` → the card when there is one, else the processor; anything else is taken as torch names it."""
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def computes_bfloat16(device: str) -> bool:
    """Whether bfloat16 is native there: emulated it is slower than float32."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001  # torch has no public name for it
