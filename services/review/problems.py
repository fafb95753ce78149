"""Errors as calm pages: what happened, and what to do."""

import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import Flask, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import Forbidden, HTTPException, InternalServerError, MethodNotAllowed, NotFound, RequestEntityTooLarge

from services.objects import ObjectMissing, StoreUnavailable
from services.records.administration import NotKnown
from services.records.erasure import erased_case
from services.records.errors import (
    AlreadyReviewed,
    CaseClaimed,
    CaseNotFound,
    DatabaseUnavailable,
    DeliveryNotFound,
    EndpointNotFound,
    LesionNotFound,
    ModelNotFound,
    NotDecided,
    NotReady,
    OpinionGiven,
    OpinionMissing,
    PatientNotFound,
    ReadRefused,
    UndoRefused,
)
from services.records.seal import SealBroken
from services.review import reader
from services.review.decision import StaleDecision
from services.review.enrolment import NoSeal

log = logging.getLogger(__name__)
RETRY_SECONDS = "10"


@dataclass(frozen=True, slots=True)
class Link:
    """A way on from a message."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Message:
    """A page with one thing to say."""

    title: str
    what: str
    mend: str = ""
    links: tuple[Link, ...] = ()


def message_page(message: Message, status: int) -> ResponseReturnValue:
    """The page of `message`."""
    return render_template("message.html", message=message), status


def to_worklist() -> Link:
    """The way back."""
    return Link("Back to the worklist", url_for("desk.worklist_page"))


def install_problems(app: Flask) -> None:
    """Registers a page for everything that the routes let through."""
    for away in (DatabaseUnavailable, StoreUnavailable):
        app.register_error_handler(away, _unavailable)
    for absent in (
        CaseNotFound,
        LesionNotFound,
        PatientNotFound,
        ObjectMissing,
        NotFound,
        NotKnown,
        ModelNotFound,
        EndpointNotFound,
        DeliveryNotFound,
    ):
        app.register_error_handler(absent, _not_found)
    app.register_error_handler(StaleDecision, _stale)
    app.register_error_handler(AlreadyReviewed, _already_reviewed)
    app.register_error_handler(NotReady, _not_ready)
    app.register_error_handler(NotDecided, _not_decided)
    app.register_error_handler(ReadRefused, _read_refused)
    app.register_error_handler(CaseClaimed, _claimed)
    app.register_error_handler(UndoRefused, _undo_refused)
    for opinion in (OpinionMissing, OpinionGiven):
        app.register_error_handler(opinion, _opinion)
    for sealed in (NoSeal, SealBroken):
        app.register_error_handler(sealed, _no_second_factor)
    app.register_error_handler(CSRFError, _expired_form)
    app.register_error_handler(Forbidden, _forbidden)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(MethodNotAllowed, _wrong_method)
    app.register_error_handler(HTTPException, _other_http)
    app.register_error_handler(InternalServerError, _fault)


def _unavailable(error: Exception) -> ResponseReturnValue:
    log.warning("dependency unavailable", extra={"error": type(error).__name__, "endpoint": request.endpoint})
    # The bar would ask the database for the reader once more, and wait once more.
    reader.forget()
    message = Message(
        "The desk cannot reach its records",
        "The database or the picture store does not answer. Nothing you sent was recorded.",
        "Wait a moment and load the page again. If it stays, tell your administrator.",
    )
    return *_pair(message, 503), {"Retry-After": RETRY_SECONDS}


def _not_found(error: Exception) -> ResponseReturnValue:
    if isinstance(error, CaseNotFound) and (moment := _erased_at(error.case_id)):
        return _erased(moment)
    message = Message("Not found", "There is no such page, or it belongs to a portal you do not read for.", links=(to_worklist(),))
    return message_page(message, 404)


def _erased_at(case_id: UUID) -> datetime | None:
    """When a case of the reader's portals was erased."""
    user = reader.reader()
    with reader.desk().database.transaction(tenants=user.tenant_ids) as records:
        return erased_case(session=records, tenant_ids=user.tenant_ids, case_id=case_id)


def _erased(moment: datetime) -> ResponseReturnValue:
    message = Message(
        "This case was erased",
        f"Its patient was erased at the portal’s request, or its time was over, on {moment:%-d %B %Y at %H:%M} UTC. Nothing of it is left.",
        "Nothing that you sent about it was recorded, and nothing more is to be done.",
        (to_worklist(),),
    )
    return message_page(message, 410)


def _stale(_: Exception) -> ResponseReturnValue:
    again = (Link("Look again", _to_case().href), to_worklist())
    message = Message(
        "The analysis changed while you were reading",
        "A newer analysis or a new picture has arrived since you opened the case. Your decision was not recorded.",
        "Look again and decide on what is shown now.",
        again,
    )
    return message_page(message, 409)


def _already_reviewed(_: Exception) -> ResponseReturnValue:
    links = (Link("See the decision", _to_case().href), Link("Next case", url_for("desk.next_case")))
    message = Message(
        "This case is already decided",
        "Another decision was recorded before yours. Yours was not recorded.",
        "Decisions are never overwritten. If you disagree, talk to the reader who decided, or ask a lead to amend it.",
        links,
    )
    return message_page(message, 409)


def _not_ready(_: Exception) -> ResponseReturnValue:
    message = Message(
        "This case is being analysed again",
        "A new picture has arrived, and its analysis is not finished. Your decision was not recorded.",
        "The case comes back to the worklist by itself.",
        (Link("Next case", url_for("desk.next_case")), to_worklist()),
    )
    return message_page(message, 409)


def _not_decided(error: Exception) -> ResponseReturnValue:
    what = f"{error} A report is made of what a dermatologist has decided."
    return message_page(Message("There is no report yet", what, links=(_to_case(), to_worklist())), 409)


def _no_second_factor(error: Exception) -> ResponseReturnValue:
    log.error("second factors cannot be read", extra={"error": type(error).__name__})
    message = Message("The desk cannot check second factors", "Its data key is missing, or not the one it had.", NoSeal.cure)
    return message_page(message, 503)


def _read_refused(error: Exception) -> ResponseReturnValue:
    links = (Link("Next case", url_for("desk.next_case")), to_worklist())
    return message_page(Message("Not your step", str(error), "Nothing was recorded.", links), 403)


def _claimed(error: Exception) -> ResponseReturnValue:
    links = (Link("Next case", url_for("desk.next_case")), to_worklist())
    return message_page(Message("Somebody else has this case", str(error), "Your decision was not recorded.", links), 409)


def _undo_refused(error: Exception) -> ResponseReturnValue:
    links = (Link("See the case", request.path.removesuffix("/undo")), to_worklist())
    return message_page(Message("The decision stands", str(error), "Nothing was changed.", links), 409)


def _opinion(error: Exception) -> ResponseReturnValue:
    return message_page(Message("The first opinion comes first", str(error), "Nothing was recorded.", (_to_case(), to_worklist())), 409)


def _to_case() -> Link:
    return Link("Open the case", request.path.rpartition("/")[0])


def _expired_form(_: Exception) -> ResponseReturnValue:
    message = Message(
        "This form is no longer valid",
        "It was opened before you signed in, or in another session. Nothing was recorded.",
        "Open the page again and repeat the step.",
        (to_worklist(),),
    )
    return message_page(message, 400)


def _forbidden(error: Exception) -> ResponseReturnValue:
    what = getattr(error, "description", None) or "Your role does not allow this step."
    return message_page(Message("Not allowed", what, "Nothing was recorded.", (to_worklist(),)), 403)


def _too_large(_: Exception) -> ResponseReturnValue:
    message = Message("Too much text", "The form is larger than the desk accepts. Shorten the note.", links=(to_worklist(),))
    return message_page(message, 413)


def _wrong_method(_: Exception) -> ResponseReturnValue:
    return message_page(Message("Not a page", "This address takes a form and shows nothing by itself.", links=(to_worklist(),)), 405)


def _other_http(error: Exception) -> ResponseReturnValue:
    code = error.code if isinstance(error, HTTPException) and error.code else 500
    return message_page(Message("The request was not understood", "The desk cannot answer it.", links=(to_worklist(),)), code)


def _fault(_: Exception) -> ResponseReturnValue:
    reader.forget()
    message = Message(
        "Something went wrong in the desk",
        "The fault is recorded. If you had sent a decision, open the case again to see whether it counts.",
        "If it happens again, tell your administrator the time.",
        (to_worklist(),),
    )
    return message_page(message, 500)


def _pair(message: Message, status: int) -> tuple[str, int]:
    return render_template("message.html", message=message), status
