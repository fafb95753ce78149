"""Leases on cases: kept while the reader is active, given back when they leave, taken over on purpose."""

from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from flask import Blueprint, abort, current_app, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from services.records.claims import ClaimView, claim_case, release_claim
from services.records.errors import CaseNotFound
from services.review import reader
from services.review.lease_view import lease_view

blueprint = Blueprint("leases", __name__)


@blueprint.post("/cases/<uuid:case_id>/lease")
@reader.signed_in
def keep(case_id: UUID) -> ResponseReturnValue:
    """Takes the case if it is free, or renews the reader's lease; answers with who has it now."""
    return _answer(_claim(case_id, take_over=False))


@blueprint.post("/cases/<uuid:case_id>/lease/take")
@reader.signed_in
def take(case_id: UUID) -> ResponseReturnValue:
    """Takes the case from whoever has it, and shows it."""
    if _claim(case_id, take_over=True) is None:
        raise CaseNotFound(case_id)
    return redirect(url_for("desk.case", case_id=case_id), 303)


@blueprint.post("/cases/<uuid:case_id>/lease/release")
@reader.signed_in
def give_back(case_id: UUID) -> ResponseReturnValue:
    """Gives the lease back; `ends` names the one that the page knew, so that a page opened since keeps its own."""
    user, ends = reader.reader(), request.form.get("ends")
    try:
        known = datetime.fromisoformat(ends) if ends else None
    except ValueError:
        abort(400)
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        release_claim(session=records, case_id=case_id, user_id=user.user_id, expires_at=known)
    return _answer(None)


def _claim(case_id: UUID, *, take_over: bool) -> ClaimView | None:
    user = reader.reader()
    if not reader.may_decide(user):
        abort(403, "Only a dermatologist or a lead has cases.")
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        return claim_case(
            session=records,
            tenant_ids=user.tenant_ids,
            case_id=case_id,
            user_id=user.user_id,
            lease=cast(timedelta, current_app.config["CLAIM_LEASE"]),
            take_over=take_over,
        )


def _answer(claim: ClaimView | None) -> ResponseReturnValue:
    lease = lease_view(claim, reader.reader().user_id)
    if lease is None:
        return jsonify(mine=False, holder="", ends=None, clock="")
    return jsonify(mine=lease.mine, holder=lease.holder, ends=lease.ends, clock=lease.clock)
