"""Which known lesions are proposed for a new case: from places and likeness to pictures that lie over each other."""

from uuid import UUID, uuid4

import numpy as np
import pytest

from models.analyzer import embedding_of
from models.change.identity import PROPOSE, REGISTERED
from models.change.look import Look, look_at
from models.synthetic import Kind, draw
from models.synthetic.visits import Course, Imaging, revisit
from services.records.proposals import Asked, Seen
from services.records.states import Laterality
from workers.proposing import proposals_for

ALIKE, STRANGE = embedding_of(np.array([1, 0.1], np.float32)), embedding_of(np.array([0.1, 1], np.float32))


def seen(*, site: str | None = "back", side: Laterality | None = None, embedding: bytes | None = ALIKE) -> Seen:
    return Seen(
        lesion_id=uuid4(),
        case_id=uuid4(),
        image_id=uuid4(),
        original_key="original",
        mask_key=None,
        body_site=site,
        laterality=side,
        embedding=embedding,
    )


@pytest.fixture(scope="module")
def looks() -> dict[str, Look]:
    """A lesion, the same at a later visit, and another one."""
    first, other = (draw(kind=Kind.NAEVUS, seed=seed) for seed in (1, 2))
    later = revisit(first.rgb, first.mask, course=Course(growth=0.2), imaging=Imaging(turn=30))
    return {"first": look_at(first.rgb), "later": look_at(later.rgb), "other": look_at(other.rgb)}


def test_the_lesion_whose_picture_fits_comes_first_with_its_reasons(looks: dict[str, Look]) -> None:
    case, same, other = seen(), seen(embedding=STRANGE), seen()
    pictures = {case.case_id: looks["later"], same.case_id: looks["first"], other.case_id: looks["other"]}
    found = proposals_for(Asked(uuid4(), case, (other, same)), lambda one: pictures[one.case_id])
    assert found[0].lesion_id == same.lesion_id
    assert found[0].reasons["geometry"]["agrees"] is True
    assert found[0].reasons["site"] == "same"


def test_another_side_is_not_proposed_and_not_fetched(looks: dict[str, Look]) -> None:
    case, elsewhere = seen(side=Laterality.LEFT), seen(side=Laterality.RIGHT)
    fetched: list[UUID] = []
    assert proposals_for(Asked(uuid4(), case, (elsewhere,)), lambda one: fetched.append(one.case_id)) == []
    assert fetched == []


@pytest.mark.parametrize("away", ["case", "known"])
def test_without_a_picture_place_and_likeness_stand_alone(looks: dict[str, Look], away: str) -> None:
    case, known = seen(), seen()
    missing = {"case": case, "known": known}[away].case_id
    (found,) = proposals_for(Asked(uuid4(), case, (known,)), lambda one: None if one.case_id == missing else looks["first"])
    assert found.score >= PROPOSE
    assert found.reasons["geometry"] is None


def test_few_pictures_are_registered_whatever_the_patient_has(looks: dict[str, Look]) -> None:
    fetched: list[UUID] = []

    def looking(one: Seen) -> Look:
        fetched.append(one.case_id)
        return looks["other"]

    proposals_for(Asked(uuid4(), seen(), tuple(seen() for _ in range(40))), looking)
    assert len(fetched) == REGISTERED + 1
