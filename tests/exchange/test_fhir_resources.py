"""Every resource that we write is read by models that others wrote, in both releases, and says what the case says."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class as r4_model

from services.exchange.fhir_base import Json, Release
from services.exchange.fhir_bundle import collection, searchset
from services.exchange.fhir_capability import capability_statement, operation_definition, versions
from services.exchange.fhir_orders import echo, service_request, task
from services.exchange.result import CaseResult
from services.records.decided import ResultStatus
from services.records.orders import OrderProgress
from services.records.states import Decision, Laterality, Management, ReviewKind
from tests.exchange.fhir_world import BASE, SITE, decided, one, order, parts, references, resources
from tests.exchange.report_world import MM, SIGNED, analysis, case, image, outline, result, review, trail
from tests.review.seeds import MELANOMA

BOTH = list(Release)
# What R4 4.0.1 knows of these types on top of what every resource has. The published models are those of R4B (4.3.0), which changed
# none of these types; what would be R4B's alone must be noticed all the same.
COMMON = {"resourceType", "id", "meta", "language", "text", "contained", "extension", "identifier"}
R4 = {
    "DiagnosticReport": "basedOn status category code subject effectiveDateTime issued performer resultsInterpreter result imagingStudy "
    "media conclusion conclusionCode presentedForm",
    "Observation": "status category code subject effectiveDateTime effectivePeriod issued performer valueCodeableConcept valueString "
    "dataAbsentReason interpretation note bodySite method device hasMember derivedFrom component",
    "Patient": "",
    "BodyStructure": "active morphology location locationQualifier patient",
    "Media": "basedOn status type modality subject createdDateTime bodySite content",
    "ImagingStudy": "status modality subject started basedOn endpoint numberOfSeries numberOfInstances series",
    "Device": "status manufacturer modelNumber deviceName type version safety note",
    "Provenance": "target occurredDateTime recorded reason activity agent entity",
    "ServiceRequest": "status intent category priority code subject authoredOn requisition",
    "Task": "basedOn status statusReason businessStatus intent code focus for authoredOn lastModified output",
}


def model(resource: Json, release: Release) -> Any:
    """The published model of its type."""
    return (r4_model if release is Release.R4 else r5_model)(resource["resourceType"])


def assert_valid(resource: Json, release: Release) -> None:
    """The models read it, and what they write says the same."""
    read = model(resource, release).model_validate(json.loads(json.dumps(resource)))
    again = json.loads(read.model_dump_json())
    assert model(resource, release).model_validate(again) == read
    assert normal(again) == normal(resource)


def normal(node: Any) -> Any:
    """Times without zeros that say nothing, and numbers as numbers: both are written in several ways."""
    if isinstance(node, dict):
        return {name: normal(value) for name, value in node.items()}
    if isinstance(node, list):
        return [normal(item) for item in node]
    if isinstance(node, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)", node):
        return datetime.fromisoformat(node)
    return float(node) if isinstance(node, int | float) and not isinstance(node, bool) else node


NOT_ASSESSABLE: dict[str, Any] = {
    "decision": Decision.NOT_ASSESSABLE,
    "diagnosis": None,
    "reason": "blurred",
    "management": Management.RETAKE,
}
CASES: dict[str, Callable[[], CaseResult]] = {
    "with three visits": lambda: result(trail=trail()),
    "without a scale": lambda: result(trail=trail(scale=None)),
    "not comparable": lambda: result(trail=trail(why="too_different", alert=False)),
    "of one visit": result,
    "outlined by a reader": lambda: result(case(image(said=analysis(), outline=outline()))),
    "not analysed": lambda: result(case(image(said=None))),
    "not assessable": lambda: result(case(reviews=[review(**NOT_ASSESSABLE)])),
    "nowhere": lambda: result(case(body_site=None, laterality=None)),
}


@pytest.mark.parametrize("release", BOTH)
@pytest.mark.parametrize("name", CASES)
def test_everything_about_a_case_is_valid_and_its_references_lead_somewhere(name: str, release: Release) -> None:
    found = CASES[name]()
    told = resources(release, found)
    for resource in told:
        assert_valid(resource, release)
    bundle = collection(decided(found), told, base=BASE)
    assert_valid(bundle, release)
    here = {entry["fullUrl"].removeprefix(f"{BASE}/") for entry in bundle["entry"]}
    assert {reference for reference in references(bundle) if not reference.startswith("#")} <= here
    assert len(here) == len(told)
    assert all(re.fullmatch(r"[A-Za-z0-9.-]{1,64}", resource["id"]) for resource in told)


@pytest.mark.parametrize("release", BOTH)
def test_the_same_case_is_told_in_the_same_words_and_ids(release: Release) -> None:
    assert resources(release) == resources(release)


def test_r4_uses_nothing_that_came_after_it() -> None:
    told = [*resources(Release.R4), task(order(), release=Release.R4)]
    assert {resource["resourceType"] for resource in told} == set(R4)
    for resource in told:
        assert set(resource) - COMMON <= set(R4[resource["resourceType"]].split()), resource["resourceType"]


# What each link may lead to, of the elements that we write; the published models check shapes, not targets.
TARGETS: dict[str, str | Mapping[Release, str]] = {
    "DiagnosticReport.basedOn": "ServiceRequest",
    "DiagnosticReport.subject": "Patient",
    "DiagnosticReport.result": "Observation",
    "DiagnosticReport.imagingStudy": "ImagingStudy",
    "DiagnosticReport.study": "ImagingStudy",
    "DiagnosticReport.media.link": {Release.R4: "Media", Release.R5: "DocumentReference"},
    "Observation.subject": "Patient",
    "Observation.hasMember": "Observation",
    "Observation.derivedFrom": {Release.R4: "Media", Release.R5: "DocumentReference"},
    "Observation.device": "Device",
    "Observation.bodyStructure": "BodyStructure",
    "Observation.bodySite.extension.valueReference": "BodyStructure",
    "Media.basedOn": "ServiceRequest",
    "Media.subject": "Patient",
    "Media.bodySite.extension.valueReference": "BodyStructure",
    "DocumentReference.basedOn": "ServiceRequest",
    "DocumentReference.subject": "Patient",
    "DocumentReference.bodySite.reference": "BodyStructure",
    "ImagingStudy.subject": "Patient",
    "ImagingStudy.basedOn": "ServiceRequest",
    "ImagingStudy.endpoint": "#dicomweb",
    "BodyStructure.patient": "Patient",
    "Provenance.target": "DiagnosticReport Observation",
    "Provenance.agent.who": "Device",
    "Provenance.entity.what": {Release.R4: "Media", Release.R5: "DocumentReference"},
    "ServiceRequest.subject": "Patient",
    "Task.basedOn": "ServiceRequest",
    "Task.focus": "ServiceRequest",
    "Task.for": "Patient",
    "Task.output.valueReference": "DiagnosticReport",
}


def links(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every literal reference, with the element that it stands in."""
    if isinstance(node, list):
        for item in node:
            yield from links(item, path)
    elif isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield path, node["reference"].split("/")[0]
        for name, value in node.items():
            yield from links(value, f"{path}.{name}")


@pytest.mark.parametrize("release", BOTH)
def test_links_lead_to_types_that_the_standard_admits(release: Release) -> None:
    found = {link for each in [*resources(release), task(order(), release=release)] for link in links(each, each["resourceType"])}
    for path, kind in found:
        allowed = TARGETS[path]
        assert kind in (allowed if isinstance(allowed, str) else allowed[release]).split(), path


@pytest.mark.parametrize("release", BOTH)
@pytest.mark.parametrize("name", CASES)
def test_the_standards_own_rules_hold(name: str, release: Release) -> None:
    for each in resources(release, CASES[name]()):
        for part in [each, *each.get("component", [])] if each["resourceType"] == "Observation" else []:
            valued = [element for element in part if element.startswith("value")]
            assert not (valued and "dataAbsentReason" in part), "obs-6"
            assert len(valued) <= 1
            assert part is each or valued, "a component without a value says nothing"
        assert not ("bodySite" in each and "bodyStructure" in each), "obs-8"
        inner = [f"#{contained['id']}" for contained in each.get("contained", [])]
        assert set(inner) <= set(references(each)), "dom-3"


@pytest.mark.parametrize("release", BOTH)
def test_what_answers_without_a_key_is_valid(release: Release) -> None:
    statement = capability_statement(release=release, base=BASE)
    assert_valid(statement, release)
    assert statement["fhirVersion"] == {"4.0": "4.0.1", "5.0": "5.0.0"}[release]
    assert_valid(operation_definition(base=BASE), release)
    assert_valid(versions(), release)
    kinds = {each["type"] for each in statement["rest"][0]["resource"]}
    assert {resource["resourceType"] for resource in resources(release)} <= kinds


@pytest.mark.parametrize("release", BOTH)
def test_a_page_of_a_search_is_valid(release: Release) -> None:
    reports = [one(resources(release), "DiagnosticReport")]
    page = searchset(reports, base=BASE, links={"self": BASE, "next": f"{BASE}?_cursor=x"}, at=SIGNED)
    assert_valid(page, release)
    assert_valid(searchset([], base=BASE, links={"self": BASE}, at=SIGNED), release)


@pytest.mark.parametrize("release", BOTH)
@pytest.mark.parametrize("progress", OrderProgress)
def test_a_task_is_valid_in_every_state(progress: OrderProgress, release: Release) -> None:
    accepted = progress is not OrderProgress.REJECTED
    found = order(progress=progress, reason=None if accepted else "The picture cannot be decoded.")
    found = found if accepted else replace(found, case_id=None, case_state=None, patient_id=None, resource={})
    told = task(found, release=release)
    assert_valid(told, release)
    assert told["status"] == progress
    assert ("output" in told) == found.decided
    if accepted:
        assert_valid(service_request(found, release=release), release)


def test_a_report_tells_the_decision() -> None:
    found = one(resources(Release.R4), "DiagnosticReport")
    assert (found["status"], found["meta"]["versionId"]) == ("final", "1")
    assert [code["code"] for code in found["conclusionCode"][0]["coding"]] == ["93655004", "C43"]
    assert found["conclusion"].startswith("Melanoma. Next step: urgent referral. Excise with a margin")
    assert found["presentedForm"][0]["url"] == f"{SITE}/v1/cases/{found['id']}/report?language=en"
    assert "&lt; 1 mm" in found["text"]["div"]


@pytest.mark.parametrize("status", ResultStatus)
def test_a_changed_decision_shows_in_report_and_diagnosis(status: ResultStatus) -> None:
    told = resources(Release.R5, status=status)
    assert one(told, "DiagnosticReport")["status"] == status
    assert one(told, "Observation", "-diagnosis")["status"] == status


def test_each_version_has_its_provenance() -> None:
    first = review(1, standing=False)
    second = review(2, kind=ReviewKind.AMENDMENT, rationale="Histology is back", supersedes=first.id, diagnosis="NV", reviewer="Dr B")
    found = result(case(reviews=[first, second]), versions=(first, second))
    r4, r5 = (resources(release, found, version=2) for release in BOTH)
    created, revised = (one(r4, "Provenance", f"-decision-{number}") for number in (1, 2))
    assert [agent["type"]["coding"][0]["code"] for agent in created["agent"]] == ["assembler", "verifier"]
    assert revised["reason"] == [{"text": "Histology is back"}]
    before = {"identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{first.id}"}, "display": "Version 1 of the decision"}
    assert revised["entity"] == [{"role": "revision", "what": before}]
    assert [agent["who"]["display"] for agent in revised["agent"]] == ["Dr B"]
    assert one(r5, "Provenance", "-decision-2")["authorization"] == [{"concept": {"text": "Histology is back"}}]


def test_the_models_answer_is_a_devices_and_no_diagnosis() -> None:
    finding = one(resources(Release.R4), "Observation", "-finding")
    assert "performer" not in finding
    assert finding["device"]["reference"] == f"Device/{one(resources(Release.R4), 'Device')['id']}"
    assert "no diagnosis" in finding["note"][0]["text"]
    probabilities = [part["valueQuantity"] for code, part in parts(finding).items() if code.startswith("P_")]
    assert sum(each["value"] for each in probabilities) == pytest.approx(1, abs=0.01)
    assert {each["code"] for each in probabilities} == {"1"}


def test_measures_have_ucum_units_and_errors() -> None:
    scaled = {**MELANOMA, "measures": {**MELANOMA["measures"], **MM}}
    found = case(image(said=analysis(scaled)))
    measured = one(resources(Release.R4, result(found, trail=trail())), "Observation", "-measures")
    area = parts(measured)["42798000"]["valueQuantity"]
    assert (area["unit"], area["code"], area["system"]) == ("mm²", "mm2", "http://unitsofmeasure.org")
    (uncertainty,) = area["extension"]
    assert uncertainty["url"].endswith("/iso21090-uncertainty")
    assert 0 < uncertainty["valueDecimal"] < area["value"] / 3
    alone = one(resources(Release.R4, result(found)), "Observation", "-measures")
    assert "extension" not in parts(alone)["42798000"]["valueQuantity"]


def test_sizes_are_in_pixels_where_no_scale_is_known_and_bounds_where_the_lesion_leaves_the_picture() -> None:
    own = {**MELANOMA["measures"], "scale_source": None, "area_mm2": 40.0, "area_px": 9000, "touches_border": True}
    found = result(case(image(said=analysis({**MELANOMA, "measures": own}))))
    area = parts(one(resources(Release.R4, found), "Observation", "-measures"))["42798000"]["valueQuantity"]
    assert (area["value"], area["code"], area["comparator"]) == (9000, "{pixels}", ">=")


def test_a_change_is_told_with_its_error_and_its_significance() -> None:
    change = one(resources(Release.R4), "Observation", "-change")
    assert change["effectivePeriod"]["start"] < change["effectivePeriod"]["end"]
    grown = next(part for code, part in parts(change).items() if "AREA" in code)
    assert grown["valueQuantity"]["code"] == "%"
    assert grown["valueQuantity"]["value"] > 0
    assert grown["valueQuantity"]["extension"][0]["valueDecimal"] > 0
    assert grown["interpretation"][0]["coding"][0]["code"] == "U"
    unlike = one(resources(Release.R4, CASES["not comparable"]()), "Observation", "-change")
    assert "component" not in unlike
    assert unlike["dataAbsentReason"]["text"].startswith("No valid comparison")


def test_an_alert_that_stands_is_told() -> None:
    alert = one(resources(Release.R5), "Observation", "-alert")
    assert alert["valueString"] == "grew 19 % ± 6 in 4 months"
    assert alert["note"][0]["text"] == "grew 19 % ± 6"
    assert not [each for each in resources(Release.R5, CASES["not comparable"]()) if each["id"].endswith("-alert")]


def test_the_lesion_is_the_same_over_all_visits_and_has_a_side() -> None:
    r4, r5 = (one(resources(release), "BodyStructure") for release in BOTH)
    assert r4["id"] == str(decided().lesion_id)
    assert r4["identifier"][0] == {"system": "urn:dicom:uid", "value": f"urn:oid:{decided().tracking_uid}"}
    assert r4["location"]["coding"][0]["code"] == "66643007"
    assert r4["locationQualifier"][0]["coding"][0]["code"] == "7771000"
    assert r5["includedStructure"][0]["laterality"]["coding"][0]["code"] == "7771000"
    elsewhere = one(resources(Release.R4, result(case(body_site="somewhere odd", laterality=Laterality.MIDLINE))), "BodyStructure")
    assert elsewhere["location"] == {"text": "somewhere odd"}


def test_a_patient_is_a_pseudonym_and_nothing_else() -> None:
    assert set(one(resources(Release.R4), "Patient")) == {"resourceType", "id", "language", "identifier"}


def test_pictures_that_may_not_leave_are_nowhere() -> None:
    told = resources(Release.R4, pictures=(), instances=())
    assert not [each for each in told if each["resourceType"] in ("Media", "ImagingStudy")]
    assert "Media/" not in json.dumps(told)


def test_pictures_are_media_in_r4_and_documents_in_r5_with_links_to_the_instances() -> None:
    media, document = one(resources(Release.R4), "Media"), one(resources(Release.R5), "DocumentReference")
    assert media["content"]["url"].endswith("/thumbnail")
    assert [each["attachment"]["url"].rsplit("/", 1)[-1] for each in document["content"]] == ["thumbnail", "rendered"]
    study = one(resources(Release.R4), "ImagingStudy")
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (2, 2)
    assert study["contained"][0]["address"] == f"{SITE}/dicomweb"


def test_an_order_is_told_again_without_what_is_about_a_person() -> None:
    sent = {
        "identifier": [{"value": "O-1"}],
        "note": [{"text": "secret"}],
        "subject": {"display": "secret"},
        "code": {"concept": {"text": "Read"}},
    }
    assert echo(sent, release=Release.R5) == {"identifier": [{"value": "O-1"}], "code": {"text": "Read"}}
    assert service_request(order(), release=Release.R5)["code"] == {"concept": {"text": "Read of a mole"}}


def test_a_failed_task_says_what_is_asked_for() -> None:
    found = order(progress=OrderProgress.FAILED, reason="blurred", management=Management.RETAKE)
    assert task(found, release=Release.R4)["statusReason"]["text"] == "Not assessable: blurred. A new picture is asked for."
    assert task(found, release=Release.R5)["statusReason"]["concept"]["text"].startswith("Not assessable")
