"""For orchestrators and monitoring; no key is needed and nothing about patients is told."""

from apiflask import APIBlueprint
from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import false, select
from sqlalchemy.exc import ProgrammingError

from services.intake.context import backends
from services.intake.schemas import Alive, Readiness
from services.records.database import Database
from services.records.errors import DatabaseUnavailable
from services.records.tables import Case, DicomInstance, IdempotencyKey, Image, Job

blueprint = APIBlueprint("health", __name__, tag="Operation")


@blueprint.get("/healthz")
@blueprint.output(Alive)
@blueprint.doc(operation_id="alive")
def alive() -> Alive:
    """Whether the process answers"""
    return Alive()


@blueprint.get("/readyz")
@blueprint.output(Readiness)
@blueprint.doc(operation_id="ready", responses={503: "A backend is away; the body says which."})
def ready() -> tuple[Readiness, int]:
    """Whether cases can be accepted

    Needs the database with its current schema, and the store. The broker is reported, but nothing waits for it.
    """
    found = backends()
    state = Readiness.of(database=has_schema(found.database), store=found.store.ready(), broker=found.doorbell.reachable())
    return state, 200 if state.ready else 503


@blueprint.get("/metrics")
@blueprint.doc(hide=True)
def metrics() -> Response:
    """Prometheus text format"""
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def has_schema(database: Database) -> bool:
    """Whether every table and column that a submission touches is there; reads no row."""
    try:
        with database.transaction() as session:
            for table in (Case, Image, Job, IdempotencyKey, DicomInstance):
                session.execute(select(table).where(false()))
    except (DatabaseUnavailable, ProgrammingError):
        return False
    return True
