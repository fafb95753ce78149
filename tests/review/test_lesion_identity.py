"""Which lesion is this: the question on the case page, the forms on the lesion's page, and who may answer."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from services.records.states import Role
from tests.review.conftest import Browser, token, words_of
from tests.review.identity_seeds import Likely, lesion_of, propose
from tests.review.seeds import MELANOMA, Clinic, Seen


@dataclass(frozen=True, slots=True)
class Pair:
    """Two cases of one patient: ``known`` of the lesion L-2, which the portal named, and ``new``, later, of one without a name."""

    clinic: Clinic
    tenant: UUID
    known: UUID
    new: UUID

    def propose(self, **reasons: Any) -> UUID:
        """The new case may show L-2."""
        return propose(self.clinic, self.tenant, self.new, Likely(self.known, reasons=reasons))[0]

    def lesion(self, case_id: UUID) -> UUID:
        """The lesion that a case has."""
        return lesion_of(self.clinic, self.tenant, case_id)

    def another(self, **facts: Any) -> UUID:
        """One more case of the patient."""
        return self.clinic.case(self.tenant, Seen(MELANOMA), **facts)


@pytest.fixture
def pair(clinic: Clinic, tenant: UUID) -> Pair:
    known = clinic.case(tenant, Seen(MELANOMA), lesion_reference="L-2", body_site="back", laterality="left")
    return Pair(clinic, tenant, known, clinic.case(tenant, Seen(MELANOMA), body_site="back"))


def say(browser: Browser, case_id: UUID, proposal: UUID, said: str) -> TestResponse:
    return browser.post(f"/cases/{case_id}/links/{proposal}/{said}", page=f"/cases/{case_id}")


def test_the_case_page_asks_with_reasons(pair: Pair, reader: Browser) -> None:
    pair.propose()
    said = words_of(reader.get(f"/cases/{pair.new}"))
    assert "Same lesion?" in said
    assert "lesion L-2 · back, left · 1 visit," in said
    assert "same site: back, left · looks alike 0.91 · pictures lie over each other, 34 features agree" in said
    assert re.search(rf'likely-picture[^>]+><img[^>]+src="[^"]*{pair.known}', reader.get(f"/cases/{pair.new}").text)


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        ({"site": "region", "likeness": 0.8}, "near site: back, left · looks similar 0.80"),
        ({"site": "unknown", "likeness": 0.41}, "a site is not given · looks different 0.41"),
        ({"likeness": None, "geometry": None}, "same site: back, left Same lesion"),
        ({"geometry": {"agrees": False, "why": "blurred"}}, "a picture is too blurred to lay one over the other"),
        ({"geometry": {"agrees": False, "why": "something new"}}, "pictures could not be laid over each other"),
        ({"geometry": {"agrees": True, "inliers": 0, "correlation": 0.9}}, "pictures lie over each other, correlation 0.90"),
    ],
)
def test_reasons_are_words(pair: Pair, reader: Browser, reasons: dict[str, Any], words: str) -> None:
    pair.propose(**reasons)
    assert words in words_of(reader.get(f"/cases/{pair.new}"))


def test_without_proposals_nothing_is_asked(pair: Pair, reader: Browser) -> None:
    assert "Same lesion?" not in reader.get(f"/cases/{pair.new}").text


def test_a_link_is_confirmed_and_taken_back(pair: Pair, reader: Browser) -> None:
    proposal, own = pair.propose(), pair.lesion(pair.new)
    answer = say(reader, pair.new, proposal, "confirm")
    assert (answer.status_code, answer.location) == (303, f"/cases/{pair.new}#same-lesion")
    assert pair.lesion(pair.new) == pair.lesion(pair.known)
    page = reader.get(f"/cases/{pair.new}")
    assert "Linked to lesion L-2 · Dr Lind" in words_of(page)
    assert reader.get(f"/lesions/{own}").status_code == 308
    assert "this lesion" in page.text
    say(reader, pair.new, proposal, "reopen")
    assert pair.lesion(pair.new) == own
    assert "Not the same" in reader.get(f"/cases/{pair.new}").text


def test_a_rejected_lesion_is_named_and_can_come_back(pair: Pair, reader: Browser) -> None:
    proposal = pair.propose()
    say(reader, pair.new, proposal, "reject")
    assert "Not the same as lesion L-2 · Dr Lind" in words_of(reader.get(f"/cases/{pair.new}"))
    say(reader, pair.new, proposal, "reopen")
    assert say(reader, pair.new, proposal, "confirm").status_code == 303


def test_an_answer_that_comes_second_is_told_so(pair: Pair, reader: Browser) -> None:
    proposal = pair.propose()
    say(reader, pair.new, proposal, "reject")
    late = say(reader, pair.new, proposal, "confirm")
    assert late.status_code == 409
    assert "This changed meanwhile" in words_of(late)


@pytest.mark.parametrize("said", ["confirm", "reject", "reopen"])
def test_unknown_proposals_are_not_found(pair: Pair, reader: Browser, said: str) -> None:
    proposal = pair.propose()
    assert say(reader, pair.new, uuid4(), said).status_code == 404
    data = {"csrf_token": token(reader.get(f"/cases/{pair.new}").text)}
    answer = reader.client.post(f"/cases/{pair.known}/links/{proposal}/{said}", data=data)
    assert answer.status_code == 404


def test_an_administrator_sees_and_does_not_say(pair: Pair, browser: Browser) -> None:
    pair.clinic.user(pair.tenant, email="admin@clinic.example", role=Role.ADMIN)
    browser.sign_in("admin@clinic.example")
    proposal = pair.propose()
    page = _text(browser, f"/cases/{pair.new}")
    assert "Same lesion?" in page
    assert "/links/" not in page
    assert "Merge with" not in _text(browser, f"/lesions/{pair.lesion(pair.new)}")
    data = {"csrf_token": token(browser.get("/").text), "reason": "x", "lesion": str(uuid4())}
    for path in (f"/cases/{pair.new}/links/{proposal}/confirm", *(f"/lesions/{uuid4()}/{step}" for step in ("merge", "move", "restore"))):
        assert browser.client.post(path, data=data).status_code == 403


def test_a_case_that_somebody_else_has_is_theirs(pair: Pair, app: Any, reader: Browser) -> None:
    proposal = pair.propose()
    pair.clinic.user(pair.tenant, email="other@clinic.example", name="Dr Other")
    other = Browser(app.test_client())
    other.sign_in("other@clinic.example")
    other.get(f"/cases/{pair.new}")
    assert "/links/" not in reader.get(f"/cases/{pair.new}").text
    answer = reader.client.post(f"/cases/{pair.new}/links/{proposal}/confirm", data={"csrf_token": token(reader.get("/").text)})
    assert answer.status_code == 409


def test_before_a_blind_first_read_nothing_is_asked(pair: Pair, superuser_engine: Engine, reader: Browser) -> None:
    proposal = pair.propose()
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE tenants SET blind_first_read = true"))
    page = reader.get(f"/cases/{pair.new}")
    assert "Same lesion?" not in page.text
    answer = reader.client.post(f"/cases/{pair.new}/links/{proposal}/confirm", data={"csrf_token": token(page.text)})
    assert answer.status_code == 403


def test_lesions_are_merged_and_taken_apart(pair: Pair, reader: Browser) -> None:
    stays, goes = pair.lesion(pair.known), pair.lesion(pair.new)
    page = f"/lesions/{stays}"
    answer = reader.post(f"{page}/merge", page=page, lesion=str(goes), reason="Seen again.")
    assert (answer.status_code, answer.location) == (303, f"{page}#identity")
    assert reader.get(f"/lesions/{goes}").location == page
    said = words_of(reader.get(page))
    assert "Merged with back, 1 visit came · Dr Lind Seen again." in said
    answer = reader.post(f"{page}/restore", page=page, lesion=str(goes), reason="Two moles.")
    assert answer.status_code == 303
    assert pair.lesion(pair.new) == goes
    assert "Taken apart again: back, with 1 visit" in words_of(reader.get(page))


def test_visits_are_moved_and_split_off(pair: Pair, reader: Browser) -> None:
    again = pair.another(lesion_reference="L-2")
    source, target = pair.lesion(pair.known), pair.lesion(pair.new)
    page = f"/lesions/{source}"
    reader.post(f"{page}/move", page=page, visit=[str(again)], lesion=str(target), reason="The other one.")
    assert pair.lesion(again) == target
    assert "1 visit went to back · Dr Lind The other one." in words_of(reader.get(page))
    reader.post(f"/lesions/{target}/move", page=f"/lesions/{target}", visit=[str(again)], lesion="new", reason="A third.")
    third = pair.lesion(again)
    assert third not in (source, target)
    assert "Split off from back with 1 visit" in words_of(reader.get(f"/lesions/{third}"))


def test_after_its_last_visit_went_the_reader_lands_on_the_other_lesion(pair: Pair, reader: Browser) -> None:
    target, page = pair.lesion(pair.known), f"/lesions/{pair.lesion(pair.new)}"
    answer = reader.post(f"{page}/move", page=page, visit=[str(pair.new)], lesion=str(target), reason="The same.")
    assert answer.location == f"/lesions/{target}#identity"


@pytest.mark.parametrize(
    ("step", "fields"),
    [
        ("merge", {"reason": "x"}),
        ("merge", {"reason": "x", "lesion": "nonsense"}),
        ("merge", {"reason": ""}),
        ("move", {"reason": "x", "lesion": "new"}),
        ("move", {"reason": "x", "lesion": "new", "visit": "nonsense"}),
        ("move", {"reason": "x"}),
        ("restore", {"reason": "x"}),
    ],
)
def test_incomplete_forms_change_nothing(pair: Pair, reader: Browser, step: str, fields: dict[str, str]) -> None:
    lesion = pair.lesion(pair.known)
    if step == "merge" and "lesion" not in fields and not fields["reason"]:
        fields = fields | {"lesion": str(pair.lesion(pair.new))}
    answer = reader.post(f"/lesions/{lesion}/{step}", page=f"/lesions/{lesion}", **fields)
    assert answer.status_code == 422
    assert "Nothing was changed" in words_of(answer)


def test_lesions_of_others_are_not_found(pair: Pair, reader: Browser) -> None:
    elsewhere = pair.clinic.tenant("Portal B", "portal-b")
    foreign = lesion_of(pair.clinic, elsewhere, pair.clinic.case(elsewhere, Seen(MELANOMA)))
    page = f"/lesions/{pair.lesion(pair.known)}"
    for path, lesion in ((f"/lesions/{foreign}/merge", uuid4()), (f"{page}/merge", foreign), (f"{page}/move", foreign)):
        answer = reader.post(path, page=page, lesion=str(lesion), visit=[str(pair.known)], reason="x")
        assert answer.status_code == 404
    assert reader.get(f"/lesions/{foreign}").status_code == 404


def test_names_are_escaped(pair: Pair, reader: Browser) -> None:
    odd = pair.another(lesion_reference="<b>L</b>", body_site="<i>back</i>")
    page = f"/lesions/{pair.lesion(pair.known)}"
    reader.post(f"{page}/merge", page=page, lesion=str(pair.lesion(odd)), reason="<script>x</script>")
    assert not re.search(r"<b>L|<i>back|<script>x", reader.get(page).text)


def _text(browser: Browser, path: str) -> str:
    return browser.get(path).text
