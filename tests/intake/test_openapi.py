"""The description is valid, complete, and the application does what it says."""

from typing import Any

import pytest
import schemathesis
from apiflask import APIFlask
from hypothesis import HealthCheck, Phase, given, reject, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.errors import SerializationNotPossible
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from tests.intake.conftest import Portal
from tests.intake.dicom_world import RELATED, related

OPERATIONS = {
    "readPortal": ("get", "/v1/portal"),
    "submitCase": ("post", "/v1/cases"),
    "listCases": ("get", "/v1/cases"),
    "readCase": ("get", "/v1/cases/{case_id}"),
    "addImages": ("post", "/v1/cases/{case_id}/images"),
    "readMask": ("get", "/v1/cases/{case_id}/images/{image_id}/mask"),
    "readThumbnail": ("get", "/v1/cases/{case_id}/images/{image_id}/thumbnail"),
    "readHeatmap": ("get", "/v1/cases/{case_id}/images/{image_id}/heatmap"),
    "readReport": ("get", "/v1/cases/{case_id}/report"),
    "announceUpload": ("post", "/v1/uploads"),
    "completeUpload": ("post", "/v1/uploads/{upload_id}/complete"),
    "submitBatch": ("post", "/v1/batches"),
    "readBatch": ("get", "/v1/batches/{batch_id}"),
    "listBatchItems": ("get", "/v1/batches/{batch_id}/items"),
    "searchPatient": ("post", "/v1/patients/search"),
    "readPatient": ("get", "/v1/patients/{ref}"),
    "setConsent": ("put", "/v1/patients/{ref}/consent"),
    "setLegalHold": ("put", "/v1/patients/{ref}/legal-hold"),
    "erasePatient": ("delete", "/v1/patients/{ref}"),
    "readReceipt": ("get", "/v1/receipts/{receipt_id}"),
    "listReceipts": ("get", "/v1/receipts"),
    "listLesions": ("get", "/v1/patients/{patient_id}/lesions"),
    "readLesion": ("get", "/v1/lesions/{lesion_id}"),
    "readChanges": ("get", "/v1/lesions/{lesion_id}/changes"),
    "listFollowUps": ("get", "/v1/follow-ups"),
    "listEvents": ("get", "/v1/events"),
    "storeInstances": ("post", "/dicomweb/studies"),
    "storeInstancesOfStudy": ("post", "/dicomweb/studies/{study}"),
    "searchStudies": ("get", "/dicomweb/studies"),
    "searchSeries": ("get", "/dicomweb/series"),
    "searchInstances": ("get", "/dicomweb/instances"),
    "searchSeriesOfStudy": ("get", "/dicomweb/studies/{study}/series"),
    "searchInstancesOfStudy": ("get", "/dicomweb/studies/{study}/instances"),
    "searchInstancesOfSeries": ("get", "/dicomweb/studies/{study}/series/{series}/instances"),
    "retrieveStudy": ("get", "/dicomweb/studies/{study}"),
    "retrieveSeries": ("get", "/dicomweb/studies/{study}/series/{series}"),
    "retrieveInstance": ("get", "/dicomweb/studies/{study}/series/{series}/instances/{instance}"),
    "retrieveStudyMetadata": ("get", "/dicomweb/studies/{study}/metadata"),
    "retrieveSeriesMetadata": ("get", "/dicomweb/studies/{study}/series/{series}/metadata"),
    "retrieveInstanceMetadata": ("get", "/dicomweb/studies/{study}/series/{series}/instances/{instance}/metadata"),
    "retrieveRendered": ("get", "/dicomweb/studies/{study}/series/{series}/instances/{instance}/rendered"),
    "retrieveFrames": ("get", "/dicomweb/studies/{study}/series/{series}/instances/{instance}/frames/{frames}"),
    "retrieveBulkData": ("get", "/dicomweb/studies/{study}/series/{series}/instances/{instance}/bulkdata/{tag}"),
    "listWebhooks": ("get", "/v1/webhooks"),
    "createWebhook": ("post", "/v1/webhooks"),
    "readWebhook": ("get", "/v1/webhooks/{webhook_id}"),
    "changeWebhook": ("patch", "/v1/webhooks/{webhook_id}"),
    "removeWebhook": ("delete", "/v1/webhooks/{webhook_id}"),
    "rotateSecret": ("post", "/v1/webhooks/{webhook_id}/secret"),
    "pingWebhook": ("post", "/v1/webhooks/{webhook_id}/ping"),
    "redeliverSince": ("post", "/v1/webhooks/{webhook_id}/redeliver"),
    "listDeliveries": ("get", "/v1/webhooks/{webhook_id}/deliveries"),
    "readDelivery": ("get", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}"),
    "redeliver": ("post", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"),
    "fhirCapabilities": ("get", "/fhir/metadata"),
    "fhirVersions": ("get", "/fhir/$versions"),
    "fhirOperation": ("get", "/fhir/OperationDefinition/DiagnosticReport-everything"),
    "fhirTransaction": ("post", "/fhir"),
    "fhirOrder": ("post", "/fhir/ServiceRequest"),
    "fhirSearchOrders": ("get", "/fhir/ServiceRequest"),
    "fhirReadOrder": ("get", "/fhir/ServiceRequest/{order_id}"),
    "fhirSearchTasks": ("get", "/fhir/Task"),
    "fhirSearchTasksByForm": ("post", "/fhir/Task/_search"),
    "fhirReadTask": ("get", "/fhir/Task/{order_id}"),
    "fhirSearchReports": ("get", "/fhir/DiagnosticReport"),
    "fhirSearchReportsByForm": ("post", "/fhir/DiagnosticReport/_search"),
    "fhirReadReport": ("get", "/fhir/DiagnosticReport/{case_id}"),
    "fhirEverything": ("get", "/fhir/DiagnosticReport/{case_id}/$everything"),
    "fhirReadPart": ("get", "/fhir/{kind}/{identity}"),
    "fhirReadLesion": ("get", "/fhir/BodyStructure/{lesion_id}"),
    "fhirReadPatient": ("get", "/fhir/Patient/{patient_id}"),
    "fhirReadDevice": ("get", "/fhir/Device/{identity}"),
    "alive": ("get", "/healthz"),
    "ready": ("get", "/readyz"),
}


@pytest.fixture(scope="module")
def description(app: APIFlask) -> dict[str, Any]:
    answer = app.test_client().get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


def test_every_operation_is_described(description: dict[str, Any]) -> None:
    found = {
        operation["operationId"]: (method, path) for path, methods in description["paths"].items() for method, operation in methods.items()
    }
    assert found == OPERATIONS


def test_every_reference_leads_somewhere(description: dict[str, Any]) -> None:
    def references(node: Any) -> Any:
        if isinstance(node, dict):
            yield from ([node["$ref"]] if "$ref" in node else [])
            node = list(node.values())
        if isinstance(node, list):
            for item in node:
                yield from references(item)

    found = set(references(description))
    schemas = {f"#/components/schemas/{name}" for name in description["components"]["schemas"]}
    assert found
    assert found <= schemas


def test_errors_are_described_as_problems(description: dict[str, Any]) -> None:
    for path, methods in description["paths"].items():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if status.startswith(("4", "5")) and path.startswith("/v1"):
                    assert list(answer["content"]) == ["application/problem+json"], (path, status)


def test_a_submission_is_described_as_multipart(description: dict[str, Any]) -> None:
    body = description["paths"]["/v1/cases"]["post"]["requestBody"]
    assert body["required"]
    schema = body["content"]["multipart/form-data"]["schema"]
    assert schema["required"] == ["case", "images"]
    assert (schema["properties"]["images"]["minItems"], schema["properties"]["images"]["maxItems"]) == (1, 20)


def test_the_page_for_people_shows_every_operation_and_loads_nothing_from_elsewhere(app: APIFlask) -> None:
    answer = app.test_client().get("/docs")
    assert answer.status_code == 200
    assert all(f'id="{name}"' in answer.text for name in OPERATIONS)
    assert "<script" not in answer.text
    assert "https://" not in answer.text


@schemathesis.serializer("multipart/related")
def as_related(_: object, value: Any) -> bytes:
    """Whatever it draws is the only part."""
    return related(value if isinstance(value, bytes) else str(value).encode())


CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


def examples(name: str) -> int:
    """How many requests say enough: an address of DICOM has nothing but UIDs."""
    if name in ("alive", "ready"):
        return 2
    return 5 if name.startswith("retrieve") else 15


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_generated_requests_are_answered_as_described(app: APIFlask, portal: Portal, name: str, mode: GenerationMode) -> None:
    method, path = OPERATIONS[name]
    operation = schemathesis.openapi.from_wsgi("/openapi.json", app)[path][method]
    if mode is GenerationMode.NEGATIVE and name in ("alive", "ready"):
        pytest.skip("nothing about this request can be wrong")

    @settings(
        max_examples=examples(name),
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        try:
            content_type = {"Content-Type": RELATED} if case.media_type == "multipart/related" else {}
            case.call_and_validate(headers=portal.headers | content_type, checks=CHECKS)
        except SerializationNotPossible:  # it drew a media type for a part that it cannot write itself
            reject()

    run()
