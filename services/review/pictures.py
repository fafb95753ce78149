"""Images, masks, thumbnails and heat maps, streamed from the object store to those who may read the case."""

from typing import cast
from uuid import UUID

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from services.objects import ObjectMissing
from services.records.audit import Actor, Subject, record_event
from services.records.states import AuditAction
from services.records.tiling import tiles_key
from services.records.views import ImageView, load_case
from services.review import reader
from services.review.blind import refuse_before_opinion
from services.review.tiles import TILES, Tiles

blueprint = Blueprint("pictures", __name__, url_prefix="/pictures/<uuid:case_id>/<uuid:image_id>")

# Long enough for going back and forth; private, because no shared cache may keep a patient's picture.
CACHE = "private, max-age=600"
SIGNATURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))


@blueprint.get("/view")
@reader.signed_in
def view(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """The upright picture without metadata; reading it is an audit event."""
    return answer_picture(_image(case_id, image_id, audited=True).view_key)


@blueprint.get("/mask")
@reader.signed_in
def mask(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """The outline that counts, PNG: a reader's where one has drawn it, else the latest analysis's."""
    return answer_picture(_image(case_id, image_id, answer=True).mask_key)


@blueprint.get("/model-mask")
@reader.signed_in
def model_mask(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """The latest analysis's mask, PNG; it stays on file whatever readers draw."""
    analysis = _image(case_id, image_id, answer=True).analysis
    return answer_picture(analysis.mask_key if analysis else None)


@blueprint.get("/thumbnail")
@reader.signed_in
def thumbnail(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """The small picture of the worklist."""
    analysis = _image(case_id, image_id).analysis
    return answer_picture(analysis.thumbnail_key if analysis else None)


@blueprint.get("/heatmap")
@reader.signed_in
def heatmap(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """Where the evidence for the leading class lies, a grayscale JPEG."""
    analysis = _image(case_id, image_id, answer=True).analysis
    return answer_picture(analysis.heatmap_key if analysis else None)


@blueprint.get("/hairfree")
@reader.signed_in
def hairfree(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """The picture at working size with its hair painted over, JPEG."""
    analysis = _image(case_id, image_id).analysis
    return answer_picture(analysis.hairfree_key if analysis else None)


@blueprint.get("/tiles/<int:level>/<int:x>_<int:y>.jpg")
@reader.signed_in
def tile(case_id: UUID, image_id: UUID, level: int, x: int, y: int) -> ResponseReturnValue:
    """One tile of a large picture; the first one of a reading is an audit event."""
    key = _tiles_key(case_id, image_id)
    tiles = cast(Tiles, current_app.extensions[TILES])
    return _answer(tiles.directories.read(key, f"{level}/{x}_{y}.jpg"), key)


def _tiles_key(case_id: UUID, image_id: UUID) -> str:
    user, tiles = reader.reader(), cast(Tiles, current_app.extensions[TILES])
    transaction = reader.desk().database.transaction(tenants=user.tenant_ids)
    with tiles.readings.beginning(user.user_id, image_id) as first, transaction as records:
        found = tiles_key(session=records, tenant_ids=user.tenant_ids, case_id=case_id, image_id=image_id)
        if found is None:
            raise ObjectMissing(str(image_id))
        tenant_id, key = found
        if first:
            _record_reading(records, tenant_id, image_id)
    return key


def _image(case_id: UUID, image_id: UUID, *, audited: bool = False, answer: bool = False) -> ImageView:
    # `answer`: it shows what the model or another reader found, which a blind reader must not see yet.
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        case = load_case(session=records, tenant_ids=user.tenant_ids, case_id=case_id)
        image = case.image(image_id)
        if image is None:
            raise ObjectMissing(str(image_id))
        if answer:
            refuse_before_opinion(records, case, user)
        if audited:
            _record_reading(records, case.tenant_id, image_id)
    return image


def _record_reading(records: Session, tenant_id: UUID, image_id: UUID) -> None:
    actor, subject = Actor.user(reader.reader().user_id), Subject("image", image_id)
    record_event(session=records, tenant_id=tenant_id, actor=actor, action=AuditAction.IMAGE_READ, subject=subject)


def answer_picture(key: str | None) -> Response:
    """A picture from the object store, for this browser alone. Raises ObjectMissing (no such key or object, or not a picture)."""
    if key is None:
        raise ObjectMissing("no such picture")
    return _answer(reader.desk().objects.get(key), key)


def _answer(data: bytes, key: str) -> Response:
    media_type = next((media_type for signature, media_type in SIGNATURES if data.startswith(signature)), None)
    if media_type is None:
        # What a browser does not draw as one of these is never handed to it under a guessed type.
        raise ObjectMissing(key)
    response = Response(data, mimetype=media_type, headers={"Cache-Control": CACHE})
    response.add_etag()
    response.make_conditional(request)
    return response
