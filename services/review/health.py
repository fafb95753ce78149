"""For the supervisor and the load balancer: is the process up, and can it work."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from services.review import reader
from services.review.warm import is_warm

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """The process answers; says nothing about what it depends on."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """503 names what is away."""
    checks = {"database": reader.desk().database.ready(), "objects": reader.desk().objects.ready(), "pages": is_warm()}
    ready = all(checks.values())
    answer = {name: "ok" if up else "unavailable" for name, up in checks.items()}
    return jsonify(status="ready" if ready else "unavailable", **answer), 200 if ready else 503
