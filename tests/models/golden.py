"""What the shipped weights answer to drawn pictures, in float32. ``python -m tests.models.golden`` writes it after training."""

import json
from pathlib import Path
from typing import Any

import cv2

from models.analyzer import Analyzer
from models.finding import Finding
from models.synthetic import Kind, draw

GOLDEN = Path(__file__).parent / "golden.json"
SEEDS = {kind.value: seed for seed, kind in enumerate(Kind)}


def pictures() -> list[bytes]:
    """One drawn lesion per kind, as lossless PNG bytes."""
    drawn = [draw(seed=seed, kind=Kind(kind), width=640, height=480).rgb for kind, seed in SEEDS.items()]
    return [cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes() for picture in drawn]


def summary(finding: Finding) -> dict[str, Any]:
    """The part of a finding that weights decide."""
    assert finding.measures is not None
    assert finding.probabilities is not None
    probabilities = {code: round(value, 4) for code, value in finding.probabilities.items()}
    return {"area_share": round(finding.measures.area_share, 4), "probabilities": probabilities}


if __name__ == "__main__":
    analyzer = Analyzer.load(device="cpu", half=False)
    answers = dict(zip(SEEDS, map(summary, analyzer.analyse(pictures())), strict=True))
    GOLDEN.write_text(json.dumps({"pipeline_version": analyzer.pipeline_version, "answers": answers}, indent=1) + "\n")
