"""A clinic to look at: drawn cases that went through the whole pipeline, and two years of decisions beside them."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import NullPool, create_engine
from sqlalchemy.orm import Session

from infra.bench.desk_seed import Clinic, fill
from infra.demo.cases import Submission, drawn_cases
from infra.demo.portal import Accepted, Portal
from infra.demo.submitting import follow, submit_all
from infra.local import LocalStack
from infra.local.seed import EMAIL, PEOPLE, seed
from services.records import access
from services.records.states import Role

HISTORY = "history@demo.example"
HISTORY_CASES, HISTORY_OPEN = 4000, 60
READERS = ("Dr Almeida", "Dr Berg", "Dr Castell", "Dr Dahl")


def fill_clinic(stack: LocalStack) -> dict[Role, str]:
    """Make people and cases, and return each role's sign-in. The lead reads for a portal with a long history."""
    engine = create_engine(stack.database_url("superuser"), poolclass=NullPool)
    seeded = seed(stack)
    with Session(engine) as session, session.begin():
        tenants = [access.create_tenant(session=session, name=name, slug=slug).id for slug, name in _portals()]
        readers = [_reader(session, name, tenants) for name in READERS]
        password = seeded.password
        everything = [*tenants, uuid.UUID(seeded.tenant_id)]
        access.create_user(session=session, email=HISTORY, name="Dr Lind", role=Role.LEAD, password=password, tenants=everything)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        clinic = Clinic(cases=HISTORY_CASES, open_cases=HISTORY_OPEN, tenants=tuple(tenants), readers=tuple(readers))
        fill(connection=connection, clinic=clinic, say=print)
    engine.dispose()
    submit(stack, seeded.api_key)
    return {Role.DERMATOLOGIST: EMAIL, Role.LEAD: HISTORY, Role.ADMIN: PEOPLE[Role.ADMIN][0]}


def submit(stack: LocalStack, api_key: str) -> None:
    """Send the drawn cases as a portal does, and wait for their answers."""
    with Portal(address=stack.address("intake"), api_key=api_key) as portal:
        receipts = submit_all(portal=portal, submissions=cases(), advance=lambda _: None)
        accepted = [receipt.outcome.case_id for receipt in receipts if isinstance(receipt.outcome, Accepted)]
        follow(portal=portal, case_ids=accepted, since=datetime.now(UTC) - timedelta(minutes=5), advance=lambda _: None)


def cases() -> Iterator[Submission]:
    """Those of the demonstration that the intake accepts."""
    return (submission for submission in drawn_cases() if not submission.refusal_expected)


def _portals() -> tuple[tuple[str, str], ...]:
    return (("north", "Clinic North"), ("harbour", "Harbour practice"))


def _reader(session: Session, name: str, tenants: list[uuid.UUID]) -> uuid.UUID:
    email = f"{name.rsplit(maxsplit=1)[-1].lower()}@demo.example"
    secret = uuid.uuid4().hex
    return access.create_user(session=session, email=email, name=name, role=Role.DERMATOLOGIST, password=secret, tenants=tenants)
