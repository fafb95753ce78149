"""What the OpenAPI description says of DICOMweb beyond what the routes tell: bodies, parameters, media types."""

from typing import Any

from services.intake.dicomweb_accept import DICOM, JSON, XML
from services.intake.dicomweb_attributes import LISTED
from services.intake.dicomweb_files import MEDIA_TYPES, OCTETS
from services.intake.dicomweb_query import DEFAULT_LIMIT, FARTHEST, MOST
from services.intake.dicomweb_retrieve import PICTURES
from services.settings import Settings

PREFIX = "/dicomweb/"
DATA_SET = {"type": "object", "additionalProperties": {"type": "object"}, "description": "A data set in the DICOM JSON model (PS3.18 F)."}
DATA_SETS = {"type": "array", "items": DATA_SET}
BYTES = {"type": "string", "format": "binary"}
UID = {"type": "string", "maxLength": 64, "pattern": "^[0-9]+(\\.[0-9]+)*$"}
FORMS = {"frames": {"type": "string", "pattern": "^[1-9][0-9]{0,5}(,[1-9][0-9]{0,5})*$"}, "tag": {"type": "string", "enum": ["7FE00010"]}}
MATCHED = ("PatientID", "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy", "Modality", "SOPClassUID")
MATCHING = (
    "Matched as PS3.18 8.3.4 says: `*` and `?`, lists of UIDs, ranges of dates (20260101-20261231). More attributes by keyword or tag."
)


def describe(spec: dict[str, Any], settings: Settings) -> None:
    """Complete the description in place."""
    for path, methods in spec["paths"].items():
        if path.startswith(PREFIX):
            for method, operation in methods.items():
                _complete(operation, path, method, settings)


def _complete(operation: dict[str, Any], path: str, method: str, settings: Settings) -> None:
    for parameter in operation.get("parameters", []):
        parameter["schema"] = FORMS.get(parameter["name"], UID)
    name = operation["operationId"]
    if method == "post":
        operation["requestBody"] = _body(settings)
        operation["responses"] |= {str(status): _stored(said) for status, said in STORED.items()}
        operation["responses"].pop("204", None)
        return
    if name.startswith("search"):
        operation.setdefault("parameters", []).extend(_search_parameters())
    operation["responses"]["200"] = {"description": operation.get("summary", path), "content": _content(name)}


STORED = {200: "All instances are stored.", 202: "Some are stored; the others, or what is doubtful, are named.", 409: "None is stored."}


def _stored(said: str) -> dict[str, Any]:
    description = f"{said} Failure reasons are those of PS3.18 10.5.3; ErrorComment (0000,0902) holds the machine-readable reason."
    return {"description": description, "content": {JSON: {"schema": DATA_SET}, "application/json": {"schema": DATA_SET}, XML: {}}}


def _body(settings: Settings) -> dict[str, Any]:
    limits = f"At most {settings.max_files} instances of {settings.max_file_bytes} bytes and {settings.max_pixels} pixels each."
    said = f'With the parameters type="{DICOM}" and boundary; each part is a DICOM file (PS3.10). {limits}'
    return {"required": True, "description": said, "content": {"multipart/related": {"schema": BYTES}}}


def _content(name: str) -> dict[str, Any]:
    if name.startswith("search") or name.endswith("Metadata"):
        return {JSON: {"schema": DATA_SETS}, "application/json": {"schema": DATA_SETS}}
    if name == "retrieveRendered":
        return {media_type: {"schema": BYTES} for media_type in PICTURES}
    if name in ("retrieveFrames", "retrieveBulkData"):
        return {"multipart/related": {"schema": BYTES, "x-parts": sorted({OCTETS, *MEDIA_TYPES.values()})}}
    return {"multipart/related": {"schema": BYTES}, DICOM: {"schema": BYTES}}


def _search_parameters() -> list[dict[str, Any]]:
    tags = {attribute.keyword: attribute.tag for attribute in LISTED}
    matched = [_query(name, {"type": "string", "maxLength": 100}, f"{tags[name]}. {MATCHING}") for name in MATCHED]
    number = {"type": "integer", "minimum": 0, "maximum": FARTHEST}
    return [
        *matched,
        _query("limit", number, f"Most results; {DEFAULT_LIMIT} without it, and never more than {MOST}."),
        _query("offset", number, "How many results to pass over."),
        _query("includefield", {"type": "string", "maxLength": 1000}, "Keywords or tags of attributes to add, or `all`."),
        _query("fuzzymatching", {"type": "string", "enum": ["true", "false"]}, "Not supported: true is answered with a Warning header."),
    ]


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
