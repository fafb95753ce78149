"""Views: where a pixel goes, and that picture and mask go together."""

import pytest
import torch
from torchvision import tv_tensors

from models.training.augment import RandomColour, RandomView, Squares, inside_squares, warp
from models.training.recipe import Augment

WHOLE = torch.tensor([[0.0, 0.0, 1.0]])
STILL = Augment(flips=False, rotation=0)


def view(
    augment: Augment, pictures: torch.Tensor, masks: torch.Tensor, squares: torch.Tensor, side: int
) -> tuple[torch.Tensor, torch.Tensor]:
    seen, mask, _ = RandomView(augment=augment, side=side)(tv_tensors.Image(pictures), tv_tensors.Mask(masks), squares.as_subclass(Squares))
    return seen.as_subclass(torch.Tensor), mask.as_subclass(torch.Tensor)


def test_a_view_without_any_range_is_the_picture_itself() -> None:
    picture = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8)
    seen, _ = view(STILL, picture, picture[:, :1], WHOLE, 16)
    assert torch.allclose(seen, picture.float(), atol=1e-3)


def test_a_square_is_cut_out_and_enlarged() -> None:
    picture = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    picture[:, :, 16:24, 8:16] = 200  # centre (12, 20) of 32: x −0.25, y 0.25, half side 0.25
    seen, _ = view(STILL, picture, picture[:, :1], torch.tensor([[-0.25, 0.25, 0.25]]), 8)
    assert (seen == 200).all()


def test_picture_and_mask_move_together() -> None:
    torch.manual_seed(3)
    mask = torch.zeros(4, 1, 64, 64, dtype=torch.uint8)
    mask[:, :, 20:40, 10:50] = 255
    augment = Augment(zoom=(0.7, 1.2), aspect=1.2, shift=0.1)
    seen, moved = view(augment, mask.expand(-1, 3, -1, -1).contiguous(), mask, WHOLE.expand(4, 3), 64)
    overlap = ((seen[:, 0] > 127) & (moved[:, 0] > 127)).sum() / ((seen[:, 0] > 127) | (moved[:, 0] > 127)).sum()
    assert overlap > 0.97
    assert not torch.equal(moved, mask.float())


def test_each_picture_of_a_batch_has_its_own_view() -> None:
    picture = torch.rand(1, 3, 32, 32).mul(255).expand(5, 3, 32, 32).contiguous()
    seen, _ = view(Augment(), picture, picture[:, :1], WHOLE.expand(5, 3), 32)
    assert all(not torch.allclose(seen[0], other) for other in seen[1:])


def test_the_same_seed_draws_the_same_views() -> None:
    picture = torch.rand(3, 3, 32, 32).mul(255)
    draws = []
    for _ in range(2):
        torch.manual_seed(7)
        draws.append(view(Augment(zoom=(0.5, 2)), picture, picture[:, :1], WHOLE.expand(3, 3), 16)[0])
    assert torch.equal(*draws)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "balance"])
def test_a_colour_range_changes_the_picture_and_stays_in_range(name: str) -> None:
    picture = tv_tensors.Image(torch.rand(2, 3, 8, 8) * 255)
    seen = RandomColour(augment=Augment(**{name: 0.5}))(picture)
    assert not torch.allclose(seen, picture)
    assert seen.min() >= 0
    assert seen.max() <= 255


def test_no_colour_range_leaves_the_picture_alone() -> None:
    picture = tv_tensors.Image(torch.rand(2, 3, 8, 8) * 255)
    assert torch.allclose(RandomColour(augment=Augment())(picture), picture, atol=1e-3)


def test_a_zoom_of_two_shows_twice_as_much() -> None:
    picture = torch.zeros(1, 1, 64, 64)
    picture[:, :, 16:48, 16:48] = 255
    theta = inside_squares(torch.tensor([[[2.0, 0, 0], [0, 2.0, 0]]]), torch.tensor([[0.0, 0.0, 0.5]]))
    assert (warp(picture, theta, side=64) > 127).float().mean() == pytest.approx(0.25, abs=0.02)
