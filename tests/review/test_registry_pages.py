"""Promotion, shadow, retirement and roll-back by clicks, with the figures side by side and a reason."""

import re
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from services.records.registry import list_model_versions
from services.records.states import ModelKind, ModelState, Role
from tests.review.conftest import Browser, words_of
from tests.review.seeds import Clinic
from tests.review.test_models_page import register

FIRST, SECOND = "0123456789ab", "ba9876543210"


@pytest.fixture
def lead(clinic: Clinic, tenant: UUID, browser: Browser) -> Browser:
    """A lead, signed in; a classifier in use and a candidate that does better."""
    clinic.user(tenant, role=Role.LEAD, name="Dr Head")
    register(clinic, ModelKind.CLASSIFIER, FIRST, non_commercial=False, licence="CC0-1.0")
    register(clinic, ModelKind.CLASSIFIER, SECOND, metrics={"test": {"accuracy": 0.91, "accuracy_95": [0.88, 0.93]}})
    browser.sign_in()
    return browser


def states(clinic: Clinic) -> dict[str, ModelState]:
    with clinic.owner.transaction() as session:
        return {version.digest: version.state for version in list_model_versions(session=session)}


def ids(clinic: Clinic) -> dict[str, UUID]:
    with clinic.owner.transaction() as session:
        return {version.digest: version.id for version in list_model_versions(session=session)}


def in_use(page: str) -> str:
    found = re.search(r'name="in_use" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def take(browser: Browser, path: str, reason: str) -> int:
    return browser.post(path, page=path, reason=reason, in_use=in_use(browser.get(path).text)).status_code


def test_the_figures_stand_side_by_side_before_a_promotion(clinic: Clinic, lead: Browser) -> None:
    words = words_of(lead.get(f"/models/{ids(clinic)[SECOND]}/promote"))
    assert "accuracy 0.847 0.820 to 0.870 0.910 0.880 to 0.930" in words
    assert "For non-commercial use only; the version in use is not so bound." in words
    assert "Licence CC0-1.0 CC BY-NC 4.0" in words


def test_a_version_is_promoted_and_rolled_back_with_reasons(clinic: Clinic, lead: Browser, superuser_engine: Engine) -> None:
    assert "Roll the classifier back" not in words_of(lead.get("/models"))
    assert take(lead, f"/models/{ids(clinic)[SECOND]}/promote", "better on the test part") == 303
    assert states(clinic) == {FIRST: ModelState.RETIRED, SECOND: ModelState.CHAMPION}
    page = words_of(lead.get("/models"))
    assert "MobileNetV2, two classes 2: promoted." in page
    assert "candidate → in use Dr Head better on the test part" in page
    assert take(lead, "/models/rollback/classifier", "misses nodular ones") == 303
    assert states(clinic) == {FIRST: ModelState.CHAMPION, SECOND: ModelState.RETIRED}
    with superuser_engine.connect() as connection:
        query = "SELECT action, actor_kind FROM audit_events WHERE action LIKE 'model.%' ORDER BY sequence"
        events = [tuple(row) for row in connection.execute(text(query))]
    assert ("model.rolled_back", "user") in events
    assert lead.get("/models/rollback/classifier").status_code == 404


@pytest.mark.parametrize(("step", "state"), [("shadow", ModelState.SHADOW), ("retire", ModelState.RETIRED)])
def test_a_version_is_moved(clinic: Clinic, lead: Browser, step: str, state: ModelState) -> None:
    path = f"/models/{ids(clinic)[SECOND]}/{step}"
    assert take(lead, path, "to see") == 303
    assert states(clinic)[SECOND] is state
    assert take(lead, path, "to see") == 409
    assert take(lead, f"/models/{ids(clinic)[FIRST]}/{step}", "to see") == 409
    assert states(clinic)[FIRST] is ModelState.CHAMPION


def test_without_a_reason_nothing_happens(clinic: Clinic, lead: Browser) -> None:
    path = f"/models/{ids(clinic)[SECOND]}/promote"
    assert take(lead, path, "  ") == 422
    assert states(clinic)[SECOND] is ModelState.CANDIDATE


def test_who_compared_with_another_version_is_asked_to_look_again(clinic: Clinic, lead: Browser) -> None:
    path = f"/models/{ids(clinic)[SECOND]}/promote"
    answer = lead.post(path, page=path, reason="better", in_use=str(ids(clinic)[SECOND]))
    assert (answer.status_code, "has changed since the page was opened" in words_of(answer)) == (409, True)
    assert ">better</textarea>" in answer.text
    assert states(clinic)[FIRST] is ModelState.CHAMPION


def test_readers_see_the_history_and_move_nothing(clinic: Clinic, lead: Browser) -> None:
    version = ids(clinic)[SECOND]
    lead.post("/sign-out", page="/models")
    clinic.user(email="other@clinic.example")
    lead.sign_in("other@clinic.example")
    page = lead.get("/models").text
    assert "first start" in page
    assert f"/models/{version}" not in page
    assert lead.get(f"/models/{version}/promote").status_code == 403
    assert lead.post(f"/models/{version}/promote", page="/models", reason="x").status_code == 403


def test_an_unknown_version_is_not_found(lead: Browser, tenant: UUID) -> None:
    assert lead.get(f"/models/{tenant}/promote").status_code == 404
