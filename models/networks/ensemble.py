"""Several classifiers that answer as one."""

from collections.abc import Sequence

import torch
from torch import nn

from models.networks.base import Classifier, TorchvisionPart


class Ensemble(Classifier):
    """Averages its members' logits, z = (z₁ + … + zₙ) / n, before one softmax. All members read the same pictures.

    Features are the members' side by side. The state dict holds all members: ``members.0.…``, ``members.1.…``.
    """

    HEAD = ()

    def __init__(self, members: Sequence[Classifier]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.width = sum(member.width for member in members)

    def heads_of(self) -> tuple[str, ...]:
        """The heads of all members."""
        return tuple(f"members.{index}.{head}" for index, member in enumerate(self.each()) for head in member.heads_of())

    def embed(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×(F₁ + … + Fₙ)."""
        return torch.cat([member.embed(pictures) for member in self.each()], dim=1)

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """…×(F₁ + … + Fₙ) → …×C logits."""
        parts = torch.split(features, [member.width for member in self.each()], dim=-1)
        logits = [member.classify(part) for member, part in zip(self.each(), parts, strict=True)]
        return torch.stack(logits).mean(0)

    @property
    def explain_layer(self) -> nn.Module:
        """The first member's; ``explain_layers`` has those of all."""
        return self.each()[0].explain_layer

    @property
    def explain_layers(self) -> list[nn.Module]:
        """One or more of each member."""
        return [layer for member in self.each() for layer in member.explain_layers]

    def torchvision_parts(self) -> list[TorchvisionPart]:
        """Those of all members."""
        return [part for member in self.each() for part in member.torchvision_parts()]

    def each(self) -> list[Classifier]:
        """The members, in order."""
        return list(self.members)  # type: ignore[arg-type]  # a ModuleList forgets what it holds
