"""The OpenAPI description's finishing touches, and a page that shows it without any third party's script."""

from typing import Any

from apiflask import APIBlueprint, APIFlask
from flask import current_app, render_template
from pydantic import BaseModel

from services.intake import dicomweb_docs, fhir_docs
from services.intake.manifests import COLUMNS
from services.intake.problems import MEDIA_TYPE, ProblemBody
from services.intake.schemas import DISCLAIMER, AddedIn, CaseIn
from services.intake.trail_schemas import MergedOut
from services.intake.upload_schemas import ManifestIn, UploadedCaseIn
from services.intake.uploads import FILES_FIELD, JSON_FIELD
from services.settings import Settings

blueprint = APIBlueprint("docs", __name__, enable_openapi=False)
INTRODUCTION = f"""Submit skin-lesion cases and follow them until a dermatologist has decided. {DISCLAIMER}

Pictures: JPEG, PNG, WebP, TIFF, HEIC, or DICOM (VL Photographic, Dermoscopic Photography, Secondary Capture; one frame).
Every error is `{MEDIA_TYPE}` (RFC 9457) with a machine-readable `reason`; a 503 may be repeated after `Retry-After` seconds."""
PICTURE_TYPES = "image/jpeg, image/png, image/webp, image/tiff, image/heic, application/dicom"
IDEMPOTENCY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    "description": "Any unique text, such as a UUID. Repeating a request with its key never makes a second case.",
}


MERGED = {
    "description": MergedOut.__doc__,
    "headers": {"Location": {"schema": {"type": "string"}, "description": "The same of the lesion that it was merged into."}},
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/MergedOut"}}},
}

CSV_MANIFEST = {
    "schema": {
        "type": "string",
        "description": f"UTF-8 with a head line; separated by commas or semicolons. Columns: {', '.join(COLUMNS)}. Needed are uploads "
        "(ids, separated by spaces) and patient_reference. What is said of pictures counts for each picture of the line.",
    }
}


@blueprint.get("/docs")
def page() -> str:
    """The description for people."""
    return render_template("docs.html", spec=current_app.spec)  # type: ignore[attr-defined]


def describe(app: APIFlask) -> None:
    """Say in the description what the decorators cannot: multipart bodies, problem answers, limits."""
    reference = {"$ref": "#/components/schemas/Problem"}
    app.config.update(DESCRIPTION=INTRODUCTION, VALIDATION_ERROR_SCHEMA=reference, HTTP_ERROR_SCHEMA=reference, AUTO_SERVERS=False)
    settings: Settings = app.extensions["dermatrail"].settings

    @app.spec_processor
    def finish(spec: Any) -> Any:
        return _finished(spec, settings)


def _finished(spec: dict[str, Any], settings: Settings) -> dict[str, Any]:
    _add_schemas(spec, ProblemBody, CaseIn, AddedIn, MergedOut, UploadedCaseIn, ManifestIn)
    for path in spec["paths"].values():
        for operation in path.values():
            _errors_as_problems(operation)
    fhir_docs.describe(spec)
    dicomweb_docs.describe(spec, settings)
    submit, add = spec["paths"]["/v1/cases"]["post"], spec["paths"]["/v1/cases/{case_id}/images"]["post"]
    submit["requestBody"] = _multipart("CaseIn", [JSON_FIELD, FILES_FIELD], settings)
    submit["requestBody"]["content"]["application/json"] = _schema("UploadedCaseIn")
    batch = spec["paths"]["/v1/batches"]["post"]
    batch["requestBody"] = {"required": True, "content": {"application/json": _schema("ManifestIn"), "text/csv": CSV_MANIFEST}}
    batch.setdefault("parameters", []).append(IDEMPOTENCY_HEADER)
    submit.setdefault("parameters", []).append(IDEMPOTENCY_HEADER)
    add["requestBody"] = _multipart("AddedIn", [FILES_FIELD], settings)
    for name, media_type in (("mask", "image/png"), ("thumbnail", "image/jpeg"), ("heatmap", "image/jpeg")):
        operation = spec["paths"][f"/v1/cases/{{case_id}}/images/{{image_id}}/{name}"]["get"]
        content = {media_type: {"schema": {"type": "string", "contentMediaType": media_type}}}
        operation["responses"]["200"] = {"description": f"The {name}.", "content": content}
    for path in ("/v1/lesions/{lesion_id}", "/v1/lesions/{lesion_id}/changes"):
        spec["paths"][path]["get"]["responses"]["308"] = MERGED
    return spec


def _schema(model: str) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{model}"}}


def _add_schemas(spec: dict[str, Any], *models: type[BaseModel]) -> None:
    schemas = spec.setdefault("components", {}).setdefault("schemas", {})
    for model in models:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas["Problem" if model is ProblemBody else model.__name__] = schema


def _errors_as_problems(operation: dict[str, Any]) -> None:
    for status, answer in operation.get("responses", {}).items():
        content = answer.get("content", {})
        # /readyz answers 503 with its own body.
        if status[0] in "45" and operation.get("operationId") != "ready" and "application/json" in content:
            answer["content"] = {MEDIA_TYPE: content["application/json"]}


def _multipart(model: str, required: list[str], settings: Settings) -> dict[str, Any]:
    files = {
        "type": "array",
        "minItems": 1,
        "maxItems": settings.max_files,
        "items": {"type": "string", "contentMediaType": "application/octet-stream"},
        "description": f"At most {settings.max_file_bytes} bytes and {settings.max_pixels} pixels each.",
    }
    schema = {
        "type": "object",
        "required": required,
        "properties": {JSON_FIELD: {"$ref": f"#/components/schemas/{model}"}, FILES_FIELD: files},
        "additionalProperties": False,
    }
    encoding = {JSON_FIELD: {"contentType": "application/json"}, FILES_FIELD: {"contentType": PICTURE_TYPES}}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema, "encoding": encoding}}}
