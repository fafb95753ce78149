"""A trail as one reader may see it: figures of a visit stay away until they have given the first opinion that its portal asks for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.records.access import SignedIn
from services.records.trails import CaseTrail, Trail
from services.records.visit_views import Visit, VisitComparison
from services.review.blind import asks_first

Veiled = frozenset[UUID]


@dataclass(frozen=True, slots=True)
class SeenTrail:
    """A trail without what must not be seen yet, and the cases of which that is so."""

    trail: Trail
    veiled: Veiled


def veil(trail: Trail, user: SignedIn) -> SeenTrail:
    """Takes away measures, answers, alerts and changes of visits that are still to be read blind; pictures stay."""
    veiled = _veiled(trail.visits, user, blind_first_read=trail.blind_first_read)
    touched = _touched(trail.visits, veiled)
    seen = replace(
        trail,
        visits=tuple(_bare(visit) if visit.case_id in veiled else visit for visit in trail.visits),
        comparisons=tuple(_covered(found, veiled) for found in trail.comparisons),
        alerts=tuple(alert for alert in trail.alerts if alert.case_id not in touched),
        sequence=tuple(answer for answer in trail.sequence if answer.case_id not in touched),
    )
    return SeenTrail(seen, veiled)


def veil_case(trail: CaseTrail, user: SignedIn) -> tuple[CaseTrail, Veiled]:
    """The same for what a case's page shows."""
    veiled = _veiled(trail.visits, user, blind_first_read=trail.blind_first_read)
    visits = tuple(_bare(visit) if visit.case_id in veiled else visit for visit in trail.visits)
    comparison = _covered(trail.comparison, veiled) if trail.comparison else None
    return replace(trail, visits=visits, comparison=comparison), veiled


def _veiled(visits: Iterable[Visit], user: SignedIn, *, blind_first_read: bool) -> Veiled:
    return frozenset(
        visit.case_id
        for visit in visits
        if not visit.opinion_given and asks_first(visit.state, user.role, blind_first_read=blind_first_read)
    )


def _touched(visits: Sequence[Visit], veiled: Veiled) -> Veiled:
    """What is said of a visit rests on those before it, too."""
    first = next((index for index, visit in enumerate(visits) if visit.case_id in veiled), len(visits))
    return frozenset(visit.case_id for visit in visits[first:])


def _bare(visit: Visit) -> Visit:
    image = replace(visit.image, mask_version=None, analysis_id=None) if visit.image else None
    return replace(visit, outcome=None, classes=(), malignant_probability=None, measures=None, measures_version=None, image=image)


def _covered(found: VisitComparison, veiled: Veiled) -> VisitComparison:
    return replace(found, changes=None, difference_key=None) if {found.earlier, found.later} & veiled else found
