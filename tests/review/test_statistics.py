"""What is counted, on real rows: standing decisions, pairs of readers, samples, subgroups; and whose."""

from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, update

from services.records.database import Database
from services.records.states import CaseState, Decision, Outcome, ReviewKind
from services.records.statistics import abstentions, agreement, drift, performance, queue, subgroups, throughput
from services.records.statistics.drift import Feature, Level
from services.records.statistics.standing import NOT_ASSESSABLE
from services.records.statistics.windows import Period, Scope, Window, period_starts
from services.records.tables import Case, FirstOpinion, Review
from services.review.app import create_app
from tests.conftest import SettingsFor
from tests.review.history import write_history
from tests.review.seeds import MELANOMA, Clinic, Seen, abstention, finding

NOW = datetime.now(UTC)
NAEVUS = finding({"NV": 0.9, "MEL": 0.1})


@pytest.fixture
def review_login(settings_for: SettingsFor) -> Any:
    """The desk's own login, which row-level security binds."""
    app = create_app(settings_for("review"))
    database: Database = app.extensions["dermatrail"].database
    yield database
    database.close()


def scope(*tenants: UUID, days: int = 28) -> Scope:
    """The last weeks of these portals."""
    return Scope(tenants, Window(NOW - timedelta(days=days), datetime.now(UTC) + timedelta(minutes=1)))


def decide(clinic: Clinic, tenant: UUID, case: UUID, user: UUID, diagnosis: str | None, **facts: Any) -> UUID:
    """A review as a row, and its case closed."""
    review = uuid4()
    decision = Decision.CORRECT if diagnosis else Decision.NOT_ASSESSABLE
    reason = None if diagnosis else "out_of_focus"
    values = {"decision": decision, "diagnosis": diagnosis, "reason": reason, "shown": {}, "created_at": datetime.now(UTC), **facts}
    with clinic.owner.transaction(tenants=[tenant]) as session:
        session.execute(insert(Review).values(id=review, tenant_id=tenant, case_id=case, user_id=user, **values))
        session.execute(update(Case).where(Case.id == case).values(state=CaseState.REVIEWED, reviewed_at=datetime.now(UTC)))
    return review


def tallied(database: Database, *tenants: UUID) -> list[performance.Tally]:
    """The closed cases of these portals."""
    with database.transaction(tenants=tenants) as session:
        return performance.tallies(session=session, scope=scope(*tenants), period=Period.WEEK)


def test_the_standing_decision_is_the_last_that_nobody_superseded(clinic: Clinic, tenant: UUID, review_login: Database) -> None:
    user, case = clinic.user(tenant), clinic.case(tenant, Seen(MELANOMA))
    first = decide(clinic, tenant, case, user, "NV")
    undone = {"kind": ReviewKind.UNDO, "decision": Decision.WITHDRAWN, "supersedes": first}
    decide(clinic, tenant, case, user, None, **{**undone, "reason": None})
    second = decide(clinic, tenant, case, user, "BCC")
    decide(clinic, tenant, case, user, "SCC", kind=ReviewKind.AMENDMENT, supersedes=second, rationale="histology")
    (tally,) = tallied(review_login, tenant)
    assert (tally.final, tally.lead_class, tally.outcome, tally.cases) == ("SCC", "MEL", Outcome.PREDICTION, 1)
    assert tally.covered is False


def test_sensitivity_counts_malignant_cases_that_the_model_answered(clinic: Clinic, tenant: UUID, review_login: Database) -> None:
    user = clinic.user(tenant)
    answers = [(Seen(MELANOMA, flags=("suspicious",)), "MEL"), (Seen(NAEVUS), "MEL"), (Seen(NAEVUS), "NV"), (Seen(NAEVUS), "OTHER")]
    answers.append((Seen(abstention("poor_quality", "retake")), "BCC"))
    for seen, final in answers:
        decide(clinic, tenant, clinic.case(tenant, seen), user, final)
    figures = performance.performance(tallied(review_login, tenant))
    assert (figures.sensitivity.hits, figures.sensitivity.total, figures.missed) == (1, 2, 1)
    assert (figures.specificity.hits, figures.specificity.total) == (1, 1)
    assert (figures.accuracy.hits, figures.accuracy.total) == (2, 4)
    assert (figures.abstained.hits, figures.abstained.total, figures.malignant_abstained) == (1, 5, 1)


def test_readers_are_compared_as_each_read_it(clinic: Clinic, tenant: UUID, review_login: Database) -> None:
    one, other = clinic.user(tenant), clinic.user(tenant, email="other@clinic.example")
    for pair in (("MEL", "MEL"), ("NV", "NV"), ("MEL", "NV"), (None, "NV")):
        case = clinic.case(tenant, Seen(MELANOMA))
        first = decide(clinic, tenant, case, one, pair[0], reading_seconds=40)
        decide(clinic, tenant, case, other, pair[1], kind=ReviewKind.SECOND, reading_seconds=20)
        amended = {"kind": ReviewKind.AMENDMENT, "supersedes": first, "rationale": "histology"}
        decide(clinic, tenant, case, one, "BCC", **amended)
    with review_login.transaction(tenants=[tenant]) as session:
        found = agreement.readers(session=session, scope=scope(tenant))
        model = agreement.reader_and_model(session=session, scope=scope(tenant))
        lines = throughput.throughput(session=session, scope=scope(tenant))
    assert found.counts == {("MEL", "MEL"): 1, ("NV", "NV"): 1, ("MEL", "NV"): 1, (NOT_ASSESSABLE, "NV"): 1}
    assert model.counts == {("MEL", "MEL"): 2, ("NV", "MEL"): 1}
    assert found.categories == ("MEL", "NV", NOT_ASSESSABLE)
    assert [(line.decisions, line.second_reads, line.amendments, line.median) for line in lines] == [(8, 0, 4, 40.0), (4, 4, 0, 20.0)]


def test_blind_opinions_are_compared_apart(clinic: Clinic, tenant: UUID, review_login: Database) -> None:
    user, case = clinic.user(tenant), clinic.case(tenant, Seen(MELANOMA))
    with clinic.owner.transaction(tenants=[tenant]) as session:
        session.execute(insert(FirstOpinion).values(tenant_id=tenant, case_id=case, user_id=user, assessable=True, diagnosis="NV"))
    with review_login.transaction(tenants=[tenant]) as session:
        assert agreement.blind_reader_and_model(session=session, scope=scope(tenant)).counts == {("NV", "MEL"): 1}


def test_the_queue_knows_what_is_due(clinic: Clinic, tenant: UUID, review_login: Database) -> None:
    clinic.user(tenant)
    for hours in (-2, 3, 100):
        case = clinic.case(tenant, Seen(MELANOMA))
        with clinic.owner.transaction(tenants=[tenant]) as session:
            session.execute(update(Case).where(Case.id == case).values(due_at=NOW + timedelta(hours=hours)))
    with review_login.transaction(tenants=[tenant]) as session:
        standings = queue.open_cases(session=session, tenant_ids=[tenant], now=NOW)
        days = queue.flow(session=session, scope=scope(tenant, days=2))
    assert sorted((each.due, each.cases, each.age) for each in standings) == [("later", 1, 0), ("overdue", 1, 0), ("soon", 1, 0)]
    assert [day.arrived for day in days] == [0, 0, 3]


def test_abstentions_come_with_their_reasons(clinic: Clinic, tenant: UUID, review_login: Database) -> None:
    for seen in (Seen(MELANOMA), Seen(abstention("poor_quality", "retake")), Seen(abstention("out_of_distribution", "dermatologist"))):
        clinic.case(tenant, seen)
    with review_login.transaction(tenants=[tenant]) as session:
        rows = abstentions.answers(session=session, scope=scope(tenant), period=Period.MONTH)
    assert (abstentions.abstained(rows).hits, abstentions.abstained(rows).total) == (2, 3)
    assert abstentions.abstained(rows, "poor_quality").hits == 1


@pytest.fixture
def history(clinic: Clinic) -> tuple[UUID, UUID]:
    """Two portals with months of cases; the second has a new camera."""
    tenants = clinic.tenant(), clinic.tenant("Portal B", "portal-b")
    reader = clinic.user(*tenants)
    write_history(clinic.owner, tenants=list(tenants), readers=[reader], cases=6000)
    return tenants


class Windows(TypedDict):
    """What is compared with what."""

    reference: Window
    recent: Window


def windows() -> Windows:
    """The last two weeks against the 90 days before."""
    recent = Window.last(14, now=datetime.now(UTC))
    return {"reference": recent.before(90), "recent": recent}


def test_a_new_camera_raises_an_alarm_at_its_portal_alone(history: tuple[UUID, UUID], review_login: Database) -> None:
    with review_login.transaction(tenants=history) as session:
        found = drift.shifts(session=session, tenant_ids=history, **windows())
    levels = {(shift.tenant_id, shift.feature): shift.level for shift in found}
    assert len(levels) == 2 * len(Feature)
    assert levels[history[1], Feature.BRIGHTNESS] is Level.ALARM
    assert {levels[history[0], feature] for feature in Feature} == {Level.STABLE}


def test_too_few_pictures_say_nothing(clinic: Clinic, tenant: UUID, review_login: Database) -> None:
    clinic.case(tenant, Seen(MELANOMA))
    with review_login.transaction(tenants=[tenant]) as session:
        (only,) = drift.shifts(session=session, tenant_ids=[tenant], **windows())
    assert (only.feature, only.level, only.index) == (Feature.ANSWER, Level.TOO_FEW, None)


def test_each_dimension_of_subgroups_holds_every_closed_case_once(history: tuple[UUID, UUID], review_login: Database) -> None:
    with review_login.transaction(tenants=history) as session:
        groups = subgroups.subgroups(session=session, scope=scope(*history)).groups
        whole = performance.performance(performance.tallies(session=session, scope=scope(*history), period=Period.WEEK))
    for dimension in subgroups.Dimension:
        mine = [group for group in groups if group.dimension is dimension]
        assert sum(group.cases for group in mine) == whole.cases
        assert sum(group.sensitivity.total for group in mine) == whole.sensitivity.total
        assert sum(group.accuracy.hits for group in mine) == whole.accuracy.hits
    assert {group.name for group in groups if group.dimension is subgroups.Dimension.MODALITY} == {"dermoscopic", "clinical"}


def test_of_many_cases_a_random_sample_stands_for_all(
    history: tuple[UUID, UUID], review_login: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subgroups, "SAMPLE", 500)
    with review_login.transaction(tenants=history) as session:
        found = subgroups.subgroups(session=session, scope=scope(*history))
    read = sum(group.cases for group in found.groups if group.dimension is subgroups.Dimension.SEX)
    assert found.sampled
    assert found.closed > 1000
    assert 400 < read < 600


def test_figures_are_of_the_named_portals_alone(history: tuple[UUID, UUID], review_login: Database) -> None:
    mine, other = history
    with review_login.transaction(tenants=[mine]) as session:
        # Asked for both, row-level security shows one; asked for the other, nothing.
        both = subgroups.subgroups(session=session, scope=scope(mine, other)).groups
        assert {group.name for group in both if group.dimension is subgroups.Dimension.PORTAL} == {str(mine)}
        assert performance.tallies(session=session, scope=scope(other), period=Period.WEEK) == []
        assert drift.shifts(session=session, tenant_ids=[other], **windows()) == []


def test_periods_begin_on_mondays_and_first_days() -> None:
    window = Window(datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 2, 3, 12, tzinfo=UTC))
    assert [start.date().isoformat() for start in period_starts(Period.MONTH, window)] == ["2026-01-01", "2026-02-01"]
    assert period_starts(Period.WEEK, window)[0].date().isoformat() == "2026-01-12"
    assert len(period_starts(Period.DAY, window)) == 20
