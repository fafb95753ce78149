"""What a reader sends about a case: a first opinion, a decision, its taking back, an amendment."""

from uuid import UUID

from flask import Blueprint, abort, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from services.records.access import SignedIn
from services.records.claims import release_claim, require_claim
from services.records.opinions import give_opinion
from services.records.reviews import record_review, undo_review
from services.records.states import ReviewKind
from services.records.views import CaseView, load_case
from services.review import reader
from services.review.case_render import amend_form, case_html, offered_form, offered_opinion
from services.review.case_sheet import open_sheet
from services.review.decision import Entered, InvalidDecision, read_decision, shown_json
from services.review.decision_form import refused
from services.review.opinion_form import read_opinion, refused_opinion

blueprint = Blueprint("decisions", __name__, url_prefix="/cases/<uuid:case_id>")
STEPS = (ReviewKind.FIRST, ReviewKind.SECOND, ReviewKind.ADJUDICATION)


@blueprint.post("/decision")
@reader.signed_in
def decide(case_id: UUID) -> ResponseReturnValue:
    """Records the decision and opens the next case."""
    user = _clinician()
    kind = request.form.get("kind", ReviewKind.FIRST.value)
    if kind not in STEPS:
        abort(400)
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        found = load_case(session=records, tenant_ids=user.tenant_ids, case_id=case_id)
        require_claim(session=records, case_id=case_id, user_id=user.user_id)
        try:
            entered = read_decision(found, request.form, seen=request.form.getlist("seen"), kind=ReviewKind(kind))
        except InvalidDecision as problem:
            sheet = open_sheet(records, user, case_id)
            form = offered_form(sheet)
            return case_html(sheet, form=refused(form, request.form, str(problem)) if form else None), 422
        _record(records, user, found, entered, kind=ReviewKind(kind))
        release_claim(session=records, case_id=case_id, user_id=user.user_id)
    session["decided"] = str(case_id)
    return redirect(url_for("desk.next_case"), 303)


@blueprint.post("/opinion")
@reader.signed_in
def opinion(case_id: UUID) -> ResponseReturnValue:
    """Keeps the first opinion; the model's answer opens."""
    user = _clinician()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        load_case(session=records, tenant_ids=user.tenant_ids, case_id=case_id)
        require_claim(session=records, case_id=case_id, user_id=user.user_id)
        try:
            said = read_opinion(request.form)
        except InvalidDecision as problem:
            sheet = open_sheet(records, user, case_id)
            form = offered_opinion(sheet)
            return case_html(sheet, opinion=refused_opinion(form, request.form, str(problem)) if form else None), 422
        whose = {"tenant_ids": user.tenant_ids, "case_id": case_id, "user_id": user.user_id}
        give_opinion(session=records, diagnosis=said.diagnosis, assessable=said.diagnosis is not None, note=said.note, **whose)  # type: ignore[arg-type]
    return redirect(url_for("desk.case", case_id=case_id), 303)


@blueprint.post("/undo")
@reader.signed_in
def undo(case_id: UUID) -> ResponseReturnValue:
    """Takes one's own last decision back and opens the case again."""
    user = _clinician()
    review_id = request.form.get("review", type=UUID)
    if review_id is None:
        abort(400)
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        undo_review(session=records, tenant_ids=user.tenant_ids, case_id=case_id, user_id=user.user_id, review_id=review_id)
    session["decided"] = str(case_id)
    return redirect(url_for("desk.case", case_id=case_id), 303)


@blueprint.get("/amend")
@reader.signed_in
def amend(case_id: UUID) -> ResponseReturnValue:
    """The decided case with the form of an amendment."""
    user = _clinician()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        sheet = open_sheet(records, user, case_id)
    return case_html(sheet, form=amend_form(sheet))


@blueprint.post("/amend")
@reader.signed_in
def record_amendment(case_id: UUID) -> ResponseReturnValue:
    """Records a new version of the decision and shows it."""
    user = _clinician()
    amends = request.form.get("amends", type=UUID)
    if amends is None:
        abort(400)
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        found = load_case(session=records, tenant_ids=user.tenant_ids, case_id=case_id)
        try:
            entered = read_decision(found, request.form, seen=request.form.getlist("seen"), kind=ReviewKind.AMENDMENT)
        except InvalidDecision as problem:
            sheet = open_sheet(records, user, case_id)
            form = amend_form(sheet)
            return case_html(sheet, form=refused(form, request.form, str(problem)) if form else None), 422
        _record(records, user, found, entered, kind=ReviewKind.AMENDMENT, amends=amends)
    session["decided"] = str(case_id)
    return redirect(url_for("desk.case", case_id=case_id), 303)


def _clinician() -> SignedIn:
    user = reader.reader()
    if not reader.may_decide(user):
        abort(403, "Only a dermatologist or a lead decides a case.")
    return user


def _record(records: Session, user: SignedIn, found: CaseView, entered: Entered, *, kind: ReviewKind, amends: UUID | None = None) -> None:
    record_review(
        session=records,
        tenant_ids=user.tenant_ids,
        case_id=found.id,
        user_id=user.user_id,
        decision=entered.decision,
        diagnosis=entered.diagnosis,
        reason=entered.reason,
        note=entered.note,
        shown=shown_json(found),
        kind=kind,
        management=entered.plan.management,
        follow_up_months=entered.plan.months,
        rationale=entered.rationale,
        reading_seconds=entered.reading_seconds,
        amends=amends,
    )
