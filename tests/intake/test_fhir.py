"""Reports by FHIR, in both releases: only of standing decisions, and each resource at the address that the others name."""

import base64
import json
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from apiflask import APIFlask
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class as r4_model
from pydicom.uid import generate_uid
from sqlalchemy import event, text

from services.intake.context import EXTENSION
from services.records.states import Decision, Management
from tests.intake.conftest import Portal
from tests.intake.dicom_world import photograph
from tests.intake.fhir_world import Fhir, order_bundle

RELEASES = ["4.0", "5.0"]


def read(resource: dict[str, Any], release: str) -> Any:
    """The resource as the published models have it."""
    model = (r4_model if release == "4.0" else r5_model)(resource["resourceType"])
    return model.model_validate(resource)


def ids(bundle: dict[str, Any]) -> list[str]:
    return [entry["resource"]["id"] for entry in bundle.get("entry", [])]


@pytest.mark.parametrize("release", RELEASES)
def test_there_is_no_report_before_a_decision_stands(fhir: Fhir, release: str) -> None:
    order_id = fhir.order(release)
    case_id = fhir.case_of(order_id)
    path = f"/DiagnosticReport/{case_id}"

    def nothing() -> None:
        for address in (path, f"{path}/$everything", f"/Observation/{case_id}-diagnosis"):
            answer = fhir.get(address, release)
            assert answer.status_code == 404
            assert read(answer.get_json(), release).issue[0].code == "not-found"
        assert ids(fhir.get("/DiagnosticReport", release).get_json()) == []

    nothing()
    fhir.backstage.analyse()
    nothing()
    fhir.backstage.confirm(fhir.portal, case_id)
    nothing()  # it can still be taken back
    fhir.settle()
    answer = fhir.get(path, release)
    assert answer.headers["Content-Type"] == f"application/fhir+json; fhirVersion={release}"
    assert answer.headers["ETag"] == 'W/"1"'
    found = read(answer.get_json(), release)
    assert (found.status, found.conclusion) == ("final", "Melanoma")
    assert found.basedOn[0].reference == f"ServiceRequest/{order_id}"
    assert ids(fhir.get("/DiagnosticReport", release).get_json()) == [str(case_id)]


@pytest.mark.parametrize("release", RELEASES)
def test_everything_in_the_bundle_is_read_again_at_its_own_address(fhir: Fhir, release: str) -> None:
    _, case_id = fhir.decided(release)
    bundle = fhir.get(f"/DiagnosticReport/{case_id}/$everything", release).get_json()
    read(bundle, release)
    kinds = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    assert kinds >= {"DiagnosticReport", "Observation", "BodyStructure", "Device", "Provenance", "Patient", "ServiceRequest"}
    for entry in bundle["entry"]:
        path = entry["fullUrl"].removeprefix("http://localhost/fhir")
        if path.startswith("/Device/"):  # this one's models are not registered
            continue
        answer = fhir.get(path, release)
        assert (path, answer.status_code) == (path, 200)
        assert answer.get_json() == entry["resource"]


def test_a_picture_is_asked_for_in_its_release(fhir: Fhir) -> None:
    _, case_id = fhir.decided()
    assert fhir.get(f"/Media/{case_id}-image-1", "4.0").status_code == 200
    assert fhir.get(f"/Media/{case_id}-image-1", "5.0").status_code == 404
    document = fhir.get(f"/DocumentReference/{case_id}-image-1", "5.0").get_json()
    url = document["content"][0]["attachment"]["url"].removeprefix("http://localhost")
    assert fhir.client.get(url, headers=fhir.portal.headers).content_type == "image/jpeg"


def test_a_dicom_file_is_a_study_whose_instances_the_links_lead_to(fhir: Fhir) -> None:
    study = generate_uid()
    body = order_bundle("5.0")
    data = base64.b64encode(photograph(StudyInstanceUID=study)).decode()
    body["entry"][2]["resource"]["content"][0]["attachment"] = {"contentType": "application/dicom", "data": data}
    answer = fhir.post("", body, "5.0")
    assert answer.status_code == 200, answer.text
    case_id = fhir.case_of(answer.get_json()["entry"][0]["resource"]["id"])
    fhir.backstage.analyse()
    fhir.backstage.confirm(fhir.portal, case_id)
    fhir.settle()
    for release in RELEASES:
        bundle = fhir.get(f"/DiagnosticReport/{case_id}/$everything", release).get_json()
        read(bundle, release)
        (told,) = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "ImagingStudy"]
        assert told["identifier"] == [{"system": "urn:dicom:uid", "value": f"urn:oid:{study}"}]
        assert fhir.get(f"/ImagingStudy/{told['id']}", release).get_json() == told
    document = fhir.get(f"/DocumentReference/{case_id}-image-1", "5.0").get_json()
    rendered = document["content"][1]["attachment"]["url"].removeprefix("http://localhost")
    assert fhir.client.get(rendered, headers=fhir.portal.headers | {"Accept": "image/jpeg"}).content_type == "image/jpeg"


def test_the_printed_form_is_behind_its_link(fhir: Fhir) -> None:
    _, case_id = fhir.decided()
    for form in fhir.get(f"/DiagnosticReport/{case_id}").get_json()["presentedForm"]:
        url = form["url"].removeprefix("http://localhost")
        answer = fhir.client.get(url, headers=fhir.portal.headers | {"Accept": form["contentType"]})
        assert (answer.status_code, answer.content_type, answer.data[:5]) == (200, form["contentType"], b"%PDF-")


def test_which_models_answered_is_read_by_the_pipelines_version(fhir: Fhir) -> None:
    insert = (
        "INSERT INTO model_versions (id, kind, digest, name, version, card, state)"
        " VALUES (:id, 'classifier', :digest, 'eight', '12', '{}', 'champion')"
    )
    with fhir.superuser.begin() as connection:
        connection.execute(text(insert), {"id": uuid4(), "digest": "9be4d310" * 8})
    for release in RELEASES:
        found = fhir.get("/Device/p1-5f0c2a71-9be4d310", release)
        assert found.status_code == 200
        assert read(found.get_json(), release).version[1].value.startswith("eight 12")
    assert fhir.get("/Device/p1-5f0c2a71-00000000").status_code == 404


@pytest.mark.parametrize(("changed", "status"), [({"note": "Excise."}, "amended"), ({"diagnosis": "NV"}, "corrected")])
def test_an_amended_decision_is_a_new_version(fhir: Fhir, changed: dict[str, Any], status: str) -> None:
    _, case_id = fhir.decided()
    fhir.amend(case_id, **{"decision": Decision.CORRECT, **changed})
    found = fhir.get(f"/DiagnosticReport/{case_id}").get_json()
    assert (found["status"], found["meta"]["versionId"]) == (status, "2")
    assert ids(fhir.get("/DiagnosticReport", status=status).get_json()) == [str(case_id)]
    assert ids(fhir.get("/DiagnosticReport", status="final").get_json()) == []
    bundle = fhir.get(f"/DiagnosticReport/{case_id}/$everything").get_json()
    assert [one for one in ids(bundle) if "-decision-" in one] == [f"{case_id}-decision-1", f"{case_id}-decision-2"]


def test_pictures_that_cannot_be_judged_fail_the_task_and_have_a_report_that_says_so(fhir: Fhir) -> None:
    order_id, case_id = fhir.decided()
    said = {"decision": Decision.NOT_ASSESSABLE, "diagnosis": None, "reason": "blurred", "management": Management.RETAKE}
    fhir.amend(case_id, **said)
    found = fhir.get(f"/Task/{order_id}").get_json()
    assert (found["status"], found["statusReason"]["text"]) == ("failed", "Not assessable: blurred. A new picture is asked for.")
    report = fhir.get(f"/DiagnosticReport/{case_id}").get_json()
    assert "conclusionCode" not in report
    assert report["conclusion"].startswith("Not assessable: blurred")


@pytest.fixture
def three(fhir: Fhir) -> list[str]:
    """Reports of three orders, in the order of their decisions."""
    return [str(fhir.decided(value=f"O-{number}")[1]) for number in range(3)]


def test_a_search_is_read_page_by_page_by_its_links(fhir: Fhir, three: list[str]) -> None:
    page = fhir.get("/DiagnosticReport", _count=2, status="final,amended").get_json()
    read(page, "4.0")
    found = ids(page)
    following = {link["relation"]: link["url"] for link in page["link"]}["next"]
    page = fhir.client.get(following.removeprefix("http://localhost"), headers=fhir.headers("4.0")).get_json()
    assert found + ids(page) == three
    assert [link["relation"] for link in page["link"]] == ["self"]


def test_reports_are_found_by_what_the_portal_knows(fhir: Fhir, three: list[str]) -> None:
    report = fhir.get(f"/DiagnosticReport/{three[1]}").get_json()
    patient, order = report["subject"]["reference"], report["basedOn"][0]["reference"]
    issued = report["issued"]
    asked: dict[str, list[str]] = {
        f"_id={three[1]}": three[1:2],
        f"identifier=urn:ietf:rfc:3986|urn:uuid:{three[2]}": three[2:],
        "identifier=O-1": three[1:2],
        "identifier=urn:dermatrail:case-reference|O-0": three[:1],
        f"patient={patient}": three,
        f"subject={patient}&patient={patient.removeprefix('Patient/')}": three,
        f"patient=Patient/{uuid4()}": [],
        f"based-on={order}": three[1:2],
        f"_lastUpdated=ge{issued}": three[1:],
        f"_lastUpdated=lt{issued}": three[:1],
        f"_lastUpdated=gt2020&_lastUpdated=lt{issued}": three[:1],
        "_lastUpdated=le2020-02": [],
        "status=http://hl7.org/fhir/diagnostic-report-status|final": three,
    }
    for query, wanted in asked.items():
        answer = fhir.client.get(f"/fhir/DiagnosticReport?{query}", headers=fhir.headers("4.0"))
        assert (query, answer.status_code) == (query, 200)
        assert (query, ids(answer.get_json())) == (query, wanted)


def test_a_patients_reference_is_searched_for_in_a_body_and_never_in_an_address(fhir: Fhir, three: list[str]) -> None:
    assert fhir.get("/DiagnosticReport", **{"patient.identifier": "P-1042"}).status_code == 400
    form = {"patient.identifier": "P-1042", "_count": "1"}
    answer = fhir.client.post("/fhir/DiagnosticReport/_search", data=form, headers=fhir.headers("4.0"))
    assert ids(answer.get_json()) == three[:1]
    assert "P-1042" not in json.dumps(answer.get_json()["link"])
    following = answer.get_json()["link"][1]["url"].removeprefix("http://localhost")
    assert ids(fhir.client.get(following, headers=fhir.headers("4.0")).get_json()) == three[1:2]
    stranger = fhir.client.post("/fhir/DiagnosticReport/_search", data={"patient.identifier": "P-0"}, headers=fhir.headers("4.0"))
    assert ids(stranger.get_json()) == []
    assert fhir.client.post("/fhir/DiagnosticReport/_search?patient.identifier=P-1042", headers=fhir.headers("4.0")).status_code == 400


UNANSWERABLE = [
    *("colour=red", "patient=", "_id=,", "_id=1", "identifier=x|", "identifier=other|1", "status=preliminary"),
    *("status=final&status=amended", "_count=0", "_count=x", "_lastUpdated=soon", "_lastUpdated=2026-13"),
    *("_lastUpdated=2026-01-01T10:00", "_lastUpdated=ne2026", f"subject=Patient/{UUID(int=1)}&patient=Patient/{UUID(int=2)}"),
]


def test_a_search_that_would_be_answered_unfiltered_is_refused(fhir: Fhir) -> None:
    for query in UNANSWERABLE:
        answer = fhir.client.get(f"/fhir/DiagnosticReport?{query}", headers=fhir.headers("4.0"))
        assert (query, answer.status_code) == (query, 400)
        assert read(answer.get_json(), "4.0").issue[0].details.text


def test_a_page_takes_as_many_statements_for_many_reports_as_for_one(fhir: Fhir, three: list[str], app: APIFlask) -> None:
    engine = app.extensions[EXTENSION].database.engine
    seen: list[str] = []
    event.listen(engine, "before_cursor_execute", note := lambda *given: seen.append(given[2]))
    counts = []
    for count in (1, 3):
        seen.clear()
        assert len(ids(fhir.get("/DiagnosticReport", _count=count).get_json())) == count
        counts.append(len(seen))
    event.remove(engine, "before_cursor_execute", note)
    assert counts[0] == counts[1] < 12


def test_a_picture_that_may_tell_who_it_is_stays(fhir: Fhir) -> None:
    _, case_id = fhir.decided()
    with fhir.superuser.begin() as connection:
        connection.execute(text("UPDATE images SET identity_state = 'suspected'"))
    bundle = fhir.get(f"/DiagnosticReport/{case_id}/$everything").get_json()
    assert "Media" not in json.dumps(bundle)
    assert "/thumbnail" not in json.dumps(bundle)


def test_nothing_is_told_of_a_patient_who_has_withdrawn_their_consent(fhir: Fhir) -> None:
    _, case_id = fhir.decided()
    with fhir.superuser.begin() as connection:
        connection.execute(text("UPDATE patients SET consent_care = false"))
    for path in (f"/DiagnosticReport/{case_id}", f"/DiagnosticReport/{case_id}/$everything", f"/Observation/{case_id}-diagnosis"):
        answer = fhir.get(path)
        assert (answer.status_code, answer.get_json()["issue"][0]["code"]) == (403, "forbidden")
    assert ids(fhir.get("/DiagnosticReport").get_json()) == []


def test_another_portal_finds_nothing(fhir: Fhir, new_portal: Any) -> None:
    order_id, case_id = fhir.decided()
    bundle = fhir.get(f"/DiagnosticReport/{case_id}/$everything").get_json()
    stranger: Portal = new_portal()
    other = Fhir(fhir.client, stranger, fhir.backstage, fhir.superuser)
    paths = [entry["fullUrl"].removeprefix("http://localhost/fhir") for entry in bundle["entry"]]
    for path in [*paths, f"/Task/{order_id}", f"/DiagnosticReport/{case_id}/$everything"]:
        assert (path, other.get(path).status_code) == (path, 404)
    for kind in ("DiagnosticReport", "Task", "ServiceRequest"):
        assert ids(other.get(f"/{kind}").get_json()) == []
    assert other.order() != order_id  # the same identifier, at another portal


def test_what_is_read_is_audited(fhir: Fhir) -> None:
    order_id, case_id = fhir.decided()
    fhir.get(f"/DiagnosticReport/{case_id}/$everything")
    fhir.get("/DiagnosticReport")
    fhir.get(f"/Task/{order_id}")
    with fhir.superuser.connect() as connection:
        query = text("SELECT action, details FROM audit_events WHERE tenant_id = :id")
        events = connection.execute(query, {"id": fhir.portal.tenant_id}).all()
    assert {"result.read", "results.listed", "orders.read"} <= {row.action for row in events}
    assert "P-1042" not in json.dumps([row.details for row in events])


ACCEPTED = {
    "application/fhir+json; fhirVersion=4.0": "4.0",
    "application/fhir+json;fhirversion=5.0.0": "5.0",
    "application/json": "4.0",
    "text/html, */*;q=0.8": "4.0",
    "application/fhir+xml;q=0.9, application/fhir+json; fhirVersion=5.0": "5.0",
    "application/fhir+json; fhirVersion=3.0, application/fhir+json; fhirVersion=5.0; q=0.5": "5.0",
    "application/fhir+json; fhirVersion=3.0": None,
    "application/fhir+xml": None,
    "text/html": None,
}


def test_the_release_is_chosen_by_what_is_accepted(app: APIFlask) -> None:
    client = app.test_client()
    for accept, release in ACCEPTED.items():
        answer = client.get("/fhir/metadata", headers={"Accept": accept})
        assert (accept, answer.status_code) == (accept, 200 if release else 406)
        assert answer.content_type == f"application/fhir+json; fhirVersion={release or '4.0'}"
        if release:
            assert read(answer.get_json(), release).fhirVersion == {"4.0": "4.0.1", "5.0": "5.0.0"}[release]
    assert client.get("/fhir/metadata?_format=application/fhir%2Bjson; fhirVersion=5.0").get_json()["fhirVersion"] == "5.0.0"


def test_links_begin_with_the_public_address_where_one_is_set(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> None:
    public = SimpleNamespace(settings=SimpleNamespace(public_url="https://derm.example/"))
    monkeypatch.setattr("services.intake.fhir_wire.backends", lambda: public)
    found = app.test_client().get("/fhir/metadata").get_json()
    assert found["implementation"]["url"] == "https://derm.example/fhir"


def test_a_lesion_that_was_merged_leads_to_its_survivor(fhir: Fhir) -> None:
    _, case_id = fhir.decided()
    lesion = fhir.get(f"/DiagnosticReport/{case_id}/$everything").get_json()["entry"][2]["resource"]
    old = uuid4()
    columns = "id, tenant_id, patient_id, tracking_uid, merged_into"
    merged = f"INSERT INTO lesions ({columns}) SELECT :old, tenant_id, patient_id, '2.25.1', id FROM lesions"
    with fhir.superuser.begin() as connection:
        connection.execute(text(merged), {"old": old})
    answer = fhir.get(f"/BodyStructure/{old}")
    assert (answer.status_code, answer.headers["Location"]) == (308, f"http://localhost/fhir/BodyStructure/{lesion['id']}")
    assert read(answer.get_json(), "4.0").issue[0].severity == "information"


def test_a_case_that_nobody_ordered_by_fhir_has_a_report_too(fhir: Fhir) -> None:
    order_id, case_id = fhir.decided()
    with fhir.superuser.begin() as connection:
        connection.execute(text("DELETE FROM orders"))
    assert "basedOn" not in fhir.get(f"/DiagnosticReport/{case_id}").get_json()
    read(fhir.get(f"/DiagnosticReport/{case_id}/$everything").get_json(), "4.0")
    assert fhir.get(f"/Task/{order_id}").status_code == 404
    assert isinstance(case_id, UUID)
