"""Bundles from PyTorch checkpoints (``.pth``): state dicts alone, or several networks' in one file.

A checkpoint is a pickle, and a pickle can run any program. It is read with torch's ``weights_only``, which makes tensors and
nothing else, and is refused when it asks for more.
"""

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.admission import COUNT, Tensors, best_match, check_classes, load_weights, network_of
from models.bundle import save_bundle
from models.card import LESION, BundleError, Task
from models.taxonomy import TAXONOMIES

# Under these names training programs keep the state dict beside the optimiser's.
WRAPPERS = ("state_dict", "model_state_dict", "model", "network", "net", "weights")
# What data parallel training and torch.compile put before each name.
PREFIXES = ("module.", "_orig_mod.")
ENSEMBLE = "ensemble"
CURE = "ask for the state dict alone: torch.save(network.state_dict(), FILE)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What a checkpoint does not say of itself. ``classes`` in the order of the network's outputs; empty: the taxonomy's order."""

    architecture: str
    side: int
    licence: str
    name: str
    version: str = "1"
    taxonomy: str | None = None
    classes: Sequence[str] = ()
    crop: str = "whole"
    steps: Sequence[str] = ()
    normalisation: str = "imagenet"
    non_commercial: bool = True
    data: str = "not stated"


def import_checkpoint(path: Path, *, folder: Path, given: Import) -> dict[str, Any]:
    """Writes a bundle from a checkpoint and returns its card.

    The bundle is neither calibrated nor has it an out-of-distribution check. Raises BundleError when the file holds more than
    tensors, or they are of another architecture or number of classes, or anything given is unknown.
    """
    networks = read_checkpoint(path)
    task, classes = _task_and_classes(given)
    options, tensors = _as_one(networks, given.architecture, path)
    network = network_of(architecture=given.architecture, classes=len(classes), options=options, task=task)
    try:
        _check_outputs(network.state_dict(), tensors, given)
        load_weights(network, tensors, architecture=given.architecture)
    except BundleError as error:
        raise BundleError(f"{path.name}: {error}") from error
    card = {**_card(given, path), "task": task, "options": options, "classes": list(classes)}
    save_bundle(folder=folder, network=network, card=card)
    return card


def read_checkpoint(path: Path) -> dict[str, dict[str, torch.Tensor]]:
    """State dicts by the name that the file gives each network; "" for a file of one. Raises BundleError."""
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BundleError(f"{path.name} holds more than tensors and was not opened, as it could run any program: {CURE}") from error
    except Exception as error:  # bytes that are no pickle at all can raise anything
        raise BundleError(f"{path.name} is not a PyTorch checkpoint, or it is cut off: {CURE}") from error
    return _networks(loaded, path)


def _networks(loaded: Any, path: Path) -> dict[str, dict[str, torch.Tensor]]:
    for wrapper in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if _is_state_dict(loaded):
        return {"": _plain(loaded)}
    if isinstance(loaded, Mapping):
        found = {str(name): _plain(part) for name, part in loaded.items() if _is_state_dict(part)}
        if found:
            return found
    raise BundleError(f"{path.name} holds a {type(loaded).__name__}, but no state dict: {CURE}")


def _is_state_dict(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(tensor, torch.Tensor) for tensor in value.values())


def _plain(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    plain = dict(tensors)
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in plain):
            plain = {name.removeprefix(prefix): tensor for name, tensor in plain.items()}
    return plain


def _as_one(networks: Mapping[str, Tensors], architecture: str, path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The options and tensors of one network: the file's only one, or the ensemble of all that it holds."""
    if architecture != ENSEMBLE:
        if len(networks) > 1:
            raise BundleError(
                f"{path.name} holds {len(networks)} networks ({', '.join(networks)}): import it with the architecture {ENSEMBLE}"
            )
        return {}, dict(next(iter(networks.values())))
    if len(networks) == 1 and all(name.startswith("members.") for name in networks.get("", {"": None})):
        return {}, dict(networks[""])
    if len(networks) < 2:
        name, share = best_match(next(iter(networks.values())))
        raise BundleError(f"{path.name} holds one network, not an {ENSEMBLE} ({share:.0%} like {name}): import it as what it is")
    members = [best_match(tensors)[0] for tensors in networks.values()]
    joined = {f"members.{index}.{key}": value for index, part in enumerate(networks.values()) for key, value in part.items()}
    return {"members": members}, joined


def _task_and_classes(given: Import) -> tuple[Task, Sequence[str]]:
    if given.architecture.startswith("unet_"):
        if given.taxonomy is not None or given.classes:
            raise BundleError(f"{given.architecture} outlines the lesion: leave taxonomy and classes out")
        return Task.SEGMENTATION, LESION
    if given.taxonomy is None:
        raise BundleError(f"{given.architecture} classifies: name the taxonomy of its classes, one of {', '.join(TAXONOMIES)}")
    check_classes(taxonomy=given.taxonomy, classes=list(given.classes))
    task = Task.SEQUENCE if given.architecture == "cnn_lstm" else Task.CLASSIFICATION
    return task, tuple(given.classes) or TAXONOMIES[given.taxonomy].codes


def _check_outputs(needed: Tensors, tensors: Tensors, given: Import) -> None:
    """Tells a network for other classes from another network: it differs in the first side of its last layer alone."""
    if set(_counted(needed)) != set(_counted(tensors)):
        return
    other = [name for name in tensors if tensors[name].shape != needed[name].shape]
    if not other or any(tensors[name].shape[1:] != needed[name].shape[1:] for name in other):
        return
    outputs, wanted = tensors[other[0]].shape[0], needed[other[0]].shape[0]
    fitting = ", ".join(name for name, taxonomy in TAXONOMIES.items() if len(taxonomy.codes) == outputs) or "none here"
    what = f"taxonomy {given.taxonomy!r} has {wanted}" if given.taxonomy else f"an outline needs {wanted}"
    raise BundleError(
        f"the network answers {outputs} classes, {what}: taxonomies of {outputs} are {fitting}; or name the classes one by one"
    )


def _counted(tensors: Tensors) -> list[str]:
    return [name for name in tensors if not name.endswith(COUNT)]


def _card(given: Import, path: Path) -> dict[str, Any]:
    source = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return {
        "format": 2,
        "name": given.name,
        "version": given.version,
        "architecture": given.architecture,
        "taxonomy": given.taxonomy,
        "input": {"side": given.side, "crop": given.crop, "steps": list(given.steps), "normalisation": given.normalisation},
        "quality": None if given.taxonomy is None else {"sharpness": 0.0},
        "data": given.data,
        "licence": given.licence,
        "non_commercial": given.non_commercial,
        "training": {"imported_from": source},
    }
