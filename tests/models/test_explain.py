"""Heat maps lie where the evidence lies, in whole-picture coordinates."""

import threading

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from models.crop import Square
from models.explain import ExplainError, GradCam, heatmap_jpeg, placed
from models.inputs import WHOLE

RIGHT_HALF = Square(x=0.75, y=0.5, half_x=0.25, half_y=0.5)


def decoded(jpeg: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


def test_evidence_in_a_corner_of_the_square_lies_there_in_the_picture() -> None:
    evidence = np.zeros((5, 5), np.float32)
    evidence[4, 0] = 3.0
    heat = decoded(heatmap_jpeg(evidence, square=RIGHT_HALF, width=200, height=100))
    assert heat.shape == (100, 200)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert 80 <= y < 100
    assert 100 <= x < 120
    assert heat[:, :92].max() == 0


def test_the_strongest_place_is_white_whatever_its_value_and_contrary_evidence_is_black() -> None:
    for strength in (1e-3, 1e3):
        evidence = np.full((7, 7), -strength, np.float32)
        evidence[2:5, 2:5] = strength
        heat = decoded(heatmap_jpeg(evidence, square=WHOLE, width=128, height=128))
        assert heat.max() > 245
        assert heat[:10, :10].max() == 0


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_without_evidence_there_is_no_heat_map(value: float) -> None:
    assert heatmap_jpeg(np.full((3, 3), value, np.float32), square=WHOLE, width=64, height=64) == b""


@pytest.mark.parametrize("square", [WHOLE, RIGHT_HALF, Square(x=0.02, y=0.99, half_x=0.02, half_y=0.01)])
@pytest.mark.parametrize(("width", "height"), [(33, 7), (1, 40), (512, 384)])
def test_any_square_of_any_picture_is_placed_inside_it(square: Square, width: int, height: int) -> None:
    assert placed(np.full((7, 7), 255, np.uint8), square=square, width=width, height=height).shape == (height, width)


class Bright(nn.Module):
    """Says class 1 where the picture is bright: everything it knows lies in one convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.explain_layer = nn.Conv2d(3, 1, 1)
        nn.init.ones_(self.explain_layer.weight)

    @property
    def explain_layers(self) -> list[nn.Module]:
        return [self.explain_layer]

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        mean = self.explain_layer(pictures).mean((2, 3))
        return torch.cat([-mean, mean], dim=1)


def spot(*, x: int) -> np.ndarray:
    square = np.zeros((1, 16, 16, 3), np.uint8)
    square[0, 4:8, x : x + 4] = 255
    return square


def test_grad_cam_finds_what_the_network_looks_at_and_leaves_the_network_alone() -> None:
    network = Bright().eval()
    explain = GradCam(network, device="cpu", normalisation="unit")
    heat = explain(np.concatenate([spot(x=1), spot(x=10)]), np.array([1, 1]))
    assert heat.shape == (2, 16, 16)
    for part, x in zip(heat, (1, 10), strict=True):
        assert part[5, x + 1] > 0.9
        assert part[:, (x + 8) % 16].max() < 0.1
    assert not network.explain_layer._forward_hooks
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_grad_cam_gives_each_thread_its_own_pictures() -> None:
    explain = GradCam(Bright().eval(), device="cpu", normalisation="unit")
    found: dict[int, np.ndarray] = {}

    def run(x: int) -> None:
        for _ in range(5):
            found[x] = explain(spot(x=x), np.array([1]))

    threads = [threading.Thread(target=run, args=(x,)) for x in (0, 6, 12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[x][0, 5, x + 1] > 0.9 for x in (0, 6, 12))


def test_a_network_without_a_layer_to_explain_is_refused() -> None:
    with pytest.raises(ExplainError, match="names no layer to explain"):
        GradCam(nn.Linear(2, 2), device="cpu", normalisation="unit")
