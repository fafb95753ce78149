"""Every published system goes the whole way: train, evaluate, bundle, and one real request through the pipeline it then serves."""

import json
import re
import shutil
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from infra.demo.cases import Submission, Upload, encode
from infra.demo.portal import Accepted, Portal
from infra.local import LocalStack
from models.analyzer import Analyzer
from models.bundle import SHIPPED, load_bundle
from models.change.sequence import SequenceReader
from models.synthetic import draw
from models.taxonomy import taxonomy_of
from models.training.recipe import RECIPES, load_recipe
from services.objects import ObjectStore
from services.records.database import Database
from tests.conftest import settings_from
from workers.cli import main
from workers.pipeline import Pipeline
from workers.runtime import RecordsLedger

CLASSIFIERS = ("s0", "s1", "s1-attention", "s2", "s3", "s4", "classifier")
SEGMENTERS = ("s2-unet", "segmenter")

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.filterwarnings("ignore::UserWarning:lightning", "ignore:`isinstance\\(treespec:FutureWarning"),
]


def on_drawn_data(name: str, folder: Path) -> Path:
    """The shipped recipe, reading the drawn data alone."""
    path = folder / f"{name}.toml"
    path.write_text(re.sub(r"sources = \[.*\]", 'sources = ["ham10000"]', (RECIPES / f"{name}.toml").read_text()))
    return path


def run(*words: str | Path) -> str:
    outcome = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def smoked(name: str, data: Path, folder: Path) -> Path:
    """``dermatrail train RECIPE --smoke``; the bundle's folder."""
    recipe, bundle = on_drawn_data(name, folder), folder / "bundles" / name
    run("train", recipe, "--data", data, "--smoke", "--out", bundle, "--work", folder / "work")
    return bundle


def answer_to_a_request(running: LocalStack, portal: Portal, analyzer: Analyzer) -> dict[str, Any]:
    """One case through the intake, one drain of a worker with this analyzer, and what the portal then reads."""
    picture = encode(draw(seed=uuid.uuid4().int % 1_000, width=320, height=240).rgb, ".jpg")
    case = {"patient": {"reference": f"SYSTEM-{uuid.uuid4()}"}, "urgency": "routine"}
    accepted = portal.submit(Submission(case=case, uploads=(Upload("lesion.jpg", lambda: picture),)))
    assert isinstance(accepted, Accepted)
    settings = settings_from(running.environment("worker"))
    database = Database.connect(settings)
    pipeline = Pipeline(
        analyzer=analyzer,
        store=ObjectStore.connect(settings),
        ledger=RecordsLedger(database, settings),
        batch_size=4,
        renew_seconds=30,
        model_threads=1,
        name="test",
        stopping=threading.Event(),
    )
    assert pipeline.drain() == 1
    database.close()
    (image,) = portal.case(accepted.case_id)["images"]
    return dict(image)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_is_trained_measured_bundled_and_served(
    name: str, data: Path, running: LocalStack, portal: Portal, tmp_path: Path
) -> None:
    bundle = smoked(name, data, tmp_path)
    card = load_bundle(bundle).card
    codes = set(taxonomy_of(load_recipe(name).data.taxonomy).codes)
    assert set(card["classes"]) == codes
    assert 0 <= card["metrics"]["test"]["accuracy"] <= 1
    assert (tmp_path / "work" / "report" / "report.html").exists()
    assert card["name"] in (bundle / "README.md").read_text()

    shutil.copytree(SHIPPED / "segmenter", tmp_path / "bundles" / "segmenter")
    image = answer_to_a_request(running, portal, Analyzer.load(bundles=tmp_path / "bundles", classifier=name, device="cpu"))
    assert image["state"] == "done"
    assert set(image["analysis"]["probabilities"]) == codes
    assert sum(image["analysis"]["probabilities"].values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_segmenter_is_trained_measured_bundled_and_served(
    name: str, data: Path, running: LocalStack, portal: Portal, tmp_path: Path
) -> None:
    bundle = smoked(name, data, tmp_path)
    figures = load_bundle(bundle).card["metrics"]["test"]
    assert set(figures["pixels"]) >= {"sensitivity", "specificity", "precision", "f1", "global_accuracy"}

    shutil.copytree(SHIPPED / "classifier", tmp_path / "bundles" / "classifier")
    image = answer_to_a_request(running, portal, Analyzer.load(bundles=tmp_path / "bundles", segmenter=name, device="cpu"))
    assert image["state"] == "done"


def test_the_sequence_model_is_trained_measured_bundled_and_reads_visits(data: Path, tmp_path: Path) -> None:
    bundle = smoked("sequence", data, tmp_path)
    said = (bundle / "README.md").read_text()
    assert "progressing against stable" in said
    assert "not defined for a single visit" in said
    drawn = [draw(seed=1, width=320, height=240, area=area) for area in (0.05, 0.12)]
    reader = SequenceReader.load(bundle)
    answer = reader.read([each.rgb for each in drawn], masks=[each.mask for each in drawn], days=[0, 180])
    assert answer.progressing_probability is not None
    assert answer.digest == load_bundle(bundle).digest
    out = tmp_path / "report"
    run("evaluate", bundle, "--data", data, "--out", out)
    titles = [section["title"] for section in json.loads((out / "report.json").read_text())["sections"]]
    assert "Series: progressing against stable" in titles


def test_two_bundles_are_compared_in_one_report(data: Path, tmp_path: Path) -> None:
    for name in ("s4", "s4-by-lesion"):
        (tmp_path / name).mkdir()
    one, other = (smoked(name, data, tmp_path / name) for name in ("s4", "s4-by-lesion"))
    out = tmp_path / "report"
    said = run("evaluate", one, other, "--data", data, "--out", out)
    assert str(out / "report.html") in said
    kinds = [section["kind"] for section in json.loads((out / "report.json").read_text())["sections"]]
    assert kinds.count("classification") == 2
    assert kinds[-1] == "comparison"
    assert "too good for new patients" in (out / "report.html").read_text()
