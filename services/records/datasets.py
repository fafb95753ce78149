"""Which pictures went into which exported data set, so that an erasure can name the exports, and a folder be rid of what was erased.

The owner's login alone reads the names of files. Of an erased picture the name is kept, and nothing that it could be traced by.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.states import AuditAction
from services.records.tables import DatasetExport, DatasetImage, Erasure

# The foreign key holds each picture until the commit: none of these is erased before its name is known.
KEEP = text("""
    INSERT INTO dataset_images (id, tenant_id, export_id, image_id, name)
    SELECT gen_random_uuid(), i.tenant_id, :export, i.id, named.name
    FROM unnest(CAST(:images AS uuid[]), CAST(:names AS text[])) AS named (id, name) JOIN images i ON i.id = named.id
    RETURNING image_id
""")
NOT_YET = "0" * 64


def keep_images(*, session: Session, export_id: UUID, name: str, images: Mapping[UUID, str]) -> set[UUID]:
    """Note under which file names pictures leave; return those that are still on file. The rest must not leave.

    An export that is taken up again replaces what was noted of it.
    """
    made = upsert(DatasetExport).values(id=export_id, name=name, manifest_sha256=NOT_YET)
    session.execute(made.on_conflict_do_update(index_elements=["id"], set_={"name": name}))
    session.execute(delete(DatasetImage).where(DatasetImage.export_id == export_id))
    said = {"export": export_id, "images": list(images), "names": list(images.values())}
    return set(session.scalars(KEEP, said))


def keep_manifest(*, session: Session, export_id: UUID, sha256: str) -> None:
    """Note the digest (hex) of an export's table as it is now."""
    session.execute(update(DatasetExport).where(DatasetExport.id == export_id).values(manifest_sha256=sha256))


def erased_names(*, session: Session, export_id: UUID) -> set[str]:
    """Return the names of an export's pictures whose patients were erased, and that its folder was not rid of yet."""
    erased = (DatasetImage.erasure_id.is_not(None), DatasetImage.pruned_at.is_(None))
    return set(session.scalars(select(DatasetImage.name).where(DatasetImage.export_id == export_id, *erased)))


def note_pruned(*, session: Session, export_id: UUID, names: set[str], sha256: str, actor: Actor) -> datetime | None:
    """Note that a folder was rid of these pictures, in the trail of each tenant, and the digest of its table now; return when."""
    mine = (DatasetImage.export_id == export_id, DatasetImage.name.in_(names), DatasetImage.erasure_id.is_not(None))
    change = update(DatasetImage).where(*mine).values(pruned_at=func.now()).returning(DatasetImage.erasure_id)
    receipts = session.scalars(change.execution_options(synchronize_session=False)).all()
    told = update(DatasetExport).where(DatasetExport.id == export_id).values(manifest_sha256=sha256, pruned_at=func.now())
    session.execute(told.execution_options(synchronize_session=False))
    for receipt_id, tenant_id in session.execute(select(Erasure.id, Erasure.tenant_id).where(Erasure.id.in_(receipts))):
        details = {"export": str(export_id), "pictures": sum(each == receipt_id for each in receipts)}
        action, subject = AuditAction.DATASET_PRUNED, Subject("receipt", receipt_id)
        record_event(session=session, tenant_id=tenant_id, actor=actor, action=action, subject=subject, details=details)
    return session.scalar(select(DatasetExport.pruned_at).where(DatasetExport.id == export_id))
