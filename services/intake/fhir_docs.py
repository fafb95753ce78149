"""What the OpenAPI description says of FHIR: bodies and answers are resources, whose shapes are the standard's; parameters are ours."""

from collections.abc import Mapping
from typing import Any

from services.exchange.fhir_capability import ORDERS, REPORTS, TASKS, Parameters
from services.intake.fhir_outcomes import MEDIA_TYPE, PREFIX
from services.intake.fhir_reads import OF_CASE
from services.intake.fhir_search import CURSOR
from services.intake.fhir_wire import MAX_BODY_BYTES

Spec = dict[str, Any]
SEARCHES: Mapping[str, Parameters] = {"DiagnosticReport": REPORTS, "Task": TASKS, "ServiceRequest": ORDERS}
OUTCOME = {
    "type": "object",
    "description": "A FHIR OperationOutcome: what is wrong, where (expression), and how to mend it.",
    "required": ["resourceType", "issue"],
    "properties": {
        "resourceType": {"const": "OperationOutcome"},
        "issue": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["severity", "code"]}},
    },
}
ACCEPT = {
    "name": "_format",
    "in": "query",
    "required": False,
    "schema": {"type": "string", "enum": ["json", MEDIA_TYPE, f"{MEDIA_TYPE}; fhirVersion=4.0", f"{MEDIA_TYPE}; fhirVersion=5.0"]},
    "description": "Instead of the header `Accept`, which says the same: the release of the answer, 4.0 where nobody says.",
}


def describe(spec: Spec) -> None:
    """Finish the description of everything under /fhir."""
    spec.setdefault("components", {}).setdefault("schemas", {})["OperationOutcome"] = OUTCOME
    for path, methods in spec["paths"].items():
        if path.startswith(PREFIX):
            for method, operation in methods.items():
                _finish(path, method, operation)


def _finish(path: str, method: str, operation: Spec) -> None:
    operation["responses"].setdefault("200", {"description": "The resource."})
    for status, answer in operation["responses"].items():
        schema = {"$ref": "#/components/schemas/OperationOutcome"} if status[0] in "345" else _resource(_kinds(path, method))
        answer["content"] = {MEDIA_TYPE: {"schema": schema}}
    if path == f"{PREFIX}/ServiceRequest" and method == "post":
        operation["responses"] = {"201": {**operation["responses"]["200"], "description": "Accepted."}, **operation["responses"]}
    for parameter in operation.get("parameters", []):
        if parameter["name"] == "kind":
            parameter["schema"] = {"type": "string", "enum": list(OF_CASE)}
    operation.setdefault("parameters", []).append(ACCEPT)
    kind = path.removeprefix(f"{PREFIX}/").removesuffix("/_search")
    if path.endswith("/_search"):
        operation["requestBody"] = _form(SEARCHES[kind], own=kind == "DiagnosticReport")
    elif kind in SEARCHES and method == "get":
        operation["parameters"] += [_parameter(name, *what) for name, what in {**SEARCHES[kind], CURSOR: _PAGE}.items()]
    elif method == "post":
        operation["requestBody"] = _body("Bundle" if path == PREFIX else "ServiceRequest")


_PAGE = ("string", "From the link `next` of the page before, unchanged.")


def _kinds(path: str, method: str) -> list[str]:
    """What an address may answer with."""
    kind = path.removeprefix(PREFIX).removeprefix("/").split("/")[0]
    named = {"": ["Bundle"], "metadata": ["CapabilityStatement"], "$versions": ["Parameters"], "{kind}": list(OF_CASE)}
    searched = kind in SEARCHES and (path.endswith("/_search") or (path.count("/") == 2 and method == "get"))
    return ["Bundle"] if searched or path.endswith("/$everything") else named.get(kind, [kind])


def _resource(kinds: list[str]) -> Spec:
    return {"type": "object", "required": ["resourceType"], "properties": {"resourceType": {"type": "string", "enum": kinds}}}


def _body(kind: str) -> Spec:
    words = (
        f"A FHIR {kind}, R4 or R5 as `fhirVersion` of the content type says; at most {MAX_BODY_BYTES} bytes with its pictures in base64."
    )
    return {"required": True, "description": words, "content": {MEDIA_TYPE: {"schema": _resource([kind])}}}


def _parameter(name: str, kind: str, words: str) -> Spec:
    return {"name": name, "in": "query", "required": False, "schema": _schema(kind), "description": words}


def _schema(kind: str) -> Spec:
    return {"type": "integer", "minimum": 1, "maximum": 1000} if kind == "number" else {"type": "string", "minLength": 1, "maxLength": 500}


def _form(parameters: Parameters, *, own: bool) -> Spec:
    """Of a search in a body: nothing else may stand in it."""
    reference = {"patient.identifier": ("token", "Your own reference of the patient.")} if own else {}
    named = {**parameters, CURSOR: _PAGE, **reference}
    schema = {
        "type": "object",
        "properties": {name: {**_schema(kind), "description": words} for name, (kind, words) in named.items()},
        "additionalProperties": False,
    }
    return {"required": False, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}
