"""Convolutions first, then a model of sequences over the cells of their map."""

import math
from typing import Literal

import torch
from torch import nn

from models.networks.base import Classifier, TorchvisionPart, check_pictures
from models.networks.trunks import RESNETS, ResNetTrunk, trunk_of

Head = Literal["bilstm", "attention"]
LONGEST_WAVE = 10_000.0  # of the position encoding, as in its paper
HEAD_WIDTH = 64  # as in the transformers of vision and language


class ResNetLstm(Classifier):
    """Convolution and pooling stem → ResNet with its top removed → the map read cell by cell, row by row → LSTM → dense.

    The stem, two 3×3 convolutions with 2×2 max pooling each, stands in the place of the ResNet's own: four stages follow. Features
    are the LSTM's last state, N×``units``. H and W are 32 px or more.
    """

    HEAD = ("stem", "lstm", "fc")

    def __init__(self, *, classes: int, backbone: str, units: int, layers: int, dropout: float) -> None:
        super().__init__()
        if backbone not in RESNETS:
            raise ValueError(f"unknown backbone {backbone!r}: choose one of {', '.join(RESNETS)}")
        self.stem = nn.Sequential(*_stage(3, 32), *_stage(32, 64))
        self.backbone = ResNetTrunk(backbone, stem=False)
        self.lstm = nn.LSTM(self.backbone.channels, units, layers, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(units, classes)
        self.width = units

    def embed(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×units."""
        check_pictures(pictures, least=32)
        states, _ = self.lstm(tokens_of(self.backbone(self.stem(pictures))))
        last: torch.Tensor = states[:, -1]
        return last

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """N×units → N×C logits."""
        logits: torch.Tensor = self.fc(self.dropout(features))
        return logits

    @property
    def explain_layer(self) -> nn.Module:
        """The ResNet's last stage."""
        return self.backbone.last_layer

    def torchvision_parts(self) -> list[TorchvisionPart]:
        """The four stages of the ResNet."""
        return self.backbone.torchvision_parts()


class PatchSequence(Classifier):
    """The backbone's map as a sequence of patches, read by a bidirectional LSTM or by self-attention → mean over patches → dense.

    Both heads give N×2·``units`` features, so that they compare at one width.
    """

    HEAD = ("head", "fc")

    def __init__(self, *, classes: int, backbone: str, head: Head, units: int, layers: int, dropout: float) -> None:
        super().__init__()
        if head not in HEADS:
            raise ValueError(f"unknown head {head!r}: choose one of {', '.join(HEADS)}")
        self.backbone = trunk_of(backbone)
        self.head = HEADS[head](self.backbone.channels, units=units, layers=layers)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2 * units, classes)
        self.width = 2 * units

    def embed(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×2·units."""
        features: torch.Tensor = self.head(self.backbone(pictures)).mean(1)
        return features

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """N×2·units → N×C logits."""
        logits: torch.Tensor = self.fc(self.dropout(features))
        return logits

    @property
    def explain_layer(self) -> nn.Module:
        """The backbone's last stage."""
        return self.backbone.last_layer

    def torchvision_parts(self) -> list[TorchvisionPart]:
        """The backbone."""
        return self.backbone.torchvision_parts()


class BiLstm(nn.Module):
    """N×K×h×w → N×hw×2·units: an LSTM that reads the patches row by row, from both ends."""

    def __init__(self, channels: int, *, units: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, units, layers, batch_first=True, bidirectional=True)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """The states at every patch."""
        states: torch.Tensor = self.lstm(tokens_of(maps))[0]
        return states


class SelfAttention(nn.Module):
    """N×K×h×w → N×hw×2·units: positions added, then multi-head self-attention (Vaswani et al. 2017) in pre-norm blocks."""

    def __init__(self, channels: int, *, units: int, layers: int) -> None:
        super().__init__()
        width = 2 * units
        self.project = nn.Linear(channels, width)
        self.blocks = nn.Sequential(*(AttentionBlock(width) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """The answers at every patch."""
        tokens = self.project(tokens_of(maps))
        tokens = tokens + positions_of(maps.shape[2], maps.shape[3], width=tokens.shape[2]).to(tokens)
        answers: torch.Tensor = self.norm(self.blocks(tokens))
        return answers


class AttentionBlock(nn.Module):
    """Self-attention of heads 64 wide, then two dense layers, each beside a shortcut: N×S×width → N×S×width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(1, width // HEAD_WIDTH)
        if width % self.heads:
            raise ValueError(f"{width} channels are not shared evenly by {self.heads} heads: make units a multiple of {HEAD_WIDTH // 2}")
        self.before_attention, self.before_dense = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.dense = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """N×S×width → N×S×width."""
        tokens = tokens + self.out(self.attended(self.before_attention(tokens)))
        answers: torch.Tensor = tokens + self.dense(self.before_dense(tokens))
        return answers

    def attended(self, tokens: torch.Tensor) -> torch.Tensor:
        """What each token takes from all of them, the heads side by side."""
        count, length, width = tokens.shape
        split = self.query_key_value(tokens).reshape(count, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed: torch.Tensor = nn.functional.scaled_dot_product_attention(split[0], split[1], split[2])
        return mixed.transpose(1, 2).reshape(count, length, width)


HEADS: dict[str, type[BiLstm] | type[SelfAttention]] = {"bilstm": BiLstm, "attention": SelfAttention}


def tokens_of(maps: torch.Tensor) -> torch.Tensor:
    """N×K×h×w → N×hw×K: the cells of the map, row by row."""
    return maps.flatten(2).transpose(1, 2)


def positions_of(rows: int, columns: int, *, width: int) -> torch.Tensor:
    """Sine and cosine of each cell's row and column: rows·columns×width (a multiple of 4) float32 in -1..1.

    Vaswani et al. 2017, section 3.5, half of the channels for either axis, so that a map of any size can be read.
    """
    if width % 4:
        raise ValueError(f"{width} channels cannot hold sine and cosine of two axes: make units even")
    rates = torch.exp(torch.arange(0, width // 2, 2) * (-math.log(LONGEST_WAVE) / (width // 2)))

    def waves(count: int) -> torch.Tensor:
        angles = torch.arange(count)[:, None] * rates
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    across = waves(columns)[None].expand(rows, columns, -1)
    down = waves(rows)[:, None].expand(rows, columns, -1)
    return torch.cat([down, across], dim=2).flatten(0, 1)


def _stage(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True), nn.MaxPool2d(2)
