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

OPERATIONS = {
    "submitCase": ("post", "/v1/cases"),
    "listCases": ("get", "/v1/cases"),
    "readCase": ("get", "/v1/cases/{case_id}"),
    "addImages": ("post", "/v1/cases/{case_id}/images"),
    "readMask": ("get", "/v1/cases/{case_id}/images/{image_id}/mask"),
    "readThumbnail": ("get", "/v1/cases/{case_id}/images/{image_id}/thumbnail"),
    "readHeatmap": ("get", "/v1/cases/{case_id}/images/{image_id}/heatmap"),
    "searchPatient": ("post", "/v1/patients/search"),
    "listLesions": ("get", "/v1/patients/{patient_id}/lesions"),
    "readLesion": ("get", "/v1/lesions/{lesion_id}"),
    "readChanges": ("get", "/v1/lesions/{lesion_id}/changes"),
    "listFollowUps": ("get", "/v1/follow-ups"),
    "listEvents": ("get", "/v1/events"),
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


CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_generated_requests_are_answered_as_described(app: APIFlask, portal: Portal, name: str, mode: GenerationMode) -> None:
    method, path = OPERATIONS[name]
    operation = schemathesis.openapi.from_wsgi("/openapi.json", app)[path][method]
    if mode is GenerationMode.NEGATIVE and name in ("alive", "ready"):
        pytest.skip("nothing about this request can be wrong")

    @settings(
        max_examples=2 if name in ("alive", "ready") else 15,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        try:
            case.call_and_validate(headers=portal.headers, checks=CHECKS)
        except SerializationNotPossible:  # it drew a media type for a part that it cannot write itself
            reject()

    run()
