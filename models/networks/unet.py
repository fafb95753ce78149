"""U-Nets (Ronneberger et al. 2015): N×3×H×W float, normalised RGB → N×classes×H×W logits."""

from collections.abc import Sequence
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import nn

from models.networks.base import Network, TorchvisionPart, check_pictures
from models.networks.trunks import RESNETS

# Narrower than the library's (256, 128, 64, 32, 16): 1.6× faster at 192 px on a CPU.
DECODER_CHANNELS = (128, 64, 48, 32, 16)


class EncoderUNet(smp.Unet, Network):  # type: ignore[misc]  # the library has no types
    """A U-Net over any encoder of segmentation-models-pytorch, with the library's parameter names; sides of multiples of 32 px."""

    HEAD = ("decoder", "segmentation_head")
    encoder: Any

    def __init__(self, encoder: str, *, classes: int, decoder: Sequence[int] = DECODER_CHANNELS) -> None:
        super().__init__(encoder, encoder_weights=None, decoder_channels=tuple(decoder), classes=classes)
        self.architecture, self.stride = encoder, int(self.encoder.output_stride)

    def check_input_shape(self, x: torch.Tensor) -> None:
        """Raises ValueError naming the sides that fit."""
        check_pictures(x, multiple=self.stride)

    def torchvision_parts(self) -> list[TorchvisionPart]:
        """The encoder, where torchvision has the same."""
        if self.architecture not in (*RESNETS, "mobilenet_v2"):
            return []
        return [TorchvisionPart(self.architecture, self.get_submodule("encoder"))]


class UNet16(Network):
    """The U-Net of 16 base filters and 2,164,593 parameters, as Keras counts them: encoder, bridge, decoder with skip concatenation.

    The layout that gives this number: four levels of 16, 32, 64 and 128 filters and a bridge of 256, each of two 3×3
    convolutions with bias, each followed by batch norm and ReLU; 2×2 max pooling; up by 3×3 transposed convolutions of
    stride 2 that halve the channels, then concatenation of the skip; a 1×1 convolution at the end. That makes 2,161,649
    trainable values and 2,944 running means and variances, which Keras counts as parameters and torch as buffers.
    H and W are multiples of 16.
    """

    HEAD = ("up", "decoder", "output")
    LEVELS = (16, 32, 64, 128)

    def __init__(self, *, classes: int = 1) -> None:
        super().__init__()
        bridge = 2 * self.LEVELS[-1]
        self.encoder = nn.ModuleList(_double(before, after) for before, after in zip((3, *self.LEVELS[:-1]), self.LEVELS, strict=True))
        self.bridge = _double(self.LEVELS[-1], bridge)
        self.up = nn.ModuleList(_up(2 * width, width) for width in reversed(self.LEVELS))
        self.decoder = nn.ModuleList(_double(2 * width, width) for width in reversed(self.LEVELS))
        self.output = nn.Conv2d(self.LEVELS[0], classes, 1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×H×W → N×classes×H×W logits. Raises ValueError naming the sides that fit."""
        check_pictures(pictures, multiple=2 ** len(self.LEVELS))
        x, skips = pictures, []
        for block in self.encoder:
            skips.append(block(x))
            x = nn.functional.max_pool2d(skips[-1], 2)
        x = self.bridge(x)
        for up, block in zip(self.up, self.decoder, strict=True):
            x = block(torch.cat([up(x), skips.pop()], dim=1))
        logits: torch.Tensor = self.output(x)
        return logits


def _double(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _up(before: int, after: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1)
