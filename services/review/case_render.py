"""The case page as HTML: picture, panel and bar, made from what is open on the desk."""

from datetime import UTC, datetime

from flask import render_template, request, url_for

from services.records.states import CaseState, ReviewKind
from services.review.case_sheet import Sheet
from services.review.case_view import case_page_view
from services.review.decision_form import DecisionForm, form_for
from services.review.glance import glance
from services.review.history_view import earlier_view, models_view
from services.review.identity_check_view import identity_panels
from services.review.lease_view import lease_view
from services.review.opinion_form import OpinionForm, opinion_form
from services.review.quiet import Quiet
from services.review.reads_view import closed_view, reads_view
from services.review.trail_strip_view import trail_strip


def offered_form(sheet: Sheet) -> DecisionForm | None:
    """The form of the step that this reader may take now; none before their first opinion."""
    if sheet.kind is None or sheet.holder is not None or sheet.blind:
        return None
    action = url_for("decisions.decide", case_id=sheet.case.id)
    return form_for(sheet.case, action=action, kind=sheet.kind, templates=sheet.templates)


def amend_form(sheet: Sheet) -> DecisionForm | None:
    """The form of an amendment, where this reader may amend."""
    if not sheet.amendable:
        return None
    action = url_for("decisions.amend", case_id=sheet.case.id)
    return form_for(sheet.case, action=action, kind=ReviewKind.AMENDMENT, amends=sheet.case.final, templates=sheet.templates)


def offered_opinion(sheet: Sheet) -> OpinionForm | None:
    """The small form before everything else, where the portal asks for a blind first read."""
    waits = sheet.blind and sheet.kind is not None and sheet.holder is None and sheet.case.state is not CaseState.QUEUED
    return opinion_form(sheet.case, sheet.templates) if waits else None


def case_html(sheet: Sheet, *, form: DecisionForm | None = None, opinion: OpinionForm | None = None, decided: Quiet | None = None) -> str:
    """The page; without a form the bar says why there is none."""
    now = datetime.now(UTC)
    selected = request.args.get("picture", type=int)
    return render_template(
        "case.html",
        case_id=sheet.case.id,
        view=case_page_view(sheet.case, now=now, selected=selected, blind=sheet.blind),
        form=form,
        opinion=opinion,
        closed=None if form or opinion else closed_view(sheet, now),
        reads=reads_view(sheet, now),
        glances=[] if sheet.blind else [glance(image) for image in sheet.case.images],
        earlier=earlier_view(sheet.earlier),
        trail=trail_strip(sheet.trail, sheet.case.id, sheet.user),
        same_lesion=sheet.same_lesion,
        models=() if sheet.blind else models_view(sheet.models),
        identity=identity_panels(sheet.identity, sheet.case, sheet.user),
        lease=lease_view(sheet.claim, sheet.user.user_id),
        decided=decided,
    )
