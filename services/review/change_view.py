"""What changed between two visits, as a table: each figure with its error, unit and scale, or the reason why there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for

from services.records.trails import Trail
from services.records.visit_views import Visit, VisitComparison
from services.review.change_words import CURES, FORMS, PERCENT, SHARE, Form, day_words, gap_words, scale_words, why_words
from services.review.findings import Statement
from services.review.trail_veil import Veiled

LABELS = {
    "area": "Area",
    "major": "Longest diameter",
    "minor": "Shortest diameter",
    "asymmetry": "Asymmetry",
    "colour_asymmetry": "Colour asymmetry",
    "border_irregularity": "Border irregularity",
    "colour_variegation": "Colour variegation",
    "colour": "Colour of the lesion",
    "new_structures": "New structures, of the lesion",
    "malignant_probability": "p(malignant)",
    "embedding": "Classifier features, distance",
}
OWN_FORMS = {
    "asymmetry": SHARE,
    "malignant_probability": SHARE,
    "embedding": SHARE,
    "new_structures": PERCENT,
}
BASES = {
    "mm": "",
    "magnification": "Sizes are relative: by the magnification that the portal states.",
    "registration": "Sizes are relative: by how the pictures lie over each other.",
}
NONE = "–"
VEILED = Statement(
    "information", "Figures open after your first opinion", "This portal asks for a blind first read. The pictures may be compared."
)


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One figure. ``beyond``: the change is more than the error of looking twice."""

    name: str
    label: str
    earlier: str
    later: str
    change: str
    share: str
    per_month: str
    beyond: bool


@dataclass(frozen=True, slots=True)
class ChangeTable:
    """Two visits. Without rows ``statement`` says why; ``notes`` tell what limits the figures."""

    id: str
    title: str
    period: str
    href: str
    rows: tuple[ChangeRow, ...]
    statement: Statement | None
    notes: tuple[str, ...]
    scale: str
    version: str

    def row(self, name: str) -> ChangeRow | None:
        """The figure of this name."""
        return next((row for row in self.rows if row.name == name), None)


def change_table(trail: Trail, earlier: Visit, later: Visit, *, veiled: Veiled, title: str) -> ChangeTable:
    """The table of a pair of the trail's visits."""
    found = trail.comparison(earlier.case_id, later.case_id)
    changes = read_changes(found)
    return ChangeTable(
        id=f"change-{earlier.case_id}",
        title=title,
        period=f"{day_words(earlier.visited_at)} → {day_words(later.visited_at)} · {gap_words(earlier.visited_at, later.visited_at)}",
        href=url_for("lesions.compare", lesion_id=trail.lesion_id, earlier=earlier.case_id, later=later.case_id),
        rows=tuple(change_row(name, changes[name]) for name in LABELS if name in changes),
        statement=pair_statement(found, earlier, later, veiled),
        notes=tuple(_notes(found, earlier, later)) if changes else (),
        scale=_scale(earlier, later) if changes else "",
        version=found.version if found else "",
    )


def read_changes(found: VisitComparison | None) -> Mapping[str, Mapping[str, Any]]:
    """The changes of a comparison by their name; none where it is not valid, not there or not to be seen."""
    if found is None or not found.changes:
        return {}
    changes: Mapping[str, Mapping[str, Any]] = found.changes["changes"]
    return changes


def about(found: VisitComparison | None, name: str) -> Any:
    """What a comparison says beside its figures: months, notes, basis …; None where it says nothing."""
    return found.changes.get(name) if found and found.changes else None


def pair_statement(found: VisitComparison | None, earlier: Visit, later: Visit, veiled: Veiled) -> Statement | None:
    """Why there are no figures; None where there are."""
    if {earlier.case_id, later.case_id} & veiled:
        return VEILED
    if found is not None:
        return None if found.valid else Statement("attention", why_words(found.why), "", CURES.get(found.why or "", ""))
    failed = later.failed or earlier.failed
    if failed:
        return Statement("attention", "Not compared", failed, "Next step: look at the pictures side by side.")
    if later.waits_since or earlier.waits_since:
        return Statement("information", "Being compared", "The figures appear here within a minute. Load the page again.")
    unread = next((visit for visit in (later, earlier) if visit.outcome is None), None)
    if unread is not None:
        return Statement("information", "Not compared", f"The pictures of {day_words(unread.visited_at)} have no finding.")
    return Statement("information", "Not compared", "Each visit is compared with the one before it and with the first.")


def shift_words(row: ChangeRow) -> str:
    """`31.0 → 43.0 mm² (+38 % ± 6)`: the change in one line."""
    sizes = f"{row.earlier.partition(' ')[0]} → {row.later}" if row.later != NONE else ""
    return f"{sizes} ({row.share})" if sizes and row.share else sizes or row.share or row.change


def change_row(name: str, change: Mapping[str, Any]) -> ChangeRow:
    """The row of one figure, from what ``Change.to_json`` wrote."""
    form = OWN_FORMS.get(name) or FORMS.get(change["unit"]) or Form(change["unit"], 2)
    relative, absolute, error = change.get("relative"), change.get("absolute"), change.get("error")
    # The error and the rate are those of the relative change where there is one.
    share = "" if relative is None else f"{PERCENT.signed(relative)} %{_error(PERCENT, error)}"
    own = "" if relative is not None else _error(form, error)
    # What only two pictures together have is no difference of two figures.
    signed = form.figure if relative is None and change.get("later") is None else form.signed
    return ChangeRow(
        name=name,
        label=LABELS[name],
        earlier=_figure(form, change.get("earlier")),
        later=_figure(form, change.get("later")),
        change=NONE if absolute is None else form.with_unit(signed(absolute)) + own,
        share=share,
        per_month=_rate(change.get("per_month"), form if relative is None else PERCENT),
        beyond=bool(change.get("significant")),
    )


def _error(form: Form, error: float | None) -> str:
    return "" if error is None else f" ± {form.figure(error)}"


def _figure(form: Form, value: float | None) -> str:
    return NONE if value is None else form.with_unit(form.figure(value))


def _rate(per_month: float | None, form: Form) -> str:
    if per_month is None:
        return NONE
    finer = Form(form.unit, form.digits + 1, form.times)
    return finer.with_unit(finer.signed(per_month))


def _notes(found: VisitComparison | None, earlier: Visit, later: Visit) -> Sequence[str]:
    notes = [BASES.get(about(found, "basis") or "", ""), *(about(found, "notes") or ())]
    if about(found, "lower_bound"):
        notes.append("The lesion leaves a picture: sizes are lower bounds.")
    fresh = about(found, "new_classes")
    if fresh:
        notes.append(f"New in the prediction set: {', '.join(fresh)}.")
    if earlier.visited_at == later.visited_at:
        notes.append("Both visits have the same time: there is no rate of change.")
    return [note for note in notes if note]


def _scale(earlier: Visit, later: Visit) -> str:
    words = {scale_words(earlier.measures), scale_words(later.measures)}
    return "sizes relative" if "relative" in words else " and ".join(sorted(words))
