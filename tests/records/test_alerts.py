"""A lesion that has changed is seen first, says so in its line, and no longer than it is true."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from services.records.alerts import NewAlert, settle_alert
from services.records.audit import verify_chain
from services.records.changes import WORKER
from services.records.comparisons import NewComparison, keep_comparison
from services.records.priority import CHANGED_RISK
from services.records.ranking import Mark
from services.records.states import Outcome
from services.records.visits import TrailVisit, load_visits
from tests.records.test_changes import Trails
from tests.records.test_worklist import rows
from tests.records.worlds import Portal, Worker

GREW = "grew 38 % ± 6 in 4 months"


@pytest.fixture
def trails(portal: Portal, worker: Worker, behind: Connection) -> Trails:
    return Trails(portal, worker, behind)


def visits_of(trails: Trails, case_id: UUID) -> tuple[TrailVisit, ...]:
    lesion: Any = trails.row(case_id).lesion_id
    with trails.portal.logins.worker.transaction() as session:
        return load_visits(session=session, lesion_id=lesion)


def compared(trails: Trails, case_id: UUID, *, basis: str = "b:1") -> UUID:
    """A comparison of the lesion's last two visits."""
    earlier, later = visits_of(trails, case_id)[-2:]
    changes = {"changes": {}, "basis": "mm", "months": 4.0, "notes": [], "new_classes": [], "lower_bound": False}
    new = NewComparison(
        earlier=earlier,
        later=later,
        basis=basis,
        version="c1",
        why=None,
        registration={"matrix": []},
        changes=changes,
        registered_key="r.jpg",
        difference_key=None,
    )
    with trails.portal.logins.worker.transaction() as session:
        return keep_comparison(session=session, new=new)


def alert(comparison_id: UUID, headline: str = GREW) -> NewAlert:
    return NewAlert(comparison_id=comparison_id, headline=headline, rules={"fired": []}, rule_version="r1")


def settle(trails: Trails, case_id: UUID, wanted: NewAlert | None) -> bool:
    lesion: Any = trails.row(case_id).lesion_id
    with trails.portal.logins.worker.transaction() as session:
        return settle_alert(session=session, tenant_id=trails.portal.tenant_id, lesion_id=lesion, case_id=case_id, alert=wanted)


def test_a_growing_lesion_stands_above_stable_ones_and_its_line_says_why(trails: Trails) -> None:
    trails.visit()
    stable = trails.visit(lesion="L-2")
    growing = trails.visit(day=120)
    assert settle(trails, growing, alert(compared(trails, growing)))
    found = rows(trails.portal)
    assert found[0].case_id == growing
    assert found[0].alert == GREW
    assert found[0].risk == CHANGED_RISK
    assert "change" not in found[0].flags
    assert "a lesion that has changed" in found[0].why
    assert stable in [row.case_id for row in found[1:]]
    assert [row.case_id for row in rows(trails.portal, mark=Mark.CHANGED)] == [growing]


def test_the_alert_survives_a_new_analysis_and_does_not_lower_a_higher_risk(trails: Trails, worker: Worker) -> None:
    trails.visit()
    case_id = trails.visit(day=120)
    settle(trails, case_id, alert(compared(trails, case_id)))
    trails.portal.add(case_id)
    worker.complete(worker.claim(), probability=0.9)
    line = next(row for row in rows(trails.portal) if row.case_id == case_id)
    assert (line.alert, line.risk) == (GREW, 0.9)
    assert "has changed" not in line.why


def test_an_unanswered_visit_with_an_alert_stands_above_one_without(trails: Trails, worker: Worker) -> None:
    trails.visit()
    trails.portal.submit(lesion_reference="L-1")
    worker.complete(worker.claim(), outcome=Outcome.ABSTAIN, classes=(), top_class=None, top_probability=None)
    case_id = rows(trails.portal)[0].case_id
    settle(trails, case_id, alert(compared(trails, case_id)))
    assert rows(trails.portal)[0].risk == CHANGED_RISK


def test_the_same_alert_again_changes_nothing(trails: Trails, behind: Connection) -> None:
    trails.visit()
    case_id = trails.visit(day=120)
    comparison = compared(trails, case_id)
    assert settle(trails, case_id, alert(comparison))
    assert not settle(trails, case_id, alert(comparison))
    assert events(behind) == ["lesion.alert"]


def test_an_alert_that_no_longer_fires_is_withdrawn_and_stays_on_file(trails: Trails, behind: Connection) -> None:
    trails.visit()
    case_id = trails.visit(day=120)
    settle(trails, case_id, alert(compared(trails, case_id)))
    assert settle(trails, case_id, None)
    line = next(row for row in rows(trails.portal) if row.case_id == case_id)
    assert (line.alert, line.risk) == (None, 0.3)
    assert not rows(trails.portal, mark=Mark.CHANGED)
    withdrawn = behind.execute(text("SELECT headline, withdrawn_at IS NOT NULL, withdrawn_reason FROM alerts")).one()
    assert withdrawn[:2] == (GREW, True)
    assert "no rule fires" in withdrawn[2]
    assert events(behind) == ["lesion.alert", "lesion.alert_withdrawn"]


def test_other_figures_take_the_place_of_the_first(trails: Trails, behind: Connection) -> None:
    trails.visit()
    case_id = trails.visit(day=120)
    settle(trails, case_id, alert(compared(trails, case_id)))
    settle(trails, case_id, alert(compared(trails, case_id, basis="b:2"), "grew 20 % ± 6 in 4 months"))
    assert rows(trails.portal)[0].alert == "grew 20 % ± 6 in 4 months"
    standing = "SELECT count(*), count(*) FILTER (WHERE withdrawn_at IS NULL) FROM alerts"
    assert tuple(behind.execute(text(standing)).one()) == (2, 1)


def test_what_the_worker_does_is_in_the_audit_trail_and_flags_no_trail(trails: Trails, behind: Connection) -> None:
    trails.visit()
    case_id = trails.visit(day=120)
    trails.settle_all()
    settle(trails, case_id, alert(compared(trails, case_id)))
    assert trails.waiting() == 0
    actions = text("SELECT action FROM audit_events WHERE actor_id = :worker ORDER BY sequence")
    assert list(behind.execute(actions, {"worker": WORKER}).scalars()) == ["trail.compared", "alert.raised"]
    with trails.portal.logins.owner.transaction() as session:
        assert verify_chain(session=session, tenant_id=trails.portal.tenant_id).intact


def test_a_comparison_is_kept_once_for_each_basis(trails: Trails, behind: Connection) -> None:
    trails.visit()
    case_id = trails.visit(day=120)
    assert compared(trails, case_id) == compared(trails, case_id)
    assert compared(trails, case_id, basis="b:2") != compared(trails, case_id)
    assert behind.execute(text("SELECT count(*) FROM comparisons")).scalar_one() == 2


def test_a_blind_first_read_hides_the_alert_until_the_decision(trails: Trails, behind: Connection) -> None:
    behind.execute(text("UPDATE tenants SET blind_first_read = true"))
    trails.visit()
    case_id = trails.visit(day=120)
    settle(trails, case_id, alert(compared(trails, case_id)))
    line = next(row for row in rows(trails.portal) if row.case_id == case_id)
    assert line.blind
    assert (line.alert, line.risk, line.flags) == (None, None, ())
    assert "changed" not in line.why


def events(behind: Connection) -> list[str]:
    return list(behind.execute(text("SELECT kind FROM portal_events WHERE kind LIKE 'lesion%' ORDER BY sequence")).scalars())
