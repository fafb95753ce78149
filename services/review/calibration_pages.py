"""The scale of a picture, taken by a reader from a ruler in it."""

from uuid import UUID

from flask import Blueprint, abort, jsonify, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from services.records import calibrations
from services.records.errors import InvalidRecord
from services.review import reader

blueprint = Blueprint("calibrations", __name__, url_prefix="/cases/<uuid:case_id>/images/<uuid:image_id>")


@blueprint.post("/calibration")
@reader.signed_in
def calibrate(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """Keeps that a line of `length_px` (of the upright original) is `length_mm` long."""
    user = reader.reader()
    if not reader.may_decide(user):
        abort(403, "Only a dermatologist or a lead sets a picture's scale.")
    line = calibrations.RulerLine(_length("length_px"), _length("length_mm"))
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        mm_per_px = calibrations.calibrate(
            session=records, tenant_ids=user.tenant_ids, case_id=case_id, image_id=image_id, user_id=user.user_id, line=line
        )
    return jsonify(mm_per_px=mm_per_px, measures=url_for("outlines.measures", case_id=case_id, image_id=image_id)), 201


@blueprint.errorhandler(InvalidRecord)
def _refused(problem: Exception) -> ResponseReturnValue:
    return jsonify(message=str(problem)), 422


@blueprint.errorhandler(Forbidden)
def _not_yours(problem: Forbidden) -> ResponseReturnValue:
    return jsonify(message=problem.description), 403


def _length(name: str) -> float:
    length = request.form.get(name, type=float)
    if length is None:
        raise InvalidRecord(f"{name}: a number is needed.")
    return length
