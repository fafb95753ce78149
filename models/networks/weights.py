"""torchvision's own weights put into the backbones that bear its names."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.models.vision_transformer import interpolate_embeddings

from models.networks.base import Network, TorchvisionPart
from models.networks.trunks import TRUNKS, torchvision_network

TOPS = ("fc", "classifier", "heads")
State = dict[str, torch.Tensor]


def load_torchvision_weights(network: nn.Module, path: Path) -> None:
    """Puts a torchvision state dict file (.pth) into every backbone of ``network`` that is of its architecture; heads stay as they are.

    Raises FileNotFoundError, or ValueError saying whose weights the file holds and whose the network takes.
    """
    parts = network.torchvision_parts() if isinstance(network, Network) else []
    if not parts:
        raise ValueError(f"{type(network).__name__} has no backbone that torchvision has weights for: train it from the start")
    state = _read(path)
    chosen = [(part, fitted) for part in parts if (fitted := _fitted(part, state)) is not None]
    if not chosen:
        wanted = " or ".join(dict.fromkeys(part.architecture for part in parts))
        raise ValueError(
            f"{path.name} holds {_owner(state)}, the network takes those of torchvision's {wanted}:"
            f" give the state dict of torchvision.models.{parts[0].architecture}(), or choose the architecture that the file is for"
        )
    for part, fitted in chosen:
        nn.Module.load_state_dict(part.module, fitted, strict=False)


def _read(path: Path) -> State:
    if not path.exists():
        raise FileNotFoundError(f"there are no weights at {path}: give the path of a torchvision state dict (.pth)")
    remedy = "save it anew with torch.save(network.state_dict(), path)"
    try:
        state: Any = torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise ValueError(f"{path.name} is no plain state dict, which alone is safe to read: {remedy}") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path.name} holds more or other things than tensors by name: {remedy}")
    return dict(state)


def _fitted(part: TorchvisionPart, state: State) -> State | None:
    """The file's tensors that the part takes, or None when the file is for another architecture."""
    target = {name: value for name, value in part.module.state_dict().items() if _first(name) not in part.without}
    state = {name: value for name, value in state.items() if _first(name) not in (*part.without, *TOPS)}
    if part.architecture.startswith("vit"):
        state = _resized(part, state)
    # torchvision's oldest files lack the batch norms' counters.
    counted = {name: value for name, value in target.items() if name in state or not name.endswith("num_batches_tracked")}
    if counted.keys() != state.keys() or any(state[name].shape != value.shape for name, value in counted.items()):
        return None
    return state


def _resized(part: TorchvisionPart, state: State) -> State:
    """The positions of a file's patches stretched to those of the part; blocks that the part leaves out are left out."""
    blocks = {name for name in state if name.startswith("encoder.layers.")} - part.module.state_dict().keys()
    state = {name: value for name, value in state.items() if name not in blocks}
    positions = state.get("encoder.pos_embedding")
    if positions is None or positions.ndim != 3:
        return state
    side = part.module.image_size
    return dict(interpolate_embeddings(image_size=side, patch_size=16, model_state=dict(state)))


def _owner(state: State) -> str:
    """What a file seems to hold, for an error."""
    found = _shapes(state)
    for architecture in (*TRUNKS, "vit_b_16"):
        with torch.device("meta"):
            known = _shapes(torchvision_network(architecture).state_dict())
        if found == known:
            return f"the weights of {architecture}"
    return f"{len(state)} tensors ({', '.join(list(state)[:2])}, …) of a network that is not known here"


def _shapes(state: State) -> dict[str, torch.Size]:
    """Shapes by name, but for the top and the counters, in which files of one architecture differ."""
    counter = "num_batches_tracked"
    return {name: value.shape for name, value in state.items() if _first(name) not in TOPS and not name.endswith(counter)}


def _first(name: str) -> str:
    return name.partition(".")[0]
