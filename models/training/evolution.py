"""Visits that never took place: one real picture of a lesion made into a series, for a network that reads series.

Real series of one lesion under a dermatologist's eyes are not public. Malignant lesions are made to grow, unevenly, and to
darken with time; benign ones stay as they are, but for what changes between any two visits: position, turn and light. A bundle
trained on this says so.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional

# Days between visits: monthly short-term monitoring up to the yearly visit.
SHORTEST, LONGEST = 30.0, 365.0
# What a malignant lesion may gain in diameter in a year, and how much darker it may become (share of the grey level). Melanomas
# in follow-up were seen to grow by about that much (Argenziano et al. 2010 report slow ones at under 1 mm, fast ones at several).
GROWTH, DARKENING = (0.15, 0.60), (0.05, 0.25)
UNSURE = 0.03  # benign lesions: spread of the same quantities per year, which is the error of two photographs
BLUR = 15  # px of the soft border within which skin is dragged along, at 256 px


@dataclass(frozen=True, slots=True)
class Visits:
    """Pictures N×T×3×H×W float 0..255, gaps N×T days since the visit before (0 first), lengths N (the rest is padding)."""

    pictures: torch.Tensor
    gaps: torch.Tensor
    lengths: torch.Tensor


def simulate(pictures: torch.Tensor, masks: torch.Tensor, malignant: torch.Tensor, *, longest: int) -> Visits:
    """Series of 1..``longest`` visits from N×3×H×W pictures 0..255, N×1×H×W masks 0..255 and N bool; draws from torch's generator.

    The picture itself is the last visit, so that its label is true of it; the earlier ones are made smaller and lighter.
    """
    count = len(pictures)
    lengths = torch.randint(1, longest + 1, (count,), device=pictures.device)
    gaps = torch.empty(count, longest, device=pictures.device).uniform_(SHORTEST, LONGEST)
    gaps[:, 0] = 0
    places = torch.arange(longest, device=pictures.device)
    used = places < lengths[:, None]
    gaps = gaps * used
    last = gaps.sum(1, keepdim=True)
    years_before = (last - gaps.cumsum(1)) / 365.0
    growth, dark, lean = (_rate(malignant, spread) for spread in (GROWTH, DARKENING, (0.3, 0.9)))
    soft = _soft(masks)
    visits = [_earlier(pictures, soft, years_before[:, visit], growth=growth, dark=dark, lean=lean) for visit in range(longest)]
    series = torch.stack(visits, 1) * used[:, :, None, None, None]
    return Visits(series, gaps, lengths)


def _rate(malignant: torch.Tensor, spread: tuple[float, float]) -> torch.Tensor:
    growing = torch.empty(len(malignant), device=malignant.device).uniform_(*spread)
    still = torch.empty(len(malignant), device=malignant.device).normal_(0, UNSURE)
    return torch.where(malignant, growing, still)


def _soft(masks: torch.Tensor) -> torch.Tensor:
    size = max(3, round(BLUR * masks.shape[-1] / 256) | 1)
    wide = functional.max_pool2d(masks.float() / 255, size, stride=1, padding=size // 2)
    return functional.avg_pool2d(wide, size, stride=1, padding=size // 2)


def _earlier(
    pictures: torch.Tensor, soft: torch.Tensor, years: torch.Tensor, *, growth: torch.Tensor, dark: torch.Tensor, lean: torch.Tensor
) -> torch.Tensor:
    """The pictures as they may have been ``years`` before: the lesion shrunk towards a point beside its centre, and lighter."""
    count, _, height, width = pictures.shape
    eye = torch.eye(2, 3, device=pictures.device).expand(count, 2, 3)
    grid = functional.affine_grid(eye, [count, 1, height, width], align_corners=False)
    inside = soft[:, 0, :, :, None]
    weight = inside.sum((1, 2, 3), keepdim=True).clamp(min=1e-3)
    centre = (grid * inside).sum((1, 2), keepdim=True) / weight
    reach = ((((grid - centre) ** 2).sum(3, keepdim=True) * inside).sum((1, 2, 3), keepdim=True) / weight).sqrt()
    # Growth from a fixed point away from the centre is lopsided, which is what asymmetry looks like afterwards.
    anchor = centre + reach * torch.stack([lean, torch.zeros_like(lean)], 1)[:, None, None, :]
    factor = (1 + growth * years)[:, None, None, None].clamp(min=0.5)
    moved = grid + (grid - anchor) * (factor - 1) * inside
    seen = functional.grid_sample(pictures, moved, padding_mode="reflection", align_corners=False)
    lesion = functional.grid_sample(soft, moved, padding_mode="border", align_corners=False)
    return (seen * (1 + (dark * years)[:, None, None, None] * lesion)).clamp(0, 255)
