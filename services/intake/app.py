"""Builds the intake application."""

import logging
import time

from apiflask import APIFlask
from flask import Response, g, request

from services.addresses import AddressPolicy
from services.intake import (
    artifacts,
    batches,
    cases,
    dicomweb,
    docs,
    erasure,
    events,
    fhir,
    fhir_reads,
    follow_ups,
    health,
    lesions,
    patients,
    portal,
    problems,
    reports,
    uploads_direct,
    webhooks,
)
from services.intake.batch_work import ATTENDANT, Attendant
from services.intake.context import EXTENSION, Backends
from services.intake.metrics import REQUESTS
from services.intake.uploads import bounded_request_class, limits
from services.settings import Settings

log = logging.getLogger(__name__)


def create_app(settings: Settings) -> APIFlask:
    """The WSGI application. Connects to nothing until the first request."""
    app = APIFlask(__name__, title="Dermatrail intake", version="1", docs_path=None)
    app.request_class = bounded_request_class(settings)
    app.config.update(limits(settings))
    app.extensions[EXTENSION] = Backends.connect(settings)
    app.extensions[ATTENDANT] = Attendant(app.extensions[EXTENSION])
    app.extensions[webhooks.ADDRESSES] = AddressPolicy.of(settings)
    problems.register(app)
    docs.describe(app)
    for part in (
        cases,
        artifacts,
        reports,
        uploads_direct,
        batches,
        portal,
        patients,
        erasure,
        lesions,
        follow_ups,
        events,
        webhooks,
        dicomweb,
        fhir,
        fhir_reads,
        health,
        docs,
    ):
        app.register_blueprint(part.blueprint)
    app.before_request(_start_clock)
    app.after_request(_record)
    return app


def _start_clock() -> None:
    g.started = time.perf_counter()


def _record(response: Response) -> Response:
    """One line and one figure for each request: the route, never the address, which names a case."""
    route = request.url_rule.rule if request.url_rule else "unknown"
    seconds = time.perf_counter() - g.get("started", time.perf_counter())
    REQUESTS.labels(request.method, route, response.status_code).observe(seconds)
    if route.startswith(("/v1/", "/dicomweb/", "/fhir")):
        log.info("%s %s %d in %.1f ms", request.method, route, response.status_code, seconds * 1000)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
