"""Convolutional backbones with their tops removed. Parameters bear torchvision's names, so that its weights fit."""

from typing import Any

import torch
import torchvision
from torch import nn

from models.networks.base import TorchvisionPart, check_pictures

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
TRUNKS = (*RESNETS, "mobilenet_v2", "efficientnet_b4", "convnext_tiny")


class Trunk(nn.Module):
    """A backbone: N×3×H×W → N×``channels``×h×w, where h and w are about 1/32 of H and W."""

    architecture: str
    channels: int

    def feature_map(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×channels×h×w."""
        raise NotImplementedError

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """The feature map."""
        return self.feature_map(pictures)

    @property
    def last_layer(self) -> nn.Module:
        """The module that puts out the feature map."""
        raise NotImplementedError

    def torchvision_parts(self) -> list[TorchvisionPart]:
        """Itself."""
        return [TorchvisionPart(self.architecture, self)]


class ResNetTrunk(Trunk):
    """A ResNet (He et al. 2016) without pooling and dense layer.

    ``stem=False`` leaves out the first convolution and pooling, too: the input is then N×64×H/4×W/4.
    """

    def __init__(self, architecture: str, *, stem: bool = True) -> None:
        super().__init__()
        network = torchvision_network(architecture)
        self.architecture, self.channels, self.has_stem = architecture, int(network.fc.in_features), stem
        if stem:
            self.conv1, self.bn1, self.relu, self.maxpool = network.conv1, network.bn1, network.relu, network.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = network.layer1, network.layer2, network.layer3, network.layer4

    def feature_map(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×512×h×w (ResNet-18 and -34) or N×2048×h×w."""
        x = pictures
        if self.has_stem:
            check_pictures(pictures)
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        found: torch.Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return found

    @property
    def last_layer(self) -> nn.Module:
        """The fourth stage."""
        stage: nn.Module = self.layer4
        return stage

    def torchvision_parts(self) -> list[TorchvisionPart]:
        """Itself; without a stem, torchvision's own stays unused."""
        return [TorchvisionPart(self.architecture, self, without=() if self.has_stem else ("conv1", "bn1"))]


class FeatureTrunk(Trunk):
    """The ``features`` of torchvision's MobileNetV2, EfficientNet or ConvNeXt."""

    def __init__(self, architecture: str, network: Any = None) -> None:
        super().__init__()
        network = network or torchvision_network(architecture)
        self.architecture = architecture
        self.channels = next(int(layer.in_features) for layer in network.classifier if isinstance(layer, nn.Linear))
        self.features = network.features

    def feature_map(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×1280 (MobileNetV2), N×1792 (EfficientNet-B4) or N×768 (ConvNeXt-T)×h×w."""
        check_pictures(pictures, least=32 if self.architecture == "convnext_tiny" else 1)
        found: torch.Tensor = self.features(pictures)
        return found

    @property
    def last_layer(self) -> nn.Module:
        """All of it: its output is the map."""
        convolutions: nn.Module = self.features
        return convolutions


def trunk_of(architecture: str) -> Trunk:
    """A backbone by its torchvision name. Raises ValueError naming the known ones."""
    if architecture not in TRUNKS:
        raise ValueError(f"unknown backbone {architecture!r}: choose one of {', '.join(TRUNKS)}")
    return ResNetTrunk(architecture) if architecture in RESNETS else FeatureTrunk(architecture)


def torchvision_network(architecture: str, **options: Any) -> Any:
    """torchvision's network with random weights."""
    return getattr(torchvision.models, architecture)(weights=None, **options)
