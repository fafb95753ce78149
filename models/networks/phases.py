"""Backbone and head apart, for training in two phases and for freezing."""

from torch import nn

from models.networks.base import Network
from models.networks.ensemble import Ensemble


def head_parameters(network: nn.Module) -> list[nn.Parameter]:
    """What no pretrained backbone brings: the decoder of a U-Net, and what lies between feature map and logits of a classifier.

    Raises TypeError for a network that models.networks did not build.
    """
    return [parameter for _, parameter in _parameters(network, head=True)]


def backbone_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Everything but ``head_parameters``, from the picture on."""
    return [parameter for _, parameter in _parameters(network, head=False)]


def freeze(network: nn.Module, *, upto: str | None = None) -> int:
    """Stops the learning of the whole backbone, or of its layers from the picture up to and including ``upto``; all else learns.

    ``upto``: a module's name or the end of it: ``layer3`` (ResNet), ``features.13`` (MobileNetV2), ``encoder_layer_5`` (ViT); in
    an ensemble every member must have it. Batch norms keep following the pictures: their mean and variance are not learnt.
    Returns the number of values that stopped learning; raises ValueError naming the modules when there is no ``upto``.
    """
    if isinstance(network, Ensemble):
        return sum(freeze(member, upto=upto) for member in network.members)
    backbone = _parameters(network, head=False)
    count = len(backbone) if upto is None else _end_of(upto, [name for name, _ in backbone])
    unfreeze(network)
    for _, parameter in backbone[:count]:
        parameter.requires_grad = False
    return sum(parameter.numel() for _, parameter in backbone[:count])


def unfreeze(network: nn.Module) -> None:
    """Everything learns again."""
    network.requires_grad_(requires_grad=True)


def _parameters(network: nn.Module, *, head: bool) -> list[tuple[str, nn.Parameter]]:
    if not isinstance(network, Network):
        raise TypeError(f"{type(network).__name__} does not say which part is its head: build it with models.networks.build_network")
    heads = tuple(f"{name}." for name in network.heads_of())
    return [(name, parameter) for name, parameter in network.named_parameters() if name.startswith(heads) == head]


def _end_of(module: str, names: list[str]) -> int:
    found = [index for index, name in enumerate(names) if f".{module}." in f".{name}"]
    if not found:
        known = dict.fromkeys(name.rpartition(".")[0] for name in names)
        raise ValueError(f"the backbone has no layer {module!r}: choose one of {', '.join(known)}, or what these stand in")
    return found[-1] + 1
