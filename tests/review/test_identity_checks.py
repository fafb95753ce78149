"""What may tell who the patient is: seen over the picture, judged by a clinician, kept until then."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from services.records.identity import Box, IdentityCheck
from services.records.identity import Seen as Spotted
from services.records.states import IdentityKind, Role
from tests.review.conftest import Browser, token, words_of
from tests.review.seeds import MELANOMA, Clinic, Seen

WRITING = IdentityCheck(
    "text-1", (Spotted(IdentityKind.TEXT, 0.9, Box(0.1, 0.02, 0.3, 0.05)), Spotted(IdentityKind.TEXT, 0.8, Box(0, 0.9, 0.2, 0.05)))
)
DECLARED = IdentityCheck("text-1", (Spotted(IdentityKind.DECLARED, 1.0),))
NOTHING = IdentityCheck("text-1")


@pytest.fixture
def image_of(superuser_engine: Engine) -> Any:
    def found(case_id: UUID) -> tuple[UUID, str]:
        with superuser_engine.connect() as connection:
            row = connection.execute(text("SELECT id, identity_state FROM images WHERE case_id = :id"), {"id": case_id}).one()
        return row.id, row.identity_state

    return found


def say(reader: Browser, case_id: UUID, image_id: UUID, verdict: str, **fields: Any) -> Any:
    data = {"csrf_token": token(reader.get(f"/cases/{case_id}").text), "verdict": verdict, "picture": "1", **fields}
    return reader.client.post(f"/cases/{case_id}/images/{image_id}/identity", data=data)


def test_the_page_shows_where_and_asks(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    page = reader.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA, identity=WRITING))}")
    words = words_of(page)
    assert "Possible text in the picture" in words
    assert "2 places that look like writing." in words
    assert "Nothing identifies the patient" in words
    assert "Keep held" in words
    assert page.text.count('<rect x="') == 2
    assert '<rect x="94.0" y="14.0" width="312.0" height="62.0"/>' in page.text


def test_the_worklist_marks_it_and_can_be_narrowed_to_it(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    clinic.case(tenant, Seen(MELANOMA, identity=WRITING), patient_reference="P-written")
    clinic.case(tenant, Seen(MELANOMA, identity=NOTHING), patient_reference="P-clear")
    assert words_of(reader.get("/")).count("possible text in the picture") == 2  # the mark, and the filter
    narrowed = words_of(reader.get("/?mark=identity"))
    assert "P-written" in narrowed
    assert "P-clear" not in narrowed


def test_a_file_that_says_it_of_itself_is_asked_about(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    page = reader.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA, identity=DECLARED))}")
    assert "The file itself says that writing is burnt in" in words_of(page)
    assert 'class="overlay writing"' not in page.text


@pytest.mark.parametrize("said", [("clear", "cleared", "Nothing identifies"), ("hold", "held", "Held: the picture")])
def test_a_verdict_counts_and_is_told(clinic: Clinic, tenant: UUID, reader: Browser, image_of: Any, said: tuple[str, str, str]) -> None:
    verdict, state, title = said
    case_id = clinic.case(tenant, Seen(MELANOMA, identity=WRITING))
    answer = say(reader, case_id, image_of(case_id)[0], verdict, note="a label of the device")
    assert (answer.status_code, answer.location) == (303, f"/cases/{case_id}?picture=1#identity")
    assert image_of(case_id)[1] == state
    words = words_of(reader.get(f"/cases/{case_id}"))
    assert title in words
    assert "Dr Lind," in words
    assert ": a label of the device" in words


def test_a_picture_in_which_nothing_was_seen_can_be_held(clinic: Clinic, tenant: UUID, reader: Browser, image_of: Any) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA, identity=NOTHING))
    page = words_of(reader.get(f"/cases/{case_id}"))
    assert "Something tells who it is?" in page
    assert "Possible text in the picture" not in page
    say(reader, case_id, image_of(case_id)[0], "hold", note="a tattoo")
    assert image_of(case_id)[1] == "held"


def test_what_is_no_verdict_changes_nothing(clinic: Clinic, tenant: UUID, reader: Browser, image_of: Any) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA, identity=WRITING))
    image_id, _ = image_of(case_id)
    assert say(reader, case_id, image_id, "perhaps").status_code == 422
    assert say(reader, case_id, image_id, "hold", note="x" * 501).status_code == 422
    assert say(reader, case_id, case_id, "hold").status_code == 404
    assert image_of(case_id)[1] == "suspected"


def test_an_administrator_sees_it_and_judges_nothing(clinic: Clinic, tenant: UUID, app: Flask, image_of: Any) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA, identity=WRITING))
    clinic.user(tenant, email="admin@clinic.example", role=Role.ADMIN)
    admin = Browser(app.test_client())
    admin.sign_in("admin@clinic.example")
    assert "Keep held" not in words_of(admin.get(f"/cases/{case_id}"))
    assert say(admin, case_id, image_of(case_id)[0], "clear").status_code == 403
    assert image_of(case_id)[1] == "suspected"
