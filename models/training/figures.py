"""Figures of a calibrated classifier and of outlines, as the sections of a report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.analyzer import Analyzer
from models.evaluation.figures import (
    ClassPredictions,
    OutlineScores,
    attributes_of,
    classification_figures,
    conformal_figures,
    history_figures,
    ood_figures,
    segmentation_figures,
    subgroup_figures,
)
from models.evaluation.report import Section, SectionKind
from models.taxonomy import taxonomy_of
from models.training.calibration import Calibrated
from models.training.seen import Seen, pictures_below, seen_by

History = Sequence[dict[str, float]]


def predictions_of(seen: Seen, calibrated: Calibrated) -> ClassPredictions:
    """The calibrated probabilities beside the truth."""
    return ClassPredictions(
        probabilities=calibrated.probabilities(seen),
        labels=seen.labels,
        codes=calibrated.codes,
        malignant=taxonomy_of(calibrated.taxonomy).malignant & set(calibrated.codes),
        groups=seen.lesions,
        attributes=attributes_of(seen.records),
        images=[record.image.stem for record in seen.records],
    )


def class_figures(seen: Seen, calibrated: Calibrated) -> dict[str, Any]:
    """What the card says of a classifier on one split."""
    point = calibrated.operating_point
    figures = classification_figures(
        predictions_of(seen, calibrated), malignant_threshold=point["malignant_probability"] if point else None
    )
    return {**figures, "conformal": _conformal(seen, calibrated), "refused": float(calibrated.refused(seen).mean())}


def class_sections(seen: Seen, calibrated: Calibrated, outside: dict[str, NDArray[np.float64]], history: History) -> list[Section]:
    """The sections of a classifier's report on one split."""
    point = calibrated.operating_point
    predictions = predictions_of(seen, calibrated)
    threshold = point["malignant_probability"] if point else None
    sections = [
        Section(kind=SectionKind.CLASSIFICATION, figures=classification_figures(predictions, malignant_threshold=threshold)),
        Section(kind=SectionKind.CONFORMAL, figures=_conformal(seen, calibrated)),
        Section(
            kind=SectionKind.SUBGROUPS, figures=subgroup_figures(predictions, malignant_threshold=0.5 if threshold is None else threshold)
        ),
    ]
    if outside:
        inside = calibrated.strangeness(seen)
        figures = ood_figures(inside=inside, groups=seen.lesions, outside=outside, threshold=calibrated.ood_threshold)
        sections.append(Section(kind=SectionKind.OOD, figures=figures))
    return sections + history_sections(history)


def outline_sections(scores: OutlineScores, history: History) -> list[Section]:
    """The sections of a segmenter's report on one split."""
    return [
        Section(kind=SectionKind.SEGMENTATION, figures=segmentation_figures(scores)),
        Section(kind=SectionKind.SUBGROUPS, figures=subgroup_figures(scores)),
        *history_sections(history),
    ]


def outside_scores(analyzer: Analyzer, calibrated: Calibrated, folder: Path | None) -> dict[str, NDArray[np.float64]]:
    """How strange the pictures of each folder below ``folder`` are to the detector; empty without a folder."""
    parts = sorted(path for path in folder.iterdir() if path.is_dir()) if folder else []
    return {part.name: calibrated.strangeness(seen_by(analyzer, pictures_below(part), title=part.name)) for part in parts}


def _conformal(seen: Seen, calibrated: Calibrated) -> dict[str, Any]:
    return conformal_figures(
        sets=calibrated.sets(seen), labels=seen.labels, codes=calibrated.codes, groups=seen.lesions, target=calibrated.coverage
    )


def history_sections(history: History) -> list[Section]:
    """The section of the epochs, where there were any."""
    return [Section(kind=SectionKind.HISTORY, figures=history_figures(history))] if history else []
