"""Several models, runs or published values side by side, and a run's curves."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.evaluation.figures.samples import EvaluationError

HEADLINES = ("accuracy", "balanced_accuracy", "macro.f1", "malignant_auroc")


def comparison_figures(
    *,
    runs: Mapping[str, Mapping[str, Any]],
    metrics: Sequence[str] = HEADLINES,
    reported: Mapping[str, Mapping[str, float]] | None = None,
    protocols: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Picks the same figures out of the figures of each run; ``macro.f1`` is the key f1 inside macro.

    ``reported``: values from a paper, by run name, drawn beside the run's own; such a name may have no run of ours.
    ``protocols``: a line per name that tells on which data and split the values stand. Raises EvaluationError where nothing is to compare.
    """
    published, lines = reported or {}, protocols or {}
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "protocol": lines.get(name),
            "values": {metric: picked(runs.get(name, {}), metric) for metric in metrics},
            "reported": {metric: value for metric, value in published.get(name, {}).items() if metric in metrics},
        }
        for name in dict.fromkeys([*runs, *published])
    ]
    kept = [metric for metric in metrics if any(row["values"][metric]["value"] is not None or metric in row["reported"] for row in rows)]
    if not rows or not kept:
        raise EvaluationError(f"nothing to compare: no run has any of {', '.join(metrics)}")
    return {"metrics": kept, "runs": rows}


def history_figures(history: Sequence[Mapping[str, Any]], *, best: int | None = None) -> dict[str, Any]:
    """A run's curves: one mapping per epoch with ``epoch`` (else counted from 1) and numbers; ``best``: the epoch that was kept."""
    if not history:
        raise EvaluationError("the history holds no epoch: nothing to draw")
    names = list(dict.fromkeys(name for row in history for name, value in row.items() if name != "epoch" and _is_number(value)))
    return {
        "best": best,
        "epochs": [row.get("epoch", index) for index, row in enumerate(history, start=1)],
        "curves": {name: [row[name] if _is_number(row.get(name)) else None for row in history] for name in names},
    }


def picked(figures: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """``value`` and ``interval`` of a figure, both None where it is not there; ``macro.f1`` lies inside ``macro``."""
    outer, _, inner = metric.partition(".")
    within, name = (figures, metric) if metric in figures or not inner else (figures.get(outer) or {}, inner)
    return {"value": within.get(name), "interval": within.get(f"{name}_95")}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124  # NaN differs from itself
