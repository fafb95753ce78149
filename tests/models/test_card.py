"""bundle.json: every fault named by its field, one spelling of what could change an answer."""

from typing import Any

import pytest

from models.card import BundleError, card_sha256, digest_of, parse_card, signed, upgrade
from tests.models.cards import classifier_card, segmenter_card

WEIGHTS = "a" * 64


def sign(**changes: Any) -> dict[str, Any]:
    return signed(classifier_card(**changes), weights_sha256=WEIGHTS)


def test_a_signed_card_is_valid_and_says_every_default() -> None:
    card = sign()
    assert parse_card(card) == card
    assert (card["views"], card["temperature"], card["options"], card["ood"]) == (1, 1.0, {}, None)
    assert card["input"] == {"side": 64, "crop": "whole", "steps": [], "normalisation": "imagenet"}
    assert card["card_sha256"] == card_sha256(card)


def test_signing_again_gives_the_same_card() -> None:
    assert signed(sign(), weights_sha256=WEIGHTS) == sign()


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a field is missing": ({"licence": None}, r"licence: Input should be a valid string"),
    "an unknown field": ({"clases": ["MEL"]}, r"clases is no field of a card: did you mean 'classes'\?"),
    "an unknown field of the input": ({"input": {"side": 64, "step": []}}, r"input.step is no field of a card: did you mean 'steps'\?"),
    "a side that is no number": ({"input": {"side": "64"}}, r"input.side: Input should be a valid integer"),
    "a side that is true": ({"input": {"side": True}}, r"input.side"),
    "no side": ({"input": {}}, r"input.side is missing"),
    "a side out of range": ({"input": {"side": 4}}, r"input.side: .* greater than or equal to 16"),
    "another crop": ({"input": {"side": 64, "crop": "centre"}}, r"input.crop: .*'lesion_square' or 'whole'"),
    "an empty licence": ({"licence": "  "}, r"licence: .*at least 1"),
    "a temperature of nothing": ({"temperature": 0}, r"temperature: .*greater than 0"),
    "a probability above one": ({"operating_point": {"malignant_probability": 1.2}}, r"operating_point.malignant_probability"),
    "a class twice": ({"classes": ["MEL", "MEL"]}, r"two classes or more, each once"),
    "one class": ({"classes": ["MEL"]}, r"two classes or more"),
    "no taxonomy": ({"taxonomy": None}, r"names the taxonomy"),
    "another task": ({"task": "detection"}, r"task: .*'segmentation', 'classification' or 'sequence'"),
    "progress of a single picture": (
        {"progressing": {"visits": 3, "grown": 0.1, "darkened": 0.15}},
        r"progressing is an answer of a sequence: the task is another",
    ),
    "a figure that is none": ({"metrics": {"auroc": float("nan")}}, r"not a number"),
    "a value that JSON has not": ({"training": {"started": object()}}, r"what JSON cannot"),
    "a newer format": ({"format": 3}, r"format 3, this version reads 2: use the version that wrote it"),
}


@pytest.mark.parametrize(("changes", "said"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_by_its_field(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BundleError, match=said):
        sign(**changes)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(BundleError) as error:
        sign(licence="", views=0, data="")
    assert all(field in str(error.value) for field in ("licence", "views", "data"))


def test_a_segmenter_has_one_class_and_no_taxonomy() -> None:
    assert signed(segmenter_card(), weights_sha256=WEIGHTS)["classes"] == ["lesion"]
    for wrong in ({"taxonomy": "isic2019"}, {"classes": ["MEL", "NV"]}):
        with pytest.raises(BundleError, match='the one class "lesion"'):
            signed(segmenter_card(**wrong), weights_sha256=WEIGHTS)


ANSWERS: dict[str, Any] = {
    "architecture": "resnet18",
    "options": {"dense": 512},
    "taxonomy": "ham10000",
    "classes": ["NV", "MEL"],
    "input": {"side": 96},
    "views": 4,
    "temperature": 1.5,
    "ood": {"detector": "energy"},
    "conformal": {"coverage": 0.9},
    "operating_point": {"malignant_probability": 0.2},
    "quality": {"sharpness": 1.0},
    "progressing": {"visits": 3, "grown": 0.1, "darkened": 0.15},
    "licence": "CC BY 4.0",
    "non_commercial": True,
    "task": "sequence",
}
WORDS = {"name": "Other", "version": "2", "data": "others", "training": {"epochs": 3}, "metrics": {"accuracy": 0.9}}


@pytest.mark.parametrize("field", [*ANSWERS, "sha256"])
def test_the_digest_follows_whatever_could_change_an_answer(field: str) -> None:
    changed = {"sha256": "b" * 64}.get(field, ANSWERS.get(field))
    assert digest_of({**sign(), field: changed}) != digest_of(sign())


@pytest.mark.parametrize("field", WORDS)
def test_the_digest_stays_with_what_cannot(field: str) -> None:
    assert digest_of(sign(**{field: WORDS[field]})) == digest_of(sign())
    assert sign(**{field: WORDS[field]})["card_sha256"] != sign()["card_sha256"]


def test_the_digest_stays_when_a_later_version_adds_fields_with_defaults() -> None:
    card = sign()
    older = {key: value for key, value in card.items() if key not in ("views", "conformal")}
    assert digest_of(older) == digest_of({**card, "input": {"side": 64}}) == digest_of(card)


def test_a_card_of_format_1_is_read_as_format_2() -> None:
    old = {"task": "segmentation", "architecture": "unet_mobilenet_v2", "classes": ["lesion"], "licence": "CC BY-NC 4.0"}
    card = signed(upgrade({**old, "input": {"side": 192, "hair_removal": "closing_fill"}}), weights_sha256=WEIGHTS)
    assert card["input"]["steps"] == ["hair_closing_fill"]
    assert (card["format"], card["taxonomy"], card["non_commercial"]) == (2, None, True)
