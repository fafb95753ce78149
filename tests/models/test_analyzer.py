"""The analyzer with the shipped weights: a pure function from bytes to findings."""

import csv
import json
import os
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.analyzer import HAIR_SHARE, Analyzer, infer_bisecting
from models.datasets import Split, split_of
from models.explain import HeatMaps
from models.finding import AbstainReason, Finding, NextStep, Outcome
from models.pictures.decode import decode
from models.pictures.masks import decode_png, enlarge
from models.pictures.types import Rgb
from models.synthetic import Kind, draw
from models.taxonomy import CODES, ISIC2019
from services.records import diagnoses
from services.review.findings import HAIRLESS_SHARE
from tests.models.golden import pictures

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("DERMATRAIL_SHARED", ROOT.parent / "shared")) / "data"


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer.load(device="cpu", half=False)


@pytest.fixture(scope="module")
def findings(analyzer: Analyzer) -> list[Finding]:
    return analyzer.analyse(pictures())


def encoded(picture: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def test_opencv_takes_one_thread_for_a_picture(analyzer: Analyzer) -> None:  # it is what sets it
    assert cv2.getNumThreads() == 1


def test_there_is_one_finding_per_picture_in_order_and_a_bad_one_costs_no_other(analyzer: Analyzer, findings: list[Finding]) -> None:
    good = pictures()
    mixed = [b"", good[0], b"not a picture", good[1], good[1][:900], good[2]]
    answers = analyzer.analyse(mixed, batch=4)
    assert [answer.outcome is Outcome.FAILED for answer in answers] == [True, False, True, False, True, False]
    assert [answer.reason for answer in answers[::2]] == ["empty", "not_an_image", "truncated"]
    assert all(answer.detail for answer in answers[::2])
    for answer, alone in zip(answers[1::2], findings, strict=False):
        assert answer.probabilities == pytest.approx(alone.probabilities, abs=1e-3)


def test_an_embedding_is_a_direction_of_what_the_classifier_saw(analyzer: Analyzer, findings: list[Finding]) -> None:
    vectors = [np.frombuffer(finding.embedding, "<f2").astype(np.float32) for finding in findings]
    assert {len(vector) for vector in vectors} == {analyzer.layout.features}
    assert [float(np.linalg.norm(vector)) for vector in vectors] == pytest.approx([1.0] * len(vectors), abs=2e-3)
    assert "embedding" not in findings[0].as_json()
    assert analyzer.analyse([b""])[0].embedding == b""


def test_no_pictures_no_findings(analyzer: Analyzer) -> None:
    assert analyzer.analyse([]) == []


def test_the_outline_may_run_in_bfloat16_and_the_classifier_never_does(findings: list[Finding]) -> None:
    lower = Analyzer.load(device="cpu", half=True)
    assert (lower.segmenter.name, lower.classifier.name) == ("torch-cpu-bf16", "torch-cpu-fp32")
    for a, b in zip(lower.analyse(pictures()), findings, strict=True):
        # Drawn borders are vaguer than real ones: one of them moves by some pixels.
        assert jaccard(decode_png(a.mask_png), decode_png(b.mask_png)) > 0.85


def test_openvino_agrees_with_torch(findings: list[Finding]) -> None:
    pytest.importorskip("openvino", reason="the openvino extra is not installed")
    for a, b in zip(Analyzer.load(device="cpu", backend="openvino", half=False).analyse(pictures()), findings, strict=True):
        assert a.probabilities == pytest.approx(b.probabilities, abs=0.02)


@pytest.mark.parametrize(("width", "height"), [(33, 900), (900, 33), (64, 64), (641, 479), (2_000, 1_500)])
def test_any_size_and_shape_is_answered_with_a_mask_of_the_working_picture(analyzer: Analyzer, width: int, height: int) -> None:
    picture = cv2.resize(draw(seed=1, kind=Kind("naevus"), width=640, height=480).rgb, (width, height))
    (finding,) = analyzer.analyse([encoded(picture)])
    mask = decode_png(finding.mask_png)
    assert (finding.width, finding.height) == (width, height)
    assert max(mask.shape) == min(512, max(width, height))
    assert set(np.unique(mask)) <= {0, 255}
    assert abs(mask.shape[1] / mask.shape[0] / (width / height) - 1) < 0.1


def test_probabilities_are_a_distribution_over_the_taxonomy(findings: list[Finding]) -> None:
    for finding in findings:
        assert finding.probabilities is not None
        assert tuple(finding.probabilities) == CODES
        assert sum(finding.probabilities.values()) == pytest.approx(1)


def test_a_finding_is_plain_json_without_its_files(findings: list[Finding]) -> None:
    written = json.loads(json.dumps(findings[0].as_json()))
    assert not [name for name in written if name.endswith(("_png", "_jpeg"))]
    assert {"outcome", "probabilities", "prediction", "ood", "quality", "measures", "taxonomy", "licence"} <= set(written)


def test_a_heat_map_covers_the_whole_picture_and_shines_in_the_square_only(findings: list[Finding]) -> None:
    made = [finding for finding in findings if finding.heatmap_jpeg]
    assert made, "no drawn lesion was answered"
    for finding in made:
        heat = cv2.imdecode(np.frombuffer(finding.heatmap_jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
        assert heat is not None
        assert heat.shape == decode_png(finding.mask_png).shape
        assert heat.max() > 240
        assert len(finding.heatmap_jpeg) < 20_000


def test_hair_is_painted_over_where_there_is_much(analyzer: Analyzer, findings: list[Finding]) -> None:
    hairy = analyzer.analyse([encoded(draw(seed=3, hair=hairs).rgb, ".jpg") for hairs in (90, 150)])
    assert all(finding.hairfree_jpeg for finding in hairy)
    assert not all(finding.hairfree_jpeg for finding in findings)
    for finding in (*findings, *hairy):
        assert finding.quality is not None
        assert bool(finding.hairfree_jpeg) == (finding.quality.hair_share >= HAIR_SHARE)
        if finding.hairfree_jpeg:
            clean = cv2.imdecode(np.frombuffer(finding.hairfree_jpeg, np.uint8), cv2.IMREAD_COLOR)
            assert clean is not None
            assert clean.shape[:2] == decode_png(finding.mask_png).shape


def test_the_page_calls_hairless_what_the_analyzer_does() -> None:
    assert HAIRLESS_SHARE == HAIR_SHARE


def test_heat_maps_can_be_left_out_and_change_no_answer(findings: list[Finding]) -> None:
    analyzer = Analyzer.load(device="cpu", half=False, heatmaps=HeatMaps.OFF)
    for a, b in zip(analyzer.analyse(pictures()), findings, strict=True):
        assert a.heatmap_jpeg == b""
        assert a.probabilities == pytest.approx(b.probabilities)


def test_only_an_answer_has_a_heat_map_and_is_called_suspicious(findings: list[Finding]) -> None:
    for finding in findings:
        stands = finding.outcome is not Outcome.ABSTAIN
        assert bool(finding.heatmap_jpeg) == bool(finding.classes) == stands
        assert finding.suspicious is None or stands
        assert (finding.prediction is not None) == (finding.outcome is Outcome.PREDICTION)


def test_a_dark_or_blurred_picture_abstains_and_asks_for_a_retake(analyzer: Analyzer) -> None:
    picture = draw(seed=1, kind=Kind("naevus"), width=640, height=480).rgb
    dark, blurred = (picture * 0.1).astype(np.uint8), cv2.GaussianBlur(picture, (0, 0), 25)
    for spoiled, issue in ((dark, "dark"), (blurred, "blurred")):
        (finding,) = analyzer.analyse([encoded(spoiled)])
        assert finding.outcome is Outcome.ABSTAIN
        assert finding.prediction is None
        assert (finding.reason, finding.next_step) == (AbstainReason.POOR_QUALITY, NextStep.RETAKE)
        assert finding.quality is not None
        assert issue in finding.quality.issues


def test_bisection_isolates_the_one_picture_that_fails() -> None:
    calls: list[int] = []

    def infer(batch: list[int]) -> list[int]:
        calls.append(len(batch))
        if 5 in batch:
            raise MemoryError
        return [value * 10 for value in batch]

    answers = infer_bisecting(infer, list(range(8)))  # type: ignore[arg-type]
    assert [answer for answer in answers if isinstance(answer, int)] == [0, 10, 20, 30, 40, 60, 70]
    assert isinstance(answers[5], MemoryError)
    assert len(calls) <= 7


def test_records_and_models_name_the_same_diagnoses() -> None:
    ours = [(diagnosis.code, diagnosis.name, diagnosis.malignant) for diagnosis in ISIC2019]
    assert [(diagnosis.code, diagnosis.name, diagnosis.malignant) for diagnosis in diagnoses.DIAGNOSES] == ours


def test_real_lesions_of_the_test_split_are_outlined_well(analyzer: Analyzer) -> None:
    archive = SHARED / "isic2018_task1.tar.gz"
    if not archive.exists():
        pytest.skip(f"no real images at {archive}: set DERMATRAIL_SHARED to the folder that has them")
    images, masks = held_out(archive, count=24)
    found = [decode_png(finding.mask_png) for finding in analyzer.analyse(images)]
    values = [jaccard(enlarge(mask, truth.shape[1], truth.shape[0]), truth) for mask, truth in zip(found, masks, strict=True)]
    assert np.mean(values) > 0.75


def held_out(archive: Path, *, count: int) -> tuple[list[bytes], list[np.ndarray]]:
    """The first pictures whose lesion no training has seen, with their masks."""
    files: dict[str, bytes] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and (content := tar.extractfile(member)):
                files[member.name.partition("/")[2]] = content.read()
    rows = csv.DictReader(files["labels.csv"].decode().splitlines())
    ids = [row["image_id"] for row in rows if split_of(row["lesion_id"] or row["image_id"]) is Split.TEST][:count]
    return [files[f"images/{name}.jpg"] for name in ids], [decode_png(files[f"masks/{name}.png"]) for name in ids]


def test_writing_is_looked_for_on_the_way(analyzer: Analyzer, findings: list[Finding]) -> None:
    assert all(found.identity and not found.identity.suspected for found in findings)
    written: Rgb = decode(pictures()[0]).rgb.copy()
    cv2.putText(written, "Mueller, Anna 02.03.1961", (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    (found,) = analyzer.analyse([encoded(written)])
    assert found.identity
    assert found.identity.suspected
    assert "identity" not in found.as_json()
