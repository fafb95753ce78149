"""Direct uploads: a portal announces a file, puts it into the store itself, and says so."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from apiflask import APIBlueprint
from flask import url_for

from services.intake.access import auth, current_portal
from services.intake.context import backends
from services.intake.incoming import complete
from services.intake.problems import Problem
from services.intake.upload_schemas import UploadIn, UploadOut
from services.intake.uploads import clean_name
from services.presign import presigned_put
from services.records.states import UploadState
from services.records.uploads import UploadView, announce_upload

blueprint = APIBlueprint("uploads", __name__, url_prefix="/v1/uploads", tag="Bulk")
URL_LIFETIME = timedelta(minutes=15)


@blueprint.post("")
@blueprint.auth_required(auth)
@blueprint.input(UploadIn, location="json", arg_name="announced")
@blueprint.output(UploadOut, status_code=201, description="Announced: put the file to `put_url`, then POST to `complete_url`.")
@blueprint.doc(operation_id="announceUpload", responses=[400, 413, 415, 422, 503])
def create_upload(announced: UploadIn) -> UploadOut:
    """Announce a big file

    Instead of sending it through this API: PUT its bytes to `put_url` with `put_headers`, then POST to `complete_url`.
    Then a case or a batch may name it. What no case has used in time is deleted.
    """
    settings, portal = backends().settings, current_portal()
    if announced.byte_size > settings.max_upload_bytes:
        raise Problem(413, "file_too_large", f"At most {settings.max_upload_bytes} bytes. Reduce the picture.")
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        upload = announce_upload(
            session=session,
            tenant_id=portal.tenant_id,
            filename=clean_name(announced.filename) or "image",
            byte_size=announced.byte_size,
            sha256=announced.sha256,
            kept_for=timedelta(hours=settings.upload_hours),
        )
    return rendered(upload)


@blueprint.post("/<uuid:upload_id>/complete")
@blueprint.auth_required(auth)
@blueprint.output(UploadOut)
@blueprint.doc(operation_id="completeUpload", responses=[404, 422, 503])
def finish_upload(upload_id: UUID) -> UploadOut:
    """Say that a file has come

    It is read and compared with what was announced. May be repeated.
    """
    return rendered(complete(backends=backends(), portal=current_portal(), upload_id=upload_id))


def rendered(upload: UploadView) -> UploadOut:
    """An upload as JSON, with the address to put it while it is awaited."""
    pending = upload.state is UploadState.PENDING
    address = (
        presigned_put(
            settings=backends().settings, key=upload.key, byte_size=upload.byte_size, now=datetime.now(UTC), lifetime=URL_LIFETIME
        )
        if pending
        else None
    )
    return UploadOut(
        id=upload.id,
        state=upload.state,
        filename=upload.filename,
        byte_size=upload.byte_size,
        sha256=upload.sha256,
        expires_at=upload.expires_at,
        put_url=address.url if address else None,
        put_headers=address.headers if address else {},
        complete_url=url_for("uploads.finish_upload", upload_id=upload.id),
    )
