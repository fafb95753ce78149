"""FHIR DiagnosticReport of a decided case: what the dermatologist decided, with links to everything that it rests on.

R4 has ``imagingStudy`` and links Media, R5 has ``study`` and links DocumentReference. A report exists only for a standing decision:
its status is ``final`` for the first one, ``corrected`` where an amendment names another diagnosis, ``amended`` where it changes anything
else. Its id is the case's and stays; ``meta.versionId`` counts the decisions.
"""

from collections.abc import Mapping

from services.exchange.codes import Coded, Scheme, diagnosis_code, diagnosis_icd10
from services.exchange.fhir_base import (
    CASE_REFERENCE,
    Json,
    Release,
    coding,
    concept,
    filled,
    identifier,
    identifiers,
    instant,
    narrative,
    observation_id,
    of_release,
    person,
    reference,
    references,
    resource,
    term,
    uuid_identifier,
)
from services.exchange.fhir_images import picture_kind, picture_links, study_ids
from services.exchange.report_words import languages
from services.records.decided import DecidedCase
from services.records.reading import OTHER
from services.records.states import Decision, Management

DERMATOLOGY = Coded("394582007", Scheme.SNOMED, "Dermatology")
CONSULTATION = {"system": "http://loinc.org", "code": "34758-3", "display": "Dermatology Consult note"}
TITLE = "Dermatologist's read of pictures of a skin lesion"
PLANS: Mapping[Management, str] = {
    Management.DISCHARGE: "discharge with advice",
    Management.FACE_TO_FACE: "face-to-face visit",
    Management.URGENT_REFERRAL: "urgent referral",
    Management.RETAKE: "a new picture is asked for",
}


def diagnostic_report(found: DecidedCase, *, release: Release, site: str) -> Json:
    """The report's resource. ``site``: the address of this service, such as https://derm.example, for links to pictures and PDF."""
    return resource(
        "DiagnosticReport",
        found.case_id,
        meta={"versionId": str(found.version), "lastUpdated": instant(found.signed_at)},
        text=narrative([TITLE, *conclusion(found)]),
        identifier=identifiers(uuid_identifier(found.case_id), identifier(CASE_REFERENCE, found.reference)),
        basedOn=references("ServiceRequest", [found.order_id]) if found.order_id else None,
        status=found.status.value,
        category=[{"coding": [coding(DERMATOLOGY)]}, term("v2-0074", "OTH", "Other")],
        code={"coding": [CONSULTATION], "text": TITLE},
        subject=reference("Patient", found.patient_id),
        effectiveDateTime=instant(found.visited_at),
        issued=instant(found.signed_at),
        performer=[person(found.user_id, found.reviewer)],
        resultsInterpreter=[person(found.user_id, found.reviewer)],
        result=references("Observation", [observation_id(found.case_id, "diagnosis")]),
        **_images(found, release),
        conclusion=". ".join(conclusion(found)),
        conclusionCode=[diagnosis] if (diagnosis := diagnosis_concept(found.diagnosis)) else None,
        presentedForm=[_printed(found, site, language) for language in languages()],
    )


def conclusion(found: DecidedCase) -> list[str]:
    """The decision in sentences, without their full stops."""
    note = found.note.strip().removesuffix(".")
    return [each for each in (_decided(found), _planned(found), note) if each]


def diagnosis_concept(diagnosis: str | None) -> Json | None:
    """The diagnosis in SNOMED CT and ICD-10 where they have it, else as our own code; None where none was made."""
    if diagnosis is None:
        return None
    text = "Another diagnosis: see the note" if diagnosis == OTHER else None
    return concept(diagnosis_code(diagnosis), diagnosis_icd10(diagnosis), text=text)


def plan_words(found: DecidedCase) -> str:
    """What happens to the patient next, in words; empty where the decision does not say."""
    if found.management is Management.FOLLOW_UP:
        return f"follow-up in {found.follow_up_months} month{'' if found.follow_up_months == 1 else 's'} ({found.follow_up_on})"
    return PLANS[found.management] if found.management else ""


def _decided(found: DecidedCase) -> str:
    if found.decision is Decision.NOT_ASSESSABLE:
        return f"Not assessable: {found.reason}"
    diagnosis = diagnosis_concept(found.diagnosis)
    return str(diagnosis["text"]) if diagnosis else ""


def _planned(found: DecidedCase) -> str:
    plan = plan_words(found)
    return f"Next step: {plan}" if plan else ""


def _images(found: DecidedCase, release: Release) -> Mapping[str, list[Json] | None]:
    studies = references("ImagingStudy", study_ids(found)) or None
    media = [{"link": link} for link in picture_links(found, picture_kind(release))] or None
    return of_release(release, r4={"imagingStudy": studies, "media": media}, r5={"study": studies, "media": media})


def _printed(found: DecidedCase, site: str, language: str) -> Json:
    return filled(
        contentType="application/pdf",
        language=language,
        url=f"{site}/v1/cases/{found.case_id}/report?language={language}",
        title=f"{TITLE}, version {found.version}",
        creation=instant(found.signed_at),
    )
