"""Orders by FHIR: the same case as by any other door, each order once, and every refusal with its place."""

import copy
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask
from sqlalchemy import text

from tests.intake.conftest import Contents
from tests.intake.fhir_world import PATIENT_SYSTEM, SYSTEM, Fhir, concept, order_bundle, picture, picture_resource, request_resource
from tests.intake.test_fhir import RELEASES, ids, read

Json = dict[str, Any]


def resource(bundle: Json, index: int) -> Json:
    found: Json = bundle["entry"][index]["resource"]
    return found


def added(bundle: Json, one: Json, name: str = "urn:uuid:00000000-0000-4000-8000-000000000009") -> Json:
    """The bundle with one more entry."""
    entry = {"fullUrl": name, "resource": one, "request": {"method": "POST", "url": one["resourceType"]}}
    return {**bundle, "entry": [*bundle["entry"], entry]}


def issue(answer: Any) -> Json:
    """The only issue of a refusal."""
    assert answer.mimetype == "application/fhir+json"
    (found,) = answer.get_json()["issue"]
    read(answer.get_json(), "4.0")
    return dict(found)


@pytest.mark.parametrize("release", RELEASES)
def test_an_order_is_a_case_like_any_other(fhir: Fhir, release: str) -> None:
    order_id = fhir.order(release)
    case = fhir.client.get(f"/v1/cases/{fhir.case_of(order_id)}", headers=fhir.portal.headers).get_json()
    patient = case["patient"]
    assert (patient["reference"], patient["sex"], patient["birth_year"]) == ("P-1042", "female", 1970)
    assert (case["lesion"]["reference"], case["lesion"]["body_site"], case["lesion"]["laterality"]) == ("L-7", "back", "left")
    assert (case["reference"], case["urgency"], case["clinical_notes"]) == ("O-1", "soon", "Grows since spring\nItches.")
    assert (case["visited_at"][:10], case["visit_source"]) == ("2026-02-28", "portal")
    assert [(image["filename"], image["modality"]) for image in case["images"]] == [("mole.jpg", "dermoscopic")]


@pytest.mark.parametrize("release", RELEASES)
def test_the_answer_has_an_entry_for_each_and_says_where_to_follow(fhir: Fhir, release: str) -> None:
    body = added(order_bundle(release), {"resourceType": "Task", "status": "requested", "intent": "order"})
    answer = fhir.post("", body, release)
    told = answer.get_json()
    read(told, release)
    assert told["type"] == "transaction-response"
    order_id = told["entry"][0]["resource"]["id"]
    places = [entry["response"].get("location", "").split("/")[0] for entry in told["entry"]]
    assert places == ["ServiceRequest", "Patient", "", "", "Task"]
    assert told["entry"][4]["response"]["location"] == f"Task/{order_id}"
    assert f"Task/{order_id}" in told["entry"][0]["response"]["outcome"]["issue"][0]["details"]["text"]
    request = fhir.get(f"/ServiceRequest/{order_id}", release).get_json()
    assert read(request, release).status == "active"
    assert "Itches" not in json.dumps(request)
    assert read(fhir.get(f"/Task/{order_id}", release).get_json(), release).focus.reference == f"ServiceRequest/{order_id}"


def test_the_same_order_sent_again_is_the_same_order(fhir: Fhir, contents: Contents) -> None:
    first, again = (fhir.post("", order_bundle("4.0")) for _ in range(2))
    assert [answer.get_json()["entry"][0]["response"]["status"] for answer in (first, again)] == ["201 Created", "200 OK"]
    assert first.get_json()["entry"][0]["response"]["location"] == again.get_json()["entry"][0]["response"]["location"]
    assert (contents.rows("cases"), contents.rows("orders"), contents.rows("images")) == (1, 1, 1)


def test_the_same_order_sent_four_times_at_once_is_one_order(fhir: Fhir, app: APIFlask, contents: Contents) -> None:
    def send(_: int) -> tuple[int, str]:
        mine = Fhir(app.test_client(), fhir.portal, fhir.backstage, fhir.superuser)
        answer = mine.post("", order_bundle("4.0"))
        return answer.status_code, answer.get_json()["entry"][0]["resource"]["id"]

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(send, range(4)))
    assert {status for status, _ in found} == {200}
    assert len(found) == 1
    assert (contents.rows("cases"), contents.rows("orders")) == (1, 1)


def test_another_order_of_the_same_identifier_is_refused(fhir: Fhir, contents: Contents) -> None:
    order_id = fhir.order()
    answer = fhir.post("", order_bundle("4.0", priority="routine"))
    assert (answer.status_code, issue(answer)["code"]) == (409, "duplicate")
    assert contents.rows("cases") == 1
    assert fhir.get(f"/Task/{order_id}").get_json()["status"] == "received"


@pytest.mark.parametrize("release", RELEASES)
def test_one_resource_that_contains_the_others_is_an_order_too(fhir: Fhir, release: str) -> None:
    bundle = order_bundle(release)
    inner = [{**resource(bundle, index), "id": name} for index, name in ((1, "p"), (2, "i"), (3, "b"))]
    inner[2]["patient"] = {"reference": "#p"}
    body = {**request_resource(release, subject={"reference": "#p"}), "contained": inner}
    first, again = (fhir.post("/ServiceRequest", body, release) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.headers["Location"] == f"http://localhost/fhir/ServiceRequest/{first.get_json()['id']}"
    assert read(first.get_json(), release).id == read(again.get_json(), release).id
    assert fhir.case_of(first.get_json()["id"])


@pytest.mark.parametrize("release", RELEASES)
def test_a_picture_may_come_as_a_binary(fhir: Fhir, release: str) -> None:
    body = order_bundle(release)
    media = resource(body, 2)
    attachment = media["content"] if release == "4.0" else media["content"][0]["attachment"]
    attachment["url"] = "urn:uuid:00000000-0000-4000-8000-000000000009"
    del attachment["data"]
    body = added(body, {"resourceType": "Binary", "contentType": "image/jpeg", "data": picture()})
    assert fhir.post("", body, release).status_code == 200


def test_several_pictures_are_one_case_and_keep_their_order(fhir: Fhir) -> None:
    close = picture_resource("4.0")
    close["content"]["title"], close["modality"] = "folder/overview.jpg", {"text": "Clinical photograph"}
    answer = fhir.post("", added(order_bundle("4.0"), close))
    case_id = fhir.case_of(answer.get_json()["entry"][0]["resource"]["id"])
    images = fhir.client.get(f"/v1/cases/{case_id}", headers=fhir.portal.headers).get_json()["images"]
    assert [(one["filename"], one["modality"]) for one in images] == [("mole.jpg", "dermoscopic"), ("overview.jpg", "clinical")]


def test_a_patient_may_be_named_by_their_pseudonym_alone_and_a_site_by_the_request(fhir: Fhir) -> None:
    subject = {"identifier": {"system": PATIENT_SYSTEM, "value": "P-7"}}
    body = order_bundle("4.0", subject=subject, bodySite=[{"text": "Left forearm"}])
    body["entry"] = [body["entry"][0], body["entry"][2]]
    answer = fhir.post("", body)
    assert answer.status_code == 200, answer.text
    case_id = fhir.case_of(answer.get_json()["entry"][0]["resource"]["id"])
    case = fhir.client.get(f"/v1/cases/{case_id}", headers=fhir.portal.headers).get_json()
    assert case["patient"]["reference"] == "P-7"
    assert (case["lesion"]["body_site"], case["lesion"]["laterality"]) == ("Left forearm", "left")


def test_what_tells_who_a_patient_is_is_stored_nowhere_and_the_answer_says_so(fhir: Fhir) -> None:
    body = order_bundle("4.0")
    resource(body, 1).update(name=[{"family": "SECRETNAME"}], telecom=[{"system": "phone", "value": "SECRETNAME"}])
    answer = fhir.post("", body)
    issues = answer.get_json()["entry"][0]["response"]["outcome"]["issue"]
    assert [one["severity"] for one in issues] == ["information", "warning"]
    assert "name, telecom" in issues[1]["details"]["text"]
    with fhir.superuser.connect() as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
        found = [name for name in tables if connection.execute(text(f"SELECT 1 FROM {name} t WHERE t::text LIKE '%SECRETNAME%'")).first()]
    assert found == []


def _set(index: int, **changed: Any) -> Callable[[Json], None]:
    return lambda bundle: resource(bundle, index).update(changed)


def _drop(index: int, name: str) -> Callable[[Json], None]:
    return lambda bundle: resource(bundle, index).pop(name)


def _content(**changed: Any) -> Callable[[Json], None]:
    def change(bundle: Json) -> None:
        content = resource(bundle, 2)["content"]
        content.pop("data")
        content.update(changed)

    return change


def _entry(bundle: Json) -> None:
    odd = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    bundle["entry"].append({"resource": odd, "request": {"method": "POST", "url": "Observation"}})


REQUEST, PATIENT, MEDIA, STRUCTURE = (f"Bundle.entry[{index}].resource" for index in range(4))
TWO = [{"value": "P-1"}, {"value": "123-45-6789"}]
REFUSED: dict[str, tuple[Callable[[Json], Any], str, str]] = {
    "no identifier": (_drop(0, "identifier"), "required", f"{REQUEST}.identifier"),
    "long identifier": (_set(0, identifier=[{"value": "x" * 201}]), "value", f"{REQUEST}.identifier[0]"),
    "a draft": (_set(0, status="draft"), "business-rule", f"{REQUEST}.status"),
    "a plan": (_set(0, intent="plan"), "business-rule", f"{REQUEST}.intent"),
    "a prohibition": (_set(0, doNotPerform=True), "business-rule", f"{REQUEST}.intent"),
    "no such priority": (_set(0, priority="yesterday"), "value", f"{REQUEST}.priority"),
    "half a letter": (_set(0, code={"text": "\ud800"}), "value", f"{REQUEST}.code.text"),
    "a NUL": (_set(0, category=[{"text": "a\0b"}]), "value", f"{REQUEST}.category[0].text"),
    "no patient": (lambda bundle: bundle["entry"].pop(1), "not-found", f"{REQUEST}.subject.reference"),
    "no pseudonym": (_drop(1, "identifier"), "required", f"{PATIENT}.identifier"),
    "two identifiers": (_set(1, identifier=TWO), "business-rule", f"{PATIENT}.identifier"),
    "an empty pseudonym": (_set(1, identifier=[{"value": "x" * 300}]), "value", PATIENT),
    "another's picture": (_set(2, subject={"reference": "Patient/of-somebody-else"}), "business-rule", f"{MEDIA}.subject"),
    "another's lesion": (_set(3, patient={"reference": "urn:uuid:1"}), "business-rule", f"{STRUCTURE}.patient"),
    "no picture": (lambda bundle: bundle["entry"].pop(2), "invariant", REQUEST),
    "an address elsewhere": (_content(url="http://169.254.169.254/secret"), "not-supported", f"{MEDIA}.content"),
    "nothing in it": (_content(title="nothing"), "required", f"{MEDIA}.content"),
    "no base64": (_content(data="%%%"), "value", f"{MEDIA}.content.data"),
    "no picture in it": (_content(data="AAAAAAAA"), "processing", f"{MEDIA}.content.data"),
    "taken in the future": (_set(2, createdDateTime="2199-01-01T00:00:00Z"), "value", MEDIA),
    "an unknown element": (_set(0, colour="red"), "structure", f"{REQUEST}.colour"),
    "a missing element": (_drop(0, "intent"), "required", f"{REQUEST}.intent"),
    "a wrong type": (_set(0, note="Itches."), "structure", f"{REQUEST}.note"),
    "a batch": (lambda bundle: bundle.update(type="batch"), "value", "Bundle.type"),
    "another type": (_entry, "not-supported", "Bundle.entry[4].resource"),
    "another method": (
        lambda bundle: bundle["entry"][0].update(request={"method": "DELETE", "url": "ServiceRequest"}),
        "not-supported",
        "Bundle.entry[0].request",
    ),
    "no order": (lambda bundle: bundle["entry"].pop(0), "required", "Bundle.entry"),
    "two patients": (lambda bundle: bundle["entry"].append(copy.deepcopy(bundle["entry"][3])), "invariant", "Bundle.entry[4].resource"),
}


def test_a_refusal_names_its_place_and_stores_nothing(fhir: Fhir, contents: Contents) -> None:
    for name, (spoil, code, expression) in REFUSED.items():
        body = order_bundle("4.0")
        spoil(body)
        answer = fhir.post("", body)
        found = issue(answer)
        assert (name, answer.status_code, found["code"], found["expression"]) == (name, 422, code, [expression])
    contents.assert_nothing_stored(fhir.portal)


def test_a_rejected_order_is_followed_by_its_identifier_and_a_better_one_takes_its_place(fhir: Fhir) -> None:
    body = order_bundle("4.0")
    _content(data="AAAAAAAA")(body)
    assert fhir.post("", body).status_code == 422
    page = fhir.get("/Task", identifier=f"{SYSTEM}|O-1").get_json()
    (task,) = [entry["resource"] for entry in page["entry"]]
    assert read(task, "4.0").status == "rejected"
    assert "picture" in task["statusReason"]["text"].lower() or "file" in task["statusReason"]["text"].lower()
    assert fhir.get(f"/ServiceRequest/{task['id']}").status_code == 404
    assert ids(fhir.get("/ServiceRequest").get_json()) == []
    assert fhir.order() == task["id"]
    assert fhir.get(f"/Task/{task['id']}").get_json()["status"] == "received"


def test_orders_are_found_by_the_portals_own_identifier(fhir: Fhir) -> None:
    orders = [fhir.order(value=f"O-{number}") for number in range(3)]
    for query, wanted in {
        f"identifier={SYSTEM}|O-1": orders[1:2],
        "identifier=O-2": orders[2:],
        "identifier=|O-2": [],
        "identifier=elsewhere|O-2": [],
        f"_id={orders[0]}": orders[:1],
        "": orders,
    }.items():
        for kind in ("Task", "ServiceRequest"):
            assert ids(fhir.client.get(f"/fhir/{kind}?{query}", headers=fhir.headers("4.0")).get_json()) == wanted
    form = fhir.client.post("/fhir/Task/_search", data={"identifier": "O-1"}, headers=fhir.headers("4.0"))
    assert fhir.client.post("/fhir/Task/_search", json={"identifier": "O-1"}, headers=fhir.headers("4.0")).status_code == 415
    assert ids(form.get_json()) == orders[1:2]
    page = fhir.get("/Task", _count=2).get_json()
    following = page["link"][1]["url"].removeprefix("http://localhost")
    assert ids(page) + ids(fhir.client.get(following, headers=fhir.headers("4.0")).get_json()) == orders
    assert ids(fhir.get("/Task", focus=f"ServiceRequest/{orders[2]}").get_json()) == orders[2:]


BUNDLE = b'"resourceType": "Bundle", "type": "transaction"'
NO_ORDERS = [
    (b"{}", "text/plain", 415),
    (b"{}", "application/fhir+xml", 415),
    (b"{}", "application/fhir+json; fhirVersion=3.0", 415),
    (b"", "application/fhir+json", 400),
    (b"{", "application/fhir+json", 400),
    (b"[" * 100_000, "application/fhir+json", 400),
    (b"{" + BUNDLE + b', "total": NaN}', "application/fhir+json", 400),
    (b"[]", "application/fhir+json", 400),
    (b"\xff\xfe", "application/fhir+json", 400),
    (b'{"resourceType": "Patient"}', "application/fhir+json", 400),
    (b'{"resourceType": "Bundle"}', "application/json", 422),
    (b"{" + BUNDLE + b"}", "application/fhir+json", 422),
    (b"{" + BUNDLE + b', "entry": [{"resource": {"resourceType": "Nothing"}}]}', "application/json", 422),
    (b"{" + BUNDLE + b', "entry": [{"resource": {}}]}', "application/json", 422),
    (b"{" + BUNDLE + b', "entry": [' + b"{}," * 20_000 + b"{}]}", "application/json", 413),
    (b"{" + BUNDLE + b', "entry": ' + b'[{"resource": ' * 200 + b"1" + b"}]" * 200 + b"}", "application/json", 400),
]


@pytest.mark.parametrize("release", RELEASES)
def test_what_is_no_order_is_refused_in_words(fhir: Fhir, release: str) -> None:
    for body, content_type, status in NO_ORDERS:
        answer = fhir.client.post("/fhir", data=body, headers=fhir.headers(release), content_type=content_type)
        assert (body[:80], answer.status_code) == (body[:80], status)
        assert read(answer.get_json(), release).issue


def test_a_body_over_the_limit_is_refused(fhir: Fhir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.intake.fhir_wire.MAX_BODY_BYTES", 1000)
    answer = fhir.post("", order_bundle("4.0"))
    assert (answer.status_code, issue(answer)["code"]) == (413, "too-long")


def test_without_a_key_nothing_is_answered_but_what_is_spoken(fhir: Fhir) -> None:
    for path in ("/fhir/Task", f"/fhir/DiagnosticReport/{UUID(int=1)}", f"/fhir/DiagnosticReport/{UUID(int=1)}/$everything"):
        answer = fhir.client.get(path)
        assert (answer.status_code, issue(answer)["code"]) == (401, "login")
    assert fhir.client.get("/fhir/metadata").status_code == 200
    assert fhir.post("/", {}).status_code == 400  # the address with a slash is the same
    assert fhir.get("/Nothing").get_json()["resourceType"] == "OperationOutcome"
    assert fhir.client.delete("/fhir/Task", headers=fhir.portal.headers).get_json()["issue"][0]["code"] == "not-supported"


def test_codes_of_sites_and_sides_are_understood_in_any_shape(fhir: Fhir) -> None:
    body = order_bundle("5.0")
    resource(body, 3)["includedStructure"] = [{"structure": concept("60496002", "Skin of foot"), "laterality": {"text": "right side"}}]
    case_id = fhir.case_of(fhir.post("", body, "5.0").get_json()["entry"][0]["resource"]["id"])
    lesion = fhir.client.get(f"/v1/cases/{case_id}", headers=fhir.portal.headers).get_json()["lesion"]
    assert (lesion["body_site"], lesion["laterality"]) == ("foot", "right")
