"""Random views of a batch as transforms of torchvision v2: one draw per picture, applied to the whole batch at once.

The library's own RandomAffine and ColorJitter draw once per call; calling them picture by picture costs more than a
small network's training step. Rotation, flips, zoom, squeeze and shift are therefore one affine warp read from the stored
picture, which also cuts the lesion's square without resampling twice.
"""

from typing import Any

import torch
from torch.nn import functional
from torchvision import tv_tensors
from torchvision.transforms import v2

from models.training.recipe import Augment


class Squares(tv_tensors.TVTensor):  # type: ignore[misc]  # torchvision has no types
    """N×3: what is looked at in each picture, as centre x, centre y and half side in the −1..1 coordinates of ``affine_grid``."""


class RandomView(v2.Transform):  # type: ignore[misc]
    """Image N×3×H×W, Mask N×1×H×W and Squares N×3 → the first two seen through one random affine each, side×side.

    What lies outside a picture is mirrored.
    """

    _transformed_types = (tv_tensors.Image, tv_tensors.Mask, Squares)

    def __init__(self, *, augment: Augment, side: int) -> None:
        super().__init__()
        self.augment, self.side = augment, side

    def make_params(self, flat_inputs: list[Any]) -> dict[str, torch.Tensor]:
        """The matrices, N×2×3, from the squares among the inputs."""
        (squares,) = (item.as_subclass(torch.Tensor) for item in flat_inputs if isinstance(item, Squares))
        theta = random_affine(len(squares), augment=self.augment, device=squares.device)
        return {"theta": inside_squares(theta, squares)}

    def transform(self, inpt: torch.Tensor, params: dict[str, torch.Tensor]) -> torch.Tensor:
        """A picture or mask seen through the matrices, float32 0..255; the squares themselves stay."""
        if isinstance(inpt, Squares):
            return inpt
        mode = "nearest" if isinstance(inpt, tv_tensors.Mask) else "bilinear"
        return tv_tensors.wrap(warp(inpt.float(), params["theta"], side=self.side, mode=mode), like=inpt)  # type: ignore[no-any-return]


class RandomColour(v2.Transform):  # type: ignore[misc]
    """Image N×3×H×W float 0..255: brightness, contrast, saturation and white balance, one draw of each per picture."""

    _transformed_types = (tv_tensors.Image,)

    def __init__(self, *, augment: Augment) -> None:
        super().__init__()
        self.augment = augment

    def make_params(self, flat_inputs: list[Any]) -> dict[str, torch.Tensor]:
        """One factor around 1 per picture, per channel for the balance."""
        picture, augment = flat_inputs[0], self.augment

        def around(spread: float, channels: int = 1) -> torch.Tensor:
            return 1 + torch.empty(len(picture), channels, 1, 1, device=picture.device).uniform_(-spread, spread)

        return {
            "saturation": around(augment.saturation),
            "contrast": around(augment.contrast),
            "gain": around(augment.brightness) * around(augment.balance, 3),
        }

    def transform(self, inpt: torch.Tensor, params: dict[str, torch.Tensor]) -> torch.Tensor:
        """The recoloured pictures, clipped to 0..255."""
        grey = inpt.mean(1, keepdim=True)
        saturated = grey + (inpt - grey) * params["saturation"]
        middle = saturated.mean((2, 3), keepdim=True)
        contrasted = middle + (saturated - middle) * params["contrast"]
        return tv_tensors.wrap((contrasted * params["gain"]).clamp_(0, 255), like=inpt)  # type: ignore[no-any-return]


def random_affine(count: int, *, augment: Augment, device: torch.device | None = None) -> torch.Tensor:
    """N×2×3 matrices for ``affine_grid``: rotation, flips, zoom, squeeze and shift as the recipe allows."""

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.empty(count, device=device).uniform_(low, high)

    angle = uniform(-augment.rotation, augment.rotation).deg2rad()
    flip_x, flip_y = ((torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) if augment.flips else torch.ones(count, device=device)) for _ in "xy")
    zoom = uniform(*augment.zoom)
    squeeze = torch.exp(uniform(-1, 1) * torch.log(torch.tensor(augment.aspect)))
    cosine, sine = torch.cos(angle), torch.sin(angle)
    x_axis = torch.stack([cosine * zoom * squeeze * flip_x, -sine * zoom / squeeze * flip_y, uniform(-augment.shift, augment.shift)], 1)
    y_axis = torch.stack([sine * zoom * squeeze * flip_x, cosine * zoom / squeeze * flip_y, uniform(-augment.shift, augment.shift)], 1)
    return torch.stack([x_axis, y_axis], 1)


def series_views(count: int, visits: int, *, augment: Augment, device: torch.device | None = None) -> torch.Tensor:
    """N×T×2×3 matrices: each series turned (and flipped) as one, for a lesion has no upright, and each of its visits by itself.

    No visit is mirrored against another, as none is in life.
    """
    own = random_affine(count * visits, augment=augment.model_copy(update={"flips": False}), device=device)
    turns = Augment(flips=augment.flips, rotation=180 if augment.flips else 0)
    whole = random_affine(count, augment=turns, device=device)[:, :, :2].repeat_interleave(visits, 0)
    return torch.cat([own[:, :, :2] @ whole, own[:, :, 2:]], 2).reshape(count, visits, 2, 3)


def inside_squares(theta: torch.Tensor, squares: torch.Tensor) -> torch.Tensor:
    """The views N×2×3 laid into the squares N×3: a view of the square instead of the whole picture."""
    half = squares[:, 2, None]
    turn = theta[:, :, :2] * half[:, :, None]
    shift = squares[:, :2] + theta[:, :, 2] * half
    return torch.cat([turn, shift[:, :, None]], 2)


def warp(pictures: torch.Tensor, theta: torch.Tensor, *, side: int, mode: str = "bilinear") -> torch.Tensor:
    """N×C×H×W float → N×C×side×side float, sampled through ``theta`` N×2×3; what lies outside is mirrored."""
    grid = functional.affine_grid(theta, [len(pictures), pictures.shape[1], side, side], align_corners=False)
    return functional.grid_sample(pictures, grid, mode=mode, padding_mode="reflection", align_corners=False)
