"""What the models page says of each model version, read from its card (the bundle's ``bundle.json``).

A card's figures follow one rule: ``name`` is a number and ``name_95`` its 95 % interval; mappings over class codes are one figure
per class; other mappings are groups of figures. What a card does not say is left out, never guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.records.registry import ModelVersionView
from services.records.states import ModelAction, ModelKind, ModelState

Json = Mapping[str, Any]

KINDS = {
    ModelKind.SEGMENTER: "Outlines the lesion",
    ModelKind.CLASSIFIER: "Names the diagnosis",
    ModelKind.SEQUENCE: "Reads the visits of a lesion",
}
STATES = {
    ModelState.CHAMPION: ("done", "in use"),
    ModelState.SHADOW: ("information", "in shadow: answers, and nobody sees it"),
    ModelState.CANDIDATE: ("information", "candidate"),
    ModelState.RETIRED: ("information", "retired"),
}
STEPS = {
    ModelState.CHAMPION: (),
    ModelState.SHADOW: (ModelAction.PROMOTED, ModelAction.RETIRED),
    ModelState.CANDIDATE: (ModelAction.PROMOTED, ModelAction.SHADOWED, ModelAction.RETIRED),
    ModelState.RETIRED: (ModelAction.PROMOTED, ModelAction.SHADOWED),
}
IMPOSSIBLE = {(ModelKind.SEQUENCE, ModelAction.SHADOWED)}  # nothing scores series in shadow
# Figures of the test part come first: nothing was fitted to it. The rest only supports them.
PARTS = {
    "test": "On pictures held out from training",
    "conformal": "Prediction sets on held-out pictures",
    "outside": "Lesions against strangers",
    "ood": "Lesions against strangers",
    "validation": "On the pictures that chose its thresholds",
}
WORDS = {
    "images": "pictures",
    "auroc": "area under ROC",
    "malignant_auroc": "area under ROC, malignant against benign",
    "expected_calibration_error": "calibration error",
    "share_under_0.65": "share with Jaccard under 0.65",
    "fpr_at_95_tpr": "strangers let in when 95 % of lesions are",
    "f1": "F1",
    "rejected": "refused",
    "mean_size": "classes in a set, mean",
    "singletons": "sets of one class",
    "conformal": "prediction sets",
    "malignant": "malignant against benign",
    "macro": "mean over classes",
    "weighted": "mean over pictures",
    "operating_point": "at the operating point",
    "last_visit_alone": "from the last visit alone",
    "progressing": "progressing against stable",
    "truly": "truly progressing",
    "truly_of_malignant": "truly progressing, share of malignant",
    "truly_of_benign": "truly progressing, share of benign",
    "auroc_of_malignant_lesions": "area under ROC among malignant",
    "auroc_of_benign_lesions": "area under ROC among benign",
    "called_by_growth": "called so by growth in diameter",
    "inside": "held-out lesions",
}
# The database keeps no order of a card's fields; figures without a place here follow by name.
ORDER = (
    *("images", "series", "truly", "lesions", "accuracy", "balanced_accuracy", "auroc", "malignant_auroc", "expected_calibration_error"),
    *("jaccard", "thresholded_jaccard", "share_under_0.65", "dice", "target", "coverage", "mean_size"),
)
NOT_GROUPS = frozenset({"recall", "precision", "f1", "auroc", "count", "lesion_count", "by_class", "by_size"})
FOLDED = frozenset({"validation", "macro", "weighted", "pixels", "pixels_pooled"})
GENERAL_LIMITS = (
    "Decision support only: a dermatologist decides every case.",
    "The figures hold for pictures like those that it was measured on; other cameras, skin types and clinics may do worse.",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its 95 % interval, where the card states one."""

    label: str
    value: str
    interval: str


@dataclass(frozen=True, slots=True)
class Group:
    """Figures under one heading; those that are not ``leading`` are folded away."""

    title: str
    figures: tuple[Figure, ...]
    leading: bool


@dataclass(frozen=True, slots=True)
class ClassTable:
    """Figures of each class: a row per code."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Figure | None, ...]], ...]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One version as the page shows it; ``steps`` are those that lead on from its state."""

    id: UUID
    steps: tuple[ModelAction, ...]
    kind: str
    name: str
    version: str
    digest: str
    mark: str
    state: str
    licence: str
    non_commercial: bool
    facts: tuple[tuple[str, str], ...]
    operating_point: tuple[Figure, ...]
    groups: tuple[Group, ...]
    by_class: ClassTable | None
    limits: tuple[str, ...]


def model_cards(versions: Sequence[ModelVersionView]) -> tuple[ModelCard, ...]:
    """The versions in the order given."""
    return tuple(model_card(version) for version in versions)


def model_card(version: ModelVersionView) -> ModelCard:
    """One version in words and figures."""
    card = version.card
    metrics = card.get("metrics") or {}
    mark, state = STATES[version.state]
    return ModelCard(
        id=version.id,
        steps=tuple(step for step in STEPS[version.state] if (version.kind, step) not in IMPOSSIBLE),
        kind=KINDS[version.kind],
        name=version.name,
        version=version.version,
        digest=version.digest,
        mark=mark,
        state=state,
        licence=version.licence,
        non_commercial=version.non_commercial,
        facts=tuple(_facts(card)),
        operating_point=_operating_point(card),
        groups=tuple(group for part in PARTS for group in _groups(part, metrics.get(part)) if group.figures),
        by_class=_by_class(card.get("classes") or (), metrics.get("test") or metrics.get("validation") or {}),
        limits=tuple(_limits(card)),
    )


def _facts(card: Json) -> list[tuple[str, str]]:
    given, views = card.get("input") or {}, card.get("views") or 1
    size = f"{given['side']} × {given['side']} px" if given.get("side") else ""
    crop = {"lesion_square": "the lesion's square", "whole": "the whole picture"}.get(given.get("crop") or "", "")
    several = f"mean of {views} turned views" if views > 1 else ""
    facts = (
        ("Trained on", card.get("data") or ""),
        ("Network", card.get("architecture") or ""),
        ("Sees", ", ".join(filter(None, (crop, size, several)))),
        ("Classes", ", ".join(card.get("classes") or ()) if card.get("task") != "segmentation" else ""),
        ("Progressing means", _progress(card.get("progressing") or {})),
    )
    return [(label, str(text)) for label, text in facts if text]


def _progress(given: Json) -> str:
    if not given:
        return ""
    return f"diameter + {given['grown']:.0%} or contrast + {given['darkened']:.0%} or more, from the first visit to the last"


def _operating_point(card: Json) -> tuple[Figure, ...]:
    point = card.get("operating_point") or {}
    labels = {
        "malignant_probability": "suspicious from malignant probability",
        "sensitivity": "sensitivity on the pictures that chose it",
        "specificity": "specificity on the pictures that chose it",
    }
    progress = card.get("progressing") or {}
    more = {
        "probability": "progressing from probability",
        "sensitivity": "sensitivity for progress there",
        "specificity": "specificity for progress there",
    }
    given = ((labels, point), (more, progress))
    return tuple(_figure(words[name], name, part) for words, part in given for name in words if _is_number(part.get(name)))


def _groups(path: str, part: object) -> list[Group]:
    """The numbers of a part of the metrics, and the groups of each mapping in it that is not per class."""
    if not isinstance(part, Mapping):
        return []
    first, *rest = path.split("/")
    title = ": ".join([PARTS[first], *(_words(name) for name in rest if name != "outside")])
    groups = [Group(title, _figures(part), leading=FOLDED.isdisjoint([first, *rest]))]
    for name, inner in _ordered(part):
        if isinstance(inner, Mapping) and name not in NOT_GROUPS and not name.endswith("_95"):
            groups += _groups(f"{path}/{name}", inner)
    return groups


def _figures(part: Json) -> tuple[Figure, ...]:
    return tuple(_figure(_words(name), name, part) for name, value in _ordered(part) if _is_number(value) and name != "threshold")


def _ordered(part: Json) -> list[tuple[str, Any]]:
    places = {name: place for place, name in enumerate(ORDER)}
    return sorted(part.items(), key=lambda item: (places.get(item[0], len(places)), item[0]))


def _by_class(codes: Sequence[str], part: Json) -> ClassTable | None:
    columns = [name for name in ("count", "recall", "precision", "f1", "auroc") if isinstance(part.get(name), Mapping)]
    if not columns or len(codes) < 2:
        return None
    rows = tuple((code, tuple(_of_class(part, name, code) for name in columns)) for code in codes)
    return ClassTable(tuple("pictures" if name == "count" else _words(name) for name in columns), rows)


def _of_class(part: Json, name: str, code: str) -> Figure | None:
    if not _is_number(part[name].get(code)):
        return None
    intervals = part.get(f"{name}_95") or {}
    return _figure(name, name, {name: part[name][code], f"{name}_95": intervals.get(code)})


def _limits(card: Json) -> list[str]:
    stated = card.get("limits") or ()
    training = card.get("training") or {}
    own = [stated] if isinstance(stated, str) else [str(limit) for limit in stated]
    known = len(card.get("classes") or ())
    only = f"It knows these {known} classes only: every other disease is answered with one of them, or refused as unlike its training."
    return [*own, *filter(None, [training.get("provenance")]), *([only] if known > 1 else []), *GENERAL_LIMITS]


def _figure(label: str, name: str, part: Json) -> Figure:
    return Figure(label, _number(part[name]), _interval(part.get(f"{name}_95")))


def _interval(bounds: object) -> str:
    if not isinstance(bounds, Sequence) or len(bounds) != 2 or not all(map(_is_number, bounds)):
        return ""
    return f"{bounds[0]:.3f} to {bounds[1]:.3f}"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _words(name: str) -> str:
    return WORDS.get(name, name.replace("_", " "))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
