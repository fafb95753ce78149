"""Figures turned into what the page shows: rows of tables and drawings, one function per kind of section."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from models.evaluation.figures.comparison import picked
from models.evaluation.report import words
from models.evaluation.report.plots import classes, counts, spread
from models.evaluation.report.sections import SectionKind

Figures = Mapping[str, Any]
View = dict[str, Any]


def classification(figures: Figures, name: str) -> View:
    """Headlines, means, per-class rows, rates at fixed rates, and four drawings."""
    malignant = figures["malignant"]
    point = malignant and malignant["operating_point"]
    return {
        "headlines": _rows(figures, words.CLASSIFICATION_HEADLINES) + _rows(figures, words.CALIBRATION_HEADLINES),
        "operating_point": point,
        "operating_rows": _rows(point, words.OPERATING_POINT) if point else [],
        "malignant": malignant,
        "confusion": classes.confusion_plot(figures, name=f"{name}-confusion"),
        "malignant_roc": classes.malignant_roc_plot(figures, name=f"{name}-malignant") if malignant else None,
        "class_roc": classes.class_roc_plot(figures, name=f"{name}-roc") if set(figures["roc"]) - {"malignant"} else None,
        "reliability": classes.reliability_plot(figures, name=f"{name}-reliability"),
    }


def segmentation(figures: Figures, name: str) -> View:
    """Headlines, the five pixel figures per image and pooled, and the histogram."""
    return {
        "headlines": _rows(figures, words.SEGMENTATION_HEADLINES),
        "pixels": [
            {
                "title": words.title_of(key),
                "meaning": meaning,
                **picked(figures["pixels"], key),
                "pooled": picked(figures["pixels_pooled"], key),
            }
            for key, meaning in words.PIXELS.items()
        ],
        "histogram": counts.jaccard_plot(figures, name=f"{name}-jaccard"),
    }


def subgroups(figures: Figures, name: str) -> View:
    """The table's columns and, where an attribute is recorded, the forest plot."""
    shown = {key: title for key, title in words.FOREST.items() if key in figures["figures"] and figures["overall"][key] is not None}
    named = {**figures, "attributes": {words.ATTRIBUTES.get(key, key): rows for key, rows in figures["attributes"].items()}}
    return {
        "columns": [(key, words.title_of(key)) for key in figures["figures"]],
        "attributes": named["attributes"],
        "forest": spread.forest_plot(named, name=f"{name}-forest", shown=shown) if shown and figures["attributes"] else None,
    }


def ood(figures: Figures, name: str) -> View:
    """The histograms; the table reads the figures themselves."""
    return {"histograms": counts.ood_plot(figures, name=f"{name}-scores")}


def conformal(figures: Figures, name: str) -> View:
    """Headlines and coverage per class."""
    return {
        "headlines": _rows(figures, words.CONFORMAL_HEADLINES),
        "coverage": spread.coverage_plot(figures, name=f"{name}-coverage"),
    }


def history(figures: Figures, name: str) -> View:
    """The curves, and the last and kept epoch's numbers."""
    return {"curves": counts.history_plot(figures, name=f"{name}-curves"), "rows": _epoch_rows(figures)}


def comparison(figures: Figures, name: str) -> View:
    """Bars and the same values as a table."""
    titles = {metric: words.title_of(metric) for metric in figures["metrics"]}
    return {"bars": spread.comparison_plot(figures, name=f"{name}-bars", titles=titles), "titles": titles}


VIEWS: dict[SectionKind, Callable[[Figures, str], View]] = {
    SectionKind.CLASSIFICATION: classification,
    SectionKind.SEGMENTATION: segmentation,
    SectionKind.SUBGROUPS: subgroups,
    SectionKind.OOD: ood,
    SectionKind.CONFORMAL: conformal,
    SectionKind.HISTORY: history,
    SectionKind.COMPARISON: comparison,
}


def _rows(figures: Figures, keys: Sequence[str]) -> list[View]:
    """One row per figure: title, meaning, value, interval; ``macro.f1`` lies inside ``macro``. Undefined figures have no row."""
    rows = []
    for key in keys:
        row = {"title": words.title_of(key), "meaning": words.FIGURES[key][1], **picked(figures, key)}
        rows += [row] if row["value"] is not None else []
    return rows


def _epoch_rows(figures: Figures) -> list[View]:
    """The kept epoch and the last one."""
    epochs = figures["epochs"]
    chosen = dict.fromkeys([figures["best"] if figures["best"] in epochs else epochs[-1], epochs[-1]])
    return [{"epoch": epoch, "values": {key: values[epochs.index(epoch)] for key, values in figures["curves"].items()}} for epoch in chosen]
