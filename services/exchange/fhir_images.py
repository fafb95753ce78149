"""FHIR resources of a case's pictures: Media (R4) or DocumentReference (R5) with links, and ImagingStudy of its DICOM instances.

Only pictures that may leave are here: none that may tell who the patient is, until a human has cleared it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from services.exchange.codes import DERMOSCOPIC_PHOTOGRAPHY, Coded, Scheme
from services.exchange.fhir_base import (
    DICOM_UID,
    TERMS,
    URI,
    Json,
    Release,
    coding,
    concept,
    filled,
    instant,
    of_release,
    reference,
    references,
    resource,
    uuid_identifier,
)
from services.exchange.fhir_lesion import site_concept
from services.records.decided import DecidedCase, DecidedInstance, DecidedPicture
from services.records.states import Modality

PHOTOGRAPH = Coded("XC", Scheme.DICOM, "External-camera Photography")
DERMOSCOPY = Coded("DMS", Scheme.DICOM, "Dermoscopy")
MODALITIES: Mapping[Modality, Coded] = {Modality.DERMOSCOPIC: DERMOSCOPY, Modality.CLINICAL: PHOTOGRAPH}
WADO = {"system": f"{TERMS}endpoint-connection-type", "code": "dicom-wado-rs", "display": "DICOM WADO-RS"}


def picture_kind(release: Release) -> str:
    """R4's Media became R5's DocumentReference."""
    return "Media" if release is Release.R4 else "DocumentReference"


def picture_id(found: DecidedCase, picture: DecidedPicture) -> str:
    """By its place among the pictures as they were sent, from 1."""
    return f"{found.case_id}-image-{picture.position + 1}"


def picture_links(found: DecidedCase, kind: str) -> list[Json]:
    """Links to the pictures that may leave."""
    return references(kind, (picture_id(found, picture) for picture in shown(found)))


def shown(found: DecidedCase) -> tuple[DecidedPicture, ...]:
    """Pictures with something to show: an address that answers."""
    return tuple(picture for picture in found.pictures if picture.has_thumbnail)


def pictures(found: DecidedCase, *, release: Release, site: str) -> list[Json]:
    """One resource for each picture that may leave."""
    make = _media if release is Release.R4 else _document
    return [make(found, picture, site) for picture in shown(found)]


def _media(found: DecidedCase, picture: DecidedPicture, site: str) -> Json:
    return resource(
        "Media",
        picture_id(found, picture),
        identifier=[uuid_identifier(picture.id)],
        basedOn=references("ServiceRequest", [found.order_id]) if found.order_id else None,
        status="completed",
        type={"coding": [{"system": f"{TERMS}media-type", "code": "image", "display": "Image"}]},
        modality=_modality(picture),
        subject=reference("Patient", found.patient_id),
        createdDateTime=instant(found.visited_at),
        bodySite=site_concept(found, release=Release.R4),
        content=_attachment(found, picture, site),
    )


def _document(found: DecidedCase, picture: DecidedPicture, site: str) -> Json:
    modality = _modality(picture)
    return resource(
        "DocumentReference",
        picture_id(found, picture),
        identifier=[uuid_identifier(picture.id)],
        basedOn=references("ServiceRequest", [found.order_id]) if found.order_id else None,
        status="current",
        docStatus="final",
        modality=[modality] if modality else None,
        type=concept(text="Picture of a skin lesion"),
        subject=reference("Patient", found.patient_id),
        bodySite=[{"reference": reference("BodyStructure", found.lesion_id)}],
        date=instant(found.visited_at),
        content=[{"attachment": each} for each in (_attachment(found, picture, site), _rendered(found, picture, site)) if each],
    )


def _attachment(found: DecidedCase, picture: DecidedPicture, site: str) -> Json:
    """A small upright JPEG; the picture itself is behind the study's endpoint."""
    url = f"{site}/v1/cases/{found.case_id}/images/{picture.id}/thumbnail"
    return filled(contentType="image/jpeg", url=url, title=f"Image {picture.position + 1}", creation=instant(found.visited_at))


def _rendered(found: DecidedCase, picture: DecidedPicture, site: str) -> Json | None:
    """The picture in its own size, where it is a DICOM instance; R4's Media has room for one attachment only."""
    instance = next((one for one in found.instances if one.image_id == picture.id and one.is_picture), None)
    if instance is None:
        return None
    place = f"studies/{instance.study_uid}/series/{instance.series_uid}/instances/{instance.sop_instance_uid}"
    return filled(contentType="image/jpeg", url=f"{site}/dicomweb/{place}/rendered", title=f"Image {picture.position + 1}, full size")


def _modality(picture: DecidedPicture) -> Json | None:
    dermoscopic = picture.modality is Modality.DERMOSCOPIC
    return concept(MODALITIES.get(picture.modality), DERMOSCOPIC_PHOTOGRAPHY if dermoscopic else None)


def study_ids(found: DecidedCase) -> list[str]:
    """Of each DICOM study that has instances of the case; they follow from its UID alone."""
    return [_study_id(found, uid) for uid in dict.fromkeys(instance.study_uid for instance in found.instances)]


def studies(found: DecidedCase, *, release: Release, site: str) -> list[Json]:
    """One ImagingStudy for each DICOM study, with the pictures and the results of the standing decision."""
    by_study: dict[str, list[DecidedInstance]] = defaultdict(list)
    for instance in found.instances:
        by_study[instance.study_uid].append(instance)
    return [_study(found, instances, release, site) for instances in by_study.values()]


def _study_id(found: DecidedCase, uid: str) -> str:
    return f"{found.case_id}-study-{hashlib.sha256(uid.encode()).hexdigest()[:8]}"


def _study(found: DecidedCase, instances: Sequence[DecidedInstance], release: Release, site: str) -> Json:
    uid = instances[0].study_uid
    by_series: dict[str, list[DecidedInstance]] = defaultdict(list)
    for instance in instances:
        by_series[instance.series_uid].append(instance)
    modalities = [_dicom_modality(code, release) for code in dict.fromkeys(instance.modality for instance in instances)]
    return resource(
        "ImagingStudy",
        _study_id(found, uid),
        contained=[_endpoint(release, site)],
        identifier=[{"system": DICOM_UID, "value": f"urn:oid:{uid}"}],
        status="available",
        modality=modalities,
        subject=reference("Patient", found.patient_id),
        started=instant(found.visited_at),
        basedOn=references("ServiceRequest", [found.order_id]) if found.order_id else None,
        endpoint=[{"reference": "#dicomweb"}],
        numberOfSeries=len(by_series),
        numberOfInstances=len(instances),
        series=[_series(series_uid, each, release) for series_uid, each in by_series.items()],
    )


def _series(uid: str, instances: Sequence[DecidedInstance], release: Release) -> Json:
    return filled(
        uid=uid,
        modality=_dicom_modality(instances[0].modality, release),
        numberOfInstances=len(instances),
        instance=[{"uid": one.sop_instance_uid, "sopClass": _sop_class(one)} for one in instances],
    )


def _sop_class(instance: DecidedInstance) -> Json:
    return {"system": URI, "code": f"urn:oid:{instance.sop_class_uid}"}


def _dicom_modality(code: str, release: Release) -> Json:
    """A Coding in R4, a CodeableConcept in R5."""
    known = {coded.code: coded for coded in MODALITIES.values()}.get(code)
    found = coding(known or Coded(code, Scheme.DICOM, code))
    return found if release is Release.R4 else {"coding": [found]}


def _endpoint(release: Release, site: str) -> Json:
    """Where WADO-RS answers, with the same key."""
    shape = of_release(
        release,
        r4={"connectionType": WADO, "payloadType": [{"text": "DICOM"}], "payloadMimeType": ["application/dicom"]},
        r5={"connectionType": [{"coding": [WADO]}], "payload": [{"type": [{"text": "DICOM"}], "mimeType": ["application/dicom"]}]},
    )
    return {"resourceType": "Endpoint", "id": "dicomweb", "status": "active", **shape, "address": f"{site}/dicomweb"}
