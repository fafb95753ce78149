"""The script that decides the cases of sandbox portals."""

import threading
from collections.abc import Iterator
from uuid import UUID

import pytest

from services.records.database import Database
from services.records.sandbox import READER_NAME, SCRIPTS, Scenario, create_sandbox
from services.records.states import CaseState
from services.records.views import CaseView, load_case
from services.review.sandbox_reader import read_beside, read_sandboxes
from services.settings import Settings
from tests.conftest import SettingsFor
from tests.review.conftest import Browser
from tests.review.seeds import MELANOMA, Clinic, Failed, Seen


@pytest.fixture
def sandbox(clinic: Clinic) -> UUID:
    with clinic.owner.transaction() as session:
        return create_sandbox(session=session, name="Try", slug="try").id


@pytest.fixture
def desk(settings_for: SettingsFor) -> Iterator[Database]:
    settings: Settings = settings_for("review")
    database = Database.connect(settings)
    yield database
    database.close()


def case_of(clinic: Clinic, tenant: UUID, case_id: UUID) -> CaseView:
    with clinic.intake.transaction(tenants=[tenant]) as session:
        return load_case(session=session, tenant_ids=[tenant], case_id=case_id)


@pytest.mark.parametrize("scenario", Scenario)
def test_each_case_is_decided_as_its_script_says(clinic: Clinic, sandbox: UUID, desk: Database, scenario: Scenario) -> None:
    script = SCRIPTS[scenario]
    answer = Failed("as asked") if script.fails else Seen(MELANOMA)
    case_id = clinic.case(sandbox, answer, reference=f"{scenario}:1")
    assert read_sandboxes(desk) == (script.decision is not None)
    decided = case_of(clinic, sandbox, case_id)
    if script.decision is None:
        assert decided.state is CaseState.AWAITING_REVIEW
        return
    assert decided.state is CaseState.REVIEWED
    assert decided.final is not None
    said = decided.final
    assert (said.decision, said.diagnosis, said.management) == (script.decision, script.diagnosis, script.management)
    assert said.reviewer == READER_NAME
    assert read_sandboxes(desk) == 0


def test_real_cases_wait_for_people(clinic: Clinic, tenant: UUID, sandbox: UUID, desk: Database) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA), reference="melanoma:1")
    assert read_sandboxes(desk) == 0
    assert case_of(clinic, tenant, case_id).state is CaseState.AWAITING_REVIEW


def test_those_left_undecided_do_not_stand_in_the_way(clinic: Clinic, sandbox: UUID, desk: Database) -> None:
    for number in range(3):
        clinic.case(sandbox, Seen(MELANOMA), reference=f"undecided:{number}")
    clinic.case(sandbox, Seen(MELANOMA), reference="naevus")
    assert read_sandboxes(desk) == 1


def test_without_a_sandbox_nothing_is_read(clinic: Clinic, desk: Database) -> None:
    assert read_sandboxes(desk) == 0


def test_it_reads_beside_the_desk(clinic: Clinic, sandbox: UUID, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.review.sandbox_reader.EVERY_SECONDS", 0.05)
    case_id, stop = clinic.case(sandbox, Seen(MELANOMA)), threading.Event()
    thread = read_beside(browser.client.application, stopping=stop)
    waited = threading.Event()
    for _ in range(200):
        if case_of(clinic, sandbox, case_id).state is CaseState.REVIEWED:
            break
        waited.wait(0.05)
    stop.set()
    thread.join(10)
    assert case_of(clinic, sandbox, case_id).state is CaseState.REVIEWED
