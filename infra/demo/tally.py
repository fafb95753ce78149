"""What became of every submitted image: counted, and shown as a table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rich.table import Table

ROWS_SHOWN = 60


class Fate(StrEnum):
    """What became of one image. LOST: accepted, and no answer says what became of it; or never clearly answered."""

    ANALYSED = "analysed"
    REFUSED = "refused"
    FAILED = "failed"
    LOST = "lost"


# What is needed where there is no finding.
INSTEAD = {Fate.REFUSED: "refused, send again", Fate.FAILED: "failed, read by hand", Fate.LOST: "LOST"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One image's line. ``finding`` is empty where there is no analysis; ``note`` says why then."""

    filename: str
    fate: Fate
    note: str = ""
    finding: dict[str, Any] = field(default_factory=dict)

    @property
    def out_of_distribution(self) -> bool:
        """Whether the pipeline says that the picture is unlike what it knows."""
        ood = self.finding.get("ood")
        return ood is not None and not ood["in_distribution"]


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts. They are made from the answers alone, so that ``lost`` cannot hide anything."""

    submitted: int
    analysed: int
    refused: int
    failed: int

    @property
    def lost(self) -> int:
        """Submitted images of which no answer says what became of them."""
        return self.submitted - self.analysed - self.refused - self.failed

    def line(self) -> str:
        """The last line of the demonstration."""
        return f"demo: {self.submitted} submitted, {self.analysed} analysed, {self.refused} refused, {self.failed} failed, {self.lost} lost"


def tally(answers: Sequence[Answer], *, submitted: int) -> Tally:
    """Count the answers against the number of images that were sent."""
    fates = Counter(answer.fate for answer in answers)
    return Tally(submitted=submitted, analysed=fates[Fate.ANALYSED], refused=fates[Fate.REFUSED], failed=fates[Fate.FAILED])


def table(answers: Sequence[Answer]) -> Table:
    """At most 60 lines: everything that is not an ordinary answer first, then in the order of submission."""
    shown = sorted(answers, key=lambda answer: answer.fate is Fate.ANALYSED)[:ROWS_SHOWN] if len(answers) > ROWS_SHOWN else answers
    drawn = Table(caption=f"{len(answers) - len(shown)} more analysed images are not shown" if len(shown) < len(answers) else None)
    for heading in ("image", "top class"):
        drawn.add_column(heading, no_wrap=True)
    for heading in ("probability", "lesion area"):
        drawn.add_column(heading, justify="right")
    for heading in ("OOD", "decision needed"):
        drawn.add_column(heading)
    for answer in shown:
        drawn.add_row(*cells(answer))
    return drawn


def cells(answer: Answer) -> tuple[str, str, str, str, str, str]:
    """The six cells of one line."""
    if answer.fate is not Fate.ANALYSED:
        return answer.filename, "–", "–", "–", "–", f"{INSTEAD[answer.fate]} ({answer.note})"
    probabilities = answer.finding.get("probabilities") or {}
    leading = max(probabilities, key=lambda code: float(probabilities[code]), default=None)
    named, between = answer.finding.get("prediction"), answer.finding.get("classes") or []
    return (
        answer.filename,
        named or (f"{{{', '.join(between)}}}" if between else f"({leading})" if leading else "–"),
        f"{probabilities[leading]:.0%}" if leading else "–",
        _area(answer.finding.get("measures")),
        "yes" if answer.out_of_distribution else "no",
        "confirm or correct" if named else f"choose among {len(between)}" if between else _unaided(answer.finding),
    )


def _area(measures: dict[str, Any] | None) -> str:
    if not measures:
        return "–"
    if measures.get("area_mm2"):
        return f"{measures['area_mm2']:.1f} mm²"
    return f"{measures['area_share']:.1%}"


def _unaided(finding: dict[str, Any]) -> str:
    """What is needed where the models abstain."""
    reason = str(finding.get("reason") or "no answer of the models").replace("_", " ")
    needed = {"retake": "retake", "not_skin": "skin at all?"}.get(str(finding.get("next_step")), "diagnose")
    return f"{needed} ({reason})"
