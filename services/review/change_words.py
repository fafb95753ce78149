"""Figures of a trail in words: measures of a visit and changes between two, each with its error, unit and scale."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from services.records.states import VisitSource

MONTH = timedelta(days=30.44)
WHY = {
    "blurred": "one of the pictures is blurred",
    "no_detail": "too little detail to lay the pictures over each other",
    "magnification": "different magnification",
    "other_place": "the pictures do not show the same place",
    "no_lesion": "no lesion found in one of the pictures",
}
CURES = {
    "blurred": "Next step: ask for a sharp picture.",
    "no_detail": "Next step: look at the pictures side by side.",
    "magnification": "Next step: look at the pictures side by side, or ask for the same magnification.",
    "other_place": "Next step: check whether both visits show this lesion; a visit can be moved to another.",
    "no_lesion": "Next step: draw the outline on the case page; the visits are compared again.",
}
SCALES = {
    "dicom_pixel_spacing": "scale: DICOM pixel spacing",
    "stated": "scale: stated by the portal",
    "ruler": "scale: ruler in the picture",
}
SOURCES = {VisitSource.PORTAL: "", VisitSource.DICOM: "", VisitSource.RECEIPT: "date of receipt"}
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Form:
    """How a figure is written. ``digits``: after the point; ``times``: what it is multiplied by first."""

    unit: str
    digits: int
    times: float = 1.0

    def figure(self, value: float) -> str:
        """`43.1`, with a true minus; nothing is no less than nothing."""
        text = f"{value * self.times:.{self.digits}f}"
        return text.replace("-", MINUS if float(text) else "")

    def signed(self, value: float) -> str:
        """`+12.0`; what rounds to nothing has no sign."""
        text = self.figure(value)
        return text if text.startswith(MINUS) or not float(text) else f"+{text}"

    def with_unit(self, text: str) -> str:
        """`43.1 mm²`."""
        return f"{text} {self.unit}".strip()


PERCENT = Form("%", 0, 100)
SHARE = Form("", 2)
FORMS = {
    "mm²": Form("mm²", 1),
    "mm": Form("mm", 2),
    "px²": Form("px²", 0),
    "px": Form("px", 0),
    "ΔE": Form("ΔE", 1),
    "share": SHARE,
    "%": PERCENT,
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """``error``: one standard deviation; None where nobody has worked it out."""

    value: float
    error: float | None

    def times(self, factor: float) -> "Estimate":
        """In another unit."""
        return Estimate(self.value * factor, None if self.error is None else self.error * factor)

    @property
    def low(self) -> float | None:
        """One standard deviation under the value."""
        return None if self.error is None else self.value - self.error

    @property
    def high(self) -> float | None:
        """One standard deviation over the value."""
        return None if self.error is None else self.value + self.error

    def text(self, form: Form) -> str:
        """`43.1 mm² ± 1.3`."""
        error = "" if self.error is None else f" ± {form.figure(self.error)}"
        return form.with_unit(form.figure(self.value)) + error


def estimate(measures: Mapping[str, Any] | None, name: str) -> Estimate | None:
    """A figure of a visit's measures; None where it is not there."""
    found = (measures or {}).get(name)
    return Estimate(float(found[0]), float(found[1])) if found else None


def why_words(why: str | None) -> str:
    """`No valid comparison: different magnification`."""
    return f"No valid comparison: {WHY.get(why or '', (why or 'no reason given').replace('_', ' '))}"


def scale_words(measures: Mapping[str, Any] | None) -> str:
    """Where the millimetres come from, or that there are none."""
    return SCALES.get((measures or {}).get("scale_source") or "", "relative")


def months_between(earlier: datetime, later: datetime) -> float | None:
    """Months of 30.44 days; None for less than a day, over which nothing has a rate."""
    gap = later - earlier
    return gap / MONTH if gap >= timedelta(days=1) else None


def gap_words(earlier: datetime, later: datetime) -> str:
    """`4 months`, `12 days`, `same day`, `same time`."""
    gap = abs(later - earlier)
    if gap == timedelta(0):
        return "same time"
    if gap < timedelta(days=1):
        return "same day"
    if gap < timedelta(days=60):
        return f"{gap.days} day{'' if gap.days == 1 else 's'}"
    months = gap / MONTH
    return f"{months:.0f} months" if months < 24 else f"{months / 12:.1f} years"


def day_words(moment: datetime | date) -> str:
    """`2 Mar 2026`."""
    return f"{moment.day} {moment:%b %Y}"


def month_words(moment: datetime) -> str:
    """`Mar 2026`."""
    return f"{moment:%b %Y}"
