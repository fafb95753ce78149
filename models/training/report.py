"""The report of one bundle: facts, figures and plots in one page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.datasets import Split
from models.evaluation.report import Section, write_report

LEAKS = (
    "Split by image: pictures of one lesion lie on both sides, as in the published protocol. These figures are too good for new patients."
)
SHARED = "No validation part: the checkpoint was chosen on the pictures measured here, as in the published protocol."
SIMULATED = "The series were simulated from single pictures; no real follow-up was seen."


def report_of(
    *, folder: Path, card: Mapping[str, Any], part: Split, sections: Sequence[Section], names: Mapping[str, str] | None = None
) -> Path:
    """Writes report.html and report.json below ``folder`` and returns the page's path."""
    recipe = card["training"]["recipe"]
    warnings = [LEAKS] if recipe["data"]["split"] == "image" else []
    warnings += [SHARED] if recipe["data"]["shares"][1] == 0 else []
    warnings += [SIMULATED] if card["task"] == "sequence" else []
    facts = {
        "bundle": f"{card['name']}, {card['version']}",
        "architecture": card["architecture"],
        "data": card["data"],
        "split_by": recipe["data"]["split"],
        "part": str(part),
        "images": card["training"]["images"],
        "command": card["training"]["command"],
        "revision": card["training"]["revision"],
        "licence": card["licence"],
        "non_commercial": card["non_commercial"],
        "warnings": warnings,
        **({"published": recipe["published"]} if recipe["published"] else {}),
    }
    return write_report(folder=folder, title=card["name"], facts=facts, sections=sections, names=names)
