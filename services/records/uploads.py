"""Files that portals put into the store themselves: announced, checked, used once by a case, or deleted when their time is over."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.errors import RecordError
from services.records.states import AuditAction, UploadState
from services.records.tables import Upload

# An upload that a line of a batch names waits for its turn, however long that takes; the longest that one is kept for.
LONGEST = timedelta(days=30)


class UploadNotFound(RecordError):
    """No such upload of this portal, or its time was over and it is deleted."""

    def __init__(self, upload_id: UUID) -> None:
        super().__init__(f"There is no upload {upload_id}: it may have expired. Announce and send the file again.")
        self.upload_id = upload_id


class UploadUsed(RecordError):
    """The upload belongs to a case, or to a line of a batch, already: send the file again for another case."""


@dataclass(frozen=True, slots=True)
class UploadView:
    """One announced file. ``sha256`` in hex."""

    id: UUID
    tenant_id: UUID
    filename: str
    byte_size: int
    sha256: str
    state: UploadState
    created_at: datetime
    expires_at: datetime

    @property
    def key(self) -> str:
        """Where its object lies."""
        return object_key(self.tenant_id, self.id)


COLUMNS = (
    Upload.id,
    Upload.tenant_id,
    Upload.filename,
    Upload.byte_size,
    Upload.sha256,
    Upload.state,
    Upload.created_at,
    Upload.expires_at,
)


def object_key(tenant_id: UUID, upload_id: UUID) -> str:
    """Where the object of an upload lies; nothing else lies there."""
    return f"{tenant_id}/incoming/{upload_id}"


def announce_upload(*, session: Session, tenant_id: UUID, filename: str, byte_size: int, sha256: str, kept_for: timedelta) -> UploadView:
    """Make room for a file, before it is sent: an object without a row would never be deleted."""
    upload = Upload(
        id=uuid4(), tenant_id=tenant_id, filename=filename, byte_size=byte_size, sha256=sha256, expires_at=func.now() + kept_for
    )
    session.add(upload)
    session.flush()
    return find_uploads(session=session, tenant_id=tenant_id, upload_ids=[upload.id])[0]


def find_uploads(*, session: Session, tenant_id: UUID, upload_ids: Sequence[UUID]) -> list[UploadView]:
    """Return these uploads of the tenant, in this order.

    Raises:
        UploadNotFound: one is not there, or its time is over.
    """
    found = known_uploads(session=session, tenant_id=tenant_id, upload_ids=upload_ids)
    missing = [upload_id for upload_id in upload_ids if upload_id not in found]
    if missing:
        raise UploadNotFound(missing[0])
    return [found[upload_id] for upload_id in upload_ids]


def known_uploads(*, session: Session, tenant_id: UUID, upload_ids: Collection[UUID]) -> dict[UUID, UploadView]:
    """Return those of these uploads that the tenant has, by id, in one statement."""
    alive = (Upload.expires_at > func.now()) | (Upload.state == UploadState.RESERVED)
    query = select(*COLUMNS).where(Upload.tenant_id == tenant_id, Upload.id.in_(upload_ids), alive)
    return {row.id: UploadView(*row) for row in session.execute(query)}


def complete_upload(*, session: Session, tenant_id: UUID, upload_id: UUID, actor: Actor) -> UploadView:
    """Note that the object is what was announced; a second time changes nothing.

    Raises:
        UploadNotFound: the tenant has no such upload.
    """
    (upload,) = find_uploads(session=session, tenant_id=tenant_id, upload_ids=[upload_id])
    if not _step(session, tenant_id, [upload_id], {UploadState.PENDING}, UploadState.READY):
        return upload
    details = {"byte_size": upload.byte_size}
    subject = Subject("upload", upload_id)
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.UPLOAD_COMPLETED, subject=subject, details=details)
    return find_uploads(session=session, tenant_id=tenant_id, upload_ids=[upload_id])[0]


def reserve_uploads(*, session: Session, tenant_id: UUID, upload_ids: Collection[UUID]) -> None:
    """Keep uploads for lines of a batch. Raises UploadUsed where one is not free any more."""
    if _step(session, tenant_id, upload_ids, {UploadState.READY}, UploadState.RESERVED) != len(upload_ids):
        raise UploadUsed("An upload was used meanwhile: send its file again for another case.")


def release_uploads(*, session: Session, tenant_id: UUID, upload_ids: Collection[UUID]) -> None:
    """Give up what was kept for a line that came to nothing: it expires when its time is over."""
    _step(session, tenant_id, upload_ids, {UploadState.RESERVED}, UploadState.READY)


def use_uploads(*, session: Session, tenant_id: UUID, upload_ids: Collection[UUID], reserved: bool) -> None:
    """Note, in the transaction that accepts their case, that uploads are used.

    Args:
        reserved: they were kept for the line of a batch that becomes this case.

    Raises:
        UploadUsed: another case, or batch, was first; nothing of this transaction may be kept.
    """
    free = UploadState.RESERVED if reserved else UploadState.READY
    if _step(session, tenant_id, upload_ids, {free}, UploadState.USED) != len(upload_ids):
        raise UploadUsed("An upload belongs to another case, or to a batch: send its file again for this case.")


def expired_uploads(*, session: Session, limit: int) -> list[UploadView]:
    """Lock up to ``limit`` uploads whose time is over, of all tenants; what a batch keeps has until ``LONGEST`` after that."""
    reserved = Upload.state == UploadState.RESERVED
    over = (Upload.expires_at <= func.now(), ~reserved | (Upload.expires_at <= func.now() - LONGEST))
    return [UploadView(*row) for row in session.execute(_oldest(over).limit(limit).with_for_update(skip_locked=True))]


def delete_uploads(*, session: Session, uploads: Sequence[UploadView], actor: Actor) -> None:
    """Delete rows whose objects are deleted, with one audit event for each tenant."""
    session.execute(delete(Upload).where(Upload.id.in_([upload.id for upload in uploads])))
    for tenant_id in sorted({upload.tenant_id for upload in uploads}):
        details = {"uploads": sum(upload.tenant_id == tenant_id for upload in uploads)}
        subject = Subject("upload")
        record_event(
            session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.UPLOADS_EXPIRED, subject=subject, details=details
        )


def _oldest(which: Sequence[object]) -> Select[UUID, UUID, str, int, str, UploadState, datetime, datetime]:
    return select(*COLUMNS).where(*which).order_by(Upload.expires_at, Upload.id)  # type: ignore[arg-type]


def _step(session: Session, tenant_id: UUID, upload_ids: Collection[UUID], before: set[UploadState], after: UploadState) -> int:
    """Compare and swap. Locks in the order of ids: two batches that name the same uploads cannot wait for each other."""
    mine = (Upload.tenant_id == tenant_id, Upload.id.in_(upload_ids), Upload.state.in_(before))
    locked = select(Upload.id).where(*mine).order_by(Upload.id).with_for_update()
    found = list(session.scalars(locked))
    changed = update(Upload).where(Upload.tenant_id == tenant_id, Upload.id.in_(found)).values(state=after)
    session.execute(changed.execution_options(synchronize_session=False))
    return len(found)
