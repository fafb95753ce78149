"""What the models are: every reader may know what stands behind a finding."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from services.records.registry import list_model_versions
from services.review import reader
from services.review.models_view import model_cards

blueprint = Blueprint("models", __name__)


@blueprint.get("/models")
@reader.signed_in
def models_page() -> ResponseReturnValue:
    """Every model version with its licence, data, figures and limits; those in use come first."""
    with reader.desk().database.transaction() as records:
        versions = list_model_versions(session=records)
    return render_template("models.html", cards=model_cards(versions))
