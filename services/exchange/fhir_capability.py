"""FHIR CapabilityStatement: what can be asked here, in both releases; and the definition of the one operation of our own."""

from collections.abc import Mapping, Sequence

from services.exchange.fhir_base import LANGUAGE, Json, Release, filled
from services.exchange.fhir_images import picture_kind

# When what is said here changed last.
DATE = "2026-11-21"
EVERYTHING = "DiagnosticReport-everything"
FORMATS = ("application/fhir+json", "json")
DOCUMENTATION = (
    "The release of FHIR is chosen by `Accept: application/fhir+json; fhirVersion=4.0` or `5.0`; without it, it is 4.0. "
    "A report exists once a dermatologist's decision stands; until then the order's Task tells how far it is."
)
Parameters = Mapping[str, tuple[str, str]]

COUNT: Parameters = {"_count": ("number", "Most entries of a page.")}
REPORTS: Parameters = {
    "_id": ("token", "The report's id."),
    "identifier": ("token", "The portal's reference of the case, or the case's id as urn:uuid."),
    "patient": ("reference", "Patient/<id>."),
    "subject": ("reference", "Patient/<id>."),
    "based-on": ("reference", "ServiceRequest/<id>: the report of an order."),
    "status": ("token", "final, amended, corrected; several with a comma."),
    "_lastUpdated": ("date", "When the standing decision was taken; ge, gt, le, lt, eq."),
    **COUNT,
}
ORDERS: Parameters = {"_id": ("token", "The id."), "identifier": ("token", "The portal's own identifier of the order."), **COUNT}
TASKS: Parameters = {**ORDERS, "focus": ("reference", "ServiceRequest/<id>.")}
READ_ONLY = ("Observation", "ImagingStudy", "BodyStructure", "Device", "Provenance", "Patient", "OperationDefinition")


def capability_statement(*, release: Release, base: str) -> Json:
    """What this service does. ``base``: its address."""
    return {
        "resourceType": "CapabilityStatement",
        "language": LANGUAGE,
        "status": "active",
        "date": DATE,
        "publisher": "Dermatrail",
        "kind": "instance",
        "software": {"name": "Dermatrail"},
        "implementation": {"description": "Reads of skin lesions by dermatologists, ordered and answered by FHIR", "url": base},
        "fhirVersion": release.number,
        "format": list(FORMATS),
        "rest": [_rest(release, base)],
    }


def _rest(release: Release, base: str) -> Json:
    kinds = sorted({*READ_ONLY, picture_kind(release)})
    return {
        "mode": "server",
        "documentation": DOCUMENTATION,
        "security": {"description": "Every request but this one carries `Authorization: Bearer` with the portal's API key."},
        "resource": [
            _resource("DiagnosticReport", ("read", "search-type"), REPORTS, operation=f"{base}/OperationDefinition/{EVERYTHING}"),
            _resource("ServiceRequest", ("create", "read", "search-type"), ORDERS),
            _resource("Task", ("read", "search-type"), TASKS),
            *(_resource(kind, ("read",), {}) for kind in kinds),
        ],
        "interaction": [
            {"code": "transaction", "documentation": "One order: a ServiceRequest with its Patient, pictures and BodyStructure."}
        ],
    }


def _resource(kind: str, interactions: Sequence[str], parameters: Parameters, *, operation: str | None = None) -> Json:
    return filled(
        type=kind,
        interaction=[{"code": code} for code in interactions],
        versioning="no-version",
        searchParam=[{"name": name, "type": of, "documentation": words} for name, (of, words) in parameters.items()],
        operation=[{"name": "everything", "definition": operation}] if operation else None,
    )


def operation_definition(*, base: str) -> Json:
    """The operation that gives a report with everything about it."""
    out = {"name": "return", "use": "out", "min": 1, "max": "1", "type": "Bundle", "documentation": "A Bundle of type collection."}
    return {
        "resourceType": "OperationDefinition",
        "id": EVERYTHING,
        "language": LANGUAGE,
        "url": f"{base}/OperationDefinition/{EVERYTHING}",
        "name": "ReportEverything",
        "title": "A report with everything about it",
        "status": "active",
        "kind": "operation",
        "date": DATE,
        "description": "The report with all that it refers to: observations, lesion, pictures, models, provenance and order.",
        "affectsState": False,
        "code": "everything",
        "resource": ["DiagnosticReport"],
        "system": False,
        "type": False,
        "instance": True,
        "parameter": [out],
    }


def versions() -> Json:
    """The answer of ``$versions``: which releases there are, and which one is told where nobody asks."""
    listed = [{"name": "version", "valueCode": release.value} for release in Release]
    return {"resourceType": "Parameters", "parameter": [*listed, {"name": "default", "valueCode": Release.R4.value}]}
