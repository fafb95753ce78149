"""Multipart bodies, bounded while they are read: no file over the limit is ever held."""

import tempfile
from dataclasses import dataclass
from typing import IO, Any, TypeVar

from flask import Request, request
from pydantic import BaseModel, ValidationError

from services.intake.problems import Fault, Problem, invalid_fields
from services.settings import Settings

FILES_FIELD = "images"
JSON_FIELD = "case"
MAX_JSON_BYTES = 256 * 1024
# Part headers, boundaries and the JSON part beside the files.
OVERHEAD_BYTES = 1024 * 1024
SPOOL_BYTES = 1024 * 1024
MAX_FILENAME = 255
MAX_KEY = 200
MISSING = "Send the case as JSON in the part `case`."

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """One file of the request; its bytes lie in memory or in a temporary file that dies with the request."""

    filename: str
    stream: IO[bytes]

    def read(self) -> bytes:
        """All bytes, from the start."""
        self.stream.seek(0)
        return self.stream.read()


class BoundedFile(tempfile.SpooledTemporaryFile[bytes]):
    """Keeps up to ``limit`` bytes and swallows the rest, so that the sender gets an answer and not a broken connection."""

    def __init__(self, limit: int) -> None:
        super().__init__(max_size=SPOOL_BYTES)
        self.limit = limit
        self.received = 0

    def __del__(self) -> None:
        # A body that breaks off, or is too large as a whole, is given up while it is read: nobody else closes its files.
        self.close()

    @property
    def exceeded(self) -> bool:
        """Whether more was sent than may be kept."""
        return self.received > self.limit

    def write(self, data: Any) -> int:
        """Keep ``data`` while the file is within the limit."""
        self.received += len(data)
        return len(data) if self.exceeded else super().write(data)


class BoundedRequest(Request):
    """A request whose files are bounded one by one. ``max_file_bytes`` is set by the application."""

    max_file_bytes: int

    def _get_file_stream(self, *_: object, **__: object) -> IO[bytes]:
        """Werkzeug's hook for the place where a file is kept while the body is read."""
        return BoundedFile(self.max_file_bytes)


def bounded_request_class(settings: Settings) -> type[Request]:
    """The request class of an application with these limits."""
    return type("IntakeRequest", (BoundedRequest,), {"max_file_bytes": settings.max_file_bytes})


def limits(settings: Settings) -> dict[str, int]:
    """Flask's configuration of the body as a whole."""
    return {
        "MAX_CONTENT_LENGTH": settings.max_files * settings.max_file_bytes + OVERHEAD_BYTES,
        "MAX_FORM_MEMORY_SIZE": MAX_JSON_BYTES,
        # Some more than allowed, so that one file too many gets our answer and not Werkzeug's.
        "MAX_FORM_PARTS": settings.max_files * 2 + 10,
    }


def read_body(model: type[Body], *, required: bool) -> Body:
    """The JSON part ``case``, sent as a field or as a file. Raises Problem (415, 422)."""
    if request.mimetype != "multipart/form-data":
        raise Problem(415, "not_multipart", "Send multipart/form-data with the field `case` (JSON) and the files `images`.")
    _refuse_unknown_parts()
    text = _json_text()
    if text is None and required:
        raise Problem(
            422, "invalid_fields", "The part `case` is missing.", errors=[Fault(location="case", reason="missing", detail=MISSING)]
        )
    try:
        return model.model_validate_json(text or b"{}")
    except ValidationError as error:
        raise invalid_fields(error, location=JSON_FIELD) from error


def _json_text() -> bytes | None:
    if (part := request.files.get(JSON_FIELD)) is not None:
        return part.stream.read(MAX_JSON_BYTES + 1)
    field = request.form.get(JSON_FIELD)
    return None if field is None else field.encode("utf-8", "surrogatepass")


def _refuse_unknown_parts() -> None:
    unknown = sorted({*request.form, *request.files} - {JSON_FIELD, FILES_FIELD})
    faults = [Fault(location=name[:100], reason="unknown_part", detail="Expected `case` and `images`.") for name in unknown]
    faults += [Fault(location=FILES_FIELD, reason="not_a_file", detail="Send each image with a file name.")] * (FILES_FIELD in request.form)
    if faults:
        raise Problem(422, "invalid_fields", "The request has parts that are not understood.", errors=faults)


def read_json(model: type[Body], *, limit: int = MAX_JSON_BYTES) -> Body:
    """A body that is JSON. Raises Problem (413, 422)."""
    try:
        return model.model_validate_json(bounded_body(limit))
    except ValidationError as error:
        raise invalid_fields(error, location="body") from error


def bounded_body(limit: int) -> bytes:
    """The body as it is, of at most ``limit`` bytes. Raises Problem (413)."""
    body = request.stream.read(limit + 1)
    if len(body) > limit:
        raise Problem(413, "request_too_large", f"The body is longer than {limit} bytes. Send less at a time.")
    return body


def idempotency_key() -> str | None:
    """The request's Idempotency-Key. Raises Problem (422) where it is no plain text."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and (not 1 <= len(key) <= MAX_KEY or not key.isascii() or not key.isprintable()):
        raise Problem(422, "invalid_idempotency_key", f"Idempotency-Key: use 1 to {MAX_KEY} printable ASCII characters, such as a UUID.")
    return key


def read_files(settings: Settings) -> list[UploadedFile]:
    """The files ``images``, in their order. Raises Problem (413 too many or too large, 422 none)."""
    parts = request.files.getlist(FILES_FIELD)
    if not parts:
        raise Problem(422, "no_images", f"Send 1 to {settings.max_files} files as `images`.")
    if len(parts) > settings.max_files:
        raise Problem(413, "too_many_files", f"{len(parts)} files were sent; at most {settings.max_files} belong to one request.")
    faults = [
        Fault(location=f"images[{index}]", reason="file_too_large", detail=f"At most {settings.max_file_bytes} bytes. Reduce the picture.")
        for index, part in enumerate(parts)
        if isinstance(part.stream, BoundedFile) and part.stream.exceeded
    ]
    if faults:
        raise Problem(413, "file_too_large", "A file is larger than the limit.", errors=faults)
    return [UploadedFile(clean_name(part.filename) or f"image-{index + 1}", part.stream) for index, part in enumerate(parts)]


def clean_name(given: str | None) -> str:
    """The last component of a name, without control characters: it is shown to people and never used as a path. May be empty."""
    last = (given or "").replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in last if character.isprintable())[:MAX_FILENAME]
