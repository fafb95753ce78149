"""DICOM instances in: from STOW-RS and from C-STORE the same way, and on to a case as ``POST /v1/cases`` would make it.

One study is one case. What comes later belongs to the same case as long as it is undecided, else to a new case of the study. Every
instance has its own outcome; what is stored is stored whole, and durably before anybody is told so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from models.pictures.dicom_facts import DicomFacts, read_identity
from models.pictures.errors import PictureRefused
from services.intake.accept import CheckedFile, StoredImage, checked_file, each_file, new_case, recorded, store_files
from services.intake.context import Backends
from services.intake.dicomweb_failures import (
    AWAY,
    NO_CONSENT,
    NO_PATIENT,
    NO_UIDS,
    NOT_DICOM,
    OTHER_PATIENT,
    OTHER_STUDY,
    TAKEN,
    TOO_LARGE,
    TOO_MANY,
    Failure,
    Status,
    refusal,
)
from services.intake.metrics import UPLOADS
from services.intake.schemas import CaseIn, LesionIn, PatientIn
from services.intake.uploads import BoundedFile, UploadedFile
from services.objects import StoreError
from services.records.access import Portal
from services.records.audit import Actor
from services.records.cases import AcceptedCase, accept_case, add_images
from services.records.errors import CareWithdrawn, CaseClosed, CaseNotFound, DatabaseUnavailable
from services.records.instances import StudyCase, hold_studies, known_instances, open_case_of_study

# Another request of the same study, or a decision, can come between the look and the record: then once more.
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one instance. UIDs are "" where the file does not tell them. ``failure`` None: it is stored."""

    study_uid: str
    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    failure: Failure | None = None
    warning: Status | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """An instance on its way: its place in the request, and the file once it is checked."""

    place: int
    file: CheckedFile
    facts: DicomFacts


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the records say before a study is stored: where it belongs, and the SHA-256 of the instances that are there already."""

    case: StudyCase | None
    case_id: UUID
    known: dict[str, str]


class _Overtaken(Exception):
    """The plan is no longer true."""


def receive_instances(
    *, backends: Backends, portal: Portal, uploads: Sequence[UploadedFile], study_uid: str | None = None
) -> list[Outcome]:
    """Store what can be stored and say of each file what became of it, in their order.

    Args:
        study_uid: only instances of this study are taken; None: of any.
    """
    first = each_file(backends, lambda upload: _examined(backends, upload, study_uid), uploads[: backends.settings.max_files])
    outcomes: list[Outcome] = [_outcome(item) if isinstance(item, CheckedFile) else item for item in first]
    outcomes += [replace(_peeked(upload), failure=TOO_MANY) for upload in uploads[len(first) :]]
    items = [Item(place, file, file.info.dicom) for place, file in enumerate(first) if isinstance(file, CheckedFile) and file.info.dicom]
    for study in dict.fromkeys(item.facts.study_uid for item in items):
        for place, outcome in _store_study(backends, portal, [item for item in items if item.facts.study_uid == study]).items():
            outcomes[place] = outcome
    return outcomes


def _examined(backends: Backends, upload: UploadedFile, study_uid: str | None) -> CheckedFile | Outcome:
    """Decode a file to its end and find what speaks against it."""
    if isinstance(upload.stream, BoundedFile) and upload.stream.exceeded:
        return replace(_peeked(upload), failure=TOO_LARGE)
    file = checked_file(upload, backends.settings.max_pixels)
    if isinstance(file, PictureRefused):
        found = _peeked(upload)
        return replace(found, failure=refusal(file, found.sop_class_uid))
    failure = _objection(file.info.dicom, study_uid)
    return replace(_outcome(file), failure=failure) if failure else file


def _objection(facts: DicomFacts | None, study_uid: str | None) -> Failure | None:
    if facts is None:
        return NOT_DICOM
    if not facts.identified:
        return NO_UIDS
    if not facts.patient_id:
        return NO_PATIENT
    return OTHER_STUDY if study_uid not in (None, facts.study_uid) else None


def _peeked(upload: UploadedFile) -> Outcome:
    """What a refused file says of its identity, as far as it can be read."""
    upload.stream.seek(0)
    return Outcome(*read_identity(upload.stream))


def _outcome(file: CheckedFile) -> Outcome:
    facts = file.info.dicom or DicomFacts()
    # Type 1 of every image, and what tells a dermoscope's picture from others for people downstream.
    warning = None if facts.modality else Status.MISMATCH_WARNING
    return Outcome(facts.study_uid, facts.series_uid, facts.sop_class_uid, facts.sop_instance_uid, warning=warning)


def _store_study(backends: Backends, portal: Portal, items: Sequence[Item]) -> dict[int, Outcome]:
    """The outcomes of the instances of one study, by their place."""
    try:
        for _ in range(ATTEMPTS):
            try:
                return _stored_once(backends, portal, items)
            except (_Overtaken, CaseClosed, CaseNotFound):
                continue
    except CareWithdrawn:
        return {item.place: replace(_outcome(item.file), failure=NO_CONSENT) for item in items}
    except (StoreError, DatabaseUnavailable):
        pass
    return {item.place: replace(_outcome(item.file), failure=AWAY) for item in items}


def _stored_once(backends: Backends, portal: Portal, items: Sequence[Item]) -> dict[int, Outcome]:
    plan = _look(backends, portal, items)
    patient = plan.case.patient_reference if plan.case else None
    outcomes: dict[int, Outcome] = {}
    digests, new = dict(plan.known), []
    for item in items:
        uid = item.facts.sop_instance_uid
        failure = _clash(item, digests.get(uid), patient)
        outcomes[item.place] = replace(_outcome(item.file), failure=failure)
        if failure is None and uid not in digests:
            new.append(item)
            digests[uid], patient = item.file.sha256, item.facts.patient_id
    if new:
        _record(backends, portal, plan, new)
    return outcomes


def _clash(item: Item, digest: str | None, patient: str | None) -> Failure | None:
    if digest is not None:
        # The same bytes again are no error: whoever lost our answer sends them once more.
        return None if digest == item.file.sha256 else TAKEN
    return OTHER_PATIENT if patient not in (None, item.facts.patient_id) else None


def _look(backends: Backends, portal: Portal, items: Sequence[Item]) -> _Plan:
    with backends.database.transaction(tenants=[portal.tenant_id]) as session:
        uids = [item.facts.sop_instance_uid for item in items]
        known = known_instances(session=session, tenant_id=portal.tenant_id, sop_instance_uids=uids)
        case = open_case_of_study(session=session, tenant_id=portal.tenant_id, study_uid=items[0].facts.study_uid)
    return _Plan(case, case.case_id if case else uuid4(), {uid: instance.sha256 for uid, instance in known.items()})


def _record(backends: Backends, portal: Portal, plan: _Plan, items: Sequence[Item]) -> None:
    """Put the files, then write the case in one transaction. Raises _Overtaken, CaseClosed, StoreError, DatabaseUnavailable."""
    files = [item.file for item in items]
    images = store_files(backends=backends, portal=portal, case_id=plan.case_id, files=files, said=[])
    recorded(backends, portal, plan.case_id, images, lambda: _write(backends, portal, plan, items, images))
    UPLOADS.inc(len(images))
    backends.doorbell.ring()


def _write(backends: Backends, portal: Portal, plan: _Plan, items: Sequence[Item], images: Sequence[StoredImage]) -> AcceptedCase:
    tenant_id, case_id = portal.tenant_id, plan.case_id
    records, actor = [image.record for image in images], Actor.portal(portal.key_id)
    with backends.database.transaction(tenants=[tenant_id]) as session:
        hold_studies(session=session, tenant_id=tenant_id)
        uids = [item.facts.sop_instance_uid for item in items]
        known = known_instances(session=session, tenant_id=tenant_id, sop_instance_uids=uids)
        if known or plan.case != open_case_of_study(session=session, tenant_id=tenant_id, study_uid=items[0].facts.study_uid):
            raise _Overtaken
        if plan.case:
            return add_images(session=session, tenant_id=tenant_id, case_id=case_id, images=records, actor=actor)
        case = new_case(case_of(items), [item.file for item in items])
        return accept_case(session=session, tenant_id=tenant_id, case_id=case_id, case=case, images=records, actor=actor)


def case_of(items: Sequence[Item]) -> CaseIn:
    """The case that the headers of a study describe; of what they disagree about, the first one's word counts."""

    def said(name: str) -> str | None:
        return next((value for item in items if (value := getattr(item.facts, name))), None)

    return CaseIn(
        patient=PatientIn(reference=items[0].facts.patient_id, sex=said("sex"), birth_year=said("birth_year")),
        lesion=LesionIn(reference=said("tracking"), body_site=said("body_site"), laterality=said("laterality")),
        reference=said("accession"),
    )
