"""The policy of reading: when a second read is asked for, when two agree; and that no order of steps leads anywhere else."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from services.records import reviews
from services.records.errors import RecordError
from services.records.reading import OTHER, Policy, Question, Read, agree, causes, disagrees, draw
from services.records.states import CaseState, Decision, Management, ReviewKind, Role
from services.records.views import CaseView, ReviewView
from tests.records.worlds import Portal, Worker, new_reader

MALIGNANT = {"MEL": True, "NV": False, "BCC": True, "BKL": False}
READER = uuid4()


def read(decision: Decision = Decision.CONFIRM, diagnosis: str | None = "MEL", management: Management | None = None) -> Read:
    return Read(READER, decision, diagnosis, management)


reads = st.builds(
    read,
    st.sampled_from([Decision.CONFIRM, Decision.CORRECT]),
    st.sampled_from([*MALIGNANT, OTHER]),
    st.none() | st.sampled_from([Management.DISCHARGE, Management.URGENT_REFERRAL]),
) | st.builds(read, st.sampled_from([Decision.NOT_ASSESSABLE, Decision.SECOND_OPINION]), st.none())


@given(first=reads, second=reads)
def test_agreement_of_two_diagnoses_does_not_depend_on_who_was_first(first: Read, second: Read) -> None:
    if Decision.SECOND_OPINION not in (first.decision, second.decision):
        assert agree(first, second) == agree(second, first)


@given(first=reads, second=reads)
def test_who_asks_for_another_opinion_never_closes_a_case(first: Read, second: Read) -> None:
    if second.decision is Decision.SECOND_OPINION:
        assert not agree(first, second)


@given(case_id=st.uuids(), share=st.floats(0, 1))
def test_the_random_share_is_fixed_by_the_case_and_grows_with_the_share(case_id: UUID, share: float) -> None:
    def drawn(of: float) -> bool:
        return bool(causes(policy=Policy(share=of), question=Question(case_id, None), read=read(), trainee=False))

    assert (drawn(share), drawn(0), drawn(1)) == (drawn(share), False, True)
    assert drawn(min(1, share + 0.1)) >= drawn(share)


def test_the_random_share_is_about_what_the_portal_asked_for() -> None:
    places = [draw(UUID(int=number)) for number in range(4000)]
    assert 0.18 < sum(place < 0.2 for place in places) / len(places) < 0.22
    assert all(0 <= place < 1 for place in places)


@pytest.mark.parametrize(
    ("named", "diagnosis", "differ"),
    [
        (["MEL"], "NV", True),
        (["NV"], "MEL", True),
        (["MEL"], "BCC", False),
        (["MEL"], OTHER, True),
        (["MEL", "BCC"], "NV", True),
        (["MEL", "NV"], "NV", False),
        ([], "NV", False),
        (["XYZ"], "NV", False),
        (["MEL"], None, False),
    ],
)
def test_reader_and_model_differ_in_malignancy_only_where_the_model_said_something(
    named: Sequence[str], diagnosis: str | None, *, differ: bool
) -> None:
    decision = Decision.CORRECT if diagnosis else Decision.NOT_ASSESSABLE
    assert disagrees(Question(uuid4(), 0.5, named, MALIGNANT), read(decision, diagnosis)) is differ


# Any order of steps


@dataclass(frozen=True, slots=True)
class Step:
    """Something that somebody tries."""

    what: str
    who: int
    diagnosis: str | None


@dataclass(slots=True)
class Clinic:
    """One case, five people, and what was on file after the last step."""

    portal: Portal
    worker: Worker
    people: list[UUID]
    case_id: UUID
    filed: list[UUID] = field(default_factory=list)

    def attempt(self, step: Step) -> None:
        """Try it; being refused is fine."""
        with suppress(RecordError):
            getattr(self, step.what)(self.people[step.who], step.diagnosis)

    def first(self, who: UUID, diagnosis: str | None) -> None:
        self._review(who, ReviewKind.FIRST, diagnosis)

    def second(self, who: UUID, diagnosis: str | None) -> None:
        self._review(who, ReviewKind.SECOND, diagnosis)

    def adjudication(self, who: UUID, diagnosis: str | None) -> None:
        self._review(who, ReviewKind.ADJUDICATION, diagnosis)

    def amendment(self, who: UUID, diagnosis: str | None) -> None:
        final = self.view().final
        self._review(who, ReviewKind.AMENDMENT, diagnosis, amends=final.id if final else None)

    def undo(self, who: UUID, _: str | None) -> None:
        last = self.view().reviews[-1:]
        with self.portal.logins.review.transaction(tenants=[self.portal.tenant_id]) as session:
            whose = {"tenant_ids": [self.portal.tenant_id], "case_id": self.case_id, "user_id": who}
            reviews.undo_review(session=session, review_id=last[0].id if last else uuid4(), **whose)  # type: ignore[arg-type]

    def picture(self, *_: object) -> None:
        self.portal.add(self.case_id)
        self.worker.complete(self.worker.claim())

    def view(self) -> CaseView:
        return self.portal.status(self.case_id)

    def _review(self, who: UUID, kind: ReviewKind, diagnosis: str | None, **more: Any) -> None:
        asked = {"decision": Decision.SECOND_OPINION} if diagnosis is None else {}
        self.portal.review(self.case_id, user_id=who, kind=kind, diagnosis=diagnosis, rationale="why", **asked, **more)


steps = st.builds(
    Step,
    st.sampled_from(["first", "first", "second", "second", "adjudication", "amendment", "undo", "picture"]),
    st.integers(0, 4),
    st.sampled_from(["MEL", "MEL", "NV", None]),
)
TRAINEE, LEADS = 2, (3, 4)


@pytest.mark.parametrize("policy", ["second_read_share = 0", "second_read_share = 1"])
def test_no_order_of_steps_breaks_the_rules(portal: Portal, worker: Worker, behind: Connection, policy: str) -> None:
    behind.execute(text(f"UPDATE tenants SET {policy}"))
    leads = [new_reader(portal, role=Role.LEAD) for _ in LEADS]
    people = [portal.user_id, new_reader(portal), new_reader(portal, trainee=True), *leads]

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(tried=st.lists(steps, max_size=12))
    def run(tried: list[Step]) -> None:
        case = portal.submit()
        worker.complete(worker.claim())
        clinic = Clinic(portal, worker, people, case.id)
        for step in tried:
            clinic.attempt(step)
            check(clinic, second_reads=policy.endswith("1"))

    run()


def check(clinic: Clinic, *, second_reads: bool) -> None:
    """What holds after every step."""
    view = clinic.view()
    filed = [review.id for review in view.reviews]
    assert filed[: len(clinic.filed)] == clinic.filed
    clinic.filed = filed
    superseded = [review.supersedes for review in view.reviews if review.supersedes]
    assert len(superseded) == len(set(superseded))
    standing = {review.kind: review for review in view.standing}
    assert len(standing) == len(view.standing)
    assert (view.state is CaseState.REVIEWED) == (view.final is not None) == (view.reviewed_at is not None)
    if view.final is not None:
        check_decided(clinic, standing, view.final, second_reads=second_reads)
    if view.state is CaseState.AWAITING_ADJUDICATION:
        assert standing[ReviewKind.FIRST].user_id != standing[ReviewKind.SECOND].user_id


def check_decided(clinic: Clinic, standing: dict[ReviewKind, ReviewView], final: ReviewView, *, second_reads: bool) -> None:
    """A decided case was decided by those who may, and by as many as must."""
    by = {review.id: review for review in clinic.view().reviews}
    while final.kind is ReviewKind.AMENDMENT and final.supersedes:
        amended = by[final.supersedes]
        assert final.user_id == amended.user_id or final.user_id in [clinic.people[lead] for lead in LEADS]
        final = amended
    first = standing.get(ReviewKind.FIRST, final)
    assert final.decision is not Decision.SECOND_OPINION
    if final.kind is ReviewKind.FIRST:
        assert not second_reads
        assert final.user_id != clinic.people[TRAINEE]
    if final.kind is ReviewKind.SECOND:
        assert final.user_id not in (first.user_id, clinic.people[TRAINEE])
        assert first.decision is Decision.SECOND_OPINION or first.diagnosis == final.diagnosis
    if final.kind is ReviewKind.ADJUDICATION:
        readers = {first.user_id, standing[ReviewKind.SECOND].user_id}
        assert final.user_id in {clinic.people[lead] for lead in LEADS} - readers
