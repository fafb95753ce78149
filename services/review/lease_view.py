"""Who has a case until when, in the bar of the case page and in the rows of the worklist."""

from dataclasses import dataclass
from uuid import UUID

from flask import current_app, url_for

from services.records.claims import ClaimView
from services.review.times import Moment


@dataclass(frozen=True, slots=True)
class Lease:
    """`mine` or somebody else's; `clock` is the time of day when it ends (UTC; the browser shows its own zone)."""

    mine: bool
    holder: str
    clock: str
    until: Moment
    ends: str
    seconds: int
    keep: str
    give_back: str
    take: str


def lease_view(claim: ClaimView | None, user_id: UUID) -> Lease | None:
    """The lease as a page shows it; None where nobody has the case."""
    if claim is None:
        return None
    return Lease(
        mine=claim.user_id == user_id,
        holder=claim.holder,
        clock=f"{claim.expires_at:%H:%M} UTC",
        until=Moment.of(claim.expires_at),
        ends=claim.expires_at.isoformat(),
        seconds=int(current_app.config["CLAIM_LEASE"].total_seconds()),
        keep=url_for("leases.keep", case_id=claim.case_id),
        give_back=url_for("leases.give_back", case_id=claim.case_id),
        take=url_for("leases.take", case_id=claim.case_id),
    )
