"""Growth without any scale: the skin around the lesion is the yardstick, never the lesion itself."""

from dataclasses import replace

import numpy as np
import pytest

from models.change import look_at, register
from models.change.geometry import between_sizes, scale_of
from models.change.look import Look
from models.change.registration import Registration
from models.change.skin import skin_scale
from models.synthetic import Kind, draw
from models.synthetic.visits import Course, Imaging, revisit

AREA = 0.05


def pair(*, growth: float, zoom: float, seed: int = 3) -> tuple[Look, Look]:
    """A drawn naevus and its next visit, with their outlines."""
    first = draw(seed=seed, kind=Kind.NAEVUS, width=768, height=576, area=AREA)
    later = revisit(first.rgb, first.mask, course=Course(growth=growth), imaging=Imaging(turn=20, zoom=zoom, noise=1.0), seed=seed)
    return look_at(first.rgb, first.mask), look_at(later.rgb, later.mask)


def scale_told(earlier: Look, later: Look) -> float:
    """Later px per earlier px of skin."""
    found = register(earlier, later)
    assert isinstance(found, Registration)
    matrix = between_sizes(found.matrix, source=earlier.scale, target=later.scale)
    told = skin_scale(earlier, later, matrix)
    assert told is not None
    return scale_of(matrix) * told.factor


@pytest.mark.parametrize("growth", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("zoom", [0.85, 1.0, 1.2])
def test_the_skin_tells_the_scale_however_much_the_lesion_has_grown(growth: float, zoom: float) -> None:
    assert scale_told(*pair(growth=growth, zoom=zoom)) == pytest.approx(zoom, rel=0.02)


def test_a_fit_that_follows_the_lesion_is_set_right() -> None:
    earlier, later = pair(growth=0.0, zoom=1.0)
    found = register(earlier, later)
    assert isinstance(found, Registration)
    matrix = found.matrix.copy()
    wrong = 1.2
    middle = np.array([earlier.grey.shape[1], earlier.grey.shape[0]]) / 2
    matrix[:, 2] += matrix[:, :2] @ middle * (1 - wrong)
    matrix[:, :2] *= wrong
    told = skin_scale(earlier, later, matrix)
    assert told is not None
    assert told.factor * wrong == pytest.approx(1.0, rel=0.02)
    assert told.error < 0.05


@pytest.mark.parametrize("missing", ["outline", "empty outline", "structure"])
def test_without_outline_or_structure_the_skin_says_nothing(missing: str) -> None:
    earlier, later = pair(growth=0.0, zoom=1.0)
    broken = {
        "outline": replace(earlier, mask=None),
        "empty outline": replace(earlier, mask=np.zeros_like(earlier.grey)),
        "structure": replace(earlier, points=earlier.points[:4], descriptors=earlier.descriptors[:4]),
    }[missing]
    assert skin_scale(broken, later, np.eye(2, 3)) is None
