"""Does this version of the program have what a card names? A bundle that asks for anything else is refused, with the reason.

Guessing would be worse: a picture prepared in another way than in training gives an answer that looks like any other.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from models.card import BundleError, Task, nearest
from models.conformal import Conformal, ConformalError
from models.networks import ARCHITECTURES, build_network
from models.ood import OodError, Thresholds, detector_of
from models.preprocess import NORMALISATIONS, STEPS
from models.taxonomy import TAXONOMIES
from models.views import COUNTS

Tensors = Mapping[str, torch.Tensor]
NEWER = "If the name is right, use the version of the program that has it, or train again with what this one has"
# Older torch did not count the batches of a batch norm; inference does not read the count.
COUNT = "num_batches_tracked"
# Shares of tensors that agree in name and shape: the same network with another head, and hardly any likeness at all.
ALIKE, HARDLY = 0.9, 0.5


def check_known(card: Mapping[str, Any]) -> None:
    """Raises BundleError when the card names a step, normalisation, taxonomy, class or number of views that is not here."""
    given = card["input"]
    for step in given["steps"]:
        _known("preprocessing step", step, STEPS)
    _known("normalisation", given["normalisation"], NORMALISATIONS)
    if card["views"] not in COUNTS:
        raise BundleError(f"it averages {card['views']} views of a square: use {', '.join(map(str, COUNTS))}")
    if card["task"] != Task.SEGMENTATION:
        check_classes(taxonomy=card["taxonomy"], classes=card["classes"])


def check_classes(*, taxonomy: str, classes: list[str]) -> None:
    """Raises BundleError when the taxonomy is unknown or lacks one of the classes."""
    _known("taxonomy", taxonomy, TAXONOMIES)
    codes = TAXONOMIES[taxonomy].codes
    if strange := [code for code in classes if code not in codes]:
        raise BundleError(f"its classes do not match its taxonomy: {taxonomy!r} has no {', '.join(strange)}, but {', '.join(codes)}")


def check_calibration(card: Mapping[str, Any], extras: Tensors) -> None:
    """Raises BundleError when the detector or the prediction sets are not known here, or lack tensors or thresholds of theirs."""
    try:
        if card["ood"]:
            Thresholds(**card["ood"]["thresholds"])
            detector_of(card["ood"], extras)
        sets = Conformal.from_json(card["conformal"]) if card["conformal"] else None
    except (OodError, ConformalError) as error:
        raise BundleError(str(error)) from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(f"its out-of-distribution thresholds or tensors cannot be read ({error!r}): package it again") from error
    if sets and len(sets.thresholds) != len(card["classes"]):
        raise BundleError(f"its prediction sets are of {len(sets.thresholds)} classes, not {len(card['classes'])}: package it again")


def network_of(*, architecture: str, classes: int, options: Mapping[str, Any], task: str) -> nn.Module:
    """The network of a card with random weights. Raises BundleError when options or task do not go with the architecture."""
    try:
        network = build_network(architecture=architecture, classes=classes, **options)
    except KeyError as error:
        raise BundleError(f"this version knows no architecture {architecture!r}: {nearest(architecture, ARCHITECTURES)} {NEWER}") from error
    except (TypeError, ValueError) as error:
        raise BundleError(f"options: {architecture} cannot be built with {dict(options)} ({error})") from error
    if outlines(network) != (task == Task.SEGMENTATION):
        does = "outlines" if outlines(network) else "classifies"
        raise BundleError(f"architecture: {architecture} is not made for the task {task!r}: it {does}")
    return network


def check_network(card: Mapping[str, Any], network: nn.Module) -> None:
    """Raises BundleError unless the card would build a network that takes the weights of this one."""
    with torch.device("meta"):  # names and shapes without memory
        wanted = network_of(architecture=card["architecture"], classes=len(card["classes"]), options=card["options"], task=card["task"])
    if fault := misfit(wanted, network.state_dict()):
        raise BundleError(f"the card does not describe this network: {fault}")


def outlines(network: nn.Module) -> bool:
    """Whether a network answers with a mask; a classifier has features and classes."""
    return not hasattr(network, "classify")


def load_weights(network: nn.Module, tensors: Tensors, *, architecture: str) -> None:
    """Puts tensors into a network, as float32. Raises BundleError, naming the closest architecture, when they do not fit."""
    if fault := misfit(network, tensors):
        raise BundleError(_other(fault, tensors, architecture))
    single = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    network.load_state_dict(single, strict=False)  # only counts of batches may be absent


def _other(fault: str, tensors: Tensors, architecture: str) -> str:
    name, share = best_match(tensors)
    if name == architecture and share > ALIKE:
        return f"a checkpoint of a {architecture} with other classes or options: {fault}"
    closest = (
        f"closest is {name}, {share:.0%} of whose tensors fit" if share > HARDLY else f"it fits none of {', '.join(sorted(ARCHITECTURES))}"
    )
    return f"a checkpoint of another architecture: it does not fit {architecture} ({fault}); {closest}"


def misfit(network: nn.Module, tensors: Tensors) -> str | None:
    """The first difference between what a network needs and what there is, in words; None when everything fits."""
    needed = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    missing = [name for name in needed if name not in tensors and not name.endswith(COUNT)]
    strange = [name for name in tensors if name not in needed]
    if missing or strange:
        lacking = f"{len(missing)} tensors are missing, such as {missing[0]}" if missing else ""
        beyond = f"{len(strange)} are not of it, such as {strange[0]}" if strange else ""
        return ", ".join(part for part in (lacking, beyond) if part)
    for name, shape in needed.items():
        if name in tensors and tuple(tensors[name].shape) != shape:
            return f"{name} is {_times(tensors[name].shape)}, not {_times(shape)}"
    return None


def best_match(tensors: Tensors) -> tuple[str, float]:
    """The architecture most like these tensors, and the share 0..1 of both sides' tensors that agree in name and shape.

    The number of classes is left out of the comparison: a network for other classes is still that network.
    """
    shares = {name: _likeness(name, tensors) for name in ARCHITECTURES}
    name = max(shares, key=lambda each: shares[each])
    return name, shares[name]


def _likeness(architecture: str, tensors: Tensors) -> float:
    with torch.device("meta"):
        needed = build_network(architecture=architecture, classes=2).state_dict()
    names = {name for name in needed if not name.endswith(COUNT)} | {name for name in tensors if not name.endswith(COUNT)}
    agreed = [name for name in names if name in needed and name in tensors and needed[name].shape[1:] == tensors[name].shape[1:]]
    return len(agreed) / len(names)


def _known(what: str, name: str, known: Mapping[str, Any]) -> None:
    if name not in known:
        raise BundleError(f"this version knows no {what} {name!r}: {nearest(name, known)} {NEWER}")


def _times(shape: Any) -> str:
    return "×".join(str(side) for side in shape) or "a single number"
