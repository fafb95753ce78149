"""Drawings of a classifier: confusion matrix, ROC curves, reliability."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from models.evaluation.report.style import ACCENT, BAR, CONTRAST, GROUND, HEAT, INK, LINE, SOFT, WIDTH, canvas, svg_of, unit_axis

MANY = 12  # classes; from here on cells hold one small number


def confusion_plot(figures: Mapping[str, Any], *, name: str) -> Markup:
    """Heat map of the confusion matrix: rows are the truth and sum to 1, colour is the share, numbers are share and images."""
    from matplotlib.patches import Rectangle

    matrix, classes = figures["confusion"], figures["classes"]
    count, cell = len(classes), 54 if len(classes) < MANY else 36
    figure, axes = canvas(count * cell + 110, count * cell + 60)
    for row, counts in enumerate(matrix):
        for column, images in enumerate(counts):
            share = images / sum(counts) if sum(counts) else 0.0
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=HEAT, edgecolor="none", alpha=share))
            if images:
                _cell_text(axes, column, row, share, images, small=count >= MANY)
    for place in range(count + 1):
        axes.axhline(place, color=LINE, linewidth=0.6)
        axes.axvline(place, color=LINE, linewidth=0.6)
    axes.set(xlim=(0, count), ylim=(count, 0), xlabel="Predicted", ylabel="Diagnosis")
    axes.xaxis.set_label_position("top")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    places = [index + 0.5 for index in range(count)]
    axes.set_xticks(places, classes, color=INK, rotation=0 if count < MANY else 90)
    axes.set_yticks(places, classes, color=INK)
    axes.spines[:].set_visible(False)
    return svg_of(figure, name=name, label=f"Confusion matrix of {count} classes; the same numbers are in report.json")


def _cell_text(axes: Any, column: int, row: int, share: float, images: int, *, small: bool) -> None:
    weight = "bold" if column == row else "normal"
    if small:
        axes.text(column + 0.5, row + 0.5, f"{images}", ha="center", va="center", fontsize=9, fontweight=weight)
        return
    axes.text(column + 0.5, row + 0.40, f"{share:.2f}", ha="center", va="center", fontsize=11.5, fontweight=weight)
    axes.text(column + 0.5, row + 0.70, f"{images}", ha="center", va="center", fontsize=9)


def malignant_roc_plot(figures: Mapping[str, Any], *, name: str) -> Markup:
    """ROC curve of malignant against benign, with the operating point and its intervals where one is set."""
    figure, axes = canvas(400, 400)
    _diagonal(axes)
    curve = figures["roc"]["malignant"]
    axes.plot(curve["false_positive_rate"], curve["true_positive_rate"], color=ACCENT, linewidth=2.2)
    point = figures["malignant"]["operating_point"]
    if point:
        x, y = 1 - point["specificity"], point["sensitivity"]
        if point["specificity_95"] and point["sensitivity_95"]:
            axes.plot([1 - value for value in point["specificity_95"]], [y, y], color=CONTRAST, linewidth=1.4)
            axes.plot([x, x], point["sensitivity_95"], color=CONTRAST, linewidth=1.4)
        axes.plot([x], [y], marker="o", markersize=8, color=CONTRAST, markeredgecolor=GROUND, markeredgewidth=1.5)
        text = f"operating point\nsensitivity {y:.2f}\nspecificity {1 - x:.2f}"
        axes.annotate(text, (x, y), xytext=(14, -12), textcoords="offset points", va="top", fontsize=11, color=INK)
    unit_axis(axes, x=True, y=True)
    axes.set(xlabel="1 – specificity", ylabel="Sensitivity", aspect="equal")
    return svg_of(figure, name=name, label=f"ROC curve, malignant against benign, area {figures['malignant']['auroc']:.3f}")


def class_roc_plot(figures: Mapping[str, Any], *, name: str) -> Markup:
    """One small ROC curve per class, the others faint behind it."""
    curves = {code: curve for code, curve in figures["roc"].items() if code != "malignant"}
    columns = min(4 if len(curves) < MANY else 6, len(curves))
    rows, side = -(-len(curves) // columns), WIDTH / max(columns, 4)
    figure, grid = canvas(columns * side, rows * side, nrows=rows, ncols=columns, squeeze=False)
    for place, axes in enumerate(grid.flat):
        if place >= len(curves):
            axes.set_visible(False)
            continue
        code = list(curves)[place]
        _diagonal(axes)
        for other in curves:
            axes.plot(
                curves[other]["false_positive_rate"],
                curves[other]["true_positive_rate"],
                color=ACCENT if other == code else LINE,
                linewidth=2 if other == code else 0.8,
                zorder=3 if other == code else 2,
            )
        axes.set_title(f"{code}  {figures['auroc'][code]:.3f}")
        unit_axis(axes, x=True, y=True, step=0.5)
        axes.set_aspect("equal")
    figure.supxlabel("1 – specificity", fontsize=11, color=SOFT)
    figure.supylabel("Sensitivity", fontsize=11, color=SOFT)
    return svg_of(figure, name=name, label="ROC curve of each class against all others; the areas are in the table")


def reliability_plot(figures: Mapping[str, Any], *, name: str) -> Markup:
    """Accuracy against stated confidence per bin, with intervals; under it how many images each bin holds."""
    bins = figures["reliability"]
    figure, (axes, below) = canvas(400, 440, nrows=2, ncols=1, sharex=True, height_ratios=[4.2, 1])
    _diagonal(axes)
    for item in bins:
        if item["accuracy_95"]:
            axes.plot([item["confidence"]] * 2, item["accuracy_95"], color=ACCENT, linewidth=1.2)
        solid = item["accuracy_95"] is not None
        axes.plot(
            [item["confidence"]],
            [item["accuracy"]],
            "o",
            markersize=6.5,
            color=ACCENT,
            markerfacecolor=ACCENT if solid else GROUND,
            clip_on=False,
        )
    unit_axis(axes, x=True, y=True)
    axes.set(ylabel="Share that is right")
    axes.tick_params(labelbottom=False)
    width = bins[0]["high"] - bins[0]["low"]
    below.bar([item["low"] for item in bins], [item["images"] for item in bins], width=width * 0.86, align="edge", color=BAR)
    below.set(xlabel="Stated probability of the predicted class", ylabel="Images")
    error = figures["expected_calibration_error"]
    return svg_of(figure, name=name, label=f"Reliability diagram, expected calibration error {error:.3f}")


def _diagonal(axes: Any) -> None:
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=(0, (4, 4)))
