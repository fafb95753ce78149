"""Model bundles: a folder with ``weights.safetensors`` and ``bundle.json``. Never pickle."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from models.networks import build_network

SHIPPED = Path(__file__).parent / "bundles"
WEIGHTS, CARD = "weights.safetensors", "bundle.json"
EXTRA = "extra."


class BundleError(Exception):
    """A bundle that must not be served: incomplete, changed after training, or of an unknown architecture."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A network ready for inference, with the card that says what it is, what it was trained on and how well it does."""

    network: nn.Module
    card: dict[str, Any]
    extras: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Eight hex digits over weights and card: anything that could change an answer changes it."""
        answers = {key: self.card.get(key) for key in ("sha256", "architecture", "input", "temperature", "ood", "quality")}
        return hashlib.sha256(json.dumps(answers, sort_keys=True).encode()).hexdigest()[:8]


def save_bundle(*, folder: Path, network: nn.Module, card: dict[str, Any], extras: dict[str, torch.Tensor] | None = None) -> None:
    """Writes weights as float16 and the card with their sha256. ``card`` needs architecture, classes and licence.

    ``extras``: tensors beside the network's own, kept in the same file in full precision.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: _half(tensor) for name, tensor in network.state_dict().items()}
    tensors |= {EXTRA + name: tensor.contiguous() for name, tensor in (extras or {}).items()}
    save_file(tensors, folder / WEIGHTS)
    card = {**card, "sha256": hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()}
    (folder / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n")


def load_bundle(folder: Path) -> Bundle:
    """Reads, verifies and builds. Raises BundleError when the folder is not a bundle or was changed since training."""
    try:
        card = json.loads((folder / CARD).read_text())
        weights = (folder / WEIGHTS).read_bytes()
    except FileNotFoundError as error:
        raise BundleError(f"{folder} is not a bundle: {Path(error.filename).name} is missing; train one or point to another") from error
    if hashlib.sha256(weights).hexdigest() != card.get("sha256"):
        raise BundleError(f"{folder / WEIGHTS} does not match the sha256 in {CARD}: restore both files from one source")
    network = build_network(architecture=card["architecture"], classes=len(card["classes"]))
    tensors = load_file(folder / WEIGHTS)
    network.load_state_dict({name: _single(tensor) for name, tensor in tensors.items() if not name.startswith(EXTRA)})
    extras = {name.removeprefix(EXTRA): tensor for name, tensor in tensors.items() if name.startswith(EXTRA)}
    return Bundle(network=network.eval(), card=card, extras=extras)


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().to(torch.float16) if tensor.is_floating_point() else tensor.contiguous()


def _single(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
