"""Batches: many cases by one manifest, accepted one after another in the background."""

import hashlib
from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import request, url_for

from services.intake.access import auth, current_portal
from services.intake.batch_work import attendant
from services.intake.context import backends
from services.intake.manifests import MAX_BYTES, batch_item, read_manifest, require_uploads
from services.intake.upload_schemas import BatchCounts, BatchItemOut, BatchItemPage, BatchItemQuery, BatchOut
from services.intake.uploads import bounded_body, idempotency_key
from services.records.access import Portal
from services.records.audit import Actor
from services.records.batches import BatchItemView, BatchView, accept_batch, find_batch, list_items, load_batch
from services.records.cases import Idempotency
from services.records.uploads import known_uploads

blueprint = APIBlueprint("batches", __name__, url_prefix="/v1/batches", tag="Bulk")


@blueprint.post("")
@blueprint.auth_required(auth)
@blueprint.output(BatchOut, status_code=202, description="Taken durably: each item will become a case or be refused with its reason.")
@blueprint.doc(operation_id="submitBatch", responses=[400, 409, 413, 415, 422, 503])
def create_batch() -> Any:
    """Submit many cases

    By a manifest, as JSON or as CSV, whose items name uploads. The manifest is taken as a whole or refused as a whole, with
    the line of every fault. Its items are then accepted one after another; an item that is refused, such as a picture that
    cannot be read, stops no other. Sending the same manifest again makes no second batch.
    """
    body = bounded_body(MAX_BYTES)
    digest = hashlib.sha256(body).hexdigest()
    idempotency = Idempotency(idempotency_key() or f"manifest:{digest}", digest)
    batch = _earlier(current_portal(), idempotency) or _taken(current_portal(), body, idempotency)
    attendant().wake()
    headers = {"Location": url_for("batches.read_batch", batch_id=batch.id)}
    return rendered(batch), 202, headers | ({"Idempotent-Replayed": "true"} if batch.replayed else {})


@blueprint.get("/<uuid:batch_id>")
@blueprint.auth_required(auth)
@blueprint.output(BatchOut)
@blueprint.doc(operation_id="readBatch", responses=[404, 503])
def read_batch(batch_id: UUID) -> BatchOut:
    """Read a batch

    How many of its items stand how.
    """
    tenant_id = current_portal().tenant_id
    with backends().database.transaction(tenants=[tenant_id]) as session:
        return rendered(load_batch(session=session, tenant_id=tenant_id, batch_id=batch_id))


@blueprint.get("/<uuid:batch_id>/items")
@blueprint.auth_required(auth)
@blueprint.input(BatchItemQuery, location="query", arg_name="query")
@blueprint.output(BatchItemPage)
@blueprint.doc(operation_id="listBatchItems", responses=[404, 422, 503])
def read_items(batch_id: UUID, query: BatchItemQuery) -> BatchItemPage:
    """List the items of a batch

    In the order of the manifest: the case of each, or why there is none.
    """
    portal = current_portal()
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        page = list_items(
            session=session,
            tenant_id=portal.tenant_id,
            batch_id=batch_id,
            actor=Actor.portal(portal.key_id),
            state=query.status,
            cursor=query.cursor,
            limit=query.limit,
        )
    return BatchItemPage(items=[_item(item) for item in page.items], next_cursor=page.next_cursor)


def _earlier(portal: Portal, idempotency: Idempotency) -> BatchView | None:
    """The batch of an equal request that came first: its uploads are no longer free, and are not looked at again."""
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        return find_batch(session=session, tenant_id=portal.tenant_id, idempotency=idempotency)


def _taken(portal: Portal, body: bytes, idempotency: Idempotency) -> BatchView:
    settings = backends().settings
    lines = read_manifest(body, mimetype=request.mimetype, max_items=settings.max_batch_items)
    named = {upload_id for line in lines for upload_id in line.item.uploads}
    with backends().database.transaction(tenants=[portal.tenant_id]) as session:
        known = known_uploads(session=session, tenant_id=portal.tenant_id, upload_ids=named)
        require_uploads(lines, known, max_files=settings.max_files)
        return accept_batch(
            session=session,
            tenant_id=portal.tenant_id,
            key_id=portal.key_id,
            items=[batch_item(line) for line in lines],
            idempotency=idempotency,
        )


def rendered(batch: BatchView) -> BatchOut:
    """A batch as JSON."""
    return BatchOut(
        id=batch.id,
        created_at=batch.created_at,
        item_count=batch.item_count,
        counts=BatchCounts(**{state.value: count for state, count in batch.counts.items()}),
        finished_at=batch.finished_at,
        status_url=url_for("batches.read_batch", batch_id=batch.id),
        items_url=url_for("batches.read_items", batch_id=batch.id),
    )


def _item(item: BatchItemView) -> BatchItemOut:
    return BatchItemOut(
        line=item.line,
        status=item.state,
        uploads=item.upload_ids,
        case_id=item.case_id,
        case_url=url_for("cases.read_case", case_id=item.case_id) if item.case_id else None,
        reason=item.reason,
        detail=item.detail,
        finished_at=item.finished_at,
    )
