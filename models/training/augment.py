"""Random views of a batch, drawn as one affine warp and one colour change per picture, on the whole batch at once."""

import torch
from torch.nn import functional


def random_affine(count: int, *, scale: tuple[float, float], aspect: float, shift: float, generator: torch.Generator) -> torch.Tensor:
    """N×2×3 matrices for ``affine_grid``: any rotation, flips, zoom in ``scale`` (1 = whole picture), squeeze up to ``aspect``.

    ``shift`` is in halves of the picture.
    """

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.empty(count).uniform_(low, high, generator=generator)

    angle = uniform(-torch.pi, torch.pi)
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    zoom = uniform(*scale)
    squeeze = torch.exp(uniform(-1, 1) * torch.log(torch.tensor(aspect)))
    cosine, sine = torch.cos(angle), torch.sin(angle)
    x_axis = torch.stack([cosine * zoom * squeeze * flip, -sine * zoom / squeeze, uniform(-shift, shift)], 1)
    y_axis = torch.stack([sine * zoom * squeeze * flip, cosine * zoom / squeeze, uniform(-shift, shift)], 1)
    return torch.stack([x_axis, y_axis], 1)


def warp(pictures: torch.Tensor, theta: torch.Tensor, *, side: int, mode: str = "bilinear") -> torch.Tensor:
    """N×C×H×W float → N×C×side×side float, sampled through ``theta``; what lies outside is mirrored."""
    grid = functional.affine_grid(theta, [len(pictures), pictures.shape[1], side, side], align_corners=False)
    return functional.grid_sample(pictures, grid, mode=mode, padding_mode="reflection", align_corners=False)


def jitter_colour(pictures: torch.Tensor, *, strength: float, generator: torch.Generator) -> torch.Tensor:
    """N×3×H×W float 0..255: brightness, contrast, saturation and white balance each by up to ± ``strength``."""

    def factor(channels: int) -> torch.Tensor:
        return 1 + torch.empty(len(pictures), channels, 1, 1).uniform_(-strength, strength, generator=generator)

    grey = pictures.mean(1, keepdim=True)
    saturated = grey + (pictures - grey) * factor(1)
    middle = saturated.mean((2, 3), keepdim=True)
    contrasted = middle + (saturated - middle) * factor(1)
    balance = 1 + (factor(3) - 1) / 3
    return (contrasted * factor(1) * balance).clamp_(0, 255)
