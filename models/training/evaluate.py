"""What ``dermatrail evaluate`` does: bundles through the analyzer, as they are served, into one report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.bundle import SHIPPED, Bundle, BundleError, load_bundle
from models.change.sequence import SequenceReader
from models.datasets import DatasetError, Record, Split
from models.evaluation.figures import comparison_figures
from models.evaluation.report import Section, SectionKind
from models.taxonomy import taxonomy_of
from models.training.calibration import Calibrated
from models.training.figures import class_sections, history_sections, outline_sections, outside_scores
from models.training.package import untrained_classifier
from models.training.recipe import Recipe, RecipeError, Task
from models.training.report import report_of
from models.training.run import parts_of, records_of
from models.training.seen import analyzer_of, outlines_of, seen_by
from models.training.series import series_sections, series_seen_by

OUTLINE_METRICS = ("jaccard", "thresholded_jaccard", "dice")
CLASS_METRICS = ("accuracy", "balanced_accuracy", "macro.f1", "weighted.f1", "malignant_auroc")


@dataclass(frozen=True, slots=True)
class Question:
    """What to measure on: ``sources`` empty and ``by`` None mean as the bundle was trained."""

    data: Path
    sources: tuple[str, ...]
    part: Split
    by: str | None
    outside: Path | None


def evaluate(
    *,
    bundles: Sequence[Path],
    data: Path,
    sources: tuple[str, ...] = (),
    part: str = "test",
    by: str | None = None,
    segmenter: Path | None = None,
    outside: Path | None = None,
    out: Path,
) -> Path:
    """Measures each bundle on its part of the data and writes one report to ``out``; returns its page.

    Raises BundleError, DatasetError or RecipeError, each with its remedy; EvaluationError when nothing can be measured.
    """
    question = Question(data=data, sources=sources, part=Split(part), by=by, outside=outside)
    loaded = {folder.name: load_bundle(folder) for folder in bundles}
    if len({Task(bundle.card["task"]) is Task.SEGMENTATION for bundle in loaded.values()}) > 1:
        raise BundleError("outlines and classes cannot be compared: evaluate segmenters and classifiers apart")
    outliner = segmenter or SHIPPED / "segmenter"
    measured = {name: _measured(bundle, question, outliner) for name, bundle in loaded.items()}
    first = next(iter(loaded.values()))
    sections = [section for found in measured.values() for section in found]
    if len(measured) > 1:
        sections.append(_comparison(measured, outlines=Task(first.card["task"]) is Task.SEGMENTATION))
    taxonomy = first.card["taxonomy"]
    names = {diagnosis.code: diagnosis.name for diagnosis in taxonomy_of(taxonomy).diagnoses} if taxonomy else {}
    recipe = _recipe_of(first, question)
    card = {**first.card, "training": {**first.card["training"], "recipe": recipe.model_dump(mode="json")}}
    return report_of(folder=out, card=card, part=question.part, sections=sections, names=names)


def _measured(bundle: Bundle, question: Question, segmenter: Path) -> list[Section]:
    records = _records(bundle, question)
    history = bundle.card["training"].get("history", [])
    if Task(bundle.card["task"]) is Task.SEGMENTATION:
        analyzer = analyzer_of(segmenter=bundle, classifier=untrained_classifier())
        return outline_sections(outlines_of(analyzer, records, title=bundle.card["name"]), history)
    if bundle.card["progressing"]:
        series = series_seen_by(SequenceReader(bundle), records, recipe=_recipe_of(bundle, question), title=bundle.card["name"])
        return [*series_sections(series, bundle.card), *history_sections(history)]
    if not bundle.card["ood"] or not bundle.card["conformal"]:
        raise BundleError(f"{bundle.card['name']} was never calibrated: package it with dermatrail train")
    analyzer = analyzer_of(segmenter=load_bundle(segmenter), classifier=bundle)
    calibrated = Calibrated.of(bundle.card, bundle.extras)
    seen = seen_by(analyzer, records, title=bundle.card["name"])
    return class_sections(seen, calibrated, outside_scores(analyzer, calibrated, question.outside), history)


def _records(bundle: Bundle, question: Question) -> Sequence[Record]:
    recipe = _recipe_of(bundle, question)
    records = parts_of(recipe, records_of(recipe, question.data))[question.part]
    if not records:
        raise DatasetError(f"the {question.part} part is empty: choose other sources, or the other part")
    return records


def _recipe_of(bundle: Bundle, question: Question) -> Recipe:
    try:
        recipe = Recipe.model_validate(bundle.card["training"]["recipe"])
    except (KeyError, ValidationError) as error:
        raise RecipeError(f"{bundle.card['name']} carries no recipe of this version: package it with dermatrail train") from error
    data: dict[str, Any] = {"most": None}
    data |= {"sources": list(question.sources)} if question.sources else {}
    data |= {"split": question.by} if question.by else {}
    return recipe.changed({"data": data})


def _comparison(measured: dict[str, list[Section]], *, outlines: bool) -> Section:
    runs = {name: sections[0].figures for name, sections in measured.items()}
    return Section(
        kind=SectionKind.COMPARISON, figures=comparison_figures(runs=runs, metrics=OUTLINE_METRICS if outlines else CLASS_METRICS)
    )
