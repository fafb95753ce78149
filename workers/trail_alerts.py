"""Which alerts follow from the comparisons on file."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from models.change import RULE_VERSION, Comparison, fired, headline
from services.records.alerts import NewAlert, settle_alert
from services.records.visits import KnownComparison, TrailVisit, known_comparisons
from workers.trail_plan import Pair, Versions, find_known


def settle_alerts(*, session: Session, lesion_id: UUID, visits: Sequence[TrailVisit], versions: Versions) -> None:
    """Judge the newest visit, and whatever other visit has an alert: it may rest on a visit that belongs elsewhere now."""
    known = known_comparisons(session=session, image_ids=[visit.image_id for visit in visits])
    for place, visit in enumerate(visits):
        if visit.alerted or place == len(visits) - 1:
            # The visit before says more than the first one, which shows slow change.
            before = visits[:place]
            pairs = [Pair(earlier, visit) for earlier in dict.fromkeys((*before[-1:], *before[:1]))]
            try:
                alert = alert_of(pairs, known, versions, newest=visits[-1])
            except (KeyError, TypeError, ValueError):
                continue  # figures of an older form: what was said about them stays
            settle_alert(session=session, tenant_id=visit.tenant_id, lesion_id=lesion_id, case_id=visit.case_id, alert=alert)


def alert_of(pairs: Sequence[Pair], known: Sequence[KnownComparison], versions: Versions, *, newest: TrailVisit) -> NewAlert | None:
    """The alert of the first of these pairs whose comparison sets off a rule; None where none does."""
    for pair in pairs:
        found = find_known(pair, known, versions, newest=newest)
        comparison = Comparison.from_json(found.changes) if found and found.changes else None
        rules = fired(comparison) if comparison else ()
        if found and comparison and rules:
            told = {"fired": [rule.to_json() for rule in rules], "months": comparison.months, "earlier_case_id": str(pair.earlier.case_id)}
            said = headline(rules, months=comparison.months)
            return NewAlert(comparison_id=found.id, headline=said, rules=told, rule_version=RULE_VERSION)
    return None
