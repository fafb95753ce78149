"""A reader has looked whether a picture tells who the patient is, and says so."""

from uuid import UUID

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from services.records import identity
from services.records.errors import InvalidRecord
from services.review import reader
from services.review.identity_check_view import verdict_of
from services.review.problems import Message, message_page, to_worklist

blueprint = Blueprint("identity_checks", __name__)


@blueprint.post("/cases/<uuid:case_id>/images/<uuid:image_id>/identity")
@reader.signed_in
def judge(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """Nothing identifies the patient, or something does; decided cases may be judged, too."""
    user = reader.reader()
    if not reader.may_decide(user):
        abort(403, "Only a dermatologist or a lead says whether a picture tells who the patient is.")
    verdict = verdict_of(request.form.get("verdict", ""))
    if verdict is None:
        raise InvalidRecord("verdict: say clear or hold.")
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        identity.judge(
            session=records,
            tenant_ids=user.tenant_ids,
            case_id=case_id,
            image_id=image_id,
            user_id=user.user_id,
            verdict=verdict,
            note=request.form.get("note", "").strip(),
        )
    return redirect(url_for("desk.case", case_id=case_id, picture=request.form.get("picture", type=int), _anchor="identity"), 303)


@blueprint.errorhandler(InvalidRecord)
def _refused(problem: Exception) -> ResponseReturnValue:
    return message_page(Message("Nothing was changed", str(problem), "Go back and mend it.", (to_worklist(),)), 422)
