"""Simulated visits: malignant lesions grow towards the real picture, benign ones stay."""

import pytest
import torch

from models.training.evolution import simulate


def disc(count: int, *, side: int = 96, radius: float = 20) -> tuple[torch.Tensor, torch.Tensor]:
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    mask = (((x - side / 2) ** 2 + (y - side / 2) ** 2) < radius**2).float()[None, None].expand(count, 1, side, side) * 255
    return 200 - mask.expand(count, 3, side, side) * (120 / 255), mask


def area(pictures: torch.Tensor) -> torch.Tensor:
    return (pictures[..., 0, :, :] < 140).float().mean((-1, -2))


def series(malignant: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    pictures, masks = disc(24)
    visits = simulate(pictures, masks, torch.full((24,), malignant), longest=4)
    return pictures, visits.pictures, visits.gaps, visits.lengths


@pytest.mark.parametrize("malignant", [True, False])
def test_the_last_visit_is_the_real_picture(malignant: bool) -> None:
    pictures, visits, _, lengths = series(malignant)
    last = visits[torch.arange(24), lengths - 1]
    assert torch.allclose(last, pictures, atol=0.6)


def test_malignant_lesions_were_smaller_and_benign_ones_were_not() -> None:
    for malignant, low, high in ((True, 0.1, 0.9), (False, 0.85, 1.15)):
        pictures, visits, _, lengths = series(malignant)
        several = lengths > 2
        share = area(visits[several, 0]) / area(pictures[several])
        assert low < float(share.median()) < high


def test_gaps_start_at_nothing_and_padding_is_empty() -> None:
    _, visits, gaps, lengths = series(malignant=True)
    assert (gaps[:, 0] == 0).all()
    for index, length in enumerate(lengths.tolist()):
        assert (gaps[index, 1:length] >= 30).all()
        assert (gaps[index, length:] == 0).all()
        assert (visits[index, length:] == 0).all()


def test_skin_far_from_the_lesion_stays_as_it_is() -> None:
    pictures, visits, _, lengths = series(malignant=True)
    several = lengths > 2
    assert torch.allclose(visits[several, 0][..., :8, :8], pictures[several][..., :8, :8], atol=1)
