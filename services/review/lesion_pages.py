"""A lesion over time: its trail, and two visits or more side by side."""

from datetime import UTC, datetime
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from services.objects import ObjectMissing
from services.records.access import SignedIn
from services.records.audit import Actor, Subject, record_event
from services.records.follow_ups import next_follow_up
from services.records.lesions import surviving_lesion
from services.records.states import AuditAction
from services.records.trails import ComparisonPictures, comparison_pictures, read_trail
from services.records.views import load_case
from services.review import reader
from services.review.blind import refuse_before_opinion
from services.review.compare_view import chosen_visits, compare_page
from services.review.lesion_identity_view import open_identity
from services.review.lesion_view import lesion_page
from services.review.pictures import answer_picture
from services.review.trail_veil import SeenTrail, veil

blueprint = Blueprint("lesions", __name__, url_prefix="/lesions/<uuid:lesion_id>")


@blueprint.get("")
@reader.signed_in
def lesion(lesion_id: UUID) -> ResponseReturnValue:
    """The trail; the reading is an audit event. A lesion that was merged leads to the one that it is now part of."""
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        survivor = surviving_lesion(session=records, tenant_ids=user.tenant_ids, lesion_id=lesion_id)
        if survivor != lesion_id:
            return redirect(url_for("lesions.lesion", lesion_id=survivor), 308)
        seen = _seen(records, user, lesion_id)
        follow_up = next_follow_up(session=records, tenant_ids=user.tenant_ids, lesion_ids=[lesion_id]).get(lesion_id)
        identity = open_identity(records, user, lesion_id)
    page = lesion_page(seen, follow_up, today=datetime.now(UTC).date())
    return render_template("lesion.html", page=page, identity=identity)


@blueprint.get("/compare")
@reader.signed_in
def compare(lesion_id: UUID) -> ResponseReturnValue:
    """Visits side by side: those named in the address, else the last two."""
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        survivor = surviving_lesion(session=records, tenant_ids=user.tenant_ids, lesion_id=lesion_id)
        if survivor != lesion_id:
            return redirect(url_for("lesions.compare", lesion_id=survivor, visit=_asked()), 308)
        seen = _seen(records, user, lesion_id)
    visits = chosen_visits(seen.trail, _asked())
    if len(visits) < 2:
        return redirect(url_for("lesions.lesion", lesion_id=lesion_id), 303)
    return render_template("compare.html", view=compare_page(seen, visits))


@blueprint.get("/comparisons/<uuid:comparison_id>/registered")
@reader.signed_in
def registered(lesion_id: UUID, comparison_id: UUID) -> ResponseReturnValue:
    """The earlier picture as it lies on the later one, JPEG; reading it is an audit event of the picture's."""
    return answer_picture(_pictures(lesion_id, comparison_id, answer=False).registered_key)


@blueprint.get("/comparisons/<uuid:comparison_id>/difference")
@reader.signed_in
def difference(lesion_id: UUID, comparison_id: UUID) -> ResponseReturnValue:
    """Where the later picture differs beyond light and angle, PNG."""
    return answer_picture(_pictures(lesion_id, comparison_id, answer=True).difference_key)


def _asked() -> list[UUID]:
    named = [value for name in ("visit", "earlier", "later") for value in request.args.getlist(name)]
    return [found for value in named if (found := _uuid(value)) is not None]


def _uuid(value: str) -> UUID | None:
    try:
        return UUID(value)
    except ValueError:
        return None


def _seen(records: Session, user: SignedIn, lesion_id: UUID) -> SeenTrail:
    return veil(read_trail(session=records, tenant_ids=user.tenant_ids, lesion_id=lesion_id, user_id=user.user_id), user)


def _pictures(lesion_id: UUID, comparison_id: UUID, *, answer: bool) -> ComparisonPictures:
    # `answer`: it shows what the comparison found, which a blind reader of either visit must not see yet.
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        found = comparison_pictures(session=records, tenant_ids=user.tenant_ids, lesion_id=lesion_id, comparison_id=comparison_id)
        if found is None:
            raise ObjectMissing(str(comparison_id))
        for case_id in (found.earlier, found.later) if answer else ():
            refuse_before_opinion(records, load_case(session=records, tenant_ids=user.tenant_ids, case_id=case_id), user)
        subject = Subject("comparison", comparison_id)
        actor = Actor.user(user.user_id)
        record_event(session=records, tenant_id=found.tenant_id, actor=actor, action=AuditAction.IMAGE_READ, subject=subject)
    return found
