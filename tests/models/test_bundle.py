"""Bundles: what was saved is what answers, and nothing else is served."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.bundle import CARD, EXTRA, SHIPPED, WEIGHTS, BundleError, amend_card, load_bundle, read_card, save_bundle
from models.card import signed
from models.networks import build_network
from tests.models.cards import classifier_card, segmenter_card

SHIPPED_FOLDERS = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    save_bundle(folder=tmp_path / "net", network=build_network(architecture="mobilenet_v2", classes=2), card=classifier_card())
    return tmp_path / "net"


def rewrite(folder: Path, **changes: Any) -> None:
    """Write a card with valid signatures whatever it says, as another version of the program might."""
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(signed({**card, **changes}, weights_sha256=card["sha256"])))


def reweigh(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Write other weights under valid signatures."""
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)
    resign(folder)


def resign(folder: Path) -> None:
    import hashlib

    sha256 = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(signed(card, weights_sha256=sha256)))


def test_a_bundle_answers_as_before_it_was_saved(folder: Path) -> None:
    torch.manual_seed(3)
    before = build_network(architecture="mobilenet_v2", classes=2).eval()
    picture = torch.rand(1, 3, 64, 64)
    assert torch.allclose(load_bundle(folder).network(picture), before(picture), atol=1e-2)


def test_weights_are_stored_in_half_precision_and_extras_in_full(tmp_path: Path) -> None:
    network = build_network(architecture="unet_16", classes=1)
    exact = torch.tensor([1 / 3])
    save_bundle(folder=tmp_path, network=network, card=segmenter_card(), extras={"mean": exact})
    tensors = load_file(tmp_path / WEIGHTS)
    assert {tensor.dtype for name, tensor in tensors.items() if not name.startswith(EXTRA)} == {torch.float16, torch.int64}
    assert torch.equal(load_bundle(tmp_path).extras["mean"], exact)


def test_a_value_beyond_half_precision_keeps_its_tensor_single(tmp_path: Path) -> None:
    network = build_network(architecture="unet_16", classes=1)
    with torch.no_grad():
        next(network.parameters())[0] = 1e6
    save_bundle(folder=tmp_path, network=network, card=segmenter_card())
    assert next(load_bundle(tmp_path).network.parameters())[0].max() == 1e6


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    network = build_network(architecture="unet_16", classes=1)
    with torch.no_grad():
        next(network.parameters())[0] = torch.nan
    with pytest.raises(BundleError, match="diverged"):
        save_bundle(folder=tmp_path, network=network, card=segmenter_card())


def test_changed_weights_are_refused(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(bytes(data))
    with pytest.raises(BundleError, match="does not match the sha256"):
        load_bundle(folder)


@pytest.mark.parametrize("field", ["licence", "temperature", "name"])
def test_a_changed_card_is_refused(folder: Path, field: str) -> None:
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**card, field: 2.0 if field == "temperature" else "other"}))
    for read in (load_bundle, read_card):
        with pytest.raises(BundleError, match="changed since it was signed"):
            read(folder)


def test_a_card_may_be_spelt_otherwise(folder: Path) -> None:
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(dict(reversed(card.items())), indent=4))
    assert read_card(folder)["name"] == "Net"


@pytest.mark.parametrize("name", [CARD, WEIGHTS])
def test_a_folder_without_one_of_the_files_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing; train one or point to another"):
        load_bundle(folder)


@pytest.mark.parametrize(("text", "said"), [("{", "not JSON"), ("[]", "not a card"), ("{}", "does not match")])
def test_a_card_that_is_none_is_refused(folder: Path, text: str, said: str) -> None:
    (folder / CARD).write_text(text)
    with pytest.raises(BundleError, match=said):
        load_bundle(folder)


LIMITS = {"max_softmax": 0.5, "entropy": 0.5, "distance": 2.0}
UNKNOWN: dict[str, tuple[dict[str, Any], str]] = {
    "step": ({"input": {"side": 64, "steps": ["hair_telea", "hair_lasers"]}}, "knows no preprocessing step 'hair_lasers'"),
    "normalisation": ({"input": {"side": 64, "normalisation": "z_score"}}, "knows no normalisation 'z_score'"),
    "taxonomy": ({"taxonomy": "isic2018"}, r"knows no taxonomy 'isic2018': did you mean 'isic2019'\?"),
    "classes": ({"classes": ["MEL", "PSO"]}, "classes do not match its taxonomy: 'isic2019' has no PSO, but MEL, NV"),
    "views": ({"views": 3}, "3 views of a square: use 1, 2, 4, 8"),
    "architecture": ({"architecture": "mobilenet_v3"}, r"knows no architecture 'mobilenet_v3': did you mean 'mobilenet_v2'\?"),
}
UNBUILDABLE: dict[str, tuple[dict[str, Any], str]] = {
    "options": ({"options": {"wings": 2}}, "mobilenet_v2 cannot be built with"),
    "task": ({"architecture": "unet_16"}, "unet_16 is not made for the task 'classification': it outlines"),
    "number of classes": (
        {"classes": ["MEL", "NV", "BCC"]},
        r"a mobilenet_v2 with other classes or options: classifier.1.weight is 2×1280, not 3×1280",
    ),
    "detector": ({"ood": {"detector": "oracle", "thresholds": LIMITS}}, "knows no .*detector 'oracle'"),
    "detector's tensors": ({"ood": {"detector": "gaussian", "thresholds": LIMITS}}, "lacks the tensor extra.*of its detector 'gaussian'"),
    "thresholds": ({"ood": {"detector": "energy"}}, "thresholds or tensors cannot be read"),
    "prediction sets": ({"conformal": {"method": "magic"}}, "conformal part cannot be read"),
    "weights": ({"architecture": "resnet18"}, "another architecture: it does not fit resnet18 .* closest is mobilenet_v2, 100%"),
}


@pytest.mark.parametrize(("changes", "said"), [*UNKNOWN.values(), *UNBUILDABLE.values()], ids=[*UNKNOWN, *UNBUILDABLE])
def test_what_this_version_does_not_have_is_refused_with_the_reason(folder: Path, changes: dict[str, Any], said: str) -> None:
    rewrite(folder, **changes)
    with pytest.raises(BundleError, match=said) as error:
        load_bundle(folder)
    assert str(error.value).startswith(str(folder)), "the folder is named first"


@pytest.mark.parametrize(("changes", "said"), UNKNOWN.values(), ids=UNKNOWN)
def test_nothing_is_written_that_could_not_be_read(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    network = build_network(architecture="mobilenet_v2", classes=2)
    with pytest.raises(BundleError, match=said):
        save_bundle(folder=tmp_path / "new", network=network, card=classifier_card(**changes))
    assert not (tmp_path / "new").exists()


def test_a_card_that_describes_another_network_is_not_saved(tmp_path: Path) -> None:
    network = build_network(architecture="mobilenet_v2", classes=2)
    with pytest.raises(BundleError, match=r"does not describe this network: classifier.1.weight is 2×1280, not 3×1280"):
        save_bundle(folder=tmp_path / "new", network=network, card=classifier_card(classes=["MEL", "NV", "BCC"]))
    assert not (tmp_path / "new").exists()


def test_missing_strange_and_misshapen_weights_are_told_apart(folder: Path) -> None:
    def rename(tensors: dict[str, torch.Tensor]) -> None:
        tensors["head.weight"] = tensors.pop("classifier.1.weight")

    reweigh(folder, rename)
    with pytest.raises(BundleError, match=r"1 tensors are missing, such as classifier.1.weight, 1 are not of it, such as head.weight"):
        load_bundle(folder)


def test_weights_that_are_no_safetensors_are_refused_even_when_signed(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(os.urandom(64))
    resign(folder)
    with pytest.raises(BundleError, match="not a safetensors file"):
        load_bundle(folder)


def test_older_weights_that_did_not_count_batches_are_read(folder: Path) -> None:
    def forget(tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if name.endswith("num_batches_tracked")]:
            del tensors[name]

    reweigh(folder, forget)
    assert load_bundle(folder).card["name"] == "Net"


def test_amending_a_card_signs_it_anew(folder: Path) -> None:
    before = load_bundle(folder).digest
    amend_card(folder, {"metrics": {"test": {"accuracy": 0.8}}})
    amended = load_bundle(folder)
    assert amended.card["metrics"]["test"]["accuracy"] == 0.8
    assert amended.digest == before
    with pytest.raises(BundleError, match="temperature"):
        amend_card(folder, {"temperature": -1})
    assert load_bundle(folder).card == amended.card


@pytest.mark.parametrize("name", SHIPPED_FOLDERS)
def test_a_shipped_bundle_says_what_it_is_and_under_which_licence(name: str) -> None:
    card = load_bundle(SHIPPED / name).card
    assert all(card[field] for field in ("name", "version", "data", "licence", "metrics", "training"))
    assert card["non_commercial"] == ("NC" in card["licence"])


def test_the_shipped_bundles_fit_the_limit_together() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) <= 45e6
