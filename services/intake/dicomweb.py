"""DICOMweb (PS3.18): store, search and retrieve instances with the portal's API key. The work is in ``dicomweb_*``."""

import json
from typing import Any

from apiflask import APIBlueprint
from flask import Response, request
from werkzeug.http import parse_options_header

from services.intake.access import auth, current_portal
from services.intake.context import backends
from services.intake.dicomweb_accept import DICOM, JSON, RELATED, XML, choose
from services.intake.dicomweb_answers import http_status, store_answer, to_xml
from services.intake.dicomweb_multipart import Malformed, RelatedReader, TooManyParts
from services.intake.dicomweb_query import CUT, NOT_FUZZY, read_query, render
from services.intake.dicomweb_retrieve import (
    check_uids,
    find,
    send_bulk,
    send_frames,
    send_headers,
    send_instances,
    send_rendered,
)
from services.intake.dicomweb_store import receive_instances
from services.intake.problems import RETRY_AFTER_SECONDS, Problem
from services.intake.uploads import UploadedFile
from services.records.audit import Actor
from services.records.instance_search import Level, find_instances
from services.records.instances import InstanceView

blueprint = APIBlueprint("dicomweb", __name__, url_prefix="/dicomweb", tag="DICOMweb")
SERIES = "/studies/<study>/series/<series>"
INSTANCE = f"{SERIES}/instances/<instance>"
# Parts beyond the limit of files are read to be named in the answer, within the limit of the whole body; not without end.
PARTS_FOR_EACH_FILE = 5


@blueprint.post("/studies")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="storeInstances", responses=[400, 406, 413, 415, 503])
def store_instances() -> Response:
    """Store instances (STOW-RS)

    VL Photographic, Dermoscopic Photography or Secondary Capture objects of one frame. One study becomes one case; instances that come
    later are added to it as long as it is undecided. Repeating a request changes nothing. PatientID is the portal's pseudonym.
    """
    return _store(None)


@blueprint.post("/studies/<study>")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="storeInstancesOfStudy", responses=[400, 404, 406, 413, 415, 503])
def store_instances_of_study(study: str) -> Response:
    """Store instances of one study (STOW-RS)

    As `POST /dicomweb/studies`; instances of other studies fail.
    """
    check_uids(study)
    return _store(study)


@blueprint.get("/studies")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="searchStudies", responses=[400, 406, 503])
def search_studies() -> Response:
    """Search for studies (QIDO-RS)"""
    return _search(Level.STUDY)


@blueprint.get("/series")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="searchSeries", responses=[400, 406, 503])
def search_series() -> Response:
    """Search for series of all studies (QIDO-RS)"""
    return _search(Level.SERIES)


@blueprint.get("/instances")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="searchInstances", responses=[400, 406, 503])
def search_instances() -> Response:
    """Search for instances of all studies (QIDO-RS)"""
    return _search(Level.INSTANCE)


@blueprint.get("/studies/<study>/series")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="searchSeriesOfStudy", responses=[400, 404, 406, 503])
def search_series_of_study(study: str) -> Response:
    """Search for series of a study (QIDO-RS)"""
    return _search(Level.SERIES, study)


@blueprint.get("/studies/<study>/instances")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="searchInstancesOfStudy", responses=[400, 404, 406, 503])
def search_instances_of_study(study: str) -> Response:
    """Search for instances of a study (QIDO-RS)"""
    return _search(Level.INSTANCE, study)


@blueprint.get(f"{SERIES}/instances")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="searchInstancesOfSeries", responses=[400, 404, 406, 503])
def search_instances_of_series(study: str, series: str) -> Response:
    """Search for instances of a series (QIDO-RS)"""
    return _search(Level.INSTANCE, study, series)


@blueprint.get("/studies/<study>")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="retrieveStudy", responses=[403, 404, 406, 503])
def retrieve_study(study: str) -> Response:
    """Retrieve a study (WADO-RS)

    What was sent and, once a dermatologist has decided, the results. Files are sent in the transfer syntax in which they are stored.
    """
    return send_instances(backends(), find(backends(), current_portal(), study))


@blueprint.get(SERIES)
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="retrieveSeries", responses=[403, 404, 406, 503])
def retrieve_series(study: str, series: str) -> Response:
    """Retrieve a series (WADO-RS)"""
    return send_instances(backends(), find(backends(), current_portal(), study, series))


@blueprint.get(INSTANCE)
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="retrieveInstance", responses=[403, 404, 406, 503])
def retrieve_instance(study: str, series: str, instance: str) -> Response:
    """Retrieve an instance (WADO-RS)"""
    return send_instances(backends(), [_one(study, series, instance)])


@blueprint.get("/studies/<study>/metadata")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="retrieveStudyMetadata", responses=[403, 404, 406, 503])
def retrieve_study_metadata(study: str) -> Response:
    """Retrieve the headers of a study (WADO-RS)"""
    return send_headers(backends(), find(backends(), current_portal(), study), _base())


@blueprint.get(f"{SERIES}/metadata")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="retrieveSeriesMetadata", responses=[403, 404, 406, 503])
def retrieve_series_metadata(study: str, series: str) -> Response:
    """Retrieve the headers of a series (WADO-RS)"""
    return send_headers(backends(), find(backends(), current_portal(), study, series), _base())


@blueprint.get(f"{INSTANCE}/metadata")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="retrieveInstanceMetadata", responses=[403, 404, 406, 503])
def retrieve_instance_metadata(study: str, series: str, instance: str) -> Response:
    """Retrieve the header of an instance (WADO-RS)"""
    return send_headers(backends(), [_one(study, series, instance)], _base())


@blueprint.get(f"{INSTANCE}/rendered")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="retrieveRendered", responses=[403, 404, 406, 503])
def retrieve_rendered(study: str, series: str, instance: str) -> Response:
    """Retrieve the picture of an instance (WADO-RS)

    Upright, sRGB, at full size, as JPEG or PNG.
    """
    return send_rendered(backends(), current_portal(), _one(study, series, instance))


@blueprint.get(f"{INSTANCE}/frames/<frames>")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="retrieveFrames", responses=[400, 403, 404, 406, 503])
def retrieve_frames(study: str, series: str, instance: str, frames: str) -> Response:
    """Retrieve frames of an instance (WADO-RS)

    In the form in which they are stored: a compressed one as its stream, others as little-endian samples.
    """
    return send_frames(backends(), _one(study, series, instance), frames)


@blueprint.get(f"{INSTANCE}/bulkdata/<tag>")
@blueprint.auth_required(auth)
@blueprint.doc(operation_id="retrieveBulkData", responses=[403, 404, 406, 503])
def retrieve_bulk_data(study: str, series: str, instance: str, tag: str) -> Response:
    """Retrieve pixel data by the address that the header gives (WADO-RS)"""
    return send_bulk(backends(), _one(study, series, instance), tag)


def _one(study: str, series: str, instance: str) -> InstanceView:
    return find(backends(), current_portal(), study, series, instance)[0]


def _base() -> str:
    """The absolute address of the studies."""
    return f"{(backends().settings.public_url or request.host_url).rstrip('/')}{blueprint.url_prefix}/studies"


def _search(level: Level, study: str | None = None, series: str | None = None) -> Response:
    check_uids(study, series)
    media_type = choose([JSON, "application/json"])
    query = read_query(request.args.items(multi=True), study_uid=study, series_uid=series)
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        found = find_instances(
            session=session,
            tenant_id=portal.tenant_id,
            actor=Actor.portal(portal.key_id),
            level=level,
            filters=query.filters,
            limit=query.most + 1,
            offset=query.offset,
        )
    lines = [render(line, level=level, base=_base(), include=query.include) for line in found[: query.most]]
    answer = Response(json.dumps(lines), content_type=media_type, headers={"Cache-Control": "private, no-cache"})
    # More than the server sends by itself is told; more than the client asked for is no news.
    cut = len(found) > query.most and query.limit != query.most
    for text in ([NOT_FUZZY] if query.fuzzy else []) + ([CUT] if cut else []):
        answer.headers.add("Warning", f'299 dermatrail "{text}"')
    return answer


def _store(study: str | None) -> Response:
    media_type = choose([JSON, "application/json", XML])
    outcomes = receive_instances(backends=backends(), portal=current_portal(), uploads=_uploads(), study_uid=study)
    if outcomes and all(outcome.failure and outcome.failure.transient for outcome in outcomes):
        detail = "Nothing was stored. Send the same request again."
        raise Problem(503, "unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    answer = store_answer(outcomes, _base())
    body = to_xml(answer) if media_type == XML else json.dumps(answer)
    return Response(body, http_status(outcomes), content_type=media_type, headers={"Cache-Control": "private, no-cache"})


def _uploads() -> list[UploadedFile]:
    """The files of the body. Raises Problem (400, 413, 415)."""
    media_type, options = parse_options_header(request.headers.get("Content-Type"))
    part_type = options.get("type", DICOM).lower()
    if media_type.lower() != RELATED or part_type != DICOM or "boundary" not in options:
        raise Problem(415, "not_related", f'Send {RELATED}; type="{DICOM}"; boundary=…, each part a DICOM file.')
    settings = backends().settings
    most = settings.max_files * PARTS_FOR_EACH_FILE
    # mypy: the stream of a request is what a file is.
    stream: Any = request.stream
    try:
        reader = RelatedReader(stream, options["boundary"], max_part_bytes=settings.max_file_bytes, max_parts=most)
        parts = reader.parts()
    except Malformed as error:
        detail = "The body is no multipart/related message with the boundary that the header names, or it breaks off."
        raise Problem(400, "malformed_multipart", detail) from error
    except TooManyParts as error:
        raise Problem(413, "too_many_files", f"At most {settings.max_files} instances belong to one request.") from error
    if not parts:
        raise Problem(400, "no_instances", "The message has no parts: send at least one DICOM file.")
    for part in parts:
        if part.media_type not in ("", DICOM):
            raise Problem(415, "not_dicom", f"A part is {DICOM}; metadata with bulk data apart are not taken.")
    return [UploadedFile(f"instance-{place}.dcm", part.file) for place, part in enumerate(parts, start=1)]
