"""Whatever is merged, split, moved and taken apart, in any order: every case has one surviving lesion, and the history explains it."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, text

from services.records.errors import InvalidRecord, LesionChanged, LesionNotFound
from tests.records import identities as ids
from tests.records.worlds import Portal, Worker

REFUSED = (InvalidRecord, LesionChanged, LesionNotFound)
MOVES = "('linked', 'merged', 'split', 'restored')"
NAMES = st.sampled_from([None, "L-1", "L-2", "L-3"])
PATIENTS = st.sampled_from(["P-1", "P-1", "P-1", "P-2"])
PLACE = st.integers(0, 10_000)
FEW, STEPS = 12, 16


class Lesions(RuleBasedStateMachine):
    """A portal that sends cases and readers who change their minds. ``begun``: case → the lesion that it had first."""

    portal: Portal
    worker: Worker
    behind: Connection

    def __init__(self) -> None:
        super().__init__()
        self.behind.execute(text("SET session_replication_role = replica; TRUNCATE cases, lesions CASCADE; RESET session_replication_role"))
        self.begun: dict[UUID, UUID] = {}
        self.known: list[UUID] = []

    def lesion(self, place: int) -> UUID:
        """Some lesion, merged or not."""
        return self.known[place % len(self.known)]

    def case(self, place: int) -> UUID:
        """Some case."""
        return list(self.begun)[place % len(self.begun)]

    def note(self, lesion: UUID) -> None:
        """Remembers a lesion."""
        if lesion not in self.known:
            self.known.append(lesion)

    @initialize()
    def begins(self) -> None:
        """Two visits of one lesion, and two of lesions that nobody named."""
        for name in ("L-1", "L-1", None, None):
            self.arrives("P-1", name)

    @rule(patient=PATIENTS, name=NAMES)
    def arrives(self, patient: str, name: str | None) -> None:
        """A case comes; a name of a merged lesion is its survivor's."""
        case = self.portal.submit(patient=patient, lesion_reference=name).id
        self.begun[case] = ids.lesion_of(self.portal, case)
        self.note(self.begun[case])

    @rule(stays=PLACE, goes=PLACE)
    def merges(self, stays: int, goes: int) -> None:
        """Two lesions, of whatever patients and however merged already."""
        self.attempt(ids.merge, self.portal, self.lesion(stays), self.lesion(goes))

    @rule(case=PLACE, also=PLACE)
    def splits(self, case: int, also: int) -> None:
        """One visit or two leave for a new lesion."""
        lesions, one = self.cases(), self.case(case)
        beside = [other for other in lesions if lesions[other] == lesions[one] and other != one]
        chosen = [one, *beside[: also % 2]]
        made = self.attempt(ids.move, self.portal, lesions[one], chosen)
        if made is not None:
            self.note(made)

    @rule(case=PLACE, to=PLACE)
    def moves(self, case: int, to: int) -> None:
        """One visit is linked to another lesion."""
        one = self.case(case)
        self.attempt(ids.move, self.portal, ids.lesion_of(self.portal, one), [one], self.lesion(to))

    @rule(lesion=PLACE)
    def restores(self, lesion: int) -> None:
        """A merge is taken apart."""
        self.attempt(ids.restore, self.portal, self.lesion(lesion))

    @rule(case=PLACE, lesion=PLACE, said=st.sampled_from(["confirm", "reject", "reopen"]))
    def answers(self, case: int, lesion: int, said: str) -> None:
        """A link is proposed, and somebody says something to it."""
        one = self.case(case)
        self.attempt(ids.propose, self.worker, self.portal, one, self.lesion(lesion))
        if ids.proposed(self.portal, one):
            self.attempt(ids.answer, self.portal, one, said)

    def attempt(self, act: Any, *arguments: Any) -> Any:
        """Does it, or is refused in words and changes nothing."""
        before = self.cases()
        try:
            return act(*arguments)
        except REFUSED:
            assert self.cases() == before
            return None

    def cases(self) -> dict[UUID, UUID]:
        """Case → lesion."""
        return {row.id: row.lesion_id for row in self.behind.execute(text("SELECT id, lesion_id FROM cases"))}

    @invariant()
    def every_case_has_one_surviving_lesion_of_its_patient(self) -> None:
        """And nothing is gone."""
        odd = """
            SELECT count(*) FROM cases JOIN lesions ON lesions.id = cases.lesion_id
            WHERE lesions.merged_into IS NOT NULL OR lesions.patient_id <> cases.patient_id OR lesions.tenant_id <> cases.tenant_id
        """
        assert self.behind.scalar(text(odd)) == 0
        assert self.cases().keys() == self.begun.keys()
        on_file = set(self.behind.scalars(text("SELECT id FROM lesions")))
        assert set(self.known) <= on_file

    @invariant()
    def every_old_address_leads_to_a_survivor_of_the_patient(self) -> None:
        """There is no circle."""
        for lesion in self.known:
            there = ids.survivor(self.portal, lesion)
            assert there == ids.survivor(self.portal, there)
            patients = self.behind.scalar(
                text("SELECT count(DISTINCT patient_id) FROM lesions WHERE id IN (:one, :other)"), {"one": lesion, "other": there}
            )
            assert patients == 1

    @invariant()
    def the_history_explains_where_every_case_is(self) -> None:
        """Each move begins where the last one ended."""
        place = dict(self.begun)
        moves = f"SELECT case_id, other_lesion_id, lesion_id FROM lesion_events WHERE case_id IS NOT NULL AND kind IN {MOVES}"
        for move in self.behind.execute(text(moves + " ORDER BY created_at")):
            assert place[move.case_id] == move.other_lesion_id
            place[move.case_id] = move.lesion_id
        assert place == self.cases()


def test_every_case_keeps_one_surviving_lesion(portal: Portal, worker: Worker, behind: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"portal": portal, "worker": worker, "behind": behind}.items():
        monkeypatch.setattr(Lesions, name, value, raising=False)
    quiet = settings(max_examples=FEW, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Lesions, settings=quiet)
