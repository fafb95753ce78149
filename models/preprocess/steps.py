"""The steps by name, as a bundle records them."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import numpy as np

from models.pictures.types import Rgb
from models.preprocess.colour import clahe, denoise, grey_world, shades_of_grey
from models.preprocess.hair import remove_hair, remove_hair_telea
from models.preprocess.sizes import WORKING_SIDE

Step = Callable[[Rgb], Rgb]  # H×W×3 uint8 → H×W×3 uint8; never changes its argument, may return it


def _hair_closing_fill(picture: Rgb) -> Rgb:
    return remove_hair(picture)[0]


def _hair_telea(picture: Rgb) -> Rgb:
    return remove_hair_telea(picture)[0]


STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "denoise": denoise,
        "hair_closing_fill": _hair_closing_fill,
        "hair_telea": _hair_telea,
        "clahe": clahe,
        "shades_of_grey": shades_of_grey,
        "grey_world": grey_world,
    }
)


class UnknownStep(ValueError):
    """A bundle or recipe asks for a preprocessing step that this version does not have."""

    def __init__(self, step: object) -> None:
        super().__init__(f"unknown preprocessing step {step!r}: use {', '.join(STEPS)}, or a version of the program that has it")


class PictureTooLarge(ValueError):
    """A picture above working size: filters there would be slow, and made for another scale."""

    def __init__(self, *, width: int, height: int) -> None:
        super().__init__(
            f"a picture of {width}×{height} px is above working size: pass it through to_working_size ({WORKING_SIDE} px) first"
        )


def check_steps(steps: Iterable[str]) -> None:
    """Raises UnknownStep for the first name that is not in STEPS."""
    for step in steps:
        if step not in STEPS:
            raise UnknownStep(step)


def apply_steps(picture: Rgb, steps: Iterable[str]) -> Rgb:
    """The steps in the order given, on an H×W×3 uint8 picture of at most WORKING_SIDE px a side; same shape and dtype.

    Without steps the picture itself. Raises UnknownStep before any work, PictureTooLarge, and TypeError for another array.
    """
    steps = tuple(steps)
    check_steps(steps)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise TypeError(f"a picture is H×W×3 uint8, not {'×'.join(map(str, picture.shape))} {picture.dtype}: decode it as RGB")
    height, width = picture.shape[:2]
    if steps and max(height, width) > WORKING_SIDE:
        raise PictureTooLarge(width=width, height=height)
    for step in steps:
        picture = STEPS[step](picture)
    return picture
