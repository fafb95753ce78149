"""Batches: a manifest of many cases is taken whole, then each of its lines becomes a case or is refused with its reason.

A line is claimed by setting ``not_before`` into the future, which is its lease: whoever dies over a line leaves it to be claimed again
afterwards. That two processes take up the same line does no harm: both submit it under its idempotency key, so it is one case.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Table, func, insert, null, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.cases import Idempotency
from services.records.cursors import bounded, read_cursor, write_cursor
from services.records.errors import IdempotencyConflict, RecordError
from services.records.states import AuditAction, BatchItemState
from services.records.tables import Batch, BatchItem
from services.records.uploads import release_uploads, reserve_uploads

LIST = "batch_items"
WAITING_TENANTS = text("SELECT tenants_with_waiting_items()")


class BatchNotFound(RecordError):
    """No such batch of this portal."""

    def __init__(self, batch_id: UUID) -> None:
        super().__init__(f"There is no batch {batch_id}.")
        self.batch_id = batch_id


@dataclass(frozen=True, slots=True)
class NewBatchItem:
    """One line of a manifest that is valid. ``submission``: the case as JSON; ``idempotency_key``: None: the line's own."""

    line: int
    submission: dict[str, Any]
    upload_ids: tuple[UUID, ...]
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch with how many of its lines stand how. ``finished_at``: when the last line ended; ``replayed``: it was sent before."""

    id: UUID
    created_at: datetime
    item_count: int
    counts: dict[BatchItemState, int]
    finished_at: datetime | None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class BatchItemView:
    """One line: its case, or why there is none."""

    line: int
    state: BatchItemState
    upload_ids: tuple[UUID, ...]
    case_id: UUID | None
    reason: str | None
    detail: str | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class BatchItemPage:
    """Some lines in their order; ``next_cursor`` is None on the last page."""

    items: tuple[BatchItemView, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class ClaimedItem:
    """A line to accept. ``attempts`` counts this one; ``key_id``: the API key with which the batch was sent."""

    id: UUID
    tenant_id: UUID
    key_id: UUID
    submission: dict[str, Any]
    upload_ids: tuple[UUID, ...]
    idempotency_key: str
    attempts: int


def accept_batch(*, session: Session, tenant_id: UUID, key_id: UUID, items: Sequence[NewBatchItem], idempotency: Idempotency) -> BatchView:
    """Take a manifest: once committed, every line will become a case or be refused.

    Args:
        key_id: the portal's API key, with which the cases are accepted.

    Raises:
        IdempotencyConflict: the key stands for another manifest.
        UploadUsed: an upload was used meanwhile.
    """
    batch_id = _own_key(session, tenant_id, key_id, len(items), idempotency)
    if batch_id is None:
        return _first(session, tenant_id, idempotency)
    session.execute(insert(BatchItem), [_item_row(tenant_id, batch_id, item) for item in items])
    named = [upload_id for item in items for upload_id in item.upload_ids]
    reserve_uploads(session=session, tenant_id=tenant_id, upload_ids=named)
    record_event(
        session=session,
        tenant_id=tenant_id,
        actor=Actor.portal(key_id),
        action=AuditAction.BATCH_ACCEPTED,
        subject=Subject("batch", batch_id),
        details={"items": len(items)},
    )
    return load_batch(session=session, tenant_id=tenant_id, batch_id=batch_id)


def load_batch(*, session: Session, tenant_id: UUID, batch_id: UUID) -> BatchView:
    """Return a batch of the tenant. Raises BatchNotFound."""
    columns = select(Batch.created_at, Batch.item_count).where(Batch.tenant_id == tenant_id, Batch.id == batch_id)
    row = session.execute(columns).one_or_none()
    if row is None:
        raise BatchNotFound(batch_id)
    mine = (BatchItem.tenant_id == tenant_id, BatchItem.batch_id == batch_id)
    states = select(BatchItem.state, func.count(), func.max(BatchItem.finished_at)).where(*mine).group_by(BatchItem.state)
    found = {state: (count, last) for state, count, last in session.execute(states)}
    counts = {state: found[state][0] if state in found else 0 for state in BatchItemState}
    last = max((last for _, last in found.values() if last), default=None)
    return BatchView(batch_id, row.created_at, row.item_count, counts, None if counts[BatchItemState.WAITING] else last)


def list_items(
    *,
    session: Session,
    tenant_id: UUID,
    batch_id: UUID,
    actor: Actor,
    state: BatchItemState | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> BatchItemPage:
    """Return lines of a batch in their order; the reading is audited.

    Raises:
        BatchNotFound: the tenant has no such batch.
        InvalidCursor: the cursor is not one of this list.
    """
    load_batch(session=session, tenant_id=tenant_id, batch_id=batch_id)
    item = BatchItem
    columns = select(item.line, item.state, item.upload_ids, item.case_id, item.reason, item.detail, item.finished_at)
    (after,) = read_cursor(cursor, LIST, bounded) if cursor else (0,)
    query = columns.where(item.tenant_id == tenant_id, item.batch_id == batch_id, item.line > min(after, 2**31 - 1))
    if state is not None:
        query = query.where(item.state == state)
    rows = session.execute(query.order_by(item.line).limit(limit + 1))
    found = [_item_view(row) for row in rows]
    page = tuple(found[:limit])
    subject, details = Subject("batch", batch_id), {"items": len(page)}
    record_event(session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.BATCH_READ, subject=subject, details=details)
    return BatchItemPage(page, write_cursor(LIST, page[-1].line) if len(found) > limit else None)


def waiting_tenants(*, session: Session) -> list[UUID]:
    """The tenants with lines that may be claimed now: the one question about batches that names no tenant."""
    return list(session.scalars(WAITING_TENANTS))


def claim_item(*, session: Session, tenant_id: UUID, lease: timedelta) -> ClaimedItem | None:
    """Claim the tenant's first line that waits, for as long as ``lease``; None where there is none."""
    due = (BatchItem.tenant_id == tenant_id, BatchItem.state == BatchItemState.WAITING, BatchItem.not_before <= func.now())
    first = select(BatchItem.id).where(*due).order_by(BatchItem.created_at, BatchItem.line).limit(1).with_for_update(skip_locked=True)
    claim = (
        update(BatchItem)
        .where(BatchItem.id == first.scalar_subquery(), BatchItem.tenant_id == tenant_id, Batch.id == BatchItem.batch_id)
        .values(attempts=BatchItem.attempts + 1, not_before=func.now() + lease)
        .returning(BatchItem.id, Batch.key_id, BatchItem.submission, BatchItem.upload_ids, BatchItem.idempotency_key, BatchItem.attempts)
        .execution_options(synchronize_session=False)
    )
    row = session.execute(claim).one_or_none()
    if row is None:
        return None
    return ClaimedItem(row.id, tenant_id, row.key_id, row.submission or {}, tuple(row.upload_ids), row.idempotency_key, row.attempts)


def settle_item(*, session: Session, item: ClaimedItem, case_id: UUID) -> None:
    """Note the line's case; a second time changes nothing. Uploads that an earlier equal request made unnecessary are given up."""
    _finish(session, item, {"state": BatchItemState.ACCEPTED, "case_id": case_id})
    release_uploads(session=session, tenant_id=item.tenant_id, upload_ids=item.upload_ids)


def refuse_item(*, session: Session, item: ClaimedItem, reason: str, detail: str) -> None:
    """Note why the line becomes no case."""
    _finish(session, item, {"state": BatchItemState.REFUSED, "reason": reason, "detail": detail})
    release_uploads(session=session, tenant_id=item.tenant_id, upload_ids=item.upload_ids)


def return_item(*, session: Session, item: ClaimedItem, delay: timedelta) -> None:
    """Give a claimed line back that could not be tried, as if it had not been claimed; it waits for ``delay``."""
    waiting = (BatchItem.tenant_id == item.tenant_id, BatchItem.id == item.id, BatchItem.state == BatchItemState.WAITING)
    values = {"attempts": func.greatest(BatchItem.attempts - 1, 0), "not_before": func.now() + delay}
    session.execute(update(BatchItem).where(*waiting).values(values).execution_options(synchronize_session=False))


def _finish(session: Session, item: ClaimedItem, values: dict[str, Any]) -> None:
    waiting = (BatchItem.tenant_id == item.tenant_id, BatchItem.id == item.id, BatchItem.state == BatchItemState.WAITING)
    settled = update(BatchItem).where(*waiting).values(submission=null(), finished_at=func.now(), **values)
    session.execute(settled.execution_options(synchronize_session=False))


def _own_key(session: Session, tenant_id: UUID, key_id: UUID, count: int, idempotency: Idempotency) -> UUID | None:
    """Insert the batch and return its id. Of two equal requests the second waits here for the first, then finds the key taken: None."""
    table = Batch.__table__
    if not isinstance(table, Table):
        raise TypeError("Batch is not mapped to a table")
    values = {
        "id": uuid4(),
        "tenant_id": tenant_id,
        "key_id": key_id,
        "item_count": count,
        "manifest_sha256": idempotency.request_sha256,
        "idempotency_key": idempotency.key,
    }
    made: UUID | None = session.scalar(upsert(table).values(values).on_conflict_do_nothing().returning(table.c.id))
    return made


def find_batch(*, session: Session, tenant_id: UUID, idempotency: Idempotency) -> BatchView | None:
    """Return the batch of an earlier equal request.

    Raises:
        IdempotencyConflict: the key stands for another manifest.
    """
    columns = select(Batch.id, Batch.manifest_sha256)
    row = session.execute(columns.where(Batch.tenant_id == tenant_id, Batch.idempotency_key == idempotency.key)).one_or_none()
    if row is None:
        return None
    if row.manifest_sha256 != idempotency.request_sha256:
        raise IdempotencyConflict(f"The idempotency key {idempotency.key!r} was already used for another manifest.")
    return replace(load_batch(session=session, tenant_id=tenant_id, batch_id=row.id), replayed=True)


def _first(session: Session, tenant_id: UUID, idempotency: Idempotency) -> BatchView:
    found = find_batch(session=session, tenant_id=tenant_id, idempotency=idempotency)
    if found is None:
        raise RecordError("The batch was neither stored nor found.")
    return found


def _item_view(row: Any) -> BatchItemView:
    line, state, upload_ids, case_id, reason, detail, finished_at = row
    return BatchItemView(line, state, tuple(upload_ids), case_id, reason, detail, finished_at)


def _item_row(tenant_id: UUID, batch_id: UUID, item: NewBatchItem) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "tenant_id": tenant_id,
        "batch_id": batch_id,
        "line": item.line,
        "submission": item.submission,
        "upload_ids": list(item.upload_ids),
        "idempotency_key": item.idempotency_key or f"batch:{batch_id}:{item.line}",
    }
