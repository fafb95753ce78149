"""What became of the followed lesions: their visits compared, and whether the one that grows raised its alert."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from infra.demo.portal import Accepted, Portal
from infra.demo.submitting import Receipt
from infra.demo.visits import FOLLOWED, Followed

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Trail:
    """One followed lesion. ``comparison``: of its first visit with its last, empty where there is none; ``alerts``: headlines."""

    lesion: Followed
    comparison: dict[str, Any] = field(default_factory=dict)
    alerts: tuple[str, ...] = ()


def follow_trails(*, portal: Portal, receipts: Sequence[Receipt], advance: Callable[[int], None]) -> list[Trail]:
    """Wait until the first and the last visit of every followed lesion are compared, two minutes at most; ``advance`` counts lesions."""
    cases = {receipt.submission.case.get("lesion", {}).get("reference"): receipt.outcome for receipt in receipts}
    trails = []
    ends = time.monotonic() + PATIENCE_SECONDS
    for lesion in FOLLOWED:
        accepted = cases.get(lesion.reference)
        trails.append(_trail(portal, lesion, accepted.case_id, ends) if isinstance(accepted, Accepted) else Trail(lesion))
        advance(1)
    return trails


def trail_table(trails: Sequence[Trail]) -> Table:
    """A line for each lesion."""
    drawn = Table(title="lesions over time")
    for heading in ("lesion", "visits", "true growth", "area, first to last visit", "alert"):
        drawn.add_column(heading, no_wrap=heading == "lesion")
    for trail in trails:
        drawn.add_row(*trail_cells(trail))
    return drawn


def trail_cells(trail: Trail) -> tuple[str, str, str, str, str]:
    """The five cells of one line."""
    lesion = trail.lesion
    months = lesion.months[0] - lesion.months[-1]
    seen = f"{len(lesion.months)} in {months} months"
    return lesion.body_site, seen, f"{lesion.growth[-1]:.0%}", _area(trail.comparison), "; ".join(trail.alerts) or "none"


def trail_surprises(trails: Sequence[Trail]) -> list[str]:
    """The truth is known: the growing lesion has to raise an alert, the stable ones must not."""
    found = []
    for trail in trails:
        name = f"the lesion on the {trail.lesion.body_site}"
        if not trail.comparison.get("valid"):
            found.append(f"{name} was not compared: {trail.comparison.get('why') or 'no comparison came'}")
        elif bool(trail.alerts) != trail.lesion.grows:
            found.append(f"{name} {'grew and raised no alert' if trail.lesion.grows else 'is stable and raised an alert'}")
    return found


def _trail(portal: Portal, lesion: Followed, case_id: uuid.UUID, ends: float) -> Trail:
    lesion_id = uuid.UUID(portal.case(case_id)["lesion_id"])
    while True:
        changes = portal.changes(lesion_id)
        comparison = _first_to_last(changes["comparisons"])
        # The last visit's alert is written in the transaction of its comparison.
        if (comparison and _span(comparison) > _span_of(lesion) - 1) or time.monotonic() > ends:
            standing = [alert["headline"] for alert in changes["alerts"] if alert["withdrawn_at"] is None]
            return Trail(lesion, comparison or {}, tuple(standing))
        time.sleep(POLL_SECONDS)


def _first_to_last(comparisons: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    return max(comparisons, key=_span, default=None)


def _span(comparison: dict[str, Any]) -> float:
    return float(comparison["months"] or 0)


def _span_of(lesion: Followed) -> float:
    return float(lesion.months[0] - lesion.months[-1])


def _area(comparison: dict[str, Any]) -> str:
    area = (comparison.get("changes") or {}).get("area")
    if not area:
        return str(comparison.get("why") or "–")
    sizes = f"{area['earlier']:.1f} → {area['later']:.1f} {area['unit']}, " if area.get("earlier") and area.get("unit") == "mm²" else ""
    return f"{sizes}{area['relative']:+.0%} ± {area['error']:.0%}"
