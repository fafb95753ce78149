"""Which known lesions a new case may show: the likeliest by place and likeness, then by laying the pictures over each other."""

from collections.abc import Callable

from models.change.identity import PROPOSE, Place, likely, shortlist
from models.change.look import Look
from models.change.registration import register
from services.records.proposals import Asked, NewProposal, Seen

Looking = Callable[[Seen], Look | None]


def proposals_for(asked: Asked, looking: Looking) -> list[NewProposal]:
    """The proposals worth a human's look, the likeliest first. At most ``models.change.identity.REGISTERED`` pictures are registered.

    ``looking`` fetches a picture and makes its look; None where the picture is away or damaged: place and likeness then stand alone.
    """
    others = [(other, _place(other), other.embedding) for other in asked.others]
    chosen = shortlist((_place(asked.case), asked.case.embedding), others)
    later = looking(asked.case) if chosen else None
    found = []
    for one in chosen:
        earlier = looking(one.candidate) if later is not None else None
        registration = register(earlier, later) if earlier is not None and later is not None else None
        judged = likely(one.likely.nearness, one.likely.likeness, registration)
        if judged.value >= PROPOSE:
            found.append(NewProposal(one.candidate.lesion_id, judged.value, judged.reasons()))
    return sorted(found, key=lambda proposal: -proposal.score)


def _place(seen: Seen) -> Place:
    return Place(seen.body_site, seen.laterality)
