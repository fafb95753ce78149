import json
from pathlib import Path

import pytest
import torch

from models.bundle import CARD, SHIPPED, WEIGHTS, BundleError, load_bundle, save_bundle
from models.networks import build_network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    network = build_network(architecture="mobilenet_v2", classes=2)
    save_bundle(folder=tmp_path, network=network, card={"architecture": "mobilenet_v2", "classes": ["A", "B"], "licence": "none"})
    return tmp_path


def test_a_bundle_answers_as_before_it_was_saved(folder: Path) -> None:
    torch.manual_seed(3)
    before = build_network(architecture="mobilenet_v2", classes=2).eval()
    picture = torch.rand(1, 3, 64, 64)
    assert torch.allclose(load_bundle(folder).network(picture), before(picture), atol=1e-2)


def test_changed_weights_are_refused(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(bytes(data))
    with pytest.raises(BundleError, match="sha256"):
        load_bundle(folder)


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=CARD):
        load_bundle(tmp_path)


def test_the_digest_follows_whatever_changes_an_answer(folder: Path) -> None:
    before = load_bundle(folder).digest
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**card, "metrics": {"accuracy": 1}}))
    assert load_bundle(folder).digest == before
    (folder / CARD).write_text(json.dumps({**card, "temperature": 2.0}))
    assert load_bundle(folder).digest != before


def test_the_shipped_bundles_say_what_they_are_and_fit_the_limit() -> None:
    size = 0
    for name in ("segmenter", "classifier"):
        bundle = load_bundle(SHIPPED / name)
        assert {"architecture", "data", "licence", "metrics", "training", "sha256"} <= set(bundle.card)
        size += sum(path.stat().st_size for path in (SHIPPED / name).iterdir())
    assert size <= 25e6
