"""Try an image: a visitor's picture, from a file or the camera, answered by the worker after all patients' cases."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from services.objects import ObjectMissing
from services.records import trials
from services.records.errors import TooManyTrials, TrialNotFound
from services.records.states import TrialState
from services.records.trials import TrialView
from services.review import reader
from services.review.sent_picture import MAX_BYTES, PictureRefused, cleaned
from services.review.try_view import trial_page
from services.review.visitors import visitors

blueprint = Blueprint("trial", __name__, url_prefix="/try")

FORM_ROOM = 64 * 1024
# Only here, and only for this site's own page.
CAMERA = "camera=(self), microphone=(), geolocation=()"
NOT_AGREED = "Tick the box first: it says what this page is not."


@blueprint.url_value_preprocessor
def make_room(endpoint: str | None, _: dict[str, Any] | None) -> None:
    """A picture is larger than any form of the desk. Set before anything reads the form, the token's check included."""
    if endpoint == "trial.send" and visitors().offered:
        request.max_content_length = MAX_BYTES + FORM_ROOM


@blueprint.before_request
def only_where_offered() -> ResponseReturnValue | None:
    """A service that has not opted in says so."""
    if visitors().offered:
        return None
    return render_template("try_message.html", title="Not offered here", what="This service does not let visitors try a picture."), 404


@blueprint.get("")
def form() -> ResponseReturnValue:
    """The page with the file field and the camera."""
    return _form()


@blueprint.post("")
def send() -> ResponseReturnValue:
    """Stores the picture without anything but its pixels, and rings for the worker."""
    if seconds := visitors().wait(request.remote_addr):
        return _form(f"That was many pictures in a short time. Wait {seconds} s, then send it again.", 429, wait=seconds)
    if "agreed" not in request.form:
        return _form(NOT_AGREED, 422)
    try:
        picture = cleaned(_sent())
    except PictureRefused as refusal:
        return _form(str(refusal), 422)
    trial_id = uuid4()
    try:
        with reader.desk().database.transaction() as records:
            trial = trials.begin_trial(session=records, trial_id=trial_id)
    except TooManyTrials as full:
        return _form(str(full), 503, wait=60)
    reader.desk().objects.put(trial.picture_key, picture, "image/jpeg")
    visitors().bell.ring()
    return redirect(url_for(".show", trial_id=trial_id), 303)


@blueprint.get("/<uuid:trial_id>")
def show(trial_id: UUID) -> ResponseReturnValue:
    """Waits, and then shows what the models say; or why they say nothing."""
    trial = _trial(trial_id)
    if trial.state is TrialState.QUEUED:
        return render_template("try_waiting.html", trial=trial)
    if trial.state is TrialState.FAILED:
        return render_template("try_failed.html", trial=trial)
    return render_template("try_answer.html", trial=trial, page=trial_page(trial, now=datetime.now(UTC)))


@blueprint.get("/<uuid:trial_id>/state")
def state(trial_id: UUID) -> ResponseReturnValue:
    """What the waiting page asks every second: the state, and how many pictures come first."""
    with reader.desk().database.transaction() as records:
        trial = trials.load_trial(session=records, trial_id=trial_id)
        ahead = trials.waiting_before(session=records, trial=trial) if trial.state is TrialState.QUEUED else 0
    return jsonify(state=trial.state, ahead=ahead)


@blueprint.post("/<uuid:trial_id>/delete")
def delete(trial_id: UUID) -> ResponseReturnValue:
    """Ends a trial before its hour; nobody can see it from now on, and the worker deletes it."""
    with reader.desk().database.transaction() as records:
        trials.end_trial(session=records, trial_id=trial_id)
    what = "Nobody can see the picture any more. It is removed from the store within a minute."
    return render_template("try_message.html", title="The picture is deleted", what=what)


@blueprint.get("/<uuid:trial_id>/picture")
def picture(trial_id: UUID) -> ResponseReturnValue:
    """The picture as it was stored, JPEG."""
    return _stream(_trial(trial_id).picture_key, "image/jpeg")


@blueprint.get("/<uuid:trial_id>/mask")
def mask(trial_id: UUID) -> ResponseReturnValue:
    """The lesion's mask at working size, PNG."""
    return _stream(_trial(trial_id).mask_key, "image/png")


@blueprint.get("/<uuid:trial_id>/heatmap")
def heatmap(trial_id: UUID) -> ResponseReturnValue:
    """Where the evidence for the first class lies, a grey JPEG."""
    return _stream(_trial(trial_id).heatmap_key, "image/jpeg")


@blueprint.errorhandler(TrialNotFound)
@blueprint.errorhandler(ObjectMissing)
def gone(_: Exception) -> ResponseReturnValue:
    """Wrong address, or over."""
    what = "Pictures are deleted within the hour, with everything that was said about them. This one is gone, or was never here."
    return render_template("try_message.html", title="No picture here", what=what), 404


@blueprint.errorhandler(RequestEntityTooLarge)
def too_large(_: Exception) -> ResponseReturnValue:
    """Larger than is read at all. The token was not read either, so nothing of the form is repeated."""
    what = f"The file is larger than {MAX_BYTES // 2**20} MB. Send a smaller copy of it."
    return render_template("try_message.html", title="The file is too large", what=what), 413


def _trial(trial_id: UUID) -> TrialView:
    with reader.desk().database.transaction() as records:
        return trials.load_trial(session=records, trial_id=trial_id)


def _sent() -> bytes:
    file = request.files.get("picture")
    return file.read(MAX_BYTES + 1) if file else b""


def _form(problem: str = "", status: int = 200, *, wait: int = 0) -> ResponseReturnValue:
    page = render_template("try.html", problem=problem, megabytes=MAX_BYTES // 2**20)
    headers = {"Permissions-Policy": CAMERA} | ({"Retry-After": str(wait)} if wait else {})
    return page, status, headers


def _stream(key: str | None, media_type: str) -> Response:
    if key is None:
        raise ObjectMissing("no such picture")
    return Response(reader.desk().objects.get(key), mimetype=media_type)
