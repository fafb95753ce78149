"""Visits that never took place: one real picture of a lesion made into a series, for a network that reads series.

Real series of one lesion under a dermatologist's eyes are not public. Here the truth is made first: whether the lesion changes
at all, how fast it grows and darkens, and when it is seen. Change goes with malignancy, but is no copy of it: naevi of the young
grow, and one in three melanomas in follow-up shows no change for months. What differs between any two photographs of a lesion
that stayed as it is (turn, zoom, place, light) is drawn for every visit anew. A bundle trained on this says so.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional

# Days between visits: monthly short-term monitoring up to the late yearly visit; now and then two pictures of one day.
SHORTEST, LONGEST, SAME_DAY = 21.0, 500.0, 0.05
ALONE = 0.2  # of series: a single visit, where that is allowed
# Shares of lesions that change, by malignancy, and of the others that shrink and fade (an inflamed naevus that heals).
CHANGING = {True: 0.65, False: 0.35}
SHRINKING = 0.15
# What a changing lesion gains in diameter in a year, and in contrast against the skin. Melanomas in follow-up were seen to grow by
# about that much (Argenziano et al. 2010 report slow ones at under 1 mm, fast ones at several).
GROWTH, DARKENING = (0.15, 0.60), (0.10, 0.40)
GROWS, DARKENS = 0.8, 0.5  # which changing lesions do
MOST_GROWN, LEAST_SHRUNK, MOST_DARKENED = 1.0, -0.4, 0.5  # over a whole series
UNSURE = 0.01  # per year: no lesion stays quite as it is
# A lesion is called progressing when, from the first to the last visit, its diameter or its contrast gained that much. Two
# photographs of a lesion that stayed differ by about 4 % in diameter and 10 % in contrast.
GROWN, DARKENED = 0.10, 0.15
# The lesion is shrunk towards a point beside its centre: growth from there is lopsided, which is what asymmetry looks like.
LEAN = (0.3, 0.9)
# Skin around a lesion that was smaller has to be made, and a network finds the traces of that. So it is made in every visit, grown
# or not: how much a lesion is shrunk in its picture is drawn for each anew, and the view is then chosen so that its size is true.
SHRUNK = (0.65, 1.2)
NEAR = 64  # px of the mask inside the square, which is all that the warp needs to know


@dataclass(frozen=True, slots=True)
class Course:
    """What is true of N series of at most T visits: N×T gaps in days since the visit before (0 first) and lengths N (the rest is padding).

    ``size`` N×T: diameter over the largest of the series, ≤ 1. ``faded`` N×T: how much of its contrast against the skin at its darkest
    it does not have, 0..1.
    ``progressing`` N bool: grew or darkened from the first to the last visit; never in a series of one.
    """

    gaps: torch.Tensor
    lengths: torch.Tensor
    size: torch.Tensor
    faded: torch.Tensor
    progressing: torch.Tensor


@dataclass(frozen=True, slots=True)
class Look:
    """Of N lesions: pictures N×3×H×W and masks N×1×H×W, 0..255, and ``frames`` N×4: the square around each lesion.

    A frame is centre x, y and half width, half height in the −1..1 of the picture.
    """

    pictures: torch.Tensor
    masks: torch.Tensor
    frames: torch.Tensor


def course_of(malignant: torch.Tensor, *, longest: int, shortest: int = 1) -> Course:
    """Draws from torch's generator what happens to N lesions (bool: malignant) over ``shortest``..``longest`` visits."""
    count = len(malignant)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.empty(count, device=malignant.device).uniform_(low, high)

    gaps, lengths = _visits(count, shortest=min(shortest, longest), longest=longest, device=malignant.device)
    changing = uniform(0, 1) < torch.where(malignant, CHANGING[True], CHANGING[False])
    grows = uniform(0, 1) < GROWS
    darkens = (uniform(0, 1) < DARKENS) | ~grows
    shrinking = ~changing & (uniform(0, 1) < SHRINKING)
    sign = changing.float() - shrinking.float()
    still = torch.randn(2, count, device=malignant.device) * UNSURE
    growth = torch.where(sign == 0, still[0], sign * grows * uniform(*GROWTH))
    darkening = torch.where(sign == 0, still[1], sign * darkens * uniform(*DARKENING))
    years = gaps.cumsum(1) / 365
    wide = 1 + (growth[:, None] * years).clamp(LEAST_SHRUNK, MOST_GROWN)
    dark = (darkening[:, None] * years).clamp(-MOST_DARKENED, MOST_DARKENED)
    last = (lengths - 1)[:, None]
    grown, darkened = wide.gather(1, last)[:, 0] - 1, dark.gather(1, last)[:, 0]
    # Behind its last visit a series stays at its last day, so that padding sets no record.
    return Course(
        gaps=gaps,
        lengths=lengths,
        size=wide / wide.amax(1, keepdim=True),
        faded=dark.amax(1, keepdim=True) - dark,
        progressing=((grown >= GROWN) | (darkened >= DARKENED)) & (lengths > 1),
    )


def visits_of(look: Look, course: Course, views: torch.Tensor, *, side: int, reach: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """The visits as pictures N×T×3×side×side float 0..255 and masks N×T×side×side 0..255, empty behind each series' length.

    ``views`` N×T×2×3: how each visit was photographed, as matrices inside the square (models.training.augment.random_affine).
    ``reach``: 1 shows the square, 2 twice as much around the lesion.
    """
    count, visits = course.size.shape
    near, soft, skin = _near(look)
    which, when = torch.nonzero(torch.arange(visits, device=views.device) < course.lengths[:, None], as_tuple=True)
    size, anchor, frames = course.size[which, when][:, None], _anchor(near)[which], look.frames[which]
    # Half of what is lacking in size by shrinking the lesion, half by the view, and far more than either at random.
    shrunk = size.sqrt() * torch.empty(len(which), 1, device=views.device).uniform_(*SHRUNK)
    # Each visit is centred on the middle of its lesion, which moves towards the anchor as the lesion shrinks.
    grid = _grid(views[which, when] * (reach * shrunk / size)[..., None], 2 * side) + (anchor * (1 - shrunk))[:, None, None]
    # Where the lesion is smaller than in the picture, a place nearer to its anchor shows what lies further out.
    inside = _read(soft[which], grid)[:, 0, :, :, None]
    seen = grid + (grid - anchor[:, None, None]) * (1 / shrunk - 1)[..., None, None] * inside
    places = frames[:, None, None, :2] + seen * frames[:, None, None, 2:]
    # What lies outside of the picture is plain skin: mirrored, it would show a second lesion.
    beyond = (places.abs().amax(-1) > 1)[:, None].float()
    faded = torch.maximum(course.faded[which, when][:, None, None, None] * _read(near[which], seen), beyond)
    found = torch.cat([look.pictures.float(), look.masks.float()], 1)[which]
    both = functional.grid_sample(found, places, padding_mode="border", align_corners=False)
    pictures = both[:, :3].lerp(skin[which].expand_as(both[:, :3]), faded)
    # Read at twice the size, a picture is shrunk as it is when it is cut, without aliasing.
    small = functional.avg_pool2d(torch.cat([pictures, both[:, 3:] * (1 - beyond)], 1), 2)
    drawn = small.new_zeros(count, visits, 4, side, side)
    drawn[which, when] = small
    return drawn[:, :, :3], drawn[:, :, 3]


def _visits(count: int, *, shortest: int, longest: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.randint(min(2, longest), longest + 1, (count,), device=device)
    lengths = torch.where(torch.rand(count, device=device) < ALONE, lengths.clamp(max=shortest), lengths)
    low, high = torch.tensor([SHORTEST, LONGEST]).log().tolist()
    gaps = torch.empty(count, longest, device=device).uniform_(low, high).exp()
    gaps = gaps * (torch.rand(count, longest, device=device) >= SAME_DAY)
    gaps[:, 0] = 0
    return gaps * (torch.arange(longest, device=device) < lengths[:, None]), lengths


def _near(look: Look) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The masks inside their squares, N×1×64×64 in 0..1, with a border of a pixel and widened softly, and the skin's colour N×3×1×1."""
    eye = torch.eye(2, 3, device=look.frames.device).expand(len(look.frames), 2, 3)
    places = look.frames[:, None, None, :2] + _grid(eye, NEAR) * look.frames[:, None, None, 2:]
    near = _read(look.masks.float() / 255, places)
    wide = functional.max_pool2d(near, 13, stride=1, padding=6)
    outside = (1 - wide).clamp(min=1e-3)
    around = functional.grid_sample(look.pictures.float(), places, padding_mode="reflection", align_corners=False) * outside
    skin = around.sum((2, 3), keepdim=True) / outside.sum((2, 3), keepdim=True)
    return functional.avg_pool2d(near, 3, stride=1, padding=1), functional.avg_pool2d(wide, 9, stride=1, padding=4), skin


def _anchor(near: torch.Tensor) -> torch.Tensor:
    """N×2: a point beside each lesion's centre, in the coordinates of its square."""
    count = len(near)
    eye = torch.eye(2, 3, device=near.device).expand(count, 2, 3)
    grid, inside = _grid(eye, NEAR), near[:, 0, :, :, None]
    weight = inside.sum((1, 2)).clamp(min=1e-3)
    centre = (grid * inside).sum((1, 2)) / weight
    radius = ((((grid - centre[:, None, None]) ** 2).sum(3, keepdim=True) * inside).sum((1, 2)) / weight).sqrt()
    angle = torch.empty(count, 1, device=near.device).uniform_(0, 2 * torch.pi)
    lean = torch.empty(count, 1, device=near.device).uniform_(*LEAN)
    return centre + radius * lean * torch.cat([angle.cos(), angle.sin()], 1)


def _grid(matrices: torch.Tensor, side: int) -> torch.Tensor:
    """K×2×3 → K×side×side×2."""
    return functional.affine_grid(matrices, [len(matrices), 1, side, side], align_corners=False)


def _read(masks: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """K×1×H×W read at K×S×S×2 → K×1×S×S, nothing outside."""
    return functional.grid_sample(masks, places, padding_mode="zeros", align_corners=False)
