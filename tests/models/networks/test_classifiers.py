"""The classifiers of one picture."""

import copy
from typing import ClassVar

import pytest
import torch

from models.networks import Classifier, build_network
from models.networks.hybrid import positions_of
from tests.models.networks.contract import ClassifierContract, Options, ServesAnySide, ServesMultiples, Taught


class TestMobileNetV2(ClassifierContract, ServesAnySide):
    architecture, width = "mobilenet_v2", 1280


class TestResNet18(ClassifierContract, ServesAnySide):
    architecture, width = "resnet18", 512


class TestResNet50WithDenseHead(ClassifierContract, ServesAnySide):
    architecture, width = "resnet50", 512
    options: ClassVar[Options] = {"dense": 512, "dropout": 0.2}

    def test_the_features_are_those_of_the_dense_layer(self, taught: Taught) -> None:
        with torch.inference_mode():
            features = self.classifier(taught).embed(*self.inputs(2))
        assert features.min() == 0  # behind its ReLU


class TestEfficientNetB4(ClassifierContract, ServesAnySide):
    architecture, width = "efficientnet_b4", 1792
    options: ClassVar[Options] = {"dropout": 0.1}
    learning_rate = 1e-4


class TestConvNeXtTiny(ClassifierContract, ServesAnySide):
    architecture, width = "convnext_tiny", 768
    learning_rate = 1e-4

    def test_pictures_under_its_least_side_are_refused(self, taught: Taught) -> None:
        with pytest.raises(ValueError, match="32 px or more; enlarge them"):
            taught.network(torch.zeros(1, 3, 31, 64))


class TestVisionTransformer(ClassifierContract, ServesMultiples):
    architecture, width, multiple = "vit_b_16", 768, 16
    options: ClassVar[Options] = {"image_size": 64, "layers": 2}
    learning_rate = 1e-4

    def test_another_side_than_it_was_built_for_is_refused(self, taught: Taught) -> None:
        with pytest.raises(ValueError, match="image_size"):
            taught.network(torch.zeros(1, 3, 80, 80))

    def test_a_side_that_patches_do_not_fill_is_refused(self) -> None:
        with pytest.raises(ValueError, match="multiple of 16"):
            build_network(architecture="vit_b_16", classes=2, image_size=100)


class TestCnnResNetLstm(ClassifierContract, ServesAnySide):
    architecture, width = "cnn_resnet_lstm", 32
    options: ClassVar[Options] = {"backbone": "resnet18", "units": 32}


class TestPatchesReadByABiLstm(ClassifierContract, ServesAnySide):
    architecture, width = "resnet50_bilstm", 64
    options: ClassVar[Options] = {"backbone": "resnet18", "units": 32}

    def test_the_lstm_has_two_layers_and_two_directions(self, taught: Taught) -> None:
        lstm = taught.network.get_submodule("head.lstm")
        assert isinstance(lstm, torch.nn.LSTM)
        assert (lstm.num_layers, lstm.bidirectional) == (2, True)


class TestPatchesReadBySelfAttention(ClassifierContract, ServesAnySide):
    architecture, width = "resnet50_bilstm", 128
    options: ClassVar[Options] = {"backbone": "resnet18", "head": "attention", "units": 64, "layers": 1}

    def test_it_minds_where_a_patch_lies(self, taught: Taught) -> None:
        head = taught.network.get_submodule("head")
        maps = torch.randn(1, 512, 2, 2)
        with torch.inference_mode():
            assert not torch.allclose(head(maps).mean(1), head(maps.flip(3)).mean(1), atol=1e-5)


class TestEnsemble(ClassifierContract, ServesAnySide):
    architecture, width = "ensemble", 1280 + 512
    options: ClassVar[Options] = {"members": ["mobilenet_v2", {"architecture": "resnet18", "options": {"dropout": 0.1}}]}

    def test_logits_are_averaged_and_features_joined(self, taught: Taught) -> None:
        first, second = (member for member in taught.network.get_submodule("members").children() if isinstance(member, Classifier))
        with torch.inference_mode():
            torch.testing.assert_close(taught.network(*self.inputs(2)), (first(*self.inputs(2)) + second(*self.inputs(2))) / 2)
            features = self.classifier(taught).embed(*self.inputs(2))
            torch.testing.assert_close(features, torch.cat([first.embed(*self.inputs(2)), second.embed(*self.inputs(2))], 1))

    def test_one_state_dict_holds_both_under_torchvision_s_names(self, taught: Taught) -> None:
        names = taught.network.state_dict().keys()
        assert {"members.0.classifier.1.weight", "members.1.fc.weight"} <= names
        member = copy.deepcopy(taught.network.state_dict())
        alone = build_network(architecture="resnet18", classes=3)
        alone.load_state_dict({name.removeprefix("members.1."): value for name, value in member.items() if name.startswith("members.1.")})

    def test_every_member_is_explained(self, taught: Taught) -> None:
        assert len(self.classifier(taught).explain_layers) == 2


def test_members_of_different_grids_make_an_ensemble() -> None:
    members = [{"architecture": "vit_b_16", "options": {"image_size": 64, "layers": 1}}, "resnet18", "cnn_lstm"]
    network = build_network(architecture="ensemble", classes=2, members=members).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 2)


@pytest.mark.parametrize("member", [{"name": "resnet18"}, {"architecture": "resnet18", "option": {}}])
def test_a_member_that_is_not_described_well_is_refused(member: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="give a name"):
        build_network(architecture="ensemble", classes=2, members=[member])


def test_a_u_net_cannot_be_a_member() -> None:
    with pytest.raises(ValueError, match="unet_16 outlines lesions"):
        build_network(architecture="ensemble", classes=2, members=["unet_16"])


def test_an_ensemble_needs_members() -> None:
    with pytest.raises(ValueError, match="name one or more"):
        build_network(architecture="ensemble", classes=2, members=[])


@pytest.mark.parametrize(("name", "parameters"), [("resnet101", 42_516_552), ("resnet152", 58_160_200)])
def test_the_deepest_resnets_are_built_like_the_others(name: str, parameters: int) -> None:
    with torch.device("meta"):
        network = build_network(architecture=name, classes=8)
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 8)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_positions_differ_from_cell_to_cell_along_both_axes() -> None:
    positions = positions_of(3, 5, width=16)
    assert positions.shape == (15, 16)
    assert len({tuple(cell) for cell in positions.tolist()}) == 15
    assert torch.equal(positions[:5, :8], positions[:1, :8].expand(5, -1))  # one row: the same half for rows


@pytest.mark.parametrize(
    ("architecture", "options", "remedy"),
    [
        ("perceptron", {}, "resnet18"),
        ("resnet50", {"dens": 512}, "it takes dense, dropout"),
        ("unet_16", {"decoder": [1]}, "it takes none"),
        ("resnet50_bilstm", {"backbone": "vgg"}, "choose one of resnet18"),
        ("resnet50_bilstm", {"head": "gru"}, "bilstm, attention"),
        ("resnet50_bilstm", {"backbone": "resnet18", "head": "attention", "units": 100}, "multiple of"),
        ("cnn_resnet_lstm", {"backbone": "mobilenet_v2"}, "choose one of resnet18"),
        ("vit_b_16", {"layers": 13}, "choose 1 to 12"),
    ],
)
def test_what_cannot_be_built_is_refused_with_what_can(architecture: str, options: dict[str, object], remedy: str) -> None:
    with pytest.raises((KeyError, ValueError), match=remedy), torch.device("meta"):
        build_network(architecture=architecture, classes=2, **options)
