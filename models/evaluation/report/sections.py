"""What a report is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ReportError(ValueError):
    """A report that would leave out what a reader must know, or that cannot be drawn."""


class SplitUnit(StrEnum):
    """What was kept apart between training and the images measured here."""

    LESION = "lesion"
    PATIENT = "patient"
    IMAGE = "image"
    EXTERNAL = "external"  # another collection than the training's

    @property
    def leaks(self) -> bool:
        """Images of one lesion may lie on both sides."""
        return self is SplitUnit.IMAGE


class SectionKind(StrEnum):
    """One kind per function of ``models.evaluation.figures``, whose result it shows."""

    CLASSIFICATION = "classification"
    SEGMENTATION = "segmentation"
    SUBGROUPS = "subgroups"
    OOD = "ood"
    CONFORMAL = "conformal"
    HISTORY = "history"
    COMPARISON = "comparison"

    @property
    def heading(self) -> str:
        """The section's heading where the caller gives none."""
        return HEADINGS[self]


HEADINGS = {
    SectionKind.CLASSIFICATION: "Classification",
    SectionKind.SEGMENTATION: "Segmentation",
    SectionKind.SUBGROUPS: "Subgroups",
    SectionKind.OOD: "Out of distribution",
    SectionKind.CONFORMAL: "Prediction sets",
    SectionKind.HISTORY: "Training",
    SectionKind.COMPARISON: "Comparison",
}


@dataclass(frozen=True, slots=True)
class Section:
    """Figures with their heading; a kind may occur more than once.

    ``figures``: the result of that kind's function, unchanged. ``note``: a sentence under the heading. ``thumbnails``: image name →
    ``data:image/...`` URI, shown beside the worst outlines and the missed malignant lesions; they never reach the JSON.
    Raises ReportError for a thumbnail that would be fetched from elsewhere.
    """

    kind: SectionKind
    figures: Mapping[str, Any]
    title: str | None = None
    note: str | None = None
    thumbnails: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", SectionKind(self.kind))
        if foreign := [name for name, address in self.thumbnails.items() if not address.startswith("data:image/")]:
            raise ReportError(f"thumbnail of {foreign[0]} is no data URI: a report must not fetch anything; encode the picture into it")

    @property
    def heading(self) -> str:
        """What stands above the section."""
        return self.title or self.kind.heading
