"""What a reader says about which lesion it is: answers to proposed links, merges, moves, a merge taken apart."""

from uuid import UUID

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from services.records.access import SignedIn
from services.records.claims import require_claim
from services.records.errors import InvalidRecord, LesionChanged
from services.records.lesions import merge_lesions, move_cases, restore_lesion, surviving_lesion
from services.records.links import confirm_link, reject_link, reopen_link
from services.records.views import load_case
from services.review import reader
from services.review.blind import refuse_before_opinion
from services.review.problems import Link, Message, message_page, to_worklist

blueprint = Blueprint("identity", __name__)
ANSWERS = {"confirm": confirm_link, "reject": reject_link, "reopen": reopen_link}
NEW = "new"


@blueprint.post("/cases/<uuid:case_id>/links/<uuid:proposal_id>/<any(confirm, reject, reopen):said>")
@reader.signed_in
def answer(case_id: UUID, proposal_id: UUID, said: str) -> ResponseReturnValue:
    """The same lesion, not the same, or neither after all."""
    user = _clinician()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        case = load_case(session=records, tenant_ids=user.tenant_ids, case_id=case_id)
        refuse_before_opinion(records, case, user)
        require_claim(session=records, case_id=case_id, user_id=user.user_id)
        say = ANSWERS[said]
        say(session=records, tenant_ids=user.tenant_ids, case_id=case_id, proposal_id=proposal_id, user_id=user.user_id)
    return redirect(url_for("desk.case", case_id=case_id, _anchor="same-lesion"), 303)


@blueprint.post("/lesions/<uuid:lesion_id>/merge")
@reader.signed_in
def merge(lesion_id: UUID) -> ResponseReturnValue:
    """Another lesion of the patient is this one."""
    user, merged_id = _clinician(), _chosen("lesion")
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        tenants, who = user.tenant_ids, user.user_id
        merge_lesions(session=records, lesion_id=lesion_id, merged_id=merged_id, tenant_ids=tenants, user_id=who, reason=_reason())
    return _to_lesion(lesion_id)


@blueprint.post("/lesions/<uuid:lesion_id>/move")
@reader.signed_in
def move(lesion_id: UUID) -> ResponseReturnValue:
    """Visits of this lesion show another one, or one that nobody knew."""
    user, cases = _clinician(), request.form.getlist("visit", type=UUID)
    to = None if request.form.get("lesion") == NEW else _chosen("lesion")
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        tenants, who = user.tenant_ids, user.user_id
        move_cases(session=records, lesion_id=lesion_id, case_ids=cases, to=to, tenant_ids=tenants, user_id=who, reason=_reason())
        here = surviving_lesion(session=records, tenant_ids=user.tenant_ids, lesion_id=lesion_id)
    return _to_lesion(here)


@blueprint.post("/lesions/<uuid:lesion_id>/restore")
@reader.signed_in
def restore(lesion_id: UUID) -> ResponseReturnValue:
    """A lesion that was merged into this one is another one after all."""
    user, merged_id = _clinician(), _chosen("lesion")
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        tenants, who = user.tenant_ids, user.user_id
        restore_lesion(session=records, lesion_id=merged_id, tenant_ids=tenants, user_id=who, reason=_reason())
    return _to_lesion(lesion_id)


@blueprint.errorhandler(InvalidRecord)
def _refused(problem: Exception) -> ResponseReturnValue:
    return message_page(Message("Nothing was changed", str(problem), "Go back and mend it.", _ways()), 422)


@blueprint.errorhandler(LesionChanged)
def _too_late(problem: Exception) -> ResponseReturnValue:
    return message_page(Message("This changed meanwhile", str(problem), "Nothing of yours was recorded.", _ways()), 409)


def _clinician() -> SignedIn:
    user = reader.reader()
    if not reader.may_decide(user):
        abort(403, "Only a dermatologist or a lead says which lesion a picture shows.")
    return user


def _chosen(name: str) -> UUID:
    found = request.form.get(name, type=UUID)
    if found is None:
        raise InvalidRecord(f"{name}: choose one.")
    return found


def _reason() -> str:
    return request.form.get("reason", "")


def _to_lesion(lesion_id: UUID) -> ResponseReturnValue:
    return redirect(url_for("lesions.lesion", lesion_id=lesion_id, _anchor="identity"), 303)


def _ways() -> tuple[Link, ...]:
    case_id, lesion_id = (request.view_args or {}).get("case_id"), (request.view_args or {}).get("lesion_id")
    page = url_for("desk.case", case_id=case_id) if case_id else url_for("lesions.lesion", lesion_id=lesion_id)
    return (Link("Open the case" if case_id else "Open the lesion", page), to_worklist())
