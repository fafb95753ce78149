"""Images, masks, thumbnails and heat maps, streamed from the object store to those who may read the case."""

from uuid import UUID

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from services.objects import ObjectMissing
from services.records.audit import Actor, Subject, record_event
from services.records.states import AuditAction
from services.records.views import ImageView, load_case
from services.review import reader

blueprint = Blueprint("pictures", __name__, url_prefix="/pictures/<uuid:case_id>/<uuid:image_id>")

# Long enough for going back and forth; private, because no shared cache may keep a patient's picture.
CACHE = "private, max-age=600"
SIGNATURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))


@blueprint.get("/view")
@reader.signed_in
def view(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """The upright picture without metadata; reading it is an audit event."""
    return _stream(_image(case_id, image_id, audited=True).view_key)


@blueprint.get("/mask")
@reader.signed_in
def mask(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """The latest analysis's mask, PNG."""
    analysis = _image(case_id, image_id).analysis
    return _stream(analysis.mask_key if analysis else None)


@blueprint.get("/thumbnail")
@reader.signed_in
def thumbnail(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """The small picture of the worklist."""
    analysis = _image(case_id, image_id).analysis
    return _stream(analysis.thumbnail_key if analysis else None)


@blueprint.get("/heatmap")
@reader.signed_in
def heatmap(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """Where the evidence for the leading class lies, a grayscale JPEG."""
    analysis = _image(case_id, image_id).analysis
    return _stream(analysis.heatmap_key if analysis else None)


def _image(case_id: UUID, image_id: UUID, *, audited: bool = False) -> ImageView:
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        case = load_case(session=records, tenant_ids=user.tenant_ids, case_id=case_id)
        image = case.image(image_id)
        if image is None:
            raise ObjectMissing(str(image_id))
        if audited:
            subject = Subject("image", image_id)
            record_event(
                session=records, tenant_id=case.tenant_id, actor=Actor.user(user.user_id), action=AuditAction.IMAGE_READ, subject=subject
            )
    return image


def _stream(key: str | None) -> Response:
    if key is None:
        raise ObjectMissing("no such picture")
    data = reader.desk().objects.get(key)
    media_type = next((media_type for signature, media_type in SIGNATURES if data.startswith(signature)), None)
    if media_type is None:
        # What a browser does not draw as one of these is never handed to it under a guessed type.
        raise ObjectMissing(key)
    response = Response(data, mimetype=media_type, headers={"Cache-Control": CACHE})
    response.add_etag()
    response.make_conditional(request)
    return response
