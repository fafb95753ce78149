"""What every architecture offers beyond torch: a head apart from its backbone, features apart from the answer, a layer to explain."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn


@dataclass(frozen=True, slots=True)
class TorchvisionPart:
    """A part of a network whose parameters bear torchvision's names, so that torchvision's weights fit into it.

    ``architecture`` is torchvision's name for it. ``without``: first parts of names that are not torchvision's, or that
    torchvision has and this part lacks; neither is loaded.
    """

    architecture: str
    module: nn.Module
    without: tuple[str, ...] = ()


class Network(nn.Module):
    """A network that knows which of its children are its head: everything that no pretrained backbone brings."""

    HEAD: ClassVar[tuple[str, ...]]

    def heads_of(self) -> tuple[str, ...]:
        """Names of the submodules that make up the head."""
        return self.HEAD

    def torchvision_parts(self) -> list[TorchvisionPart]:
        """The backbones that torchvision has weights for; empty when there is none."""
        return []


class Classifier(Network):
    """Pictures → features → logits, in two steps that may be taken apart.

    ``embed``: N×3×H×W float, normalised RGB → N×F, exactly what the last linear layer reads.
    ``classify``: N×F → N×C logits. ``forward`` is one after the other. ``width`` is F.
    """

    width: int

    def embed(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×F pooled features. Raises ValueError, saying what to change, for pictures that do not fit."""
        raise NotImplementedError

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """N×F → N×C logits."""
        raise NotImplementedError

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×C logits."""
        return self.classify(self.embed(pictures))

    @property
    def explain_layer(self) -> nn.Module:
        """The module whose output, N×K×h×w, Grad-CAM (Selvaraju et al. 2017) reads."""
        raise NotImplementedError

    @property
    def explain_layers(self) -> list[nn.Module]:
        """Every such module: one, but one per member of an ensemble, whose maps may differ in size."""
        return [self.explain_layer]


def check_pictures(pictures: torch.Tensor, *, least: int = 1, multiple: int = 1) -> None:
    """Raises ValueError naming the cure unless pictures are N×3×H×W with sides ≥ ``least`` px that ``multiple`` divides."""
    if pictures.ndim != 4 or pictures.shape[1] != 3:
        shape = "×".join(str(side) for side in pictures.shape)
        raise ValueError(
            f"pictures are {shape}, the network reads N×3×H×W: put the three colours before the sides and add the batch in front"
        )
    height, width = pictures.shape[2:]
    if min(height, width) < least:
        raise ValueError(f"pictures of {height}×{width} px are too small: both sides must be {least} px or more; enlarge them")
    if height % multiple or width % multiple:
        fit = "×".join(str(-(-side // multiple) * multiple) for side in (height, width))
        raise ValueError(f"pictures of {height}×{width} px do not fit: both sides must be multiples of {multiple}; resize or pad to {fit}")
