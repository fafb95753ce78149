"""Webhooks: a portal says where it wants to be told, sees what was told, and asks for it again."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import current_app, url_for
from sqlalchemy.orm import Session

from services.addresses import AddressPolicy, AddressRefused
from services.exchange.signatures import new_secret
from services.intake import webhook_schemas as schemas
from services.intake.access import auth, current_portal
from services.intake.context import backends
from services.intake.problems import Problem
from services.records import delivery_log, webhooks
from services.records.audit import Actor
from services.records.errors import InvalidRecord
from services.records.seal import Seal
from services.records.webhooks import EndpointChange, EndpointView

blueprint = APIBlueprint("webhooks", __name__, url_prefix="/v1/webhooks", tag="Webhooks")
ADDRESSES = "dermatrail.addresses"


@blueprint.get("")
@blueprint.auth_required(auth)
@blueprint.output(schemas.WebhookList)
@blueprint.doc(operation_id="listWebhooks", responses=[503])
def read_webhooks() -> schemas.WebhookList:
    """List webhooks"""
    with _transaction() as session:
        found = webhooks.list_endpoints(session=session, tenant_id=current_portal().tenant_id)
    return schemas.WebhookList(webhooks=[rendered(each) for each in found])


@blueprint.post("")
@blueprint.auth_required(auth)
@blueprint.input(schemas.WebhookIn, location="json", arg_name="wanted")
@blueprint.output(schemas.NewWebhookOut, status_code=201, description="Made. The secret is shown this once.")
@blueprint.doc(operation_id="createWebhook", responses=[400, 409, 415, 422, 503])
def create_webhook(wanted: schemas.WebhookIn) -> schemas.NewWebhookOut:
    """Make a webhook

    Everything that happens from now on is POSTed to the address as JSON, signed as Standard Webhooks says (headers
    `webhook-id`, `webhook-timestamp`, `webhook-signature`): verify it with any of its libraries. Answer 2xx within 15
    seconds. Anything else is tried again for 24 hours, at growing intervals of up to an hour; `Retry-After` is kept,
    `410` disables the webhook. Redirects are not followed.

    An event may come twice, with the same `webhook-id`: drop what you have seen. Events may come out of order:
    `data.sequence` numbers them. They carry ids and your own references; ask for the rest with your key.
    """
    _check(wanted.url)
    secret = new_secret()
    with _transaction() as session:
        made: dict[str, Any] = {"secret": secret, "seal": _seal(), "actor": _actor(), "tenant_id": current_portal().tenant_id}
        said: dict[str, Any] = {"url": wanted.url, "kinds": wanted.kinds, "description": wanted.description}
        endpoint_id = webhooks.create_endpoint(session=session, **said, **made)
    return schemas.NewWebhookOut(**rendered(_found(endpoint_id)).model_dump(), secret=secret)


@blueprint.get("/<uuid:webhook_id>")
@blueprint.auth_required(auth)
@blueprint.output(schemas.WebhookOut)
@blueprint.doc(operation_id="readWebhook", responses=[404, 503])
def read_webhook(webhook_id: UUID) -> schemas.WebhookOut:
    """Read a webhook"""
    return rendered(_found(webhook_id))


@blueprint.patch("/<uuid:webhook_id>")
@blueprint.auth_required(auth)
@blueprint.input(schemas.WebhookChange, location="json", arg_name="wanted")
@blueprint.output(schemas.WebhookOut)
@blueprint.doc(operation_id="changeWebhook", responses=[400, 404, 415, 422, 503])
def change_webhook(webhook_id: UUID, wanted: schemas.WebhookChange) -> schemas.WebhookOut:
    """Change a webhook

    Another address, other events, off or on.
    """
    if wanted.url is not None:
        _check(wanted.url)
    change = EndpointChange(url=wanted.url, description=wanted.description, kinds=wanted.kinds, active=wanted.active)
    with _transaction() as session:
        webhooks.change_endpoint(session=session, **_mine(webhook_id), change=change, actor=_actor(), now=_now())
    return rendered(_found(webhook_id))


@blueprint.delete("/<uuid:webhook_id>")
@blueprint.auth_required(auth)
@blueprint.output({}, status_code=204, description="Removed.")
@blueprint.doc(operation_id="removeWebhook", responses=[404, 503])
def remove_webhook(webhook_id: UUID) -> str:
    """Remove a webhook

    What it has not been told is not told any more; `GET /v1/events` has everything.
    """
    with _transaction() as session:
        webhooks.remove_endpoint(session=session, **_mine(webhook_id), actor=_actor(), now=_now())
    return ""


@blueprint.post("/<uuid:webhook_id>/secret")
@blueprint.auth_required(auth)
@blueprint.input(schemas.SecretIn, location="json", arg_name="wanted")
@blueprint.output(schemas.SecretOut)
@blueprint.doc(operation_id="rotateSecret", responses=[400, 404, 415, 422, 503])
def rotate_secret(webhook_id: UUID, wanted: schemas.SecretIn) -> schemas.SecretOut:
    """Rotate the secret

    For a while both secrets sign every request, so nothing is missed while you change over.
    """
    secret, overlap = new_secret(), timedelta(hours=wanted.overlap_hours)
    with _transaction() as session:
        how: dict[str, Any] = {"secret": secret, "overlap": overlap, "seal": _seal(), "actor": _actor(), "now": _now()}
        until = webhooks.rotate_secret(session=session, **_mine(webhook_id), **how)
    return schemas.SecretOut(secret=secret, previous_secret_until=until)


@blueprint.post("/<uuid:webhook_id>/ping")
@blueprint.auth_required(auth)
@blueprint.output(schemas.PingOut, status_code=202, description="On its way: the deliveries say what came of it.")
@blueprint.doc(operation_id="pingWebhook", responses=[404, 409, 503])
def ping_webhook(webhook_id: UUID) -> schemas.PingOut:
    """Test a webhook

    Sends it a `webhook.ping` within seconds.
    """
    with _transaction() as session:
        event_id = webhooks.ping_endpoint(session=session, **_mine(webhook_id), actor=_actor())
    return schemas.PingOut(event_id=event_id)


@blueprint.post("/<uuid:webhook_id>/redeliver")
@blueprint.auth_required(auth)
@blueprint.input(schemas.RedeliverIn, location="json", arg_name="wanted")
@blueprint.output(schemas.RedeliveredOut, status_code=202, description="On their way.")
@blueprint.doc(operation_id="redeliverSince", responses=[400, 404, 415, 422, 503])
def redeliver_since(webhook_id: UUID, wanted: schemas.RedeliverIn) -> schemas.RedeliveredOut:
    """Be told everything again since a time

    Dead letters and what still waits, with `delivered` also what was taken; each by the id that it had.
    """
    with _transaction() as session:
        how: dict[str, Any] = {"since": wanted.since, "delivered": wanted.delivered, "actor": _actor(), "now": _now()}
        number = delivery_log.redeliver_since(session=session, **_mine(webhook_id), **how)
    return schemas.RedeliveredOut(deliveries=number)


@blueprint.get("/<uuid:webhook_id>/deliveries")
@blueprint.auth_required(auth)
@blueprint.input(schemas.DeliveryQuery, location="query", arg_name="query")
@blueprint.output(schemas.DeliveryPageOut)
@blueprint.doc(operation_id="listDeliveries", responses=[404, 422, 503])
def read_deliveries(webhook_id: UUID, query: schemas.DeliveryQuery) -> schemas.DeliveryPageOut:
    """List deliveries

    What the address was told and what it was not, the newest events first.
    """
    with _transaction() as session:
        asked: dict[str, Any] = {"state": query.state, "cursor": query.cursor, "limit": query.limit}
        page = delivery_log.list_deliveries(session=session, **_mine(webhook_id), **asked)
    return schemas.DeliveryPageOut(deliveries=[delivery(each) for each in page.deliveries], next_cursor=page.next_cursor)


@blueprint.get("/<uuid:webhook_id>/deliveries/<uuid:delivery_id>")
@blueprint.auth_required(auth)
@blueprint.output(schemas.DeliveryDetailOut)
@blueprint.doc(operation_id="readDelivery", responses=[404, 503])
def read_delivery(webhook_id: UUID, delivery_id: UUID) -> schemas.DeliveryDetailOut:
    """Read a delivery

    With every attempt. What the address said is not kept, but for its status.
    """
    with _transaction() as session:
        found, calls = delivery_log.get_delivery(session=session, **_mine(webhook_id), delivery_id=delivery_id)
    log = [
        schemas.AttemptOut(
            attempted_at=call.attempted_at, seconds=round(call.seconds, 3), status=call.status, reason=call.reason, address=call.address
        )
        for call in calls
    ]
    return schemas.DeliveryDetailOut(**delivery(found).model_dump(), log=log)


@blueprint.post("/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/redeliver")
@blueprint.auth_required(auth)
@blueprint.output(schemas.RedeliveredOut, status_code=202, description="On its way.")
@blueprint.doc(operation_id="redeliver", responses=[404, 503])
def redeliver(webhook_id: UUID, delivery_id: UUID) -> schemas.RedeliveredOut:
    """Be told one event again"""
    with _transaction() as session:
        delivery_log.redeliver(session=session, **_mine(webhook_id), delivery_id=delivery_id, actor=_actor(), now=_now())
    return schemas.RedeliveredOut(deliveries=1)


def rendered(found: EndpointView) -> schemas.WebhookOut:
    """A webhook as JSON."""
    return schemas.WebhookOut(
        id=found.id,
        url=found.url,
        kinds=[kind.value for kind in found.kinds],
        description=found.description,
        state=found.state,
        disabled_at=found.disabled_at,
        disabled_reason=found.disabled_reason,
        created_at=found.created_at,
        previous_secret_until=found.previous_until,
        failing_since=found.failing_since,
        succeeded_at=found.succeeded_at,
        waiting=found.waiting,
        dead=found.dead,
        deliveries_url=url_for("webhooks.read_deliveries", webhook_id=found.id),
    )


def delivery(found: delivery_log.DeliveryView) -> schemas.DeliveryOut:
    """A delivery as JSON."""
    return schemas.DeliveryOut(
        id=found.id,
        event_id=found.event_id,
        kind=found.kind,
        sequence=found.sequence,
        happened_at=found.happened_at,
        state=found.state,
        attempts=found.attempts,
        next_attempt_at=found.due_at,
        finished_at=found.finished_at,
        status=found.status,
        reason=found.reason,
    )


@contextmanager
def _transaction() -> Iterator[Session]:
    with backends().database.transaction(tenants=[current_portal().tenant_id]) as session:
        yield session


def _found(webhook_id: UUID) -> EndpointView:
    with _transaction() as session:
        return webhooks.get_endpoint(session=session, **_mine(webhook_id))


def _mine(webhook_id: UUID) -> dict[str, Any]:
    return {"tenant_id": current_portal().tenant_id, "endpoint_id": webhook_id}


def _actor() -> Actor:
    return Actor.portal(current_portal().key_id)


def _now() -> datetime:
    return datetime.now(UTC)


def _check(url: str) -> None:
    try:
        policy: AddressPolicy = current_app.extensions[ADDRESSES]
        policy.check(url)
    except AddressRefused as error:
        raise InvalidRecord(str(error)) from error


def _seal() -> Seal:
    key = backends().settings.data_key
    if key is None:
        raise Problem(
            503, "webhooks_not_set_up", "This installation has no DERMATRAIL_DATA_KEY to keep secrets with: its operator sets it."
        )
    return Seal.of(key.get_secret_value())
