"""Outlines that readers draw on the case page: save one, give the word back to the model, ask for the measures."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from flask import Blueprint, Response, abort, jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import Forbidden

from services.records.access import SignedIn
from services.records.claims import require_claim
from services.records.errors import CaseClaimed, CaseClosed
from services.records.outlines import record_outline
from services.records.views import CaseView, ImageView, load_case
from services.review import reader
from services.review.blind import refuse_before_opinion
from services.review.case_sheet import next_step
from services.review.case_view import mask_url
from services.review.glance import glance
from services.review.mask_files import MAX_BYTES, InvalidMask, read_mask
from services.review.measures import measures_panel

blueprint = Blueprint("outlines", __name__, url_prefix="/cases/<uuid:case_id>/images/<uuid:image_id>")


@blueprint.url_value_preprocessor
def admit_masks(_endpoint: str | None, _values: object) -> None:
    """Lets a mask be larger than a form may be; before anything looks at the request's body."""
    request.max_content_length = MAX_BYTES


@blueprint.post("/outline")
@reader.signed_in
def draw(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """Keeps the PNG of the body as the picture's outline and asks the worker for its measures."""
    user = _drawer()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        case, image = _open(records, user, case_id, image_id)
    mask = read_mask(request.get_data(), width=image.width, height=image.height)
    # Under a key of its own: an outline that loses a race is an object without a row, never a row without its object.
    outline_id = uuid4()
    key = f"{case.tenant_id}/{case_id}/{image_id}/outlines/{outline_id}.png"
    reader.desk().objects.put(key, mask, "image/png")
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        _record(records, user, case_id=case_id, image_id=image_id, key=key, outline_id=outline_id)
        _, image = _load(records, user, case_id, image_id)
    reader.desk().outline_bell.ring()
    return _answer(case_id, image), 201


@blueprint.post("/outline/restore")
@reader.signed_in
def restore(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """Gives the word back to the model; what was drawn stays on file."""
    user = _drawer()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        _, image = _open(records, user, case_id, image_id)
        if image.outline is not None:
            _record(records, user, case_id=case_id, image_id=image_id, key=None, outline_id=uuid4())
            _, image = _load(records, user, case_id, image_id)
    return _answer(case_id, image)


@blueprint.get("/measures")
@reader.signed_in
def measures(case_id: UUID, image_id: UUID) -> ResponseReturnValue:
    """The measures' part of the case page; it says itself whether to ask again."""
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        _, image = _load(records, user, case_id, image_id)
    panel = measures_panel(image, case_id=case_id, now=datetime.now(UTC))
    return render_template("measures.html", panel=panel, glance=glance(image))


@blueprint.errorhandler(InvalidMask)
def _refused(problem: Exception) -> ResponseReturnValue:
    return jsonify(message=str(problem)), 422


@blueprint.errorhandler(CaseClaimed)
@blueprint.errorhandler(CaseClosed)
def _too_late(problem: Exception) -> ResponseReturnValue:
    return jsonify(message=str(problem)), 409


@blueprint.errorhandler(Forbidden)
def _not_yours(problem: Forbidden) -> ResponseReturnValue:
    return jsonify(message=problem.description), 403


def _drawer() -> SignedIn:
    user = reader.reader()
    if not reader.may_decide(user):
        abort(403, "Only a dermatologist or a lead corrects an outline.")
    return user


def _open(records: Session, user: SignedIn, case_id: UUID, image_id: UUID) -> tuple[CaseView, ImageView]:
    """The case and its image, if this reader may draw on it now: the case is theirs to decide, and nobody else has it."""
    case, image = _load(records, user, case_id, image_id)
    if case.state.terminal:
        raise CaseClosed("The case has been decided: its outlines stay as they were then.")
    kind, refusal = next_step(records, case, user)
    if kind is None:
        abort(403, refusal or "The case is being analysed: correct its outlines when it awaits a decision.")
    require_claim(session=records, case_id=case_id, user_id=user.user_id)
    return case, image


def _record(records: Session, user: SignedIn, *, case_id: UUID, image_id: UUID, key: str | None, outline_id: UUID) -> None:
    require_claim(session=records, case_id=case_id, user_id=user.user_id)
    record_outline(
        session=records,
        tenant_ids=user.tenant_ids,
        case_id=case_id,
        image_id=image_id,
        user_id=user.user_id,
        mask_key=key,
        outline_id=outline_id,
    )


def _load(records: Session, user: SignedIn, case_id: UUID, image_id: UUID) -> tuple[CaseView, ImageView]:
    case = load_case(session=records, tenant_ids=user.tenant_ids, case_id=case_id)
    refuse_before_opinion(records, case, user)
    image = case.image(image_id)
    if image is None:
        abort(404)
    return case, image


def _answer(case_id: UUID, image: ImageView) -> Response:
    """Where the outline that counts now, and its measures, are read."""
    return jsonify(mask=mask_url(case_id, image), measures=url_for("outlines.measures", case_id=case_id, image_id=image.id))
