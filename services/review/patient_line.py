"""One lesion of a patient as a line of words: size with its scale, the last change with its error, status, and what comes next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.records.follow_ups import FollowUpState
from services.records.patients import LastChange, Look, PatientLesion
from services.records.states import CaseState
from services.review.change_words import PERCENT, SCALES, Estimate, day_words, estimate, gap_words, why_words
from services.review.decision import decision_words
from services.review.plans import SHORT

WAITS = {
    CaseState.QUEUED: "being analysed",
    CaseState.AWAITING_REVIEW: "to be read",
    CaseState.AWAITING_SECOND_READ: "second read",
    CaseState.AWAITING_ADJUDICATION: "waits for a lead",
}
SOURCES = {"dicom_pixel_spacing": "DICOM", "stated": "stated", "ruler": "ruler"}
AFTER_OPINION = "opens after your first opinion"


@dataclass(frozen=True, slots=True)
class Words:
    """A line and a soft one beneath it; ``kind`` names the mark or the trend beside it, "" for none."""

    text: str
    note: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Size:
    """``mm``: the longest diameter where a scale is known; ``source`` and, in full words, ``scale``: who says so.

    ``bound``: the lesion leaves the picture, so it is larger than that.
    """

    mm: float | None
    area_mm2: float | None
    share: float | None
    source: str
    scale: str
    bound: bool


def size_of(look: Look) -> Size | None:
    """The size of a lesion in its last picture; a reader's ruler comes before every other scale. None where nothing was outlined."""
    if look.measured:
        return _measured(look.measured, look.mm_per_px)
    return _found(look.found, look.mm_per_px) if look.found else None


def size_words(size: Size | None) -> Words:
    """`8.2 mm` over `43 mm² · ruler`, or the share of the picture, which is relative; ``kind``: the scale in full words."""
    if size is None:
        return Words("not measured")
    bound = "≥ " if size.bound else ""
    if size.mm is not None:
        area = f"{size.area_mm2:.0f} mm²" if size.area_mm2 and size.area_mm2 >= 10 else f"{size.area_mm2 or 0:.1f} mm²"
        return Words(f"{bound}{size.mm:.1f} mm", f"{area} · {size.source}", size.scale)
    return Words(
        f"{bound}{100 * (size.share or 0):.0f} % of picture", "relative", "no scale is known: lay the ruler along one in the picture"
    )


def change_words(change: LastChange | None, *, visits: int, last_visit: datetime) -> Words:
    """`grew 38 % ± 6` over `in 4 months`; what lies within the error is `steady`."""
    if change is None:
        return Words("one visit" if visits == 1 else "not compared yet", kind="none")
    gap = gap_words(change.since, last_visit)
    area = change.area if change.valid else None
    if area is None:
        reason = why_words(change.why) if not change.valid else "size not compared"
        return Words("not comparable", reason.removeprefix("No valid comparison: "), "none")
    grown = Estimate(_value(area), float(area["error"]))
    figure = f"{PERCENT.figure(abs(grown.value))} % ± {PERCENT.figure(grown.error or 0)}"
    if area.get("relative") is None:
        figure = f"{abs(grown.value):.1f} {area['unit']} ± {grown.error:.1f}"
    if not area.get("significant"):
        sign = "" if figure.startswith("0 ") else "+" if grown.value > 0 else "\N{MINUS SIGN}"
        return Words("steady", f"{sign}{figure}, {gap}", "steady")
    return Words(f"{'grew' if grown.value > 0 else 'shrank'} {figure}", f"in {gap}", "grew" if grown.value > 0 else "shrank")


def status_words(lesion: PatientLesion) -> Words:
    """What the last visit waits for, or what was decided."""
    waits = WAITS.get(lesion.state)
    if waits or lesion.decision is None:
        return Words(waits or "waits", kind="waits")
    plan = SHORT[lesion.management].lower() if lesion.management in SHORT else ""
    return Words(decision_words(lesion.decision, lesion.diagnosis), plan, "decided")


def next_words(lesion: PatientLesion) -> Words:
    """The day of the next visit; late ones have a mark."""
    if lesion.follow_up is None:
        return Words("")
    day = day_words(lesion.follow_up.follow_up_on)
    late = {FollowUpState.OVERDUE: Words(f"overdue, {day}", kind="urgent"), FollowUpState.DUE: Words(f"due {day}", kind="attention")}
    return late.get(lesion.follow_up.state, Words(f"next {day}"))


def _value(area: Mapping[str, Any]) -> float:
    relative = area.get("relative")
    return float(area.get("absolute") or 0.0) if relative is None else float(relative)


def _measured(measures: Mapping[str, Any], ruler: float | None) -> Size:
    scale = ruler or measures.get("mm_per_px")
    source = "ruler" if ruler else measures.get("scale_source") or ""
    area, across = estimate(measures, "area_px"), estimate(measures, "major_px")
    whole = float(measures.get("width") or 0) * float(measures.get("height") or 0)
    share = area.value / whole if area and whole else None
    return _size(
        area.value if area else None, across.value if across else None, scale, source, share, bound=bool(measures.get("touches_border"))
    )


def _found(measures: Mapping[str, Any], ruler: float | None) -> Size:
    bound, share = bool(measures.get("touches_border")), measures.get("area_share")
    if ruler:
        return _size(measures.get("area_px"), measures.get("major_diameter_px"), ruler, "ruler", share, bound=bound)
    source = measures.get("scale_source") or ""
    known = source in SCALES
    mm, area = (measures.get(name) if known else None for name in ("major_diameter_mm", "area_mm2"))
    return Size(mm, area, share, SOURCES.get(source, ""), SCALES.get(source, ""), bound)


def _size(area: float | None, across: float | None, scale: float | None, source: str, share: float | None, *, bound: bool) -> Size:
    if not scale or area is None or across is None:
        return Size(None, None, share, "", "", bound)
    return Size(across * scale, area * scale**2, share, SOURCES.get(source, "scale known"), SCALES.get(source, "scale known"), bound)
