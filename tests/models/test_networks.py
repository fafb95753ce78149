"""The networks as built, and as they are changed for inference."""

import pytest
import torch
from torch import nn

from models.networks import ARCHITECTURES, WithFeatures, build_network, fold_batch_norms


def trained(architecture: str, classes: int) -> nn.Module:
    """A network whose batch norms have statistics of their own."""
    torch.manual_seed(1)
    network = build_network(architecture=architecture, classes=classes)
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(2, 3, 64, 64) * 2 + 1)
    return network.eval()


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_folding_removes_the_batch_norms_and_keeps_the_answers(architecture: str) -> None:
    network, pictures = trained(architecture, 3), torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        before = network(pictures)
        folded = fold_batch_norms(network)
        assert torch.allclose(folded(pictures), before, atol=1e-3)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_a_batch_of_one_is_answered_like_a_batch_of_many(architecture: str) -> None:
    network, pictures = trained(architecture, 3), torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(network(pictures)[1:2], network(pictures[1:2]), atol=1e-4)


def test_features_come_beside_the_same_logits() -> None:
    network, pictures = trained("mobilenet_v2", 8), torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        seen = WithFeatures(network)(pictures)
        assert seen.shape == (2, 8 + 1280)
        assert torch.allclose(seen[:, :8], network(pictures), atol=1e-5)


def test_an_unknown_architecture_is_refused_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="mobilenet_v2"):
        build_network(architecture="perceptron", classes=2)
