"""Files that portals have put into the store themselves: checked against what was announced, then accepted like those of a request."""

import hashlib
import logging
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import IO
from uuid import UUID

from sqlalchemy.orm import Session

from services.intake.accept import Submission, digest_of, replayed, submit_case
from services.intake.context import Backends
from services.intake.problems import Fault, Problem
from services.intake.schemas import CaseIn
from services.intake.uploads import SPOOL_BYTES, UploadedFile
from services.objects import ObjectMissing, Objects, StoreError
from services.records.access import Portal
from services.records.audit import Actor
from services.records.cases import AcceptedCase, Idempotency, find_idempotent
from services.records.states import UploadState
from services.records.uploads import UploadUsed, UploadView, complete_upload, find_uploads, known_uploads, use_uploads

log = logging.getLogger(__name__)
CHUNK_BYTES = 4 * 2**20
# Files beyond what a request may carry are held in memory one case at a time.
_bulky = threading.Semaphore(1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A case and the uploads that are its pictures. ``reserved``: a batch keeps them for it."""

    case: CaseIn
    upload_ids: Sequence[UUID]
    idempotency_key: str | None
    reserved: bool = False


def complete(*, backends: Backends, portal: Portal, upload_id: UUID) -> UploadView:
    """Look whether the announced file has come, byte for byte.

    Raises:
        UploadNotFound: no such upload, or its time is over.
        Problem: nothing has come, or something else (422); the file may be sent again.
    """
    with backends.database.transaction(tenants=[portal.tenant_id]) as session:
        (upload,) = find_uploads(session=session, tenant_id=portal.tenant_id, upload_ids=[upload_id])
    if upload.state is not UploadState.PENDING:
        return upload
    fault = _fault(backends.store, upload, None)
    if fault is not None:
        raise Problem(422, fault.reason, fault.detail, errors=[fault])
    with backends.database.transaction(tenants=[portal.tenant_id]) as session:
        actor = Actor.portal(portal.key_id)
        return complete_upload(session=session, tenant_id=portal.tenant_id, upload_id=upload_id, actor=actor)


def submit_uploaded(*, backends: Backends, portal: Portal, wanted: Wanted) -> Submission:
    """Accept a case whose files lie in the store, exactly as :func:`services.intake.accept.submit_case` does.

    Raises:
        Problem: uploads or pictures are refused; nothing of the case is stored.
        UploadUsed: another case was first.
        IdempotencyConflict, StoreUnavailable, DatabaseUnavailable: as there.
    """
    uploads, earlier = _found(backends, portal, wanted)
    if earlier is not None:
        return replayed(backends, portal, earlier)
    try:
        submission = _submitted(backends, portal, wanted, uploads)
    except (Problem, UploadUsed):
        # An equal request, sent twice for want of an answer, may have taken the files from under this one.
        _, earlier = _found(backends, portal, wanted)
        if earlier is None:
            raise
        return replayed(backends, portal, earlier)
    _forget(backends.store, uploads)
    return submission


def _submitted(backends: Backends, portal: Portal, wanted: Wanted, uploads: Sequence[UploadView]) -> Submission:
    _require_ready(uploads, wanted)
    bulky = any(upload.byte_size > backends.settings.max_file_bytes for upload in uploads)
    with ExitStack() as open_files, _bulky if bulky else nullcontext():
        files = [_fetched(backends.store, upload, number, open_files) for number, upload in enumerate(uploads)]

        def use(session: Session, _: AcceptedCase) -> None:
            use_uploads(session=session, tenant_id=portal.tenant_id, upload_ids=wanted.upload_ids, reserved=wanted.reserved)

        return submit_case(
            backends=backends, portal=portal, case=wanted.case, uploads=files, idempotency_key=wanted.idempotency_key, within=use
        )


def _found(backends: Backends, portal: Portal, wanted: Wanted) -> tuple[list[UploadView], UUID | None]:
    """The uploads, and the case of an equal request that came first: then they are used, and not looked at again."""
    limit = backends.settings.max_files
    if len(wanted.upload_ids) > limit:
        raise Problem(413, "too_many_files", f"{len(wanted.upload_ids)} uploads are named; at most {limit} belong to one case.")
    with backends.database.transaction(tenants=[portal.tenant_id]) as session:
        known = known_uploads(session=session, tenant_id=portal.tenant_id, upload_ids=wanted.upload_ids)
        faults = [missing_upload(f"uploads.{number}") for number, each in enumerate(wanted.upload_ids) if each not in known]
        faults += [twice_named(f"uploads.{number}") for number, each in enumerate(wanted.upload_ids) if each in wanted.upload_ids[:number]]
        if faults:
            raise Problem(422, faults[0].reason, faults[0].detail, errors=faults)
        uploads = [known[upload_id] for upload_id in wanted.upload_ids]
        if wanted.idempotency_key is None:
            return uploads, None
        digest = digest_of(wanted.case, [(upload.filename, upload.sha256) for upload in uploads])
        idempotency = Idempotency(wanted.idempotency_key, digest)
        return uploads, find_idempotent(session=session, tenant_id=portal.tenant_id, idempotency=idempotency)


def missing_upload(location: str) -> Fault:
    """No such upload."""
    return Fault(location=location, reason="upload_not_found", detail="There is no such upload, or it has expired: send the file again.")


def twice_named(location: str) -> Fault:
    """An upload is one picture."""
    return Fault(location=location, reason="upload_named_twice", detail="It is named before: one upload is one picture of one case.")


def unready_upload(location: str, upload: UploadView, *, reserved: bool = False) -> Fault | None:
    """What keeps this upload from being used; None: nothing."""
    if upload.state is UploadState.PENDING:
        detail = "The file has not come yet: PUT it, then POST to the upload's complete_url."
        return Fault(location=location, reason="upload_not_ready", detail=detail)
    if upload.state is not (UploadState.RESERVED if reserved else UploadState.READY):
        return Fault(location=location, reason="upload_used", detail="It belongs to another case or batch: send the file again.")
    return None


def _require_ready(uploads: Sequence[UploadView], wanted: Wanted) -> None:
    checked = [unready_upload(f"uploads.{number}", upload, reserved=wanted.reserved) for number, upload in enumerate(uploads)]
    faults = [fault for fault in checked if fault]
    if faults:
        raise Problem(409, faults[0].reason, faults[0].detail, errors=faults)


def _fetched(store: Objects, upload: UploadView, number: int, open_files: ExitStack) -> UploadedFile:
    """The file, in memory or on disk. It is checked again: the address to which it was sent is valid for some minutes."""
    stream = open_files.enter_context(tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES))  # noqa: SIM115  (the stack closes it)
    fault = _fault(store, upload, stream)
    if fault is not None:
        raise Problem(422, fault.reason, fault.detail, errors=[fault.model_copy(update={"location": f"uploads.{number}"})])
    return UploadedFile(upload.filename, stream)


def _fault(store: Objects, upload: UploadView, into: IO[bytes] | None) -> Fault | None:
    """Read the object once, a part at a time; what it lacks of what was announced."""
    digest, length = hashlib.sha256(), 0
    try:
        for part in _parts(store, upload):
            digest.update(part)
            length += len(part)
            if into is not None:
                into.write(part)
    except ObjectMissing:
        return Fault(location="upload", reason="upload_missing", detail="Nothing has come: PUT the file to put_url, then complete.")
    if length != upload.byte_size or digest.hexdigest() != upload.sha256:
        detail = f"Other bytes have come than were announced ({length} of {upload.byte_size}, or another SHA-256): announce and send again."
        return Fault(location="upload", reason="upload_differs", detail=detail)
    return None


def _parts(store: Objects, upload: UploadView) -> Iterator[bytes]:
    """The object's bytes up to one more than were announced."""
    start, wanted = 0, upload.byte_size + 1
    while start < wanted:
        part = store.get_range(upload.key, start=start, length=min(CHUNK_BYTES, wanted - start))
        yield part
        start += len(part)
        if len(part) < CHUNK_BYTES:
            return


def _forget(store: Objects, uploads: Sequence[UploadView]) -> None:
    """Best effort: upkeep deletes them when their time is over."""
    try:
        for upload in uploads:
            store.delete(upload.key)
    except StoreError:
        log.warning("uploads left behind for upkeep")
