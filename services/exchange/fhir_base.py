"""What every FHIR resource of ours is written with: the release, codes, quantities, references. JSON as FHIR has it, R4 4.0.1 and R5 5.0.0.

Everything here is a pure function: the same case gives the same JSON, with ids that follow from ours and never change.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.exchange.codes import Coded, Scheme

Json = dict[str, Any]

LANGUAGE = "en"
DISCLAIMER = "Automatic finding, decision support only. It is no diagnosis: no report leaves without the decision of a dermatologist."
SYSTEMS = {
    Scheme.SNOMED: "http://snomed.info/sct",
    Scheme.DICOM: "http://dicom.nema.org/resources/ontology/DCM",
    Scheme.ICD10: "http://hl7.org/fhir/sid/icd-10",
    Scheme.OURS: "urn:dermatrail:codes",
}
UCUM = "http://unitsofmeasure.org"
TERMS = "http://terminology.hl7.org/CodeSystem/"
UNCERTAINTY = "http://hl7.org/fhir/StructureDefinition/iso21090-uncertainty"
BODY_SITE = "http://hl7.org/fhir/StructureDefinition/bodySite"
URI = "urn:ietf:rfc:3986"
DICOM_UID = "urn:dicom:uid"
CASE_REFERENCE, LESION_REFERENCE, PATIENT_REFERENCE = (f"urn:dermatrail:{kind}-reference" for kind in ("case", "lesion", "patient"))


class Release(StrEnum):
    """A release of FHIR, by the value of the MIME type's ``fhirVersion``."""

    R4 = "4.0"
    R5 = "5.0"

    @property
    def number(self) -> str:
        """The publication: 4.0.1 or 5.0.0."""
        return {Release.R4: "4.0.1", Release.R5: "5.0.0"}[self]


def filled(**elements: Any) -> Json:
    """An element without what is empty: FHIR JSON knows no null, no empty text and no empty list. A trailing "_" is dropped."""
    return {name.removesuffix("_"): value for name, value in elements.items() if value is not None and value not in ("", [], {})}


def resource(kind: str, identity: object, **elements: Any) -> Json:
    """A resource of this type and id."""
    return {"resourceType": kind, "id": str(identity), **filled(language=LANGUAGE, **elements)}


def coding(coded: Coded) -> Json:
    """One code of one system."""
    return {"system": SYSTEMS[coded.scheme], "code": coded.code, "display": coded.meaning}


def concept(*coded: Coded | None, text: str | None = None) -> Json | None:
    """The same meaning in each of these codes, and in words; None where there is neither."""
    known = [one for one in coded if one is not None]
    return filled(coding=[coding(one) for one in known], text=text or (known[0].meaning if known else None)) or None


def term(system: str, code: str, display: str | None = None) -> Json:
    """A concept of HL7's own terminology (terminology.hl7.org)."""
    return {"coding": [filled(system=TERMS + system, code=code, display=display)]}


def ours(code: str, meaning: str) -> Coded:
    """A concept that only we have."""
    return Coded(code, Scheme.OURS, meaning)


def quantity(value: float, unit: str, code: str | None = None, *, error: float | None = None, at_least: bool = False) -> Json:
    """A figure with its UCUM unit. ``error``: one standard deviation; ``at_least``: the figure is a lower bound."""
    uncertain = [{"url": UNCERTAINTY, "valueDecimal": rounded(error)}] if error is not None else None
    comparator = ">=" if at_least else None
    return filled(extension=uncertain, value=rounded(value), comparator=comparator, unit=unit, system=UCUM, code=code or unit)


def rounded(value: float) -> float:
    """Four decimals: more were never measured."""
    return round(value, 4)


def reference(kind: str, identity: object, display: str | None = None) -> Json:
    """A link to a resource of ours."""
    return filled(reference=f"{kind}/{identity}", display=display)


def references(kind: str, identities: Iterable[object]) -> list[Json]:
    """Links to resources of one type."""
    return [reference(kind, identity) for identity in identities]


def identifier(system: str | None, value: str | None) -> Json | None:
    """A name within a system; None where there is no name."""
    return filled(system=system, value=value) if value else None


def identifiers(*given: Json | None) -> list[Json]:
    """Those that there are."""
    return [one for one in given if one]


def uuid_identifier(identity: UUID) -> Json:
    """An id of ours as a global identifier."""
    return {"system": URI, "value": f"urn:uuid:{identity}"}


def person(user_id: UUID, name: str) -> Json:
    """A dermatologist. They are no resource here: by name, and by an id that stays theirs."""
    return {"type": "Practitioner", "identifier": uuid_identifier(user_id), "display": name}


def instant(moment: datetime) -> str:
    """A point in time, in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day(found: date) -> str:
    """A day."""
    return found.isoformat()


def note(*texts: str | None) -> list[Json]:
    """Annotations, one for each text that there is."""
    return [{"text": text} for text in texts if text]


def observation_id(case_id: UUID, name: str) -> str:
    """The id of what was observed of a case: at most 64 letters, as FHIR asks."""
    return f"{case_id}-{name}"


def narrative(sentences: Iterable[str]) -> Json:
    """The resource in words, for readers that understand nothing else of it."""
    escaped = (text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for text in sentences if text)
    paragraphs = "".join(f"<p>{text}</p>" for text in escaped)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>'}


def of_release(release: Release, *, r4: Mapping[str, Any], r5: Mapping[str, Any]) -> Mapping[str, Any]:
    """What one release calls or shapes differently from the other."""
    return r4 if release is Release.R4 else r5
