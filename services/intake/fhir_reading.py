"""From the resources of an order to a case, as every portal submits it. What a case has no place for is left, and the answer says so."""

import base64
import binascii
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from services.exchange.codes import DERMOSCOPIC_PHOTOGRAPHY, SIDES, SITES, Scheme
from services.exchange.fhir_base import SYSTEMS, Json, Release
from services.exchange.fhir_orders import echo
from services.intake.fhir_parts import Part, Parts
from services.intake.fhir_wire import refused
from services.intake.problems import Fault, Problem
from services.intake.schemas import CaseIn
from services.intake.uploads import MAX_FILENAME, UploadedFile
from services.records.orders import OrderIdentifier
from services.records.states import Laterality, Modality, Sex, Urgency
from services.settings import Settings

INTENTS = ("order", "original-order", "instance-order")
URGENCIES = {"routine": Urgency.ROUTINE, "urgent": Urgency.SOON, "asap": Urgency.URGENT, "stat": Urgency.URGENT}
SEXES = {"female": Sex.FEMALE, "male": Sex.MALE, "other": Sex.OTHER}
SITE_NAMES = {coded.code: name for name, coded in SITES.items()}
SIDE_NAMES = {coded.code: side for side, coded in SIDES.items()}
# What tells who a patient is. It is not stored, and the answer says so.
IDENTIFYING = ("name", "telecom", "address", "photo", "contact", "maritalStatus", "communication")
NO_IDENTIFIER = "An order needs your own identifier: with it, a repeated order is the same order."
ONE_PSEUDONYM = "Send one identifier: the patient's pseudonym at your portal. Others are not needed, and not wanted."


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIn:
    """An order, read: the case to make of it with its files, and ``places``, the FHIRPath of each file.

    ``left``: what was sent and is not kept, in words. ``told``: of the request what is told again.
    """

    identifier: OrderIdentifier
    case: CaseIn
    files: tuple[UploadedFile, ...] = field(repr=False)
    places: tuple[str, ...]
    told: Json
    left: tuple[str, ...]


def read_order(parts: Parts, settings: Settings) -> OrderIn:
    """Make a case of an order's resources.

    Raises:
        Problem: something is missing, or is not what is done here; its place is named.
    """
    request = parts.only("ServiceRequest")
    if request is None:
        raise refused("required", "Bundle.entry", "An order has a ServiceRequest.")
    identifier = order_identifier(request)
    _check_intent(request)
    _check_task(parts)
    patient, left = _patient(parts, request)
    _check_same_patient(parts, request)
    pictures = [_picture(parts, part, index, settings) for index, part in enumerate(_attached(parts))]
    if not 1 <= len(pictures) <= settings.max_files:
        raise refused("invariant", request.path, f"Send 1 to {settings.max_files} pictures as Media or DocumentReference.")
    said = {
        "patient": patient,
        "lesion": _lesion(parts, request),
        "reference": identifier.value,
        "urgency": _urgency(request),
        "clinical_notes": _notes(parts.release, request.resource),
        "visited_at": min((picture.taken_at for picture in pictures if picture.taken_at), default=None),
        "images": [{"modality": picture.modality} for picture in pictures],
    }
    return OrderIn(
        identifier=identifier,
        case=_case(said, _places(parts, request)),
        files=tuple(picture.file for picture in pictures),
        places=tuple(picture.place for picture in pictures),
        told=echo(request.resource, release=parts.release),
        left=left,
    )


def order_identifier(request: Part) -> OrderIdentifier:
    """The portal's own identifier: the first. Without one, a repeated order would be a second one. Raises Problem."""
    named = [one for one in request.resource.get("identifier") or [] if one.get("value")]
    if not named:
        raise refused(
            "required", f"{request.path}.identifier", "An order needs your own identifier: a repeated one is then the same order."
        )
    system, value = str(named[0].get("system") or ""), str(named[0]["value"])
    if len(system) > 500 or not 1 <= len(value) <= 200 or re.search(r"[\x00-\x1f\x7f]", system + value):
        raise refused("value", f"{request.path}.identifier[0]", "A value of 1 to 200 printable letters, and a system of at most 500.")
    return OrderIdentifier(system, value)


def _check_intent(request: Part) -> None:
    said = request.resource
    if said.get("status") != "active":
        raise refused("business-rule", f"{request.path}.status", "Only an active order is taken: drafts and revoked ones are not.")
    if said.get("intent") not in INTENTS or said.get("doNotPerform"):
        raise refused(
            "business-rule", f"{request.path}.intent", f"Only an order to do something is taken: intent is one of {', '.join(INTENTS)}."
        )


def _check_task(parts: Parts) -> None:
    task = parts.only("Task")
    if task and task.resource.get("status") != "requested":
        raise refused("business-rule", f"{task.path}.status", "A Task begins as requested; from then on this service says how far it is.")


def _urgency(request: Part) -> Urgency:
    priority = request.resource.get("priority", "routine")
    if priority not in URGENCIES:
        raise refused("value", f"{request.path}.priority", f"One of {', '.join(URGENCIES)}.")
    return URGENCIES[priority]


def _patient(parts: Parts, request: Part) -> tuple[Json, tuple[str, ...]]:
    subject: Mapping[str, Any] = request.resource.get("subject") or {}
    if not subject.get("reference"):
        return {"reference": (subject.get("identifier") or {}).get("value")}, ()
    found = parts.named(str(subject["reference"]))
    if found is None or found.kind != "Patient":
        detail = "Send the Patient along, or name them by subject.identifier alone."
        raise refused("not-found", f"{request.path}.subject.reference", detail)
    named = [one for one in found.resource.get("identifier") or [] if one.get("value")]
    if len(named) != 1:
        raise refused("required" if not named else "business-rule", f"{found.path}.identifier", ONE_PSEUDONYM)
    born = str(found.resource.get("birthDate") or "")[:4]
    known = {"sex": SEXES.get(found.resource.get("gender", "")), "birth_year": int(born) if born.isdecimal() else None}
    told = [name for name in IDENTIFYING if found.resource.get(name)]
    return {"reference": named[0]["value"], **known}, (f"Not stored, as it tells who the patient is: {', '.join(told)}.",) if told else ()


def _check_same_patient(parts: Parts, request: Part) -> None:
    """A picture or a lesion of somebody else does not slip into an order."""
    mine: Json = request.resource["subject"]
    for part in parts.of("Media", "DocumentReference", "BodyStructure"):
        element = "patient" if part.kind == "BodyStructure" else "subject"
        other: Json = part.resource.get(element) or {}
        if not _may_be_same(parts, mine, other):
            raise refused("business-rule", f"{part.path}.{element}", "This is about another patient than the order.")


def _may_be_same(parts: Parts, mine: Json, other: Json) -> bool:
    """Where both say who, they say the same."""
    names = [(one.get("identifier") or {}).get("value") for one in (mine, other)]
    places = [one.get("reference") for one in (mine, other)]
    named = [parts.named(place) if place else None for place in places]
    same_place = not all(places) or places[0] == places[1] or (named[0] is not None and named[0] is named[1])
    return same_place and (not all(names) or names[0] == names[1])


def _lesion(parts: Parts, request: Part) -> Json:
    """From a BodyStructure, else from the request's body site."""
    structure = parts.only("BodyStructure")
    if structure is None:
        sites = request.resource.get("bodySite") or [{}]
        return {"body_site": _site(sites[0]), "laterality": _side(sites[0])}
    said = structure.resource
    if parts.release is Release.R4:
        where, sides = said.get("location") or {}, said.get("locationQualifier") or []
    else:
        included = said["includedStructure"][0]
        where, sides = included.get("structure") or {}, [included.get("laterality") or {}]
    names = [one["value"] for one in said.get("identifier") or [] if one.get("value")]
    side = next((found for one in [*sides, where] if (found := _side(one))), None)
    return {"reference": names[0] if names else None, "body_site": _site(where), "laterality": side}


def _codes(concept: Json) -> list[str]:
    """Its SNOMED CT codes."""
    return [one["code"] for one in concept.get("coding") or [] if one.get("system") == SYSTEMS[Scheme.SNOMED] and one.get("code")]


def _words(concept: Json) -> str | None:
    """Its text, or what the first code is called."""
    shown = [one.get("display") for one in concept.get("coding") or []]
    return next((text for text in (concept.get("text"), *shown) if text), None)


def _site(concept: Json) -> str | None:
    return next((SITE_NAMES[code] for code in _codes(concept) if code in SITE_NAMES), None) or _words(concept)


def _side(concept: Json) -> Laterality | None:
    coded = next((SIDE_NAMES[code] for code in _codes(concept) if code in SIDE_NAMES), None)
    told = set(re.findall(r"[a-z]+", (_words(concept) or "").lower())) & {side.value for side in Laterality}
    return coded or (Laterality(told.pop()) if len(told) == 1 else None)


def _notes(release: Release, request: Json) -> str:
    """What the dermatologist should know: reasons, then notes."""
    reasons = (
        request.get("reasonCode") or [] if release is Release.R4 else [one.get("concept") or {} for one in request.get("reason") or []]
    )
    texts = [*map(_words, reasons), *(one.get("text") for one in request.get("note") or [])]
    return "\n".join(text for text in texts if text)


@dataclass(frozen=True, slots=True)
class _Picture:
    file: UploadedFile
    place: str
    modality: Modality
    taken_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Attachment:
    """An attachment, the resource that it belongs to, and its place."""

    part: Part
    said: Json
    place: str


def _attached(parts: Parts) -> list[_Attachment]:
    found = []
    for part in parts.of("Media", "DocumentReference"):
        if part.kind == "Media":
            found.append(_Attachment(part, part.resource["content"], f"{part.path}.content"))
            continue
        contents: Sequence[Json] = part.resource.get("content") or []
        found += [_Attachment(part, one["attachment"], f"{part.path}.content[{at}].attachment") for at, one in enumerate(contents)]
    return found


def _picture(parts: Parts, attachment: _Attachment, index: int, settings: Settings) -> _Picture:
    text, place = _text(parts, attachment)
    if len(text) > settings.max_file_bytes * 4 // 3 + 4:
        raise refused("too-long", place, f"At most {settings.max_file_bytes} bytes. Reduce the picture.", status=413)
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise refused("value", place, "This is no base64.") from error
    title = "".join(letter for letter in str(attachment.said.get("title") or "").rsplit("/", 1)[-1] if letter.isprintable())
    file = UploadedFile(title[:MAX_FILENAME] or f"image-{index + 1}", io.BytesIO(data))
    return _Picture(file, place, _modality(attachment.part.resource), _taken_at(attachment))


def _text(parts: Parts, attachment: _Attachment) -> tuple[str, str]:
    """The base64 of a picture, in the attachment itself or in a Binary that came along, and its place."""
    inline = f"{attachment.place}.data"
    if inline in parts.data:
        return parts.data[inline], inline
    binary = parts.named(str(attachment.said.get("url")))
    if binary is None or binary.kind != "Binary" or f"{binary.path}.data" not in parts.data:
        detail = "Send the picture as data, or as a Binary that comes along: nothing is fetched from other addresses."
        raise refused("not-supported" if attachment.said.get("url") else "required", attachment.place, detail)
    return parts.data[f"{binary.path}.data"], f"{binary.path}.data"


def _modality(resource: Json) -> Modality:
    said = resource.get("modality") or []
    concepts = [*(said if isinstance(said, list) else [said]), *([resource["type"]] if resource.get("type") else [])]
    codes = {code.get("code") for concept in concepts for code in concept.get("coding") or []}
    words = " ".join(filter(None, map(_words, concepts))).lower()
    if codes & {"DMS", DERMOSCOPIC_PHOTOGRAPHY.code} or re.search(r"dermat?oscop", words):
        return Modality.DERMOSCOPIC
    return Modality.CLINICAL if "XC" in codes or "clinical" in words else Modality.UNKNOWN


def _taken_at(attachment: _Attachment) -> datetime | None:
    """When the picture was taken: a day at least, else nobody said so."""
    said = attachment.part.resource
    text = said.get("createdDateTime") or attachment.said.get("creation") or said.get("date")
    if not text or len(str(text)) < len("2026-01-01"):
        return None
    moment = datetime.fromisoformat(str(text))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _places(parts: Parts, request: Part) -> dict[str, str]:
    """Where each part of the case came from, as a FHIRPath."""
    patient, structure, picture = parts.only("Patient"), parts.only("BodyStructure"), parts.of("Media", "DocumentReference")[0]
    return {
        "patient": patient.path if patient else f"{request.path}.subject",
        "lesion": structure.path if structure else f"{request.path}.bodySite",
        "visited_at": picture.path,
        "clinical_notes": f"{request.path}.note",
    }


def _case(said: Json, places: Mapping[str, str]) -> CaseIn:
    try:
        return CaseIn.model_validate(said)
    except ValidationError as error:
        faults = [_fault(one["loc"], str(one["msg"]), places) for one in error.errors(include_url=False, include_input=False)]
        raise Problem(422, "value", "The order holds values that a case cannot.", errors=faults) from error


def _fault(place: Sequence[int | str], message: str, places: Mapping[str, str]) -> Fault:
    return Fault(location=places.get(str(place[0]), "ServiceRequest"), reason="value", detail=f"{'.'.join(map(str, place))}: {message}")
