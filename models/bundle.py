"""Model bundles: a folder with ``weights.safetensors`` and its card, ``bundle.json``. Never pickle."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import nn

from models.admission import check_calibration, check_known, check_network, load_weights, network_of
from models.card import BundleError, card_sha256, digest_of, parse_card, signed

__all__ = ["CARD", "EXTRA", "SHIPPED", "WEIGHTS", "Bundle", "BundleError", "amend_card", "load_bundle", "read_card", "save_bundle"]

SHIPPED = Path(__file__).parent / "bundles"
WEIGHTS, CARD = "weights.safetensors", "bundle.json"
EXTRA = "extra."
ANEW = "restore both files from one source"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A network ready for inference, with the card that says what it is, what it was trained on and how well it does.

    ``extras``: tensors beside the network's own, such as those of its out-of-distribution detector.
    """

    network: nn.Module
    card: dict[str, Any]
    extras: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Twelve hex digits over weights and card: anything that could change an answer changes them."""
        return digest_of(self.card)


def save_bundle(*, folder: Path, network: nn.Module, card: Mapping[str, Any], extras: Mapping[str, torch.Tensor] | None = None) -> None:
    """Writes weights as float16 and the card (models.card, format 2) with the signatures of both.

    ``extras`` are kept in the same file in full precision. Raises BundleError, before anything is written, when the card is not
    valid, names what this version does not have or describes another network, and when a weight is not a number.
    """
    checked = signed(card, weights_sha256="0" * 64)
    check_known(checked)
    check_network(checked, network)
    check_calibration(checked, extras or {})
    tensors = {name: _half(name, tensor) for name, tensor in network.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    tensors |= {EXTRA + name: tensor.contiguous() for name, tensor in (extras or {}).items()}
    save_file(tensors, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # the library writes for its user alone; a worker has another
    _write_card(folder, signed(card, weights_sha256=_sha256((folder / WEIGHTS).read_bytes())))


def amend_card(folder: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Replaces fields of a card (such as ``metrics``), signs it anew and returns it. Raises BundleError as loading does."""
    card = read_card(folder)
    amended = signed({**card, **changes}, weights_sha256=card["sha256"])
    check_known(amended)
    _write_card(folder, amended)
    return amended


def load_bundle(folder: Path) -> Bundle:
    """Reads, verifies and builds. Raises BundleError, saying why and what to do, when the folder holds no bundle, was changed since
    it was signed, or asks for anything that this version does not have.
    """
    card, weights = _verified(folder)
    try:
        check_known(card)
        network = network_of(architecture=card["architecture"], classes=len(card["classes"]), options=card["options"], task=card["task"])
        tensors = load(weights)
        own = {name: tensor for name, tensor in tensors.items() if not name.startswith(EXTRA)}
        load_weights(network, own, architecture=card["architecture"])
        extras = {name.removeprefix(EXTRA): tensor for name, tensor in tensors.items() if name.startswith(EXTRA)}
        check_calibration(card, extras)
    except SafetensorError as error:
        raise BundleError(f"{folder / WEIGHTS} is not a safetensors file ({error}): {ANEW}") from error
    except BundleError as error:
        raise BundleError(f"{folder}: {error}") from error
    return Bundle(network=network.eval(), card=card, extras=extras)


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a bundle whose signatures both hold, without its network. Raises BundleError."""
    return _verified(folder)[0]


def _verified(folder: Path) -> tuple[dict[str, Any], bytes]:
    try:
        written, weights = (folder / CARD).read_text(encoding="utf-8"), (folder / WEIGHTS).read_bytes()
        found = json.loads(written)
    except FileNotFoundError as error:
        raise BundleError(f"{folder} is not a bundle: {Path(error.filename).name} is missing; train one or point to another") from error
    except ValueError as error:
        raise BundleError(f"{folder / CARD} is not JSON ({error}): {ANEW}") from error
    if not isinstance(found, dict):
        raise BundleError(f"{folder / CARD} is not a card: it should be one JSON object")
    if _sha256(weights) != found.get("sha256"):
        raise BundleError(f"{folder / WEIGHTS} does not match the sha256 in {CARD}: {ANEW}")
    if "format" not in found:
        return signed(found, weights_sha256=found["sha256"]), weights  # format 1 did not sign its card
    try:
        card = parse_card(found)
    except BundleError as error:
        raise BundleError(f"{folder}: {error}") from error
    if card_sha256(found) != found["card_sha256"]:
        raise BundleError(f"{folder / CARD} was changed since it was signed: {ANEW}")
    return card, weights


def _write_card(folder: Path, card: Mapping[str, Any]) -> None:
    (folder / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _half(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """float16; float32 where a value is beyond its range (running variances of unscaled inputs)."""
    if not tensor.is_floating_point():
        return tensor.contiguous()
    if not torch.isfinite(tensor).all():
        raise BundleError(f"{name} holds values that are not numbers: the training diverged, or the file is damaged")
    half = tensor.contiguous().to(torch.float16)
    return half if torch.isfinite(half).all() else tensor.contiguous().float()
