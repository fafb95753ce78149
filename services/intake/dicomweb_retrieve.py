"""WADO-RS (PS3.18 10.4): instances, their headers, frames and pictures, for the portal that they belong to."""

import io
import json
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from uuid import UUID

from flask import Response
from sqlalchemy.orm import Session

from models.pictures.decode import decode
from models.pictures.dicom import SOP_CLASSES
from models.pictures.errors import PictureRefused
from models.pictures.info import MediaType
from models.pictures.sniff import media_type_of
from services.intake.context import Backends
from services.intake.dicomweb_accept import ANY, DICOM, JSON, RELATED, Wanted, choose, not_acceptable, wanted
from services.intake.dicomweb_files import NoSuchFrame, frame_type, frames, header_json
from services.intake.dicomweb_multipart import new_boundary, write_related
from services.intake.problems import Problem
from services.records.access import Portal
from services.records.audit import Actor
from services.records.consent import require_care
from services.records.errors import CareWithdrawn, InstanceNotFound
from services.records.instances import InstanceView, instances_of_study, view_key_of
from services.records.states import InstanceKind

log = logging.getLogger(__name__)
UID = re.compile(r"[0-9]+(\.[0-9]+)*")
LONGEST_UID = 64
MOST_FRAMES = 100
PIXEL_DATA = "7FE00010"
# The bytes are about a patient: no shared cache, and the browser asks again.
HEADERS = {"Cache-Control": "private, no-cache"}
# A picture that is written anew is decoded at full size: one at a time.
_converting = threading.Semaphore(1)
PICTURES = (MediaType.JPEG.value, MediaType.PNG.value)
SHOWN = frozenset({InstanceKind.RECEIVED, InstanceKind.PHOTOGRAPH})


def check_uids(*uids: str | None) -> None:
    """Refuse what is no UID: nothing can have it. Raises InstanceNotFound."""
    for uid in uids:
        if uid is not None and (len(uid) > LONGEST_UID or not UID.fullmatch(uid)):
            raise InstanceNotFound("There is no such study, series or instance.")


def find(backends: Backends, portal: Portal, study_uid: str, series_uid: str | None = None, uid: str | None = None) -> list[InstanceView]:
    """The instances at an address, audited as read; results of patients who do not agree to care are left out.

    Raises:
        InstanceNotFound: there is nothing at this address.
        CareWithdrawn: there are such results only.
    """
    check_uids(study_uid, series_uid, uid)
    with backends.database.transaction(tenants=[portal.tenant_id]) as session:
        found = instances_of_study(
            session=session,
            tenant_id=portal.tenant_id,
            actor=Actor.portal(portal.key_id),
            study_uid=study_uid,
            series_uid=series_uid,
            sop_instance_uid=uid,
        )
        withheld = _withheld(session, portal, {instance.case_id for instance in found if instance.kind not in SHOWN})
    given = [instance for instance in found if instance.kind in SHOWN or instance.case_id not in withheld]
    if not given:
        raise CareWithdrawn
    return given


def _withheld(session: Session, portal: Portal, case_ids: set[UUID]) -> set[UUID]:
    """Cases whose results are not told. A study has one or two."""
    withheld = set()
    for case_id in case_ids:
        try:
            require_care(session=session, tenant_id=portal.tenant_id, case_id=case_id)
        except CareWithdrawn:
            withheld.add(case_id)
    return withheld


def send_instances(backends: Backends, instances: Sequence[InstanceView]) -> Response:
    """The files as they are stored, one after the other. Raises Problem (406)."""
    asked = wanted()
    for instance in instances:
        if not any(_takes(each, instance) for each in asked):
            stored = instance.transfer_syntax_uid
            raise not_acceptable(f'Files are sent as they are stored, this one with transfer-syntax={stored}: ask for "*".')
    if len(instances) == 1 and not any(each.media_type in (RELATED, ANY) for each in asked):
        return Response(backends.store.get(instances[0].object_key), content_type=DICOM, headers=HEADERS)
    store = backends.store
    files = ((f"{DICOM}; transfer-syntax={each.transfer_syntax_uid}", store.get(each.object_key)) for each in instances)
    # The first one is read before the answer begins: a store that is away is then told as a problem.
    return _related(DICOM, chain([next(files)], _told(files)))


def _takes(asked: Wanted, instance: InstanceView) -> bool:
    return asked.admits(DICOM) and asked.transfer_syntax in ("", "*", instance.transfer_syntax_uid)


def _told(files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """The same; what goes wrong when the head of the answer is gone can only be logged, and the message ends unfinished."""
    try:
        yield from files
    except Exception:
        log.exception("an instance could not be sent")
        raise


def send_headers(backends: Backends, instances: Sequence[InstanceView], base: str) -> Response:
    """The headers of the instances as DICOM JSON, without pixels."""
    choose([JSON, "application/json"])

    def header(instance: InstanceView) -> str:
        place = f"{base}/{instance.study_uid}/series/{instance.series_uid}/instances/{instance.sop_instance_uid}"
        return json.dumps(header_json(backends.store.get(instance.object_key), bulk_url=f"{place}/bulkdata"), allow_nan=False)

    # One file at a time: together they may be larger than this process.
    return Response(f"[{','.join(header(instance) for instance in instances)}]", content_type=JSON, headers=HEADERS)


def send_frames(backends: Backends, instance: InstanceView, listed: str) -> Response:
    """Frames of an instance in their stored form, in the order of the list ("1" or "1,3"). Raises Problem (400, 404, 406)."""
    numbers = _frame_numbers(listed)
    media_type = frame_type(instance.transfer_syntax_uid)
    _require_frame_type(instance, media_type)
    found = _unless_missing(lambda: frames(backends.store.get(instance.object_key), numbers))
    return _related(media_type, ((f"{media_type}; transfer-syntax={instance.transfer_syntax_uid}", frame) for frame in found))


def _frame_numbers(listed: str) -> list[int]:
    parts = listed.split(",")
    if len(parts) > MOST_FRAMES or not all(part.isascii() and part.isdecimal() and len(part) < 8 for part in parts):
        raise Problem(400, "invalid_frames", f"Name up to {MOST_FRAMES} frames by numbers from 1, separated by commas.")
    return [int(part) for part in parts]


def _require_frame_type(instance: InstanceView, media_type: str) -> None:
    syntax = instance.transfer_syntax_uid
    if not any(each.admits(media_type) and each.transfer_syntax in ("", "*", syntax) for each in wanted()):
        detail = f"Frames are sent as they are stored: {media_type} with transfer-syntax={syntax}. /rendered gives JPEG or PNG."
        raise not_acceptable(detail)


def _unless_missing(read: Callable[[], list[bytes]]) -> list[bytes]:
    try:
        return read()
    except NoSuchFrame as missing:
        raise Problem(404, "frame_not_found", str(missing)) from missing


def send_bulk(backends: Backends, instance: InstanceView, tag: str) -> Response:
    """The pixel data that ``/metadata`` points to: the only value that is not within the JSON."""
    if tag.upper() != PIXEL_DATA:
        raise Problem(404, "no_bulk_data", f"Only pixel data ({PIXEL_DATA}) are kept apart; all other values are in /metadata.")
    return send_frames(backends, instance, "1")


def send_rendered(backends: Backends, portal: Portal, instance: InstanceView) -> Response:
    """The picture as a reader sees it: upright, sRGB, JPEG or PNG. Raises Problem (406)."""
    if instance.kind not in SHOWN and instance.sop_class_uid not in SOP_CLASSES:
        raise Problem(406, "not_an_image", "This instance is no photograph: retrieve it, or render the image that it refers to.")
    data = backends.store.get(_picture_key(backends, portal, instance))
    media_type = choose(PICTURES)
    if media_type_of(data).value != media_type:
        with _converting:
            data = _converted(data, media_type)
    return Response(data, content_type=media_type, headers=HEADERS)


def _picture_key(backends: Backends, portal: Portal, instance: InstanceView) -> str:
    if instance.kind not in SHOWN or instance.image_id is None:
        return instance.object_key
    with backends.database.transaction(tenants=[portal.tenant_id]) as session:
        return view_key_of(session=session, tenant_id=portal.tenant_id, image_id=instance.image_id)


def _converted(data: bytes, media_type: str) -> bytes:
    from PIL import Image

    try:
        rgb = decode(data).rgb
    except PictureRefused as refused:
        raise Problem(406, "not_an_image", str(refused)) from refused
    into = io.BytesIO()
    Image.fromarray(rgb).save(into, "PNG" if media_type == MediaType.PNG else "JPEG", quality=95)
    return into.getvalue()


def _related(media_type: str, parts: Iterable[tuple[str, bytes]]) -> Response:
    boundary = new_boundary()
    content_type = f'{RELATED}; type="{media_type}"; boundary={boundary}'
    return Response(write_related(parts, boundary), content_type=content_type, headers=HEADERS)
