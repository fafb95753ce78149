"""From bundles on disk to networks that run: what the analyzer is made of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from models.backends import Backend, OpenVinoBackend, TorchBackend, half_type
from models.bundle import SHIPPED, Bundle, BundleError, load_bundle
from models.card import Task, kind_of
from models.inputs import InputPlan


def load_pair(*, folder: Path | None, segmenter: str, classifier: str) -> tuple[Bundle, Bundle]:
    """The two bundles of a folder (default: the shipped ones) by name. Raises BundleError, naming those that there are."""
    folder = folder or SHIPPED
    return _load(folder, segmenter, "segmenter"), _load(folder, classifier, "classifier")


def backend_of(network: nn.Module, card: Mapping[str, Any], *, device: str, backend: str = "torch", half: bool | None = None) -> Backend:
    """Where the network of a card runs. The outline may be computed in 16 bits (None: where that is native): it costs half as much.

    The classifier always runs in float32: 16 bits there would double how much probabilities differ between processors, and
    save a tenth of the time.
    """
    plan, outlines = InputPlan.of(card), card["task"] == Task.SEGMENTATION
    lower = outlines and (half_type(device) is not None if half is None else half)
    if backend == "openvino":
        return OpenVinoBackend(network, side=plan.side, half=lower, normalisation=plan.normalisation)
    return TorchBackend(network, device=device, half=lower, normalisation=plan.normalisation)


def _load(folder: Path, name: str, kind: str) -> Bundle:
    if not (folder / name).is_dir():
        there = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        raise BundleError(f"there is no bundle {name!r} in {folder}: choose one of {', '.join(there) or 'none; train or import one'}")
    bundle = load_bundle(folder / name)
    if kind_of(bundle.card) != kind:
        raise BundleError(f"{folder / name} is no {kind}: its card has the task {bundle.card['task']!r}")
    return bundle
