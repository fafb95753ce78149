"""What the analysis drew: masks, thumbnails and heat maps."""

from uuid import UUID

from apiflask import APIBlueprint
from flask import Response

from services.intake.access import auth, current_portal
from services.intake.context import backends
from services.intake.problems import Problem
from services.records.audit import Actor, Subject, record_event
from services.records.consent import require_care
from services.records.states import AuditAction
from services.records.views import AnalysisView, ImageView, load_case

blueprint = APIBlueprint("artifacts", __name__, url_prefix="/v1/cases", tag="Cases")
# The bytes are about a patient: no shared cache, and the browser asks again.
HEADERS = {"Cache-Control": "private, no-cache"}


@blueprint.get("/<uuid:case_id>/images/<uuid:image_id>/mask")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="readMask", responses=[403, 404, 503])
def read_mask(case_id: UUID, image_id: UUID) -> Response:
    """Read an image's lesion mask

    PNG of the upright image's own size: 255 where the lesion is, else 0. Where a reader has corrected the outline, it is theirs.
    """
    # OpenCV costs this process 30 MB, and most portals never ask for a mask.
    from models.pictures import masks

    image = _read(case_id, image_id)
    if image.mask_key is None:
        raise _nothing("mask") if image.analysis else _not_analysed(image)
    mask = masks.decode_png(backends().store.get(image.mask_key))
    return _bytes(masks.encode_png(masks.enlarge(mask, image.width, image.height)), "image/png")


@blueprint.get("/<uuid:case_id>/images/<uuid:image_id>/thumbnail")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="readThumbnail", responses=[403, 404, 503])
def read_thumbnail(case_id: UUID, image_id: UUID) -> Response:
    """Read an image's thumbnail

    A small upright JPEG without metadata.
    """
    _, analysis = _analysed(case_id, image_id)
    if analysis.thumbnail_key is None:
        raise _nothing("thumbnail")
    return _bytes(backends().store.get(analysis.thumbnail_key), "image/jpeg")


@blueprint.get("/<uuid:case_id>/images/<uuid:image_id>/heatmap")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="readHeatmap", responses=[403, 404, 503])
def read_heatmap(case_id: UUID, image_id: UUID) -> Response:
    """Read an image's heat map

    Grayscale JPEG that covers the whole upright image, at most 512 px long: the brighter, the more this place speaks for
    the leading class. It says where the model looked, and is no outline.
    """
    _, analysis = _analysed(case_id, image_id)
    if analysis.heatmap_key is None:
        raise _nothing("heatmap")
    return _bytes(backends().store.get(analysis.heatmap_key), "image/jpeg")


def _analysed(case_id: UUID, image_id: UUID) -> tuple[ImageView, AnalysisView]:
    image = _read(case_id, image_id)
    if image.analysis is None:
        raise _not_analysed(image)
    return image, image.analysis


def _not_analysed(image: ImageView) -> Problem:
    return Problem(404, "not_analysed", f"The image has no analysis; its state is {image.job_state}.")


def _read(case_id: UUID, image_id: UUID) -> ImageView:
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        require_care(session=session, tenant_id=portal.tenant_id, case_id=case_id)
        image = load_case(session=session, tenant_ids=[portal.tenant_id], case_id=case_id).image(image_id)
        if image is None:
            raise Problem(404, "image_not_found", f"The case has no image {image_id}.")
        record_event(
            session=session,
            tenant_id=portal.tenant_id,
            actor=Actor.portal(portal.key_id),
            action=AuditAction.IMAGE_READ,
            subject=Subject("image", image_id),
        )
    return image


def _nothing(name: str) -> Problem:
    return Problem(404, f"no_{name}", f"The analysis made no {name} of this image.")


def _bytes(data: bytes, media_type: str) -> Response:
    return Response(data, content_type=media_type, headers=HEADERS)
