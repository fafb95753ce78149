"""Sandbox portals: what their cases' references ask for, and that they stay apart from real ones."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from services.records import access
from services.records.errors import InvalidRecord
from services.records.export import portals_to_export
from services.records.sandbox import READER_EMAIL, SCRIPTS, Scenario, Script, create_sandbox, scenario_of
from services.records.states import Decision, Management


@pytest.mark.parametrize(
    ("reference", "scenario"),
    [
        ("melanoma", Scenario.MELANOMA),
        ("melanoma:42", Scenario.MELANOMA),
        ("Retake 7", Scenario.RETAKE),
        ("out-of-distribution:a:b", Scenario.OUT_OF_DISTRIBUTION),
        ("", Scenario.NAEVUS),
        ("melanomas", Scenario.NAEVUS),
        (":melanoma", Scenario.NAEVUS),
    ],
)
def test_the_first_word_of_a_reference_chooses_the_script(reference: str, scenario: Scenario) -> None:
    assert scenario_of(reference) is scenario


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_a_script_is_something_that_a_real_portal_could_be_told(script: Script) -> None:
    assert script.fails or sum(script.probabilities.values()) == pytest.approx(1)
    assert bool(script.classes) == (script.abstains is None and not script.fails)
    assert list(script.classes) == sorted(script.classes, key=lambda code: -script.probabilities[code])
    assert (script.decision in (Decision.CONFIRM, Decision.CORRECT)) == (script.diagnosis is not None)
    assert (script.decision is Decision.NOT_ASSESSABLE) == (script.reason is not None)
    assert (script.management is Management.FOLLOW_UP) == (script.follow_up_months is not None)
    assert script.decision is not Decision.CONFIRM or script.classes == (script.diagnosis,)


def test_every_scenario_has_a_script() -> None:
    assert set(SCRIPTS) == set(Scenario)


def test_its_reader_is_made_once_and_can_never_sign_in(superuser_engine: Engine, clean_database: None) -> None:
    with Session(superuser_engine) as session, session.begin():
        for slug in ("one", "two"):
            assert create_sandbox(session=session, name=slug, slug=slug).sandbox
        people = session.execute(text("SELECT email, state FROM users")).all()
    assert [tuple(row) for row in people] == [(READER_EMAIL, "disabled")]


def test_its_cases_are_never_exported_as_teaching(superuser_engine: Engine, clean_database: None) -> None:
    with Session(superuser_engine) as session, session.begin():
        real = access.create_tenant(session=session, name="North", slug="north").id
        create_sandbox(session=session, name="Try", slug="try")
        assert portals_to_export(session=session, slugs=[]) == {"north": real}
        with pytest.raises(InvalidRecord, match="try is a sandbox"):
            portals_to_export(session=session, slugs=["north", "try"])
