"""Pages for everybody: home, about, lesion types. They show no patient's data and need no sign-in."""

from dataclasses import dataclass

from flask import Blueprint, Response, abort, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from services.records.errors import DatabaseUnavailable
from services.records.registry import list_model_versions
from services.records.states import ModelState
from services.review import reader
from services.review.drawings import DRAW, drawing
from services.review.lesion_types import lesion_types
from services.review.models_view import ModelCard, model_cards
from services.review.visitors import visitors

blueprint = Blueprint("public", __name__)

DRAWING_CACHE = "public, max-age=3600"


@dataclass(frozen=True, slots=True)
class Way:
    """A link of the public navigation."""

    text: str
    href: str
    current: bool


@blueprint.before_app_request
def welcome() -> ResponseReturnValue | None:
    """Whoever never signed in finds the home page in front of the desk; an expired session still leads to sign-in."""
    if request.path == "/" and request.method in ("GET", "HEAD") and "user" not in session:
        return home()
    return None


@blueprint.get("/welcome")
def home() -> ResponseReturnValue:
    """What Dermatrail is, for those who have not signed in."""
    return render_template("home.html", types=lesion_types())


@blueprint.get("/about")
def about() -> ResponseReturnValue:
    """Intended use, limits, the way of a case, and the models in use with their licences and figures."""
    return render_template("about.html", models=_models_in_use())


@blueprint.get("/lesion-types")
def types() -> ResponseReturnValue:
    """The classes that the models tell apart."""
    return render_template("lesion_types.html", types=lesion_types())


@blueprint.get("/lesion-types/<code>.svg")
def lesion_drawing(code: str) -> ResponseReturnValue:
    """The drawing of one class, `MEL`, or with its outline, `MEL-outlined`; the same bytes every time."""
    name, outlined, rest = code.partition("-outlined")
    if name not in DRAW or rest:
        abort(404)
    answer = Response(drawing(name, outlined=bool(outlined)), mimetype="image/svg+xml", headers={"Cache-Control": DRAWING_CACHE})
    answer.add_etag()
    answer.make_conditional(request)
    return answer


@blueprint.app_context_processor
def for_public_pages() -> dict[str, object]:
    """The navigation, made only where a template asks for it."""
    return {"public_ways": _ways, "trial_offered": visitors().offered, "knows_visitor": "user" in session}


def _ways() -> tuple[Way, ...]:
    ways = [("Home", "public.home"), ("About", "public.about"), ("Lesion types", "public.types")]
    if visitors().offered:
        ways.append(("Try an image", "trial.form"))
    return tuple(Way(text, url_for(endpoint), _is_here(url_for(endpoint))) for text, endpoint in ways)


def _is_here(href: str) -> bool:
    here = url_for("public.home") if request.path == "/" else request.path
    return here == href or here.startswith(f"{href}/")


def _models_in_use() -> tuple[ModelCard, ...] | None:
    """None where the registry cannot be read: the rest of the page is worth having without it."""
    try:
        with reader.desk().database.transaction() as records:
            versions = list_model_versions(session=records)
    except DatabaseUnavailable:
        return None
    return model_cards([version for version in versions if version.state is ModelState.CHAMPION])
