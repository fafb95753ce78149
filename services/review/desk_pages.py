"""The worklist, the case page and the decision."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from services.records.access import SignedIn
from services.records.decisions import latest_decisions
from services.records.errors import CaseNotFound
from services.records.portals import portal_names
from services.records.reviews import record_review
from services.records.states import CaseState
from services.records.views import CaseView, load_case
from services.records.worklist import case_page, worklist
from services.review import reader
from services.review.case_view import case_page_view
from services.review.decision import DecisionForm, InvalidDecision, decision_words, form_for, read_decision, refused, shown_json
from services.review.worklist_view import PortalChoice, worklist_view

blueprint = Blueprint("desk", __name__)

ROWS = 500
STATES = {"waiting": CaseState.AWAITING_REVIEW, "reviewed": CaseState.REVIEWED}


@blueprint.get("/")
@reader.signed_in
def worklist_page() -> ResponseReturnValue:
    """The reader's cases, the most pressing first."""
    user = reader.reader()
    status = request.args.get("status", "waiting")
    portal = request.args.get("portal", type=UUID)
    if status not in STATES or (portal is not None and portal not in user.tenant_ids):
        abort(404)
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        shown = (portal,) if portal else user.tenant_ids
        rows = worklist(session=records, tenant_ids=shown, user_id=user.user_id, states=[STATES[status]], limit=ROWS)
        decisions = latest_decisions(session=records, case_ids=[row.case_id for row in rows]) if status == "reviewed" else {}
        portals = _portals(records, user.tenant_ids, portal)
        decided = _last_decision(records, user)
    if status == "reviewed":
        rows = sorted(rows, key=lambda row: decisions[row.case_id].created_at, reverse=True)
    more, now = len(rows) == ROWS, datetime.now(UTC)
    view = worklist_view(rows=rows, decisions=decisions, portals=portals, status=status, more=more, now=now)
    return render_template("worklist.html", view=view, decided=decided)


@blueprint.get("/cases/next")
@reader.signed_in
def next_case() -> ResponseReturnValue:
    """The case that should be read now, or the empty worklist."""
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        rows = worklist(session=records, tenant_ids=user.tenant_ids, user_id=user.user_id, limit=1)
    if not rows:
        return redirect(url_for("desk.worklist_page"), 303)
    return redirect(url_for("desk.case", case_id=rows[0].case_id), 303)


@blueprint.get("/cases/<uuid:case_id>")
@reader.signed_in
def case(case_id: UUID) -> ResponseReturnValue:
    """One case; the records note who opened it."""
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        found = case_page(session=records, tenant_ids=user.tenant_ids, case_id=case_id, user_id=user.user_id)
        decided = _last_decision(records, user)
    return _case_page(found, _form(found, user), decided=decided)


@blueprint.post("/cases/<uuid:case_id>/decision")
@reader.signed_in
def decide(case_id: UUID) -> ResponseReturnValue:
    """Records the decision and opens the next case."""
    user = reader.reader()
    if not reader.may_decide(user):
        abort(403, "Only a dermatologist or a lead decides a case.")
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        found = load_case(session=records, tenant_ids=user.tenant_ids, case_id=case_id)
        try:
            _record(records, found, user)
        except InvalidDecision as problem:
            form = refused(_offered(found), request.form, str(problem))
            return _case_page(found, form), 422
    session["decided"] = str(case_id)
    return redirect(url_for("desk.next_case"), 303)


def _record(records: Session, found: CaseView, user: SignedIn) -> None:
    # A closed or unfinished case is refused by the records; what the form says matters only while a decision is awaited.
    entered = read_decision(found, request.form, seen=request.form.getlist("seen"))
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
    )


def _case_page(found: CaseView, form: DecisionForm | None, *, decided: str = "") -> str:
    selected = request.args.get("picture", type=int)
    view = case_page_view(found, now=datetime.now(UTC), selected=selected, form=form)
    return render_template("case.html", view=view, decided=decided)


def _form(found: CaseView, user: SignedIn) -> DecisionForm | None:
    if found.state is not CaseState.AWAITING_REVIEW or not reader.may_decide(user):
        return None
    return _offered(found)


def _offered(found: CaseView) -> DecisionForm:
    return form_for(found, action=url_for("desk.decide", case_id=found.id))


def _portals(records: Session, tenant_ids: Sequence[UUID], chosen: UUID | None) -> list[PortalChoice]:
    names = portal_names(session=records, tenant_ids=tenant_ids)
    return [PortalChoice(tenant_id, name, tenant_id == chosen) for tenant_id, name in names.items()]


def _last_decision(records: Session, user: SignedIn) -> str:
    """The quiet bar's words. The cookie holds the case's id only: a patient's reference stays out of it."""
    case_id = session.pop("decided", None)
    if case_id is None:
        return ""
    try:
        found = load_case(session=records, tenant_ids=user.tenant_ids, case_id=UUID(case_id))
    except CaseNotFound:
        return ""
    review = found.reviews[-1]
    return f"{decision_words(review.decision, review.diagnosis)} · {found.patient_reference}"
