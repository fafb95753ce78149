"""Drawings of distributions and of curves over epochs."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from models.evaluation.figures.segmentation import FAILED
from models.evaluation.report.style import (
    ATTENTION,
    BAR,
    DASHES,
    INK,
    MARKERS,
    SERIES,
    SOFT,
    WIDTH,
    canvas,
    svg_of,
)

RATES = frozenset({"lr", "learning_rate"})  # of the optimiser; no share of anything
FEW = 15  # epochs; up to here each has a marker


def jaccard_plot(figures: Mapping[str, Any], *, name: str) -> Markup:
    """Histogram of the Jaccard index over images, those under 0.65 set apart by colour and by the line."""
    counts = figures["histogram"]
    width = 1 / len(counts)
    figure, axes = canvas(WIDTH, 290)
    for index, count in enumerate(counts):
        failed = (index + 1) * width <= FAILED + 1e-9
        axes.bar(index * width, count, width=width * 0.9, align="edge", color=ATTENTION if failed else BAR)
    axes.axvline(FAILED, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    share = figures[f"share_under_{FAILED}"]
    axes.text(FAILED - 0.01, 0.98, f"{100 * share:.1f} % under {FAILED}", ha="right", va="top", transform=axes.get_xaxis_transform())
    axes.set(xlabel="Jaccard index of an image", ylabel="Images", xlim=(0, 1.005))
    axes.yaxis.grid(visible=True)
    return svg_of(figure, name=name, label=f"Histogram of the Jaccard index; {100 * share:.1f} % of the images lie under {FAILED}")


def ood_plot(figures: Mapping[str, Any], *, name: str) -> Markup:
    """Scores of lesions (filled) against each set of strangers (line), one panel per set, with the threshold."""
    outside, edges = figures["outside"], figures["edges"]
    columns = 2 if len(outside) in {2, 4} else min(3, len(outside))
    rows = -(-len(outside) // columns)
    figure, grid = canvas(WIDTH, rows * 215 + 36, nrows=rows, ncols=columns, sharex=True, squeeze=False)
    for place, axes in enumerate(grid.flat):
        if place >= len(outside):
            axes.set_visible(False)
            continue
        strangers = list(outside)[place]
        axes.stairs(figures["inside"]["histogram"], edges, fill=True, color=SERIES[0], alpha=0.45, label="lesions")
        axes.stairs(outside[strangers]["histogram"], edges, color=SERIES[1], linewidth=1.8, label="strangers")
        if figures["threshold"] is not None and edges[0] <= figures["threshold"] <= edges[-1]:
            axes.axvline(figures["threshold"], color=INK, linewidth=1.2, linestyle=(0, (4, 3)), label="refused from here")
        axes.set_title(f"{strangers.replace('_', ' ')}  (n = {outside[strangers]['images']:,})")
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("Score, stranger →")
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return svg_of(figure, name=name, label="Histograms of the scores of lesions and strangers")


def history_plot(figures: Mapping[str, Any], *, name: str) -> Markup:
    """Curves per epoch: losses on the left, figures between 0 and 1 on the right, the kept epoch as a line."""
    losses = {key: values for key, values in figures["curves"].items() if "loss" in key}
    shares = {key: values for key, values in figures["curves"].items() if key not in {*losses, *RATES} and _within_unit(values)}
    panels = [(title, curves) for title, curves in (("Loss", losses), ("Figures, 0 to 1", shares)) if curves]
    if not panels:
        return Markup()
    figure, grid = canvas(WIDTH / 2 * len(panels), 340, nrows=1, ncols=len(panels), squeeze=False)
    for axes, (title, curves) in zip(grid[0], panels, strict=True):
        for place, (key, values) in enumerate(curves.items()):
            style = {"color": SERIES[place % len(SERIES)], "linestyle": DASHES[place % len(DASHES)]}
            marker = MARKERS[place % len(MARKERS)] if len(values) <= FEW else None
            known = [float("nan") if value is None else value for value in values]
            axes.plot(figures["epochs"], known, label=key.replace("_", " "), marker=marker, markersize=4.5, **style)
        if figures["best"] is not None:
            axes.axvline(figures["best"], color=SOFT, linewidth=1, linestyle=(0, (1, 3)), label=f"kept: epoch {figures['best']}")
        axes.set_title(title)
        axes.set_xlabel("Epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(visible=True)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)
    return svg_of(figure, name=name, label="Curves per epoch")


def _within_unit(values: list[float | None]) -> bool:
    return all(value is None or 0 <= value <= 1 for value in values)
