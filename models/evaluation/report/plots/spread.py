"""Drawings of values and their spread: subgroups, comparison bars, prediction sets."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from models.evaluation.report.style import ACCENT, BAR, CONTRAST, GROUND, INK, SOFT, WIDTH, canvas, svg_of, unit_axis

ROW = 23  # pixels


def forest_plot(figures: Mapping[str, Any], *, name: str, shown: Mapping[str, str]) -> Markup:
    """Value and 95 % interval of every measured subgroup, one panel per figure in ``shown`` (key → title), the overall value as a line."""
    rows: list[tuple[str, Mapping[str, Any] | None]] = []
    for attribute, parts in figures["attributes"].items():
        rows.append((attribute, None))
        rows += [(part["value"], part) for part in parts]
    figure, grid = canvas(WIDTH, len(rows) * ROW + 60, nrows=1, ncols=len(shown), sharey=True, squeeze=False)
    for axes, (key, title) in zip(grid[0], shown.items(), strict=True):
        overall = figures["overall"][key]
        if overall is not None:
            axes.axvline(overall, color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
        for place, (_, part) in enumerate(rows):
            if part and part[key] is not None:
                _whisker(axes, part[key], part[f"{key}_95"], place)
            elif part:
                axes.text(0.02, place, "too few", va="center", fontsize=9.5, color=SOFT)
        axes.set_title(title)
        unit_axis(axes, x=True)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_ylim(len(rows) - 0.4, -0.6)
    _group_labels(grid[0][0], rows)
    return svg_of(figure, name=name, label="Forest plot of the subgroups; the same values are in the table")


def _group_labels(axes: Any, rows: Sequence[tuple[str, Mapping[str, Any] | None]]) -> None:
    labels = [value.capitalize() if part is None else f"{value}  (n = {part['images']:,})" for value, part in rows]
    axes.set_yticks(range(len(rows)), labels)
    for tick, (_, part) in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_color(SOFT if part is None else INK)
        tick.set_fontweight("bold" if part is None else "normal")


def _whisker(axes: Any, value: float, bounds: Sequence[float] | None, place: float, colour: str = ACCENT) -> None:
    if bounds:
        axes.plot(bounds, [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot([value], [place], "o", markersize=6.5, color=colour, markeredgecolor=GROUND, markeredgewidth=1)


def comparison_plot(figures: Mapping[str, Any], *, name: str, titles: Mapping[str, str]) -> Markup:
    """Bars with intervals, one panel per figure and one bar per run; a published value is a hollow diamond."""
    runs, metrics = figures["runs"], figures["metrics"]
    columns = min(2, len(metrics))
    rows = -(-len(metrics) // columns)
    figure, grid = canvas(WIDTH, rows * (len(runs) * 34 + 70), nrows=rows, ncols=columns, sharey=True, squeeze=False)
    for place, axes in enumerate(grid.flat):
        if place >= len(metrics):
            axes.set_visible(False)
            continue
        for row, run in enumerate(runs):
            _bar(axes, row, run["values"][metrics[place]], run["reported"].get(metrics[place]))
        axes.set_title(titles.get(metrics[place], metrics[place]))
        unit_axis(axes, x=True)
        axes.set_xlim(0, 1.17)
        axes.set_ylim(len(runs) - 0.4, -0.6)
        axes.set_yticks(range(len(runs)), [run["name"] for run in runs], color=INK)
        axes.tick_params(axis="y", length=0)
    return svg_of(figure, name=name, label="Comparison of the runs; the same values are in the table")


def _bar(axes: Any, row: int, found: Mapping[str, Any], reported: float | None) -> None:
    value, bounds = found["value"], found["interval"]
    end = max([value or 0, *(bounds or []), reported or 0])
    if value is not None:
        axes.barh(row, value, height=0.58, color=BAR)
    if bounds:
        axes.plot(bounds, [row, row], color=INK, linewidth=1.4, solid_capstyle="butt")
    if reported is not None:
        axes.plot([reported], [row], "D", markersize=7, color=CONTRAST, markerfacecolor=GROUND, markeredgewidth=1.8)
    text = f"{value:.3f}" if value is not None else f"({reported:.3f})" if reported is not None else "–"
    axes.text(end + 0.02, row, text, va="center", fontsize=11, color=INK if value is not None else SOFT)


def coverage_plot(figures: Mapping[str, Any], *, name: str) -> Markup:
    """Coverage per class against the promise, and how many images have how large a set."""
    classes = {code: part for code, part in figures["by_class"].items() if part["images"]}
    figure, (axes, sizes) = canvas(WIDTH, max(len(classes) * ROW + 90, 250), nrows=1, ncols=2, width_ratios=[1.25, 1])
    axes.axvline(figures["target"], color=CONTRAST, linewidth=1.4, linestyle=(0, (4, 3)))
    for place, part in enumerate(classes.values()):
        _whisker(axes, part["coverage"], part["coverage_95"], place)
    axes.set_yticks(range(len(classes)), [f"{code}  (n = {part['images']:,})" for code, part in classes.items()], color=INK)
    axes.set_ylim(len(classes) - 0.4, -0.6)
    axes.set_title(f"Coverage per class, promised {figures['target']:.2f}")
    unit_axis(axes, x=True)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _set_sizes(sizes, figures["sizes"])
    return svg_of(figure, name=name, label="Coverage of the prediction sets per class, and images per set size")


def _set_sizes(axes: Any, counts: Sequence[int]) -> None:
    last = max(size for size, count in enumerate(counts) if count)
    shown = list(counts[: max(last, 3) + 1])
    axes.bar(range(len(shown)), shown, width=0.72, color=BAR)
    for size, count in enumerate(shown):
        axes.text(size, count, f"{count:,}", ha="center", va="bottom", fontsize=10)
    axes.set_xticks(range(len(shown)))
    axes.margins(y=0.12)
    axes.set_title("Images per size of the set")
    axes.set_xlabel("Classes in the set")
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
