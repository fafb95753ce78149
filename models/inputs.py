"""How a picture becomes a network's input, as its bundle records it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from models.crop import Square, cut, lesion_square
from models.pictures.types import Gray, Rgb
from models.preprocess import apply_steps, hair_mask, remove_hair, to_square

HAIR = "hair_closing_fill"
WHOLE = Square(x=0.5, y=0.5, half_x=0.5, half_y=0.5)

Steps = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InputPlan:
    """Steps at working size, then the crop, then a square of ``side`` px, shown in ``views`` turns and flips, normalised."""

    side: int
    crop: str
    steps: Steps
    normalisation: str
    views: int

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> Self:
        """The plan of a card of format 2."""
        given = card["input"]
        return cls(
            side=int(given["side"]),
            crop=given["crop"],
            steps=tuple(given["steps"]),
            normalisation=given["normalisation"],
            views=int(card["views"]),
        )

    def square(self, picture: Rgb, mask: Gray) -> Square:
        """What the network is shown of a picture whose lesion is under ``mask`` (any size, over the whole picture)."""
        if self.crop == "whole":
            return WHOLE
        return lesion_square(mask, width=picture.shape[1], height=picture.shape[0])

    def cut(self, picture: Rgb, square: Square) -> Rgb:
        """That part of the picture after its steps, side×side×3 uint8; the whole picture is squeezed."""
        return to_square(picture, side=self.side) if self.crop == "whole" else cut(picture, square, side=self.side)


def after_steps(picture: Rgb, wanted: Sequence[Steps]) -> tuple[Gray, list[Rgb]]:
    """H×W×3 uint8 at working size → (hair mask H×W 0/255, the picture after each of the wanted steps). Equal work is done once.

    The hair mask is needed for quality anyway, and a plan that begins with the closing fill gets its picture with it.
    """
    fills = any(steps[:1] == (HAIR,) for steps in wanted)
    clean, hair = remove_hair(picture) if fills else (picture, hair_mask(picture))
    done = {steps: apply_steps(clean, steps[1:]) if steps[:1] == (HAIR,) else apply_steps(picture, steps) for steps in set(wanted)}
    return hair, [done[steps] for steps in wanted]
