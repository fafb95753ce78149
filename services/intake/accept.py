"""Accepting files: validate everything, store the objects, then one transaction. Either all of it happens or nothing."""

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from models.pictures.dicom_facts import DicomFacts
from models.pictures.errors import PictureRefused
from models.pictures.info import MediaType, PictureInfo
from models.pictures.inspect import inspect
from models.pictures.viewing import viewing
from services.intake.context import Backends
from services.intake.problems import Fault, Problem, refused_fault
from services.intake.schemas import CaseIn, ImageIn
from services.intake.uploads import UploadedFile
from services.objects import StoreError
from services.records.access import Portal
from services.records.audit import Actor
from services.records.cases import AcceptedCase, Idempotency, NewCase, NewImage, accept_case, add_images
from services.records.errors import CaseClosed, CaseNotFound, DatabaseUnavailable
from services.records.instances import ReceivedInstance
from services.records.states import CaseState, Modality, SpacingSource, VisitSource
from services.records.views import CaseView, load_case

log = logging.getLogger(__name__)

# Pictures that must be decoded at full size need 3 to 12 bytes a pixel: above this, one at a time.
LARGE_PIXELS = 12_000_000
_large = threading.Semaphore(1)

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that was decoded to its end. ``view`` is None where the original itself is fit for viewing."""

    upload: UploadedFile
    info: PictureInfo
    byte_size: int
    sha256: str
    view: bytes | None
    view_type: MediaType


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A checked file and the keys under which it lies in the store."""

    record: NewImage
    file: CheckedFile

    @property
    def keys(self) -> set[str]:
        """One key where the original is also what is viewed."""
        return {self.record.original_key, self.record.view_key}


@dataclass(frozen=True, slots=True)
class Submission:
    """The outcome of a submission: the case and its images by id and filename, in order."""

    case: AcceptedCase
    images: tuple[tuple[UUID, str], ...]


def submit_case(
    *,
    backends: Backends,
    portal: Portal,
    case: CaseIn,
    uploads: Sequence[UploadedFile],
    idempotency_key: str | None,
    within: Callable[[Session, AcceptedCase], None] = lambda session, accepted: None,  # noqa: ARG005
) -> Submission:
    """Accept a case with its files; once it returns, everything is durable and will be analysed.

    Args:
        within: what else belongs into the transaction that accepts the case; not called where an equal request came first.

    Raises:
        Problem: files are refused (nothing is stored).
        IdempotencyConflict: the key was used for another request.
        StoreUnavailable, DatabaseUnavailable: nothing was accepted; try again.
    """
    files = check_files(backends=backends, uploads=uploads, said=case.images)
    idempotency = Idempotency(idempotency_key, request_digest(case, files)) if idempotency_key else None
    case_id = uuid4()
    images = store_files(backends=backends, portal=portal, case_id=case_id, files=files, said=case.images)

    def record() -> AcceptedCase:
        with backends.database.transaction(tenants=[portal.tenant_id]) as session:
            accepted = accept_case(
                session=session,
                tenant_id=portal.tenant_id,
                case_id=case_id,
                case=new_case(case, files),
                images=[image.record for image in images],
                actor=Actor.portal(portal.key_id),
                idempotency=idempotency,
            )
            if not accepted.replayed:
                within(session, accepted)
            return accepted

    accepted = recorded(backends, portal, case_id, images, record)
    if accepted.replayed:
        # An equal request came first: its case is the answer, our objects are spare. Looking for it before the objects
        # are put would cost every submission a transaction, to save the rare repetition a put.
        remove_objects(backends, images)
        return replayed(backends, portal, accepted.id)
    backends.doorbell.ring()
    return Submission(accepted, tuple((image.record.id, image.record.filename) for image in images))


def submit_images(
    *, backends: Backends, portal: Portal, case_id: UUID, uploads: Sequence[UploadedFile], said: Sequence[ImageIn]
) -> Submission:
    """Add files to an undecided case. Raises as ``submit_case``, and CaseNotFound, CaseClosed."""
    _require_open(backends, portal, case_id)
    files = check_files(backends=backends, uploads=uploads, said=said)
    images = store_files(backends=backends, portal=portal, case_id=case_id, files=files, said=said)

    def record() -> AcceptedCase:
        with backends.database.transaction(tenants=[portal.tenant_id]) as session:
            return add_images(
                session=session,
                tenant_id=portal.tenant_id,
                case_id=case_id,
                images=[image.record for image in images],
                actor=Actor.portal(portal.key_id),
            )

    accepted = recorded(backends, portal, case_id, images, record)
    backends.doorbell.ring()
    return Submission(accepted, tuple((image.record.id, image.record.filename) for image in images))


def check_files(*, backends: Backends, uploads: Sequence[UploadedFile], said: Sequence[ImageIn]) -> list[CheckedFile]:
    """Decode every file to its end. Raises Problem naming every refused file, not only the first."""
    if len(said) > len(uploads):
        fault = Fault(location="case.images", reason="too_long", detail="There are more entries than files.")
        raise Problem(422, "invalid_fields", "`case.images` does not fit the files.", errors=[fault])
    checked = each_file(backends, lambda upload: checked_file(upload, backends.settings.max_pixels), uploads)
    faults = [refused_fault(f"images[{index}]", item) for index, item in enumerate(checked) if isinstance(item, PictureRefused)]
    if faults:
        reason = faults[0].reason if len(faults) == 1 else "images_refused"
        raise Problem(422, reason, faults[0].detail if len(faults) == 1 else f"{len(faults)} files are refused.", errors=faults)
    return [item for item in checked if isinstance(item, CheckedFile)]


def checked_file(upload: UploadedFile, max_pixels: int) -> CheckedFile | PictureRefused:
    data = upload.read()
    try:
        info = inspect(data, max_pixels=max_pixels)
        with _large if info.width * info.height > LARGE_PIXELS else nullcontext():
            view = viewing(data, info, max_pixels=max_pixels)
    except PictureRefused as refusal:
        return refusal
    digest = hashlib.sha256(data).hexdigest()
    return CheckedFile(upload, info, len(data), digest, view.data if view.changed else None, view.media_type)


def store_files(
    *, backends: Backends, portal: Portal, case_id: UUID, files: Sequence[CheckedFile], said: Sequence[ImageIn]
) -> list[StoredImage]:
    """Put originals and views. On failure what was put is removed again and StoreUnavailable is raised."""
    padded = [*said, *(ImageIn() for _ in range(len(files) - len(said)))]
    images = [StoredImage(_new_image(portal, case_id, file, words), file) for file, words in zip(files, padded, strict=True)]
    try:
        each_file(backends, lambda image: _put(backends, image), images)
    except StoreError:
        remove_objects(backends, images)
        raise
    return images


def _put(backends: Backends, image: StoredImage) -> None:
    original = image.file.upload.read()
    backends.store.put(image.record.original_key, original, image.record.media_type)
    if image.file.view is not None:
        backends.store.put(image.record.view_key, image.file.view, image.file.view_type)


def _new_image(portal: Portal, case_id: UUID, file: CheckedFile, said: ImageIn) -> NewImage:
    image_id = uuid4()
    folder = f"{portal.tenant_id}/{case_id}/{image_id}"
    found = Modality(file.info.modality)
    return NewImage(
        id=image_id,
        filename=file.upload.filename,
        media_type=file.info.media_type,
        byte_size=file.byte_size,
        sha256=file.sha256,
        width=file.info.width,
        height=file.info.height,
        modality=said.modality if found is Modality.UNKNOWN else found,
        pixel_spacing_mm=file.info.pixel_spacing_mm or said.pixel_spacing_mm,
        spacing_source=_spacing_source(file, said),
        magnification=(file.info.dicom and file.info.dicom.magnification) or said.magnification,
        original_key=f"{folder}/original",
        view_key=f"{folder}/original" if file.view is None else f"{folder}/view",
        instance=received_instance(file.info.dicom),
    )


def received_instance(facts: DicomFacts | None) -> ReceivedInstance | None:
    """Which DICOM instance a file is; None for other files, and where it does not say so by valid UIDs."""
    if facts is None or not facts.identified:
        return None
    return ReceivedInstance(**{name: getattr(facts, name) for name in ReceivedInstance.__dataclass_fields__})


def _spacing_source(file: CheckedFile, said: ImageIn) -> SpacingSource | None:
    if file.info.pixel_spacing_mm:
        return SpacingSource.DICOM
    return SpacingSource.STATED if said.pixel_spacing_mm else None


def _visit(case: CaseIn, files: Sequence[CheckedFile]) -> tuple[datetime | None, VisitSource]:
    """When the pictures were taken, and who says so: the portal, else the earliest of its DICOM files."""
    if case.visited_at is not None:
        return case.visited_at, VisitSource.PORTAL
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    acquired = [file.info.acquired_at for file in files if file.info.acquired_at and file.info.acquired_at < tomorrow]
    return (min(acquired), VisitSource.DICOM) if acquired else (None, VisitSource.RECEIPT)


def new_case(case: CaseIn, files: Sequence[CheckedFile]) -> NewCase:
    visited_at, source = _visit(case, files)
    return NewCase(
        patient_reference=case.patient.reference,
        sex=case.patient.sex,
        birth_year=case.patient.birth_year,
        fitzpatrick=case.patient.fitzpatrick,
        consent_training=case.patient.consent_training,
        consent_care=case.patient.consent_care,
        consent_audit=case.patient.consent_audit,
        lesion_reference=case.lesion.reference,
        body_site=case.lesion.body_site,
        laterality=case.lesion.laterality,
        reference=case.reference,
        urgency=case.urgency,
        clinical_notes=case.clinical_notes,
        visited_at=visited_at,
        visit_source=source,
    )


def request_digest(case: CaseIn, files: Iterable[CheckedFile]) -> str:
    """SHA-256 (hex) of what a request says: see :func:`digest_of`."""
    return digest_of(case, [(file.upload.filename, file.sha256) for file in files])


def digest_of(case: CaseIn, named: Iterable[tuple[str, str]]) -> str:
    """SHA-256 (hex) of a case without what is as by default, and of names and contents (SHA-256, hex) of its files in order.

    So a request that is repeated after an upgrade, whose cases know of more, still is the same request.
    """
    said = [case.model_dump(mode="json", exclude_defaults=True), [list(file) for file in named]]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def replayed(backends: Backends, portal: Portal, case_id: UUID) -> Submission:
    """The answer to a request that an equal one came before."""
    view = _load(backends, portal, case_id)
    # The first answer again: queued, as it was then. The status address tells how far the case has come.
    accepted = AcceptedCase(view.id, CaseState.QUEUED, view.received_at, view.due_at, replayed=True)
    return Submission(accepted, tuple((image.id, image.filename) for image in view.images))


def _require_open(backends: Backends, portal: Portal, case_id: UUID) -> None:
    """Refuse before the files are decoded and stored; ``add_images`` decides for good under its lock."""
    if _load(backends, portal, case_id).state.terminal:
        raise CaseClosed("The case has been decided: send further images as a new case.")


def _load(backends: Backends, portal: Portal, case_id: UUID) -> CaseView:
    with backends.database.transaction(tenants=[portal.tenant_id]) as session:
        return load_case(session=session, tenant_ids=[portal.tenant_id], case_id=case_id)


def recorded(
    backends: Backends, portal: Portal, case_id: UUID, images: Sequence[StoredImage], record: Callable[[], AcceptedCase]
) -> AcceptedCase:
    try:
        return record()
    except DatabaseUnavailable:
        # A connection can break after the server has committed: objects that a case refers to must stay.
        if not _may_be_recorded(backends, portal, case_id, images):
            remove_objects(backends, images)
        raise
    except Exception:
        remove_objects(backends, images)
        raise


def _may_be_recorded(backends: Backends, portal: Portal, case_id: UUID, images: Sequence[StoredImage]) -> bool:
    try:
        recorded = {image.id for image in _load(backends, portal, case_id).images}
    except CaseNotFound:
        return False
    except DatabaseUnavailable:
        return True
    return any(image.record.id in recorded for image in images)


def remove_objects(backends: Backends, images: Sequence[StoredImage]) -> None:
    """Best effort: an object that stays behind costs space and nothing else."""
    for key in sorted(key for image in images for key in image.keys):
        try:
            backends.store.delete(key)
        except StoreError:
            log.warning("object left behind: %s", key)
            return


def each_file(backends: Backends, work: Callable[[Given], Made], items: Sequence[Given]) -> list[Made]:
    """``work`` on every item; one item needs no thread."""
    if len(items) == 1:
        return [work(items[0])]
    return list(backends.files.map(work, items))
