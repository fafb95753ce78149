"""The reliability of one picture at a glance: `in distribution · sharp · 8.2 mm`."""

from collections.abc import Mapping
from typing import Any

from services.records.measures import measures_of
from services.records.views import ImageView
from services.review.findings import ISSUES
from services.review.words import listed


def glance(image: ImageView) -> str:
    """One line; parts that nobody checked or measured are left out, never guessed."""
    if image.analysis is None:
        return ""
    finding = image.analysis.finding
    # A reader's outline wins over the model's; until it is measured there is no size to tell.
    return " · ".join(filter(None, (_distribution(finding.get("ood")), _quality(finding.get("quality")), _size(measures_of(image)))))


def _distribution(ood: dict[str, object] | None) -> str:
    if ood is None:
        return "not checked for strangeness"
    return "in distribution" if ood.get("in_distribution") else "out of distribution"


def _quality(quality: dict[str, list[str]] | None) -> str:
    if quality is None:
        return ""
    issues = [ISSUES.get(issue, issue.replace("_", " ")) for issue in quality.get("issues") or []]
    return listed(issues) if issues else "sharp"


def _size(measures: Mapping[str, Any] | None) -> str:
    """Millimetres with a source of scale only."""
    if not measures or not measures.get("scale_source") or measures.get("major_diameter_mm") is None:
        return "size relative" if measures else ""
    return f"{measures['major_diameter_mm']:.1f} mm"
