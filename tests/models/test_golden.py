"""Each shipped bundle answers as when it was shipped."""

import json

import pytest

from models.bundle import SHIPPED, load_bundle
from tests.models.golden import BUNDLES, GOLDEN, SEEDS, answers_with

REWRITE = "write it with `python -m tests.models.golden`, and see that the answers are as they should be"


@pytest.fixture(scope="module")
def golden() -> dict[str, dict[str, dict[str, dict[str, dict[str, float]]]]]:
    found: dict[str, dict[str, dict[str, dict[str, dict[str, float]]]]] = json.loads(GOLDEN.read_text()).get("bundles", {})
    return found


def test_every_shipped_bundle_is_pinned_and_nothing_else(golden: dict[str, object]) -> None:
    assert sorted(golden) == BUNDLES, REWRITE


@pytest.mark.parametrize("name", BUNDLES)
def test_a_shipped_bundle_answers_as_when_it_was_shipped(name: str, golden: dict[str, dict[str, dict[str, dict[str, float]]]]) -> None:
    if name not in golden:
        pytest.fail(f"{name} is not in {GOLDEN.name}: {REWRITE}")
    pinned, now = golden[name], answers_with(name)
    assert now["pipeline_version"] == pinned["pipeline_version"], REWRITE
    assert load_bundle(SHIPPED / name).digest in now["pipeline_version"]
    for kind in SEEDS:
        expected, found = pinned["answers"][kind], now["answers"][kind]
        assert found["probabilities"] == pytest.approx(expected["probabilities"], abs=0.02)
        assert found["area_share"] == pytest.approx(expected["area_share"], abs=0.01)
