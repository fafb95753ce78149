"""What stands around a case on its page: earlier pictures of the lesion and the patient, and the models that answered."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import url_for

from services.records.history import EarlierCase, UsedModel
from services.records.states import ModelKind
from services.review import words
from services.review.case_view import picture_url, site_words
from services.review.decision import decision_words

DOES = {ModelKind.SEGMENTER: "outlines", ModelKind.CLASSIFIER: "names", ModelKind.SEQUENCE: "reads the visits"}


@dataclass(frozen=True, slots=True)
class EarlierCard:
    """One earlier case."""

    href: str
    thumbnail: str | None
    month: str
    exact: str
    where: str
    said: str
    same_lesion: bool


@dataclass(frozen=True, slots=True)
class ModelLine:
    """One model version that answered."""

    does: str
    name: str
    licence: str


def earlier_view(earlier: Sequence[EarlierCase]) -> tuple[EarlierCard, ...]:
    """The strip, in the order of the records."""
    return tuple(_card(case) for case in earlier)


def models_view(models: Sequence[UsedModel]) -> tuple[ModelLine, ...]:
    """Outline first, then the name."""
    return tuple(ModelLine(DOES[model.kind], f"{model.name} {model.version}", model.licence or "licence not stated") for model in models)


def _card(case: EarlierCase) -> EarlierCard:
    has_picture = case.image_id is not None and case.thumbnail_key is not None
    return EarlierCard(
        href=url_for("desk.case", case_id=case.id),
        thumbnail=picture_url("thumbnail", case.id, case.image_id) if has_picture and case.image_id else None,
        month=f"{case.received_at:%b %Y}",
        exact=words.exact(case.received_at),
        where="this lesion" if case.same_lesion else site_words(case.body_site, case.laterality),
        said=decision_words(case.decision, case.diagnosis) if case.decision else "not decided yet",
        same_lesion=case.same_lesion,
    )
