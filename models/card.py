"""The card of a bundle, ``bundle.json`` format 2: what a network is, how it is fed and calibrated, what it may be used for.

This module knows the shape of a card; whether the program has what a card names is :mod:`models.admission`'s business.
"""

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails

FORMAT = 2
LESION = ("lesion",)  # the one class of a segmenter
# What cannot change an answer. Everything else is in the digest, so that a new field is until it is named here.
NOT_IN_DIGEST = frozenset({"format", "name", "version", "data", "training", "metrics", "limits", "card_sha256"})
DIGEST_DIGITS = 12

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class BundleError(Exception):
    """A bundle that must not be served: incomplete, changed after training, or unknown to this version of the program."""


class Task(StrEnum):
    """What a network answers: a mask, classes of one picture, or classes of a series of visits."""

    SEGMENTATION = "segmentation"
    CLASSIFICATION = "classification"
    SEQUENCE = "sequence"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Input(_Part):
    """How a picture becomes the network's input: cropped, filtered by ``steps`` in order, resized to a square, normalised."""

    side: int = Field(ge=16, le=1024)  # px
    crop: Literal["lesion_square", "whole"] = "whole"
    steps: tuple[str, ...] = ()
    normalisation: str = "imagenet"


class Point(_Part):
    """The malignant probability that counts as suspicious, and what that costs on held-out pictures."""

    malignant_probability: Share
    sensitivity: Share | None = None
    specificity: Share | None = None


class Limits(_Part):
    """Pictures less sharp (models.quality) are called blurred."""

    sharpness: float = Field(ge=0)


class Progressing(_Part):
    """The second answer of a network that reads series: that a lesion grew or darkened between its first and last visit.

    ``temperature`` divides its logit. ``visits``: the longest series of training; of a longer one as many are read. ``grown`` and
    ``darkened``: which gain in diameter or in contrast against the skin counted as progress in
    training. ``probability``: from which on a lesion is
    called progressing, and what that costs on held-out series.
    """

    temperature: float = Field(default=1.0, gt=0)
    visits: int = Field(ge=2)
    grown: Share
    darkened: Share
    probability: Share | None = None
    sensitivity: Share | None = None
    specificity: Share | None = None


class Card(_Part):
    """``bundle.json``. ``sha256`` signs the weights, ``card_sha256`` every other field of the card.

    ``ood`` and ``conformal`` are what models.ood and models.conformal fitted; ``views``: how many of a square's eight flips and
    turns are averaged; ``temperature`` divides the logits.
    """

    format: Literal[2]
    name: Words
    version: Words
    task: Task
    architecture: Words
    options: dict[str, JsonValue] = {}
    taxonomy: Words | None = None
    classes: tuple[Words, ...] = Field(min_length=1)
    input: Input
    views: int = Field(default=1, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    ood: dict[str, JsonValue] | None = None
    conformal: dict[str, JsonValue] | None = None
    operating_point: Point | None = None
    progressing: Progressing | None = None
    quality: Limits | None = None
    data: Words
    licence: Words
    non_commercial: bool
    training: dict[str, JsonValue] = {}
    metrics: dict[str, JsonValue] = {}
    limits: tuple[Words, ...] = ()
    sha256: Sha256
    card_sha256: Sha256

    @model_validator(mode="after")
    def _classes_fit_the_task(self) -> Self:
        if self.task is Task.SEGMENTATION:
            if self.classes != LESION or self.taxonomy is not None:
                raise ValueError('a segmenter has the one class "lesion" and no taxonomy')
            return self
        if self.progressing and self.task is not Task.SEQUENCE:
            raise ValueError("progressing is an answer of a sequence: the task is another")
        if self.taxonomy is None:
            raise ValueError("a classifier names the taxonomy of its classes")
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise ValueError("a classifier has two classes or more, each once")
        return self


def parse_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """The card as plain JSON values, checked, with every default filled in. Raises BundleError, naming each field at fault."""
    card = upgrade(card)
    if card["format"] != FORMAT:
        raise BundleError(
            f"its card has format {card['format']!r}, this version reads {FORMAT}: use the version that wrote it, or a newer one"
        )
    try:
        text = json.dumps(card, allow_nan=False)
    except ValueError as error:
        raise BundleError("its card holds a figure that is not a number (NaN or infinite): leave such figures out") from error
    except TypeError as error:
        raise BundleError(f"its card holds what JSON cannot: {error}") from error
    try:
        return Card.model_validate_json(text).model_dump(mode="json")
    except ValidationError as error:
        raise BundleError("its card is not valid: " + "; ".join(_sentence(item) for item in error.errors())) from error


def signed(card: Mapping[str, Any], *, weights_sha256: str) -> dict[str, Any]:
    """The checked card with both signatures made anew. Raises BundleError as ``parse_card`` does."""
    unsigned = parse_card({**upgrade(card), "sha256": weights_sha256, "card_sha256": "0" * 64})
    return {**unsigned, "card_sha256": card_sha256(unsigned)}


def card_sha256(card: Mapping[str, Any]) -> str:
    """The signature of a card: every field but this one, in one spelling."""
    return _hash({key: value for key, value in card.items() if key != "card_sha256"})


def kind_of(card: Mapping[str, Any]) -> str:
    """The place that a bundle fills: ``segmenter``, ``classifier``, or beside these two ``sequence``.

    A network that reads series and says nothing of progress names the diagnosis of one picture, as a classifier does.
    """
    if card["task"] == Task.SEGMENTATION:
        return "segmenter"
    return "sequence" if card.get("progressing") else "classifier"


def digest_of(card: Mapping[str, Any]) -> str:
    """Twelve hex digits over weights and card: whatever could change an answer, or the terms of its use, changes them.

    A field at its default does not count: the digest of a bundle stays when a later version adds fields.
    """
    said = _said(card, Card)
    if isinstance(said.get("input"), Mapping):
        said["input"] = _said(said["input"], Input)
    return _hash(said)[:DIGEST_DIGITS]


def upgrade(card: Mapping[str, Any]) -> dict[str, Any]:
    """A card of format 1, which named no format, in the words of format 2; any other card unchanged."""
    if "format" in card:
        return dict(card)
    given = dict(card.get("input", {}))
    steps = {"closing_fill": ["hair_closing_fill"]}.get(given.pop("hair_removal", ""), [])
    classifies = card.get("task") != Task.SEGMENTATION
    return {
        "name": "unnamed",
        "version": "0",
        "data": "not stated",
        "non_commercial": "NC" in str(card.get("licence")),
        "taxonomy": "isic2019" if classifies else None,
        **card,
        "input": {"steps": steps, **given},
        "format": FORMAT,
    }


def nearest(word: str, known: Iterable[str]) -> str:
    """What a misspelt word most likely means, as the end of a sentence: ``did you mean "x"?`` or all that there is."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"choose one of {', '.join(known)}."


def _said(values: Mapping[str, Any], part: type[_Part]) -> dict[str, Any]:
    defaults = {name: json.loads(json.dumps(field.default)) for name, field in part.model_fields.items() if not field.is_required()}
    return {key: value for key, value in values.items() if key not in NOT_IN_DIGEST and (key not in defaults or value != defaults[key])}


def _hash(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _sentence(item: ErrorDetails) -> str:
    field = ".".join(map(str, item["loc"]))
    if item["type"] == "missing":
        return f"{field} is missing"
    if item["type"] == "extra_forbidden":
        known = Input.model_fields if field.startswith("input.") else Card.model_fields
        return f"{field} is no field of a card: {nearest(str(item['loc'][-1]), known)}"
    return f"{field}: {item['msg']}" if field else item["msg"].removeprefix("Value error, ")
