"""FHIR BodyStructure of a lesion, and Patient by pseudonym.

The BodyStructure's id is the lesion's, and it carries the lesion's DICOM Tracking UID: over all visits it is the same one.
"""

from typing import Protocol
from uuid import UUID

from services.exchange.codes import ABNORMAL_STRUCTURE, SKIN, side_code, site_code
from services.exchange.fhir_base import (
    BODY_SITE,
    DICOM_UID,
    LESION_REFERENCE,
    PATIENT_REFERENCE,
    Json,
    Release,
    concept,
    filled,
    identifier,
    identifiers,
    reference,
    resource,
)
from services.records.states import Laterality


class Located(Protocol):
    """What says where a lesion is."""

    @property
    def lesion_id(self) -> UUID:
        """The lesion's id."""

    @property
    def body_site(self) -> str | None:
        """In the portal's words."""

    @property
    def laterality(self) -> Laterality | None:
        """The side."""


def body_structure(
    *,
    release: Release,
    lesion_id: UUID,
    patient_id: UUID,
    tracking_uid: str,
    lesion_reference: str | None,
    body_site: str | None,
    laterality: Laterality | None,
) -> Json:
    """The lesion: R4 says where it is in ``location`` with qualifiers, R5 in ``includedStructure``, which it always has."""
    where, side = concept(site_code(body_site), text=body_site), concept(side_code(laterality))
    if release is Release.R4:
        place = filled(location=where, locationQualifier=[side] if side else None)
    else:
        place = {"includedStructure": [filled(structure=where or concept(SKIN), laterality=side)]}
    return resource(
        "BodyStructure",
        lesion_id,
        identifier=identifiers({"system": DICOM_UID, "value": f"urn:oid:{tracking_uid}"}, identifier(LESION_REFERENCE, lesion_reference)),
        active=True,
        morphology=concept(ABNORMAL_STRUCTURE, text="Skin lesion"),
        **place,
        patient=reference("Patient", patient_id),
    )


def site_concept(found: Located, *, release: Release) -> Json | None:
    """Where the lesion is, in a word; R4 has no better place for the link to its BodyStructure. None where nobody said."""
    site = concept(site_code(found.body_site), text=_words(found))
    if site is None or release is Release.R5:
        return site
    return {"extension": [{"url": BODY_SITE, "valueReference": reference("BodyStructure", found.lesion_id)}], **site}


def located(found: Located, *, release: Release) -> Json:
    """Where something was observed: R5 links the BodyStructure, and then may not repeat the site (obs-8)."""
    if release is Release.R5:
        return {"bodyStructure": reference("BodyStructure", found.lesion_id)}
    return filled(bodySite=site_concept(found, release=release))


def patient(*, patient_id: UUID, patient_reference: str) -> Json:
    """The portal's own pseudonym and nothing else: who it is, the portal knows."""
    return resource("Patient", patient_id, identifier=identifiers(identifier(PATIENT_REFERENCE, patient_reference)))


def _words(found: Located) -> str | None:
    side = found.laterality if found.laterality in (Laterality.LEFT, Laterality.RIGHT) else None
    return f"{found.body_site}, {side.value}" if found.body_site and side else found.body_site
