"""The vision transformer."""

import torch
from torch import nn

from models.networks.base import Classifier, TorchvisionPart, check_pictures
from models.networks.trunks import torchvision_network

PATCH = 16


class VisionTransformer(Classifier):
    """ViT-B/16 (Dosovitskiy et al. 2021) with torchvision's parameter names, for squares of ``image_size`` px, a multiple of 16.

    ``layers`` of the twelve blocks are kept. Features are the class token after the last norm, N×768.
    """

    HEAD = ("heads",)

    def __init__(self, *, classes: int, image_size: int, layers: int, dropout: float) -> None:
        super().__init__()
        if image_size % PATCH or image_size < PATCH:
            raise ValueError(f"image_size {image_size} does not fit: choose a multiple of {PATCH}")
        network = torchvision_network("vit_b_16", num_classes=classes, image_size=image_size, dropout=dropout)
        if not 1 <= layers <= len(network.encoder.layers):
            raise ValueError(f"layers {layers} does not fit: choose 1 to {len(network.encoder.layers)}")
        self.image_size, self.width = image_size, int(network.hidden_dim)
        self.class_token, self.conv_proj, self.encoder, self.heads = network.class_token, network.conv_proj, network.encoder, network.heads
        self.encoder.layers = self.encoder.layers[:layers]
        self.maps = nn.Identity()

    def embed(self, pictures: torch.Tensor) -> torch.Tensor:
        """N×3×image_size×image_size → N×768."""
        self._check(pictures)
        patches = self.conv_proj(pictures).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(patches.shape[0], -1, -1), patches], dim=1)
        tokens = self.encoder.dropout(tokens + self.encoder.pos_embedding)
        tokens = self.encoder.layers[:-1](tokens)
        tokens = self.encoder.layers[-1](self._shown(tokens))
        features: torch.Tensor = self.encoder.ln(tokens)[:, 0]
        return features

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """N×768 → N×C logits."""
        logits: torch.Tensor = self.heads(features)
        return logits

    @property
    def explain_layer(self) -> nn.Module:
        """The patches as the last block reads them: behind it only the class token counts. N×768×h×w."""
        return self.maps

    def torchvision_parts(self) -> list[TorchvisionPart]:
        """Everything but the head."""
        return [TorchvisionPart("vit_b_16", self, without=self.HEAD)]

    def _shown(self, tokens: torch.Tensor) -> torch.Tensor:
        """The same tokens, once they have passed ``maps`` as a picture of patches."""
        side = self.image_size // PATCH
        maps = self.maps(tokens[:, 1:].transpose(1, 2).reshape(tokens.shape[0], self.width, side, side))
        return torch.cat([tokens[:, :1], maps.flatten(2).transpose(1, 2)], dim=1)

    def _check(self, pictures: torch.Tensor) -> None:
        check_pictures(pictures, multiple=PATCH)
        if pictures.shape[2:] != (self.image_size, self.image_size):
            height, width = pictures.shape[2:]
            raise ValueError(
                f"pictures of {height}×{width} px do not fit: this network reads {self.image_size}×{self.image_size};"
                " resize them or build it with another image_size"
            )
