"""Checkpoints become bundles; a pickle that is more than tensors does not."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from models.bundle import CARD, BundleError, load_bundle
from models.checkpoints import Import, import_checkpoint
from models.networks import ARCHITECTURES, build_network

SEVEN = {"taxonomy": "ham10000", "side": 64}


def given(architecture: str, **changes: Any) -> Import:
    return Import(**{"architecture": architecture, "side": 64, "licence": "CC BY-NC 4.0", "name": "Imported", **changes})


def brought(path: Path, architecture: str, **changes: Any) -> dict[str, Any]:
    return import_checkpoint(path, folder=path.parent / "bundle", given=given(architecture, **changes))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "best.pth"


def test_a_torchvision_state_dict_becomes_a_bundle_that_answers_the_same(file: Path) -> None:
    torch.manual_seed(0)
    original = torchvision.models.mobilenet_v2(num_classes=7).eval()
    torch.save(original.state_dict(), file)
    brought(file, "mobilenet_v2", **SEVEN)
    bundle = load_bundle(file.parent / "bundle")
    picture = torch.rand(2, 3, 64, 64)
    assert torch.allclose(bundle.network(picture), original(picture), atol=1e-2)
    assert bundle.card["training"]["imported_from"]["file"] == "best.pth"
    assert bundle.card["non_commercial"] is True
    assert (bundle.card["ood"], bundle.card["metrics"]) == (None, {})


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict"])
def test_what_training_programs_wrap_around_is_taken_off(file: Path, wrapper: str) -> None:
    state = {f"module.{name}": tensor for name, tensor in torchvision.models.resnet18(num_classes=7).state_dict().items()}
    torch.save({wrapper: state, "epoch": 12, "optimizer": {"lr": 1e-4}}, file)
    assert brought(file, "resnet18", **SEVEN)["architecture"] == "resnet18"


def test_a_segmenter_needs_no_taxonomy(file: Path) -> None:
    torch.save(build_network(architecture="unet_16", classes=1).state_dict(), file)
    assert brought(file, "unet_16")["task"] == "segmentation"
    with pytest.raises(BundleError, match="leave taxonomy and classes out"):
        brought(file, "unet_16", taxonomy="ham10000")


@pytest.mark.skipif("ensemble" not in ARCHITECTURES, reason="the networks have no ensemble yet")
def test_two_networks_in_one_file_become_an_ensemble_that_averages_their_logits(file: Path) -> None:
    torch.manual_seed(0)
    resnet, mobilenet = torchvision.models.resnet18(num_classes=7).eval(), torchvision.models.mobilenet_v2(num_classes=7).eval()
    torch.save({"resnet": resnet.state_dict(), "mobilenet": mobilenet.state_dict()}, file)
    card = brought(file, "ensemble", **SEVEN)
    assert card["options"] == {"members": ["resnet18", "mobilenet_v2"]}
    picture = torch.rand(2, 3, 64, 64)
    mean = (resnet(picture) + mobilenet(picture)) / 2
    assert torch.allclose(load_bundle(file.parent / "bundle").network(picture), mean, atol=1e-2)
    with pytest.raises(BundleError, match=r"holds 2 networks \(resnet, mobilenet\): import it with the architecture ensemble"):
        brought(file, "resnet18", **SEVEN)


@pytest.mark.skipif("ensemble" not in ARCHITECTURES, reason="the networks have no ensemble yet")
def test_one_network_is_no_ensemble(file: Path) -> None:
    torch.save(torchvision.models.resnet18(num_classes=7).state_dict(), file)
    with pytest.raises(BundleError, match=r"one network, not an ensemble .*resnet18"):
        brought(file, "ensemble", **SEVEN)


def test_another_architecture_is_named_with_its_likeness(file: Path) -> None:
    torch.save(torchvision.models.resnet18(num_classes=7).state_dict(), file)
    with pytest.raises(BundleError, match=r"best.pth: a checkpoint of another architecture: .*mobilenet_v2.* closest is resnet18, 100%"):
        brought(file, "mobilenet_v2", **SEVEN)


def test_a_network_like_none_of_ours_says_which_there_are(file: Path) -> None:
    torch.save(torch.nn.Linear(3, 4).state_dict(), file)
    with pytest.raises(BundleError, match=r"fits none of .*mobilenet_v2"):
        brought(file, "mobilenet_v2", **SEVEN)


def test_another_number_of_classes_is_told_from_another_network(file: Path) -> None:
    torch.save(torchvision.models.resnet18(num_classes=7).state_dict(), file)
    with pytest.raises(BundleError, match="answers 7 classes, taxonomy 'isic2019' has 8: taxonomies of 7 are ham10000"):
        brought(file, "resnet18", taxonomy="isic2019")


def test_classes_are_kept_in_the_order_of_the_outputs(file: Path) -> None:
    torch.save(torchvision.models.resnet18(num_classes=3).state_dict(), file)
    assert brought(file, "resnet18", taxonomy="isic2019", classes=("NV", "MEL", "BCC"))["classes"] == ["NV", "MEL", "BCC"]


class Malice:
    """What an attacker puts into a pickle."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_malicious_pickle_is_refused_and_runs_nothing(file: Path, protocol: int) -> None:
    state: dict[str, Any] = dict(torchvision.models.resnet18(num_classes=7).state_dict())
    torch.save({**state, "fc.bias": Malice(f"touch {file.parent}/run")}, file, pickle_protocol=protocol)
    with pytest.raises(BundleError, match=r"best\.pth"):
        brought(file, "resnet18", **SEVEN)
    assert sorted(path.name for path in file.parent.iterdir()) == ["best.pth"]


def test_a_whole_pickled_network_is_refused_with_the_cure(file: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), file)
    with pytest.raises(BundleError, match=r"more than tensors and was not opened.*torch.save\(network.state_dict\(\), FILE\)"):
        brought(file, "resnet18", **SEVEN)


OTHER = {
    "nothing": b"",
    "text": b"these are not weights",
    "a plain pickle": pickle.dumps([1, 2], protocol=2),
    "a cut-off archive": b"PK\x03\x04 and no more",
}


@pytest.mark.parametrize("data", OTHER.values(), ids=OTHER)
def test_a_file_that_is_no_checkpoint_is_refused(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with pytest.raises(BundleError, match=r"best\.pth"):
        brought(file, "resnet18", **SEVEN)


def test_tensors_without_names_are_refused(file: Path) -> None:
    torch.save([torch.zeros(2)], file)
    with pytest.raises(BundleError, match="holds a list, but no state dict"):
        brought(file, "resnet18", **SEVEN)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"taxonomy": None}, "name the taxonomy of its classes, one of binary"),
        ({"taxonomy": "ham"}, "no taxonomy 'ham'"),
        ({"steps": ["bleach"]}, "no preprocessing step 'bleach'"),
        ({"normalisation": "none"}, "no normalisation 'none'"),
        ({"licence": " "}, "licence"),
        ({"side": 4}, "input.side"),
        ({"classes": ("MEL", "XYZ")}, "has no XYZ"),
    ],
)
def test_anything_unknown_is_refused_before_a_bundle_is_written(file: Path, changes: dict[str, Any], said: str) -> None:
    torch.save(torchvision.models.resnet18(num_classes=7).state_dict(), file)
    with pytest.raises(BundleError, match=said):
        brought(file, "resnet18", **{**SEVEN, **changes})
    assert not (file.parent / "bundle" / CARD).exists()


def test_an_unknown_architecture_is_named(file: Path) -> None:
    torch.save(torchvision.models.resnet18(num_classes=7).state_dict(), file)
    with pytest.raises(BundleError, match=r"no architecture 'resnet_18': did you mean 'resnet18'\?"):
        brought(file, "resnet_18", **SEVEN)
