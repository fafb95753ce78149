"""What the shipped weights answer to drawn pictures, in float32. ``python -m tests.models.golden`` writes it after training.

Every folder of shipped bundles is pinned, each in the place that it fills, beside the default bundle of the other place.
"""

import json
from pathlib import Path
from typing import Any

import cv2

from models.analyzer import Analyzer
from models.bundle import SHIPPED, read_card
from models.card import kind_of
from models.change.sequence import SequenceReader
from models.finding import Finding
from models.synthetic import Kind, draw

GOLDEN = Path(__file__).parent / "golden.json"
SEEDS = {kind.value: seed for seed, kind in enumerate(Kind)}
SERIES = (0.05, 0.12)  # shares of the picture that a growing lesion covers
BUNDLES = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())


def pictures() -> list[bytes]:
    """One drawn lesion per kind, as lossless PNG bytes."""
    drawn = [draw(seed=seed, kind=Kind(kind), width=640, height=480).rgb for kind, seed in SEEDS.items()]
    return [cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes() for picture in drawn]


def summary(finding: Finding) -> dict[str, Any]:
    """The part of a finding that weights decide."""
    assert finding.probabilities is not None
    probabilities = {code: round(value, 4) for code, value in finding.probabilities.items()}
    return {"area_share": round(finding.measures.area_share, 4) if finding.measures else 0.0, "probabilities": probabilities}


def series_answers(name: str) -> dict[str, Any]:
    """What a sequence model answers to each drawn kind growing from 5 to 12 % of its picture in half a year."""
    reader, answers = SequenceReader.load(SHIPPED / name), {}
    for kind, seed in SEEDS.items():
        drawn = [draw(seed=seed, kind=Kind(kind), width=640, height=480, area=area) for area in SERIES]
        answer = reader.read([each.rgb for each in drawn], masks=[each.mask for each in drawn], days=[0, 180])
        assert answer.progressing_probability is not None
        probabilities = {"malignant": answer.malignant_probability, "progressing": answer.progressing_probability}
        answers[kind] = {"area_share": SERIES[-1], "probabilities": {name: round(value, 4) for name, value in probabilities.items()}}
    return {"pipeline_version": f"sequence-{reader.digest}", "answers": answers}


def answers_with(name: str) -> dict[str, Any]:
    """What the default pair answers with the bundle ``name`` in its place: pipeline version, and a summary per drawn kind.

    A sequence model has no place in the pair: its answers to series.
    """
    place = kind_of(read_card(SHIPPED / name))
    if place == "sequence":
        return series_answers(name)
    pair = {"segmenter": "segmenter", "classifier": "classifier", place: name}
    analyzer = Analyzer.load(segmenter=pair["segmenter"], classifier=pair["classifier"], device="cpu", half=False)
    answers = map(summary, analyzer.analyse(pictures()))
    return {"pipeline_version": analyzer.pipeline_version, "answers": dict(zip(SEEDS, answers, strict=True))}


if __name__ == "__main__":
    default = answers_with("classifier")
    GOLDEN.write_text(json.dumps({**default, "bundles": {name: answers_with(name) for name in BUNDLES}}, indent=1) + "\n")
