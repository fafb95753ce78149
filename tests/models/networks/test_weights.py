"""torchvision's weights, and freezing what they fill."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from models.networks import build_network, freeze, head_parameters, load_torchvision_weights

RESNET18 = "resnet18"


def saved(folder: Path, architecture: str) -> Path:
    """A file as torchvision publishes it, of a thousand classes and random weights."""
    path = folder / f"{architecture}.pth"
    torch.save(getattr(torchvision.models, architecture)(weights=None).state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("architecture", "options", "file", "prefix"),
    [
        ("mobilenet_v2", {}, "mobilenet_v2", ""),
        ("unet_mobilenet_v2", {}, "mobilenet_v2", "encoder."),
        ("unet_resnet18", {}, RESNET18, "encoder."),
        (RESNET18, {"dense": 16}, RESNET18, ""),
        ("resnet50_bilstm", {"backbone": RESNET18}, RESNET18, "backbone."),
        ("cnn_lstm", {"backbone": RESNET18}, RESNET18, "backbone."),
        ("ensemble", {}, RESNET18, "members.0."),
        ("ensemble", {}, "mobilenet_v2", "members.1."),
    ],
)
def test_a_backbone_takes_its_weights_and_the_head_stays(
    tmp_path: Path, architecture: str, options: dict[str, Any], file: str, prefix: str
) -> None:
    path = saved(tmp_path, file)
    network = build_network(architecture=architecture, classes=1, **options)
    heads = [parameter.clone() for parameter in head_parameters(network)]
    load_torchvision_weights(network, path)
    loaded = network.state_dict()
    published = {name: value for name, value in torch.load(path, weights_only=True).items() if not name.startswith(("fc.", "classifier."))}
    assert all(torch.equal(loaded[prefix + name], value) for name, value in published.items())
    assert all(torch.equal(now, before) for now, before in zip(head_parameters(network), heads, strict=True))


def test_a_stem_of_its_own_stays_and_the_stages_behind_it_take_theirs(tmp_path: Path) -> None:
    path = saved(tmp_path, RESNET18)
    network = build_network(architecture="cnn_resnet_lstm", classes=2, backbone=RESNET18)
    load_torchvision_weights(network, path)
    state = torch.load(path, weights_only=True)
    assert torch.equal(network.state_dict()["backbone.layer1.0.conv1.weight"], state["layer1.0.conv1.weight"])
    assert torch.equal(network.state_dict()["backbone.layer4.1.bn2.weight"], state["layer4.1.bn2.weight"])


def test_a_file_from_before_batch_norms_counted_is_taken(tmp_path: Path) -> None:
    path = saved(tmp_path, RESNET18)
    state = torch.load(path, weights_only=True)
    torch.save({name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}, path)
    network = build_network(architecture=RESNET18, classes=2)
    load_torchvision_weights(network, path)
    assert torch.equal(network.state_dict()["conv1.weight"], state["conv1.weight"])


def test_the_positions_of_a_transformer_are_stretched_to_its_side(tmp_path: Path) -> None:
    path = tmp_path / "vit_b_16.pth"
    small = torchvision.models.VisionTransformer(32, patch_size=16, num_layers=2, num_heads=12, hidden_dim=768, mlp_dim=3072)
    torch.save(small.state_dict(), path)
    network = build_network(architecture="vit_b_16", classes=2, image_size=64, layers=1)
    load_torchvision_weights(network, path)
    state, loaded = torch.load(path, weights_only=True), network.state_dict()
    assert loaded["encoder.pos_embedding"].shape == (1, 17, 768)
    corners = [1, 4, 13, 16]
    torch.testing.assert_close(loaded["encoder.pos_embedding"][:, corners], state["encoder.pos_embedding"][:, 1:])
    assert torch.equal(loaded["class_token"], state["class_token"])


def test_weights_of_another_architecture_are_refused_with_both_names(tmp_path: Path) -> None:
    network = build_network(architecture="mobilenet_v2", classes=2)
    before = network.state_dict()["features.0.0.weight"].clone()
    with pytest.raises(ValueError, match=r"resnet18\.pth holds the weights of resnet18, .* torchvision's mobilenet_v2"):
        load_torchvision_weights(network, saved(tmp_path, RESNET18))
    assert torch.equal(network.state_dict()["features.0.0.weight"], before)


def test_a_shallower_network_of_the_same_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds the weights of resnet18, .* resnet34"):
        load_torchvision_weights(build_network(architecture="resnet34", classes=2), saved(tmp_path, RESNET18))


def test_a_network_without_such_a_backbone_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no backbone that torchvision has weights for"):
        load_torchvision_weights(build_network(architecture="unet_16", classes=1), tmp_path / "weights.pth")


@pytest.mark.parametrize(("content", "remedy"), [({"epoch": 3}, "more or other things"), ([1], "more or other things")])
def test_a_file_of_other_things_is_refused(tmp_path: Path, content: object, remedy: str) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=remedy):
        load_torchvision_weights(build_network(architecture=RESNET18, classes=2), tmp_path / "weights.pth")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(1, 1), tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="no plain state dict"):
        load_torchvision_weights(build_network(architecture=RESNET18, classes=2), tmp_path / "weights.pth")


@pytest.mark.parametrize("content", [b"", b"not weights"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(ValueError, match="no plain state dict"):
        load_torchvision_weights(build_network(architecture=RESNET18, classes=2), tmp_path / "weights.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no weights at .*weights\.pth"):
        load_torchvision_weights(build_network(architecture=RESNET18, classes=2), tmp_path / "weights.pth")


def test_layers_up_to_a_name_are_frozen() -> None:
    network = build_network(architecture=RESNET18, classes=2)
    freeze(network, upto="layer3")
    learning = {name.partition(".")[0] for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert learning == {"layer4", "fc"}


@pytest.mark.parametrize(
    ("architecture", "options", "upto", "first"),
    [
        ("mobilenet_v2", {}, "features.13", "features.14.conv.0.0.weight"),
        ("unet_resnet18", {}, "layer1", "encoder.layer2.0.conv1.weight"),
        ("resnet50_bilstm", {"backbone": RESNET18}, "layer4.0", "backbone.layer4.1.conv1.weight"),
        ("vit_b_16", {"image_size": 32, "layers": 3}, "encoder_layer_1", "encoder.layers.encoder_layer_2.ln_1.weight"),
    ],
)
def test_learning_begins_behind_the_name(architecture: str, options: dict[str, Any], upto: str, first: str) -> None:
    network = build_network(architecture=architecture, classes=2, **options)
    freeze(network, upto=upto)
    assert next(name for name, parameter in network.named_parameters() if parameter.requires_grad) == first


def test_every_member_of_an_ensemble_is_frozen() -> None:
    network = build_network(architecture="ensemble", classes=2, members=[RESNET18, RESNET18])
    freeze(network, upto="layer4")
    learning = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert learning == {f"members.{member}.fc.{kind}" for member in (0, 1) for kind in ("weight", "bias")}


def test_a_layer_that_is_not_there_is_refused_with_those_that_are() -> None:
    network = build_network(architecture=RESNET18, classes=2)
    with pytest.raises(ValueError, match=r"no layer 'layer5': choose one of conv1, .*layer4\.1\.conv2"):
        freeze(network, upto="layer5")
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_network_of_elsewhere_is_refused() -> None:
    with pytest.raises(TypeError, match="build it with"):
        freeze(nn.Linear(1, 1))
