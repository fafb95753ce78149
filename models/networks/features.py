"""A classifier that also tells what it saw."""

import torch
from torch import nn

from models.networks.base import Classifier


class WithFeatures(nn.Module):
    """Any classifier, telling also what it saw: N×3×H×W → N×(classes + features), logits first, then pooled features."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        if not isinstance(network, Classifier):
            raise TypeError(f"{type(network).__name__} tells no features: give one of the classifiers of models.networks")
        self.network = network

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits and features side by side, so that every backend returns one tensor."""
        features = self.network.embed(pictures)
        return torch.cat([self.network.classify(features), features], dim=1)
