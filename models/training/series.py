"""What a sequence reader makes of simulated visits of real lesions, measured through the reader itself, as it is served."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torchvision import tv_tensors

from models.change.sequence import SequenceReader
from models.crop import series_squares
from models.datasets import Record
from models.evaluation.figures import ClassPredictions, classification_figures
from models.evaluation.figures.bootstrap import Bootstrap, share_figures
from models.evaluation.report import Section, SectionKind
from models.ood import fit_temperature, probabilities_of
from models.operating import operating_point
from models.taxonomy import taxonomy_of
from models.training.augment import RandomColour, series_views
from models.training.evolution import DARKENED, GROWN, Course, Look, course_of, visits_of
from models.training.recipe import Recipe
from models.training.samples import Batches, load

# The visits are drawn at this size, and show twice as much as the network is to see: the reader finds and cuts its own squares.
SIDE, REACH = 128, 2.0
BATCH, SEED = 32, 7
SPECIFICITY = 0.90  # at which the shipped threshold of progressing is set
OUTCOMES = ("STABLE", "PROGRESSING")
BANDS = ((0.0, 0.05), (0.05, 0.10), (0.10, 0.20), (0.20, 0.40), (0.40, 9.0))  # of growth in diameter


@dataclass(frozen=True, slots=True)
class SeriesSeen:
    """N series through the reader, before calibration (means over its views).

    ``logits`` N×C and ``last`` N×C (of the last visit alone), ``progress`` N logits, ``labels`` N, ``progressing`` N bool, ``grown``
    N: gain in diameter from first to last visit, as a share, ``visits`` N.
    """

    records: Sequence[Record]
    logits: NDArray[np.float32]
    last: NDArray[np.float32]
    progress: NDArray[np.float32]
    labels: NDArray[np.int64]
    progressing: NDArray[np.bool_]
    grown: NDArray[np.float64]
    visits: NDArray[np.int64]

    @property
    def lesions(self) -> list[str]:
        """Whose series each is."""
        return [record.lesion for record in self.records]

    def where(self, kept: NDArray[np.bool_]) -> "SeriesSeen":
        """The series for which ``kept`` N bool is true."""
        rows = {name: getattr(self, name)[kept] for name in self.__slots__ if name != "records"}
        return SeriesSeen(records=[record for record, keep in zip(self.records, kept, strict=True) if keep], **rows)


def series_seen_by(reader: SequenceReader, records: Sequence[Record], *, recipe: Recipe, title: str) -> SeriesSeen:
    """One series of two visits or more of each record, always the same one, with true outlines."""
    codes = tuple(reader.card["classes"])
    samples = load(records, codes=codes, steps=recipe.input.steps, crop=recipe.input.crop, title=title)
    malignant = torch.tensor([code in taxonomy_of(recipe.data.taxonomy).malignant for code in codes])
    batches = Batches(samples)
    rows: list[dict[str, Any]] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        for start in track(range(0, len(samples), BATCH), f"{title}, series"):
            rows += _rows(reader, batches.__getitems__(list(range(start, min(start + BATCH, len(samples))))), malignant, recipe)
    return SeriesSeen(records=records, **{name: np.stack([row[name] for row in rows]) for name in rows[0]})


def _rows(reader: SequenceReader, batch: dict[str, torch.Tensor], malignant: torch.Tensor, recipe: Recipe) -> Iterator[dict[str, Any]]:
    course = course_of(malignant[batch["labels"]], longest=recipe.training.visits, shortest=2)
    look = Look(pictures=batch["pictures"], masks=batch["masks"], frames=batch["frames"])
    views = series_views(*course.size.shape, augment=recipe.augment)
    pictures, masks = visits_of(look, course, views, side=SIDE, reach=REACH)
    lit = RandomColour(augment=recipe.augment)(tv_tensors.Image(pictures.flatten(0, 1))).as_subclass(torch.Tensor)
    shown = lit.reshape(pictures.shape).round().byte().permute(0, 1, 3, 4, 2).numpy()
    outlines = np.where(masks.numpy() > 127, 255, 0).astype(np.uint8)
    for index in range(len(shown)):
        yield _row(reader, shown[index], outlines[index], course, index) | {"labels": batch["labels"][index].numpy()}


def _row(reader: SequenceReader, pictures: NDArray[np.uint8], masks: NDArray[np.uint8], course: Course, index: int) -> dict[str, Any]:
    visits = int(course.lengths[index])
    days = course.gaps[index].cumsum(0).tolist()[:visits]
    series, outlines, sizes = list(pictures[:visits]), list(masks[:visits]), [(SIDE, SIDE)] * visits
    found = reader.logits(series, squares=series_squares(outlines, sizes=sizes), days=days).mean()
    alone = reader.logits(series[-1:], squares=series_squares(outlines[-1:], sizes=sizes[-1:]), days=days[-1:]).mean()
    size = course.size[index]
    return {
        "logits": found.classes[0],
        "last": alone.classes[0],
        "progress": found.progressing[0] if found.progressing is not None else np.float32(0),
        "progressing": course.progressing[index].numpy(),
        "grown": np.float64(size[visits - 1] / size[0] - 1),
        "visits": np.int64(visits),
    }


def calibrated(seen: SeriesSeen, *, recipe: Recipe, codes: Sequence[str]) -> dict[str, Any]:
    """The calibration of both answers from validation series, as fields of a card."""
    temperature = fit_temperature(seen.logits, seen.labels)
    bad = np.array([code in taxonomy_of(recipe.data.taxonomy).malignant for code in codes])
    suspicion = probabilities_of(seen.logits, temperature=temperature)[:, bad].sum(1)
    point = operating_point(malignant_probability=suspicion, malignant=bad[seen.labels], sensitivity=recipe.measuring.sensitivity)
    own = fit_temperature(_two(seen.progress), seen.progressing.astype(np.int64))
    chance = probabilities_of(_two(seen.progress), temperature=own)[:, 1]
    threshold = float(np.quantile(chance[~seen.progressing], SPECIFICITY)) if not seen.progressing.all() else 0.5
    return {
        "temperature": temperature,
        "operating_point": None
        if point is None
        else {"malignant_probability": point.malignant_probability, "sensitivity": point.sensitivity, "specificity": point.specificity},
        "progressing": progressing_of(recipe)
        | {
            "temperature": own,
            "probability": threshold,
            "sensitivity": float((chance[seen.progressing] >= threshold).mean()) if seen.progressing.any() else None,
            "specificity": float((chance[~seen.progressing] < threshold).mean()) if not seen.progressing.all() else None,
        },
    }


def progressing_of(recipe: Recipe) -> dict[str, Any]:
    """The part of a card that says what progressing means, before calibration."""
    return {"visits": max(2, recipe.training.visits), "grown": GROWN, "darkened": DARKENED}


def series_figures(seen: SeriesSeen, card: dict[str, Any]) -> dict[str, Any]:
    """What the card says of series: the classes, with p(malignant) of the last visit alone beside it, and progressing."""
    point = card["operating_point"]
    figures = classification_figures(_classes(seen, card, seen.logits), malignant_threshold=point and point["malignant_probability"])
    alone = classification_figures(_classes(seen, card, seen.last))
    return {
        **figures,
        "visits": float(seen.visits.mean()),
        "last_visit_alone": {name: alone[name] for name in ("malignant_auroc", "malignant_auroc_95", "accuracy", "accuracy_95")},
        "progressing": _progressing_figures(seen, card),
    }


def series_sections(seen: SeriesSeen, card: dict[str, Any]) -> list[Section]:
    """The sections of a report: the classes, and whether it progresses."""
    point = card["operating_point"]
    classes = classification_figures(_classes(seen, card, seen.logits), malignant_threshold=point and point["malignant_probability"])
    outcome = classification_figures(_outcomes(seen, card), malignant_threshold=card["progressing"]["probability"])
    return [
        Section(kind=SectionKind.CLASSIFICATION, title="Series: the classes", figures=classes),
        Section(kind=SectionKind.CLASSIFICATION, title="Series: progressing against stable", figures=outcome),
    ]


def _progressing_figures(seen: SeriesSeen, card: dict[str, Any]) -> dict[str, Any]:
    threshold = card["progressing"]["probability"]
    figures = classification_figures(_outcomes(seen, card), malignant_threshold=threshold)
    own = figures["malignant"] or {}
    bad = np.array([code in taxonomy_of(card["taxonomy"]).malignant for code in card["classes"]])[seen.labels]
    named = {name: figures[name] for name in ("lesions", "accuracy", "expected_calibration_error", "expected_calibration_error_95")}
    at = {f"sensitivity_at_specificity_{each['specificity']:.2f}": each for each in own.get("sensitivity_at_specificity", ())}
    rates = {key: each["sensitivity"] for key, each in at.items()} | {f"{key}_95": each["sensitivity_95"] for key, each in at.items()}
    point = {name: value for name, value in (own.get("operating_point") or {}).items() if name != "malignant_probability"}
    return {
        "series": len(seen.labels),
        "truly": int(seen.progressing.sum()),
        "truly_of_malignant": float(seen.progressing[bad].mean()) if bad.any() else None,
        "truly_of_benign": float(seen.progressing[~bad].mean()) if not bad.all() else None,
        "auroc": own.get("auroc"),
        "auroc_95": own.get("auroc_95"),
        "auroc_of_malignant_lesions": _area(seen.where(bad), card),
        "auroc_of_benign_lesions": _area(seen.where(~bad), card),
        **named,
        **rates,
        "at_the_threshold": {"probability": threshold, **point},
        "called_by_growth": _called_by_growth(seen, card),
    }


def _called_by_growth(seen: SeriesSeen, card: dict[str, Any]) -> dict[str, Any]:
    called = _outcomes(seen, card).probabilities[:, 1] >= card["progressing"]["probability"]
    bootstrap = Bootstrap(seen.lesions)
    shares: dict[str, Any] = {}
    for low, high in BANDS:
        name = f"{low:.0%} to {high:.0%}" if high < 1 else f"{low:.0%} and more"
        # Those that only darkened tell nothing of growth.
        within = (seen.grown >= low) & (seen.grown < high) & ((seen.grown >= GROWN) == seen.progressing)
        if within.any():
            shares |= share_figures(name, bootstrap, called, within)
    return shares


def _area(seen: SeriesSeen, card: dict[str, Any]) -> float | None:
    if not 0 < int(seen.progressing.sum()) < len(seen.progressing):
        return None
    area: float | None = classification_figures(_outcomes(seen, card))["malignant_auroc"]
    return area


def _classes(seen: SeriesSeen, card: dict[str, Any], logits: NDArray[np.float32]) -> ClassPredictions:
    codes = tuple(card["classes"])
    return ClassPredictions(
        probabilities=probabilities_of(logits, temperature=card["temperature"]),
        labels=seen.labels,
        codes=codes,
        malignant=taxonomy_of(card["taxonomy"]).malignant & set(codes),
        groups=seen.lesions,
        images=[record.image.stem for record in seen.records],
    )


def _outcomes(seen: SeriesSeen, card: dict[str, Any]) -> ClassPredictions:
    return ClassPredictions(
        probabilities=probabilities_of(_two(seen.progress), temperature=card["progressing"]["temperature"]),
        labels=seen.progressing.astype(np.int64),
        codes=OUTCOMES,
        malignant={OUTCOMES[1]},  # what must not be missed
        groups=seen.lesions,
        images=[record.image.stem for record in seen.records],
    )


def _two(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """N logits of yes → N×2 of no and yes."""
    return np.stack([np.zeros_like(logits), logits], 1)
