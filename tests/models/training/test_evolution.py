"""Simulated visits: the truth comes first, and what differs between any two photographs tells nothing of it."""

import pytest
import torch

from models.training.augment import series_views
from models.training.evolution import CHANGING, DARKENED, GROWN, Course, Look, course_of, visits_of
from models.training.recipe import Augment

STILL = Augment(flips=False, rotation=0)
MANY = 4_000
SIDE = 64


def drawn(count: int, *, side: int = 192, radius: float = 40) -> Look:
    """Dark discs on light skin; the frame shows 1.6 times the disc."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    mask = (((x - side / 2) ** 2 + (y - side / 2) ** 2) < radius**2).float()[None, None].expand(count, 1, side, side) * 255
    half = 1.6 * radius / (side / 2)
    pictures = 200 - mask.expand(count, 3, side, side) * (120 / 255)
    return Look(pictures=pictures, masks=mask, frames=torch.tensor([[0.0, 0.0, half, half]]).expand(count, 4))


def course(size: list[float], faded: list[float] | None = None) -> Course:
    gaps = torch.tensor([[0.0, *[90.0] * (len(size) - 1)]])
    return Course(
        gaps=gaps,
        lengths=torch.tensor([len(size)]),
        size=torch.tensor([size]),
        faded=torch.tensor([faded or [0.0] * len(size)]),
        progressing=torch.tensor([True]),
    )


def visits(given: Course, *, seed: int = 0, augment: Augment = STILL) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return visits_of(drawn(1), given, series_views(1, given.size.shape[1], augment=augment), side=SIDE)


def diameters(masks: torch.Tensor) -> list[float]:
    """Of one series' masks T×S×S."""
    return [float((mask > 127).float().sum().sqrt()) for mask in masks]


@pytest.mark.parametrize("seed", range(4))
def test_a_lesion_has_the_size_that_its_course_says_whatever_the_warp(seed: int) -> None:
    _, masks = visits(course([0.5, 0.8, 1.0]), seed=seed)
    first, middle, last = diameters(masks[0])
    assert first / last == pytest.approx(0.5, abs=0.04)
    assert middle / last == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("seed", range(4))
def test_every_visit_is_centred_on_its_lesion(seed: int) -> None:
    _, masks = visits(course([0.6, 1.0]), seed=seed)
    for mask in masks[0]:
        rows, columns = torch.nonzero(mask > 127, as_tuple=True)
        assert abs(float(rows.float().mean()) - SIDE / 2) < 2
        assert abs(float(columns.float().mean()) - SIDE / 2) < 2


def test_a_lesion_that_had_faded_was_lighter_and_the_skin_was_not() -> None:
    pictures, masks = visits(course([1.0, 1.0], faded=[0.5, 0.0]))
    first, last = pictures[0]
    inside = (masks[0, 0] > 250) & (masks[0, 1] > 250)
    assert float(first[0][inside].mean()) == pytest.approx(140, abs=5)
    assert float(last[0][inside].mean()) == pytest.approx(80, abs=3)
    assert float(first[0, :4, :4].mean()) == pytest.approx(200, abs=2)


def test_behind_its_last_visit_a_series_is_empty() -> None:
    torch.manual_seed(1)
    given = course_of(torch.zeros(64, dtype=torch.bool), longest=4)
    pictures, masks = visits_of(drawn(64), given, series_views(64, 4, augment=STILL), side=16)
    for index, length in enumerate(given.lengths.tolist()):
        assert (pictures[index, length:] == 0).all()
        assert (masks[index, length:] == 0).all()
        assert (given.gaps[index, length:] == 0).all()
        assert pictures[index, :length].amax((1, 2, 3)).min() > 100
    assert (given.gaps[:, 0] == 0).all()


def test_progressing_is_what_grew_or_darkened_from_first_to_last() -> None:
    torch.manual_seed(2)
    given = course_of(torch.rand(MANY) < 0.5, longest=4)
    last = (given.lengths - 1)[:, None]
    grown = given.size.gather(1, last)[:, 0] / given.size[:, 0] - 1
    darkened = given.faded[:, 0] - given.faded.gather(1, last)[:, 0]
    truly = (grown >= GROWN - 1e-4) | (darkened >= DARKENED - 1e-4)
    assert (truly & (given.lengths > 1)).float().sub(given.progressing.float()).abs().mean() < 1e-3
    assert not given.progressing[given.lengths == 1].any()
    assert (grown < -GROWN).any(), "some lesions shrink, and are not progressing"


def test_benign_lesions_progress_too_and_malignant_ones_may_be_stable() -> None:
    torch.manual_seed(3)
    shares = {}
    for malignant in (True, False):
        given = course_of(torch.full((MANY,), malignant), longest=4, shortest=2)
        shares[malignant] = float(given.progressing.float().mean())
        assert shares[malignant] < CHANGING[malignant]
    assert 0.4 < shares[True] < 0.65
    assert 0.15 < shares[False] < 0.35


def test_two_pictures_of_one_day_show_the_same_lesion() -> None:
    torch.manual_seed(4)
    given = course_of(torch.ones(MANY, dtype=torch.bool), longest=4, shortest=2)
    same_day = (given.gaps[:, 1] == 0) & (given.lengths > 1)
    assert 0.02 < float(same_day.float().mean()) < 0.08
    assert torch.equal(given.size[same_day, 0], given.size[same_day, 1])


def test_no_visit_is_mirrored_against_another() -> None:
    torch.manual_seed(5)
    signs = torch.linalg.det(series_views(50, 4, augment=Augment(rotation=30))[..., :2]).sign()
    assert (signs == signs[:, :1]).all()
    assert (signs[:, 0] > 0).any()
    assert (signs[:, 0] < 0).any()
