"""The U-Nets."""

import pytest
import torch

from models.networks import build_network
from tests.models.networks.contract import SegmenterContract


class TestUNet16(SegmenterContract):
    architecture, multiple = "unet_16", 16

    def test_it_has_the_published_number_of_parameters(self) -> None:
        network = self.build()
        trained = sum(parameter.numel() for parameter in network.parameters())
        followed = sum(value.numel() for name, value in network.named_buffers() if not name.endswith("num_batches_tracked"))
        assert (trained, followed) == (2_161_649, 2_944)
        assert trained + followed == 2_164_593  # Keras counts running means and variances, too


class TestUNetMobileNetV2(SegmenterContract):
    architecture, multiple = "unet_mobilenet_v2", 32


class TestUNetResNet18(SegmenterContract):
    architecture, multiple = "unet_resnet18", 32


def test_a_decoder_may_be_narrower_and_outline_several_things() -> None:
    network = build_network(architecture="unet_resnet18", classes=2, decoder=[32, 16, 16, 8, 8]).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 2, 64, 64)
    assert network.get_submodule("segmentation_head.0").in_channels == 8


@pytest.mark.parametrize("encoder", ["resnet34", "resnet50", "efficientnet-b0"])
def test_any_encoder_of_the_library_makes_a_u_net(encoder: str) -> None:
    network = build_network(architecture=f"unet_{encoder}", classes=1).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 32, 64)).shape == (1, 1, 32, 64)
