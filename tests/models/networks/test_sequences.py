"""The network that reads a lesion over time."""

from typing import ClassVar

import pytest
import torch

from models.networks import Network, build_network
from models.networks.sequence import CnnLstm, log_days
from tests.models.networks.contract import ClassifierContract, Options, ServesAnySide


class TestCnnLstm(ClassifierContract, ServesAnySide):
    """Series of three visits, of which the first lesion has one and the others more."""

    architecture, width = "cnn_lstm", 16
    options: ClassVar[Options] = {"filters": 8, "units": 16}
    layout = "put visits before the three colours"
    side = 32
    learning_rate = 1e-2

    @classmethod
    def inputs(cls, count: int) -> tuple[torch.Tensor, ...]:
        generator = torch.Generator().manual_seed(count)
        pictures = torch.randn(count, 3, 3, cls.side, cls.side, generator=generator)
        gaps = torch.tensor([0.0, 30.0, 400.0]).repeat(count, 1)
        return pictures, gaps, torch.arange(count) % 3 + 1


@pytest.mark.parametrize(("backbone", "channels"), [("mobilenet_v2", 1280), ("resnet18", 512), ("efficientnet_b4", 1792)])
def test_any_backbone_may_see_the_visits(backbone: str, channels: int) -> None:
    network = build_network(architecture="cnn_lstm", classes=2, backbone=backbone, units=8).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 2, 3, 32, 32), torch.zeros(1, 2), torch.tensor([2])).shape == (1, 2)
    assert network.get_submodule("lstm").input_size == channels + 1


def small() -> Network:
    """A network over series, for inference."""
    torch.manual_seed(2)
    return build_network(architecture="cnn_lstm", classes=3, filters=4, units=8).eval()


@pytest.mark.parametrize("training", [False, True])
def test_what_pads_a_series_changes_nothing(training: bool) -> None:
    network = small().train(training)
    pictures, gaps, lengths = torch.randn(3, 4, 3, 32, 32), torch.rand(3, 4) * 100, torch.tensor([1, 4, 2])
    padded = pictures.clone(), gaps.clone()
    for series, length in enumerate(lengths):
        padded[0][series, length:], padded[1][series, length:] = 1000, -1
    with torch.inference_mode():
        torch.testing.assert_close(network(*padded, lengths), network(pictures, gaps, lengths))


def test_a_short_series_is_answered_alone_as_in_a_batch_with_longer_ones() -> None:
    network = small()
    pictures, gaps = torch.randn(2, 4, 3, 32, 32), torch.rand(2, 4) * 100
    with torch.inference_mode():
        batch = network(pictures, gaps, torch.tensor([2, 4]))
        torch.testing.assert_close(network(pictures[:1, :2], gaps[:1, :2]), batch[:1], atol=1e-5, rtol=1e-4)


def test_one_picture_is_a_series_of_one_visit() -> None:
    network, pictures = small(), torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network(pictures), network(pictures[:, None], torch.zeros(2, 1), torch.tensor([1, 1])))


def test_order_and_gaps_of_visits_matter() -> None:
    network, pictures = small(), torch.randn(1, 3, 3, 32, 32)
    with torch.inference_mode():
        soon, late = network(pictures, torch.tensor([[0.0, 1, 1]])), network(pictures, torch.tensor([[0.0, 1, 900]]))
        assert not torch.allclose(soon, late)
        assert not torch.allclose(network(pictures), network(pictures.flip(1)))


def test_a_year_counts_one() -> None:
    torch.testing.assert_close(log_days(torch.tensor([-1.0, 0.0, 365.0])), torch.tensor([0.0, 0.0, 1.0]))


@pytest.mark.parametrize(
    ("shape", "gaps", "lengths", "remedy"),
    [
        ((2, 3, 1, 32, 32), None, None, "put visits before the three colours"),
        ((2, 3, 3, 32, 32), torch.zeros(2), None, "one number of days for each of 2×3 pictures"),
        ((2, 3, 3, 32, 32), None, torch.tensor([1, 2, 3]), "one number of visits for each of 2 series"),
        ((2, 3, 3, 32, 32), None, torch.tensor([0, 3]), "every series has 1 to 3 visits"),
        ((2, 3, 3, 32, 32), None, torch.tensor([1, 4]), "every series has 1 to 3 visits"),
        ((2, 3, 3, 15, 32), None, None, "16 px or more"),
    ],
)
def test_series_that_do_not_fit_together_are_refused(
    shape: tuple[int, ...], gaps: torch.Tensor | None, lengths: torch.Tensor | None, remedy: str
) -> None:
    with pytest.raises(ValueError, match=remedy):
        small()(torch.zeros(shape), gaps, lengths)


class TestProgressing:
    """The second answer: whether the lesion changed from its first to its last visit."""

    @pytest.fixture
    def network(self) -> CnnLstm:
        torch.manual_seed(3)
        built = build_network(architecture="cnn_lstm", classes=3, filters=4, units=8, progressing=True).eval()
        assert isinstance(built, CnnLstm)
        return built

    def test_both_answers_of_a_series_are_the_same_alone_and_among_longer_ones(self, network: CnnLstm) -> None:
        pictures, gaps = torch.randn(2, 4, 3, 32, 32), torch.rand(2, 4) * 100
        with torch.inference_mode():
            together = network.answers(pictures, gaps, torch.tensor([2, 4]))
            alone = network.answers(pictures[:1, :2], gaps[:1, :2])
        for many, one in zip(together, alone, strict=True):
            torch.testing.assert_close(many[:1], one, atol=1e-5, rtol=1e-4)
        assert (together[0].shape, together[1].shape) == ((2, 3), (2,))

    def test_the_classes_are_those_of_the_single_answer(self, network: CnnLstm) -> None:
        pictures, gaps = torch.randn(2, 3, 3, 32, 32), torch.rand(2, 3) * 100
        with torch.inference_mode():
            torch.testing.assert_close(network.answers(pictures, gaps)[0], network(pictures, gaps))

    def test_a_network_without_it_says_how_to_get_it(self) -> None:
        plain = small()
        assert isinstance(plain, CnnLstm)
        with pytest.raises(ValueError, match="build it with the option progressing"):
            plain.answers(torch.zeros(1, 2, 3, 32, 32))
