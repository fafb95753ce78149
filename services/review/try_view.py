"""What a visitor reads about their picture: careful sentences, and never a diagnosis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.records.states import Outcome
from services.records.trials import TrialView
from services.review import words
from services.review.findings import Bar, ranked_bars
from services.review.times import Moment

RETAKE = "Take another picture: in daylight, sharp, with the spot in the middle and filling about a third of it."
ABSTENTIONS = {
    "poor_quality": ("The picture is not good enough to say anything.", RETAKE),
    "no_lesion_found": ("No spot could be made out in the picture.", RETAKE),
    "out_of_distribution": (
        "The picture is unlike those that the model has learned from, so it gives no answer.",
        "It has learned from close pictures of a single spot, most of them taken through a dermatoscope. " + RETAKE,
    ),
}
SEE_A_DOCTOR = "Show the spot to a doctor soon. The model finds signs of cancer, or of its precursor, and cannot tell whether it is right."
UNCERTAIN = ("The model is not certain enough to name anything.", RETAKE)
ISSUES = {"blurred": "blurred", "dark": "too dark", "overexposed": "too bright", "small": "too small"}


@dataclass(frozen=True, slots=True)
class TrialPage:
    """One answered picture. ``bars``: all classes, most likely first; ``abstained``: they must not be relied on."""

    title: str
    detail: str
    next_step: str
    abstained: bool
    bars: tuple[Bar, ...]
    malignant_text: str
    issues: str
    width: int
    height: int
    outlined: bool
    heatmap: bool
    explained: str
    provenance: str
    expires: Moment
    minutes: int


def trial_page(trial: TrialView, *, now: datetime) -> TrialPage:
    """The page of a trial that is done."""
    finding: Mapping[str, Any] = trial.finding or {}
    bars = ranked_bars(finding, _named(finding))
    title, detail, next_step = _sentences(finding, bars)
    licence = finding.get("licence")
    return TrialPage(
        title=title,
        detail=detail,
        next_step=next_step,
        abstained=finding.get("outcome") == Outcome.ABSTAIN,
        bars=bars,
        malignant_text=words.probability(finding.get("malignant_probability") or 0.0),
        issues=_issues(finding),
        width=finding.get("width") or 1,
        height=finding.get("height") or 1,
        outlined=bool(trial.mask_key and finding.get("measures")),
        heatmap=trial.heatmap_key is not None,
        explained=bars[0].name if bars else "",
        provenance=f"Pipeline {finding.get('pipeline_version')}" + (f" · Licence: {licence}" if licence else ""),
        expires=Moment.of(trial.expires_at),
        minutes=max(1, round((trial.expires_at - now).total_seconds() / 60)),
    )


def _named(finding: Mapping[str, Any]) -> tuple[str, ...]:
    if finding.get("outcome") == Outcome.ABSTAIN:
        return ()
    return tuple(finding.get("classes") or filter(None, [finding.get("prediction")]))


def _sentences(finding: Mapping[str, Any], bars: tuple[Bar, ...]) -> tuple[str, str, str]:
    """Title, detail and next step."""
    if finding.get("outcome") == Outcome.ABSTAIN:
        title, next_step = ABSTENTIONS.get(finding.get("reason") or "", UNCERTAIN)
        return title, "", next_step
    named = [bar for bar in bars if bar.leading]
    next_step = SEE_A_DOCTOR if finding.get("suspicious") or any(bar.malignant for bar in named) else ""
    if len(named) > 1:
        return f"To the model, the picture could be {either(named)}.", "It does not choose between them.", next_step
    return f"To the model, the picture looks most like {either(named)}.", "It is wrong often enough to matter.", next_step


def either(bars: Sequence[Bar]) -> str:
    """`a`, `a or b`, `a, b or c`, in small letters."""
    *first, last = [bar.name.lower() for bar in bars] or ["none of its classes"]
    return f"{', '.join(first)} or {last}" if first else last


def _issues(finding: Mapping[str, Any]) -> str:
    issues = (finding.get("quality") or {}).get("issues") or []
    return words.listed([ISSUES.get(issue, issue.replace("_", " ")) for issue in issues]) if issues else ""
