"""Convolutional classifiers: the last map is averaged over the picture and read by a dense layer."""

import torch
from torch import nn

from models.networks.base import Classifier, TorchvisionPart
from models.networks.trunks import FeatureTrunk, ResNetTrunk, torchvision_network


class ResNet(Classifier, ResNetTrunk):
    """ResNet (He et al. 2016) with torchvision's parameter names.

    ``dense`` puts a hidden layer of that width (with ReLU) between average pooling and the last layer, and ``dropout``
    thins what the last layer reads: global average pool → dense 512 → dropout → classes is DermaCare's head.
    """

    HEAD = ("dense", "fc")

    def __init__(self, architecture: str, *, classes: int, dense: int | None, dropout: float) -> None:
        super().__init__(architecture)
        self.dense = nn.Sequential(nn.Linear(self.channels, dense), nn.ReLU(inplace=True)) if dense else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.width = dense or self.channels
        self.fc = nn.Linear(self.width, classes)

    def embed(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×dense, without a dense layer N×512 (ResNet-18 and -34) or N×2048."""
        features: torch.Tensor = self.dense(self.feature_map(pictures).mean((2, 3)))
        return features

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """N×F → N×C logits."""
        logits: torch.Tensor = self.fc(self.dropout(features))
        return logits

    @property
    def explain_layer(self) -> nn.Module:
        """The fourth stage."""
        return self.last_layer

    def torchvision_parts(self) -> list[TorchvisionPart]:
        """Everything but the head."""
        return [TorchvisionPart(self.architecture, self, without=self.HEAD)]


class FeatureClassifier(Classifier, FeatureTrunk):
    """MobileNetV2 (Sandler et al. 2018) or EfficientNet (Tan and Le 2019) with torchvision's parameter names."""

    HEAD = ("classifier",)

    def __init__(self, architecture: str, *, classes: int, dropout: float) -> None:
        network = torchvision_network(architecture, num_classes=classes, dropout=dropout)
        super().__init__(architecture, network)
        self.classifier, self.width = network.classifier, self.channels

    def embed(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×1280 (MobileNetV2) or N×1792 (EfficientNet-B4)."""
        return self.feature_map(pictures).mean((2, 3))

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """N×F → N×C logits."""
        logits: torch.Tensor = self.classifier(features)
        return logits

    @property
    def explain_layer(self) -> nn.Module:
        """The convolutions."""
        return self.last_layer

    def torchvision_parts(self) -> list[TorchvisionPart]:
        """Everything but the head."""
        return [TorchvisionPart(self.architecture, self, without=self.HEAD)]


class ConvNeXt(Classifier, FeatureTrunk):
    """ConvNeXt-T (Liu et al. 2022) with torchvision's parameter names; sides of 32 px or more."""

    HEAD = ("classifier",)

    def __init__(self, *, classes: int) -> None:
        network = torchvision_network("convnext_tiny", num_classes=classes)
        super().__init__("convnext_tiny", network)
        self.classifier, self.width = network.classifier, self.channels  # layer norm, flatten, linear

    def embed(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×768."""
        features: torch.Tensor = self.classifier[:2](self.feature_map(pictures).mean((2, 3), keepdim=True))
        return features

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """N×768 → N×C logits."""
        logits: torch.Tensor = self.classifier[2](features)
        return logits

    @property
    def explain_layer(self) -> nn.Module:
        """The convolutions."""
        return self.last_layer

    def torchvision_parts(self) -> list[TorchvisionPart]:
        """Everything but the head."""
        return [TorchvisionPart(self.architecture, self, without=self.HEAD)]
