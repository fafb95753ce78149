"""From a trained network to a bundle: calibrate on validation data, measure on validation and test, write card and report.

Every figure is taken through the analyzer itself, on files, so that it holds for what is served.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.bundle import Bundle, amend_card, load_bundle, read_card, save_bundle
from models.change.sequence import SequenceReader
from models.datasets import Record, Split
from models.evaluation.figures import card_figures, segmentation_figures
from models.networks import build_network
from models.ood import unseen
from models.taxonomy import taxonomy_of
from models.training.calibration import PROVISIONAL, calibrate
from models.training.figures import class_figures, class_sections, history_sections, outline_sections, outside_scores
from models.training.fit import Fitted
from models.training.licences import Terms, terms_of
from models.training.limits import limits_of
from models.training.modelcard import write_card
from models.training.recipe import Recipe, Task
from models.training.report import report_of
from models.training.run import Parts, codes_of, spread
from models.training.seen import analyzer_of, outlines_of, seen_by, strangers_seen_by
from models.training.series import calibrated, progressing_of, series_figures, series_sections, series_seen_by

VERSION = "2026.11"
# That many training pictures tell the out-of-distribution detector where training lies.
FAMILIAR_PICTURES = 2_000


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a bundle came to be, for its card."""

    command: str
    revision: str
    start: Sequence[str] = ()
    inherited: Terms | None = None
    smoke: bool = False
    note: str = ""


def package(
    *,
    recipe: Recipe,
    fitted: Fitted,
    parts: Parts,
    provenance: Provenance,
    segmenter: Path,
    outside: Path | None,
    folder: Path,
    work: Path,
) -> Path:
    """Writes the bundle to ``folder`` and the report to ``work``/report; returns the report's page.

    ``segmenter``: the bundle that outlines lesions while a classifier is measured; ``outside``: a folder of folders with pictures
    that are no lesions, measured only: nothing is fitted to them.
    """
    card = _card(recipe, fitted, parts, provenance)
    if recipe.task is Task.SEGMENTATION:
        return _package_segmenter(fitted, parts, card, folder, work)
    if recipe.progresses:
        return _package_sequence(recipe=recipe, fitted=fitted, parts=parts, card=card, folder=folder, work=work)
    save_bundle(folder=folder, network=fitted.network, card={**card, **PROVISIONAL})
    analyzer = analyzer_of(segmenter=load_bundle(segmenter), classifier=load_bundle(folder))
    familiar = spread(unseen(parts[Split.TRAIN], outside=outside), most=FAMILIAR_PICTURES)
    training = seen_by(analyzer, familiar, title="training pictures for the detector")
    strangers = strangers_seen_by(analyzer, familiar, title="made strangers for the detector")
    seen = {split: seen_by(analyzer, parts[split], title=f"{split} pictures") for split in (Split.VALIDATION, Split.TEST)}
    fit = calibrate(recipe=recipe, training=training, strangers=strangers, validation=seen[Split.VALIDATION], codes=codes_of(recipe))
    card |= fit.card
    card["metrics"] = {str(split): card_figures(class_figures(part, fit)) for split, part in seen.items()}
    scores = outside_scores(analyzer, fit, outside)
    sections = class_sections(seen[Split.TEST], fit, scores, fitted.history)
    if scores:
        card["metrics"]["outside"] = card_figures(next(section.figures for section in sections if section.kind == "ood"))
    save_bundle(folder=folder, network=fitted.network, card=card, extras=fit.tensors)
    write_card(folder, read_card(folder))
    return report_of(folder=work / "report", card=card, part=Split.TEST, sections=sections, names=_names(recipe))


def _package_segmenter(fitted: Fitted, parts: Parts, card: dict[str, Any], folder: Path, work: Path) -> Path:
    save_bundle(folder=folder, network=fitted.network, card=card)
    analyzer = analyzer_of(segmenter=load_bundle(folder), classifier=untrained_classifier())
    measured = {split: outlines_of(analyzer, parts[split], title=f"{split} pictures") for split in (Split.VALIDATION, Split.TEST)}
    metrics = {str(split): card_figures(segmentation_figures(scores)) for split, scores in measured.items()}
    card = amend_card(folder, {"metrics": metrics})
    write_card(folder, card)
    return report_of(folder=work / "report", card=card, part=Split.TEST, sections=outline_sections(measured[Split.TEST], fitted.history))


def _package_sequence(*, recipe: Recipe, fitted: Fitted, parts: Parts, card: dict[str, Any], folder: Path, work: Path) -> Path:
    """It stands beside the single-picture result, which has the detector of strangers and the prediction sets: it has neither."""
    save_bundle(folder=folder, network=fitted.network, card={**card, **PROVISIONAL, "progressing": progressing_of(recipe)})
    reader = SequenceReader.load(folder)
    seen = {
        split: series_seen_by(reader, parts[split], recipe=recipe, title=f"{split} pictures") for split in (Split.VALIDATION, Split.TEST)
    }
    card |= PROVISIONAL | {"quality": None} | calibrated(seen[Split.VALIDATION], recipe=recipe, codes=card["classes"])
    card["metrics"] = {str(split): card_figures(series_figures(part, card)) for split, part in seen.items()}
    save_bundle(folder=folder, network=fitted.network, card=card)
    write_card(folder, read_card(folder))
    sections = [*series_sections(seen[Split.TEST], card), *history_sections(fitted.history)]
    return report_of(folder=work / "report", card=card, part=Split.TEST, sections=sections, names=_names(recipe))


def _names(recipe: Recipe) -> dict[str, str]:
    return {diagnosis.code: diagnosis.name for diagnosis in taxonomy_of(recipe.data.taxonomy).diagnoses}


def untrained_classifier() -> Bundle:
    """A classifier whose answers nobody looks at, for an analyzer that is to outline only."""
    card = {
        **PROVISIONAL,
        "task": "classification",
        "architecture": "mobilenet_v2",
        "options": {},
        "taxonomy": "binary",
        "classes": ["BENIGN", "MALIGNANT"],
        "input": {"side": 32, "crop": "whole", "steps": [], "normalisation": "imagenet"},
        "views": 1,
        "name": "untrained",
        "version": "0",
        "data": "none",
        "licence": "none",
        "non_commercial": False,
        "sha256": "0" * 64,
    }
    return Bundle(network=build_network(architecture="mobilenet_v2", classes=2).eval(), card=card)


def _card(recipe: Recipe, fitted: Fitted, parts: Mapping[Split, Sequence[Record]], provenance: Provenance) -> dict[str, Any]:
    terms = terms_of(recipe.data.sources, inherited=provenance.inherited)
    return {
        "format": 2,
        "name": recipe.title + (" (smoke run, of no use)" if provenance.smoke else ""),
        "version": VERSION,
        "task": str(recipe.task),
        "architecture": recipe.network.architecture,
        "options": recipe.network.options,
        "taxonomy": None if recipe.task is Task.SEGMENTATION else recipe.data.taxonomy,
        "classes": list(codes_of(recipe)),
        "input": {**recipe.input.model_dump(mode="json"), "side": recipe.measuring.side or recipe.input.side},
        "views": recipe.measuring.views,
        "data": f"{terms.data}; split by {recipe.data.split}",
        "licence": terms.licence,
        "non_commercial": terms.non_commercial,
        "limits": limits_of(recipe),
        "training": {
            "command": provenance.command,
            "revision": provenance.revision,
            "start": list(provenance.start),
            "note": provenance.note,
            "recipe": recipe.model_dump(mode="json", exclude={"smoke", "search"}),
            "history": fitted.history,
            "images": {str(split): len(part) for split, part in parts.items()},
            "torch": torch.__version__,
        },
    }
