"""From 8-bit pixels to the numbers a network was trained on, as a bundle records it."""

from collections.abc import Mapping
from types import MappingProxyType

import torch

Statistics = tuple[tuple[float, float, float], tuple[float, float, float]]

# ImageNet statistics of RGB in [0, 1], as torchvision's weights expect them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# Name → mean and deviation of RGB in [0, 1] that are taken off and divided by; "unit" leaves [0, 1].
NORMALISATIONS: Mapping[str, Statistics] = MappingProxyType(
    {"imagenet": (IMAGENET_MEAN, IMAGENET_STD), "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))}
)


class UnknownNormalisation(ValueError):
    """A bundle or recipe asks for a normalisation that this version does not have."""

    def __init__(self, name: object) -> None:
        super().__init__(f"unknown normalisation {name!r}: use {' or '.join(NORMALISATIONS)}")


def normalise(batch: torch.Tensor, normalisation: str = "imagenet") -> torch.Tensor:
    """N×3×H×W uint8 or float in 0..255 → float32, (v/255 − mean) / deviation per channel. Raises UnknownNormalisation."""
    if normalisation not in NORMALISATIONS:
        raise UnknownNormalisation(normalisation)
    means, deviations = NORMALISATIONS[normalisation]
    mean = torch.tensor(means, device=batch.device).view(1, 3, 1, 1) * 255
    deviation = torch.tensor(deviations, device=batch.device).view(1, 3, 1, 1) * 255
    return (batch.float() - mean) / deviation
