"""For administrators: the receipts of what was erased. They name portals and numbers, and nobody."""

from datetime import UTC, datetime

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from services.records.administration import list_portals
from services.records.audit import Actor
from services.records.erasure import ReceiptPage, list_receipts
from services.records.errors import InvalidCursor
from services.records.states import Role
from services.review import reader
from services.review.erasure_view import receipt_row

blueprint = Blueprint("erasures", __name__, url_prefix="/admin/erasures")


@blueprint.get("")
@reader.only(Role.ADMIN)
def page() -> ResponseReturnValue:
    """The newest receipts, or the older ones behind the cursor."""
    cursor = request.args.get("before")
    with reader.desk().database.transaction(admin=True) as records:
        portals = {portal.id: portal.settings.name for portal in list_portals(session=records)}
        actor = Actor.user(reader.reader().user_id)
        try:
            found = list_receipts(session=records, tenant_ids=list(portals), actor=actor, cursor=cursor)
        except InvalidCursor:
            cursor, found = None, ReceiptPage((), None)
    return render_template(
        "admin_erasures.html",
        receipts=[receipt_row(receipt, portals, now=datetime.now(UTC)) for receipt in found.receipts],
        older=url_for("erasures.page", before=found.next_cursor) if found.next_cursor else None,
        newest=url_for("erasures.page") if cursor else None,
    )
