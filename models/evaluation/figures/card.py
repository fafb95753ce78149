"""The part of the figures that a bundle's card carries."""

from collections.abc import Mapping
from typing import Any

# Curves, histograms and lists of images belong to the report; a card is read at a glance.
REPORT_ONLY = frozenset(
    {"roc", "reliability", "confusion", "histogram", "edges", "worst", "missed", "quantiles", "classes", "by_size", "sizes"}
)


def card_figures(figures: Mapping[str, Any], *, digits: int = 4) -> dict[str, Any]:
    """The same figures without curves, bins and images, rounded to ``digits`` decimals."""
    return {name: _rounded(value, digits) for name, value in figures.items() if name not in REPORT_ONLY}


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, Mapping):
        return card_figures(value, digits=digits)
    if isinstance(value, list | tuple):
        return [_rounded(item, digits) for item in value]
    return round(value, digits) if isinstance(value, float) else value
