"""The patient's page with the body map, and the place of a lesion on it."""

from datetime import UTC, datetime
from uuid import UUID

from flask import Blueprint, abort, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from services.records.errors import InvalidRecord
from services.records.lesion_places import MapPoint, place_lesion
from services.records.patients import read_patient
from services.records.states import MapView
from services.review import reader
from services.review.body_map_figures import DRAWINGS
from services.review.patient_view import patient_page

blueprint = Blueprint("patients", __name__, url_prefix="/patients/<uuid:patient_id>")


@blueprint.get("")
@reader.signed_in
def patient(patient_id: UUID) -> ResponseReturnValue:
    """All lesions of one patient; the reading is audited."""
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        found = read_patient(session=records, tenant_ids=user.tenant_ids, patient_id=patient_id, user_id=user.user_id)
    view = patient_page(found, user=user, now=datetime.now(UTC))
    return render_template("patient.html", view=view, drawings=DRAWINGS)


@blueprint.post("/lesions/<uuid:lesion_id>/place")
@reader.signed_in
def place(patient_id: UUID, lesion_id: UUID) -> ResponseReturnValue:
    """Puts a lesion at a point of the body map: `view`, `x`, `y` (0 to 1)."""
    user = reader.reader()
    if not reader.may_decide(user):
        abort(403, "Only a dermatologist or a lead places a lesion on the body map.")
    point = _point()
    whose = {"tenant_ids": user.tenant_ids, "patient_id": patient_id, "lesion_id": lesion_id}
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        place_lesion(session=records, **whose, user_id=user.user_id, point=point)  # type: ignore[arg-type]
    return jsonify(view=point.view, x=point.x, y=point.y)


@blueprint.errorhandler(InvalidRecord)
def _refused(problem: Exception) -> ResponseReturnValue:
    return jsonify(message=str(problem)), 422


@blueprint.errorhandler(Forbidden)
def _not_yours(problem: Forbidden) -> ResponseReturnValue:
    return jsonify(message=problem.description), 403


def _point() -> MapPoint:
    view = request.form.get("view", "")
    x, y = (request.form.get(name, type=float) for name in ("x", "y"))
    if view not in set(MapView) or x is None or y is None:
        raise InvalidRecord(f"view, x, y: one of {', '.join(MapView)}, and two numbers from 0 to 1.")
    return MapPoint(MapView(view), x, y)
