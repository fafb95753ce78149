"""``dermatrail models`` and ``dermatrail bundle``, as an administrator types them."""

import json
from pathlib import Path

import click
import pytest
import torch
import torchvision
from click.testing import CliRunner, Result

from models.bundle import CARD, load_bundle
from services.records import registry
from services.records.audit import Actor
from services.records.database import Database
from services.records.states import ModelKind
from services.settings import Settings
from tests.workers.conftest import Folder
from workers.commands import models as commands


@pytest.fixture
def cli() -> click.Group:
    group = click.Group("dermatrail")
    commands.register(group)
    return group


def run(cli: click.Group, *words: str) -> Result:
    return CliRunner(env={"COLUMNS": "400"}).invoke(cli, words)


@pytest.fixture
def address(owner: Database, owner_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner's address in the environment, of an empty database, and a login's name."""
    monkeypatch.setenv("DERMATRAIL_DATABASE_URL", owner_settings.database_url.get_secret_value())
    monkeypatch.setenv("LOGNAME", "anna")


@pytest.fixture
def known(owner: Database, address: None) -> list[str]:
    """Two classifiers and a segmenter in the registry."""
    card = {"licence": "CC BY-NC 4.0", "non_commercial": True}
    digests = ["a1" * 6, "b2" * 6, "c3" * 6]
    kinds = [ModelKind.CLASSIFIER, ModelKind.CLASSIFIER, ModelKind.SEGMENTER]
    with owner.transaction() as session:
        for digest, kind in zip(digests, kinds, strict=True):
            registry.register_model_version(
                session=session, kind=kind, digest=digest, name="Net", version="3", card=card, actor=Actor.system("w"), reason="found"
            )
    return digests


def states(cli: click.Group) -> dict[str, str]:
    return {version["digest"][:2]: version["state"] for version in json.loads(run(cli, "models", "list", "--json").stdout)}


def test_the_list_shows_state_and_licence(cli: click.Group, known: list[str]) -> None:
    shown = run(cli, "models", "list").stdout.splitlines()
    assert [line.split()[:2] for line in shown[1:]] == [["segmenter", known[2]], ["classifier", known[0]], ["classifier", known[1]]]
    assert all("CC BY-NC 4.0" in line for line in shown[1:])
    assert run(cli, "models", "list", "--kind", "segmenter").stdout.count("Net") == 1


def test_an_empty_registry_says_who_fills_it(cli: click.Group, address: None) -> None:
    assert "a worker registers its bundles when it starts" in run(cli, "models", "list").stdout


def test_names_and_reasons_are_shown_as_they_are_written(cli: click.Group, known: list[str]) -> None:
    run(cli, "models", "promote", "b2", "--reason", "[red]not colour[/red]")
    assert "[red]not colour[/red]" in run(cli, "models", "history").stdout


def test_a_promotion_a_shadow_a_rollback_and_a_retirement(cli: click.Group, known: list[str]) -> None:
    promoted = run(cli, "models", "promote", "b2", "--reason", "better")
    assert promoted.stdout.startswith(f"classifier {known[1]} (Net 3) is now champion. Licence: CC BY-NC 4.0.\n")
    assert "no out-of-distribution check" in promoted.stdout
    assert states(cli) == {"a1": "retired", "b2": "champion", "c3": "champion"}
    assert run(cli, "models", "rollback", "classifier", "--reason", "worse").exit_code == 0
    assert run(cli, "models", "shadow", "b2", "--reason", "look again").exit_code == 0
    assert states(cli) == {"a1": "champion", "b2": "shadow", "c3": "champion"}
    assert run(cli, "models", "retire", "b2", "--reason", "no").stdout.endswith("is now retired.\n")


def test_a_bundle_is_registered_before_any_worker_has_it(cli: click.Group, known: list[str], folder: Folder) -> None:
    path = folder.path / "classifier"
    told = run(cli, "models", "register", str(path), "--reason", "new data").stdout
    assert told == f"classifier {load_bundle(path).digest} (Net 1) is known: candidate.\n"
    (path / CARD).write_text("{}")
    assert "does not match the sha256" in run(cli, "models", "register", str(path), "--reason", "x").stderr


def test_history_tells_who_and_why(cli: click.Group, known: list[str]) -> None:
    run(cli, "models", "promote", "b2", "--reason", "two points on melanoma")
    run(cli, "models", "rollback", "classifier", "--reason", "blurred cameras", "--by", "bea")
    events = json.loads(run(cli, "models", "history", "b2", "--json").stdout)
    assert [(event["action"], event["to_state"], event["actor_id"], event["reason"]) for event in events] == [
        ("registered", "candidate", "w", "found"),
        ("promoted", "champion", "dermatrail:anna", "two points on melanoma"),
        ("retired", "retired", "dermatrail:bea", "blurred cameras"),
    ]
    shown = run(cli, "models", "history", "--kind", "classifier").stdout
    assert "blurred cameras" in shown
    assert known[2] not in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("promote ff --reason x", "no model version with the digest 'ff'"),
        ("promote a1 --reason x", "champion already"),
        ("retire a1 --reason x", "promote another classifier first"),
        ("rollback segmenter --reason x", "no earlier segmenter"),
        ("promote b2 --reason=", "reason: say why"),
        ("promote b2", "Missing option '--reason'"),
        ("history ff", "no model version"),
    ],
)
def test_a_refusal_is_a_plain_message(cli: click.Group, known: list[str], words: str, said: str) -> None:
    result = run(cli, "models", *words.split())
    assert result.exit_code != 0
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_bundle_is_shown_with_its_licence(cli: click.Group, folder: Folder) -> None:
    folder.add("classifier", licence="CC BY-NC 4.0", non_commercial=True, metrics={"test": {"accuracy": 0.8125}})
    shown = run(cli, "bundle", "show", str(folder.path / "classifier")).stdout
    for words in ("Net 1", "mobilenet_v2", "MEL, NV (isic2019)", "CC BY-NC 4.0 – non-commercial use only", "accuracy 0.8125"):
        assert words in shown
    card = json.loads(run(cli, "bundle", "show", str(folder.path / "classifier"), "--json").stdout)
    assert card["digest"] == load_bundle(folder.path / "classifier").digest


def test_good_and_bad_bundles_are_told_apart(cli: click.Group, folder: Folder) -> None:
    both = (str(folder.path / "segmenter"), str(folder.path / "classifier"))
    assert run(cli, "bundle", "verify", *both).exit_code == 0
    card = folder.path / "classifier" / CARD
    card.write_text(card.read_text().replace("CC0-1.0", "MIT"))
    result = run(cli, "bundle", "verify", *both, "--json")
    assert result.exit_code == 1
    good, bad = json.loads(result.stdout)
    assert (good["problem"], good["licence"], good["non_commercial"]) == (None, "CC0-1.0", False)
    assert "changed since it was signed" in bad["problem"]
    assert "changed since it was signed" in run(cli, "bundle", "verify", *both).stdout
    assert run(cli, "bundle", "show", both[1]).exit_code == 1


def checkpoint(path: Path) -> str:
    torch.save(torchvision.models.mobilenet_v2(num_classes=7).state_dict(), path)
    return str(path)


def test_a_checkpoint_is_imported(cli: click.Group, tmp_path: Path) -> None:
    words = f"--architecture mobilenet_v2 --taxonomy ham10000 --side 64 --licence CC-BY-NC-4.0 --step clahe --out {tmp_path}/bundle"
    result = run(cli, "bundle", "import", checkpoint(tmp_path / "best.pth"), *words.split())
    assert result.exit_code == 0
    bundle = load_bundle(tmp_path / "bundle")
    assert (bundle.card["name"], bundle.card["non_commercial"], bundle.card["input"]["steps"]) == ("best", True, ["clahe"])
    assert f"Order of the outputs, taken to be ham10000's: {', '.join(bundle.card['classes'])}" in result.stdout
    assert "not calibrated" in result.stderr


def test_a_checkpoint_that_does_not_fit_is_a_plain_message(cli: click.Group, tmp_path: Path) -> None:
    words = f"--architecture resnet18 --taxonomy ham10000 --side 64 --licence CC0 --out {tmp_path}/bundle"
    result = run(cli, "bundle", "import", checkpoint(tmp_path / "best.pth"), *words.split())
    assert result.exit_code == 1
    assert "closest is mobilenet_v2, 100% of whose tensors fit" in result.stderr
    assert not (tmp_path / "bundle").exists()
