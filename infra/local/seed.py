"""A portal, its API key and one person of each role, so that a new local stack can be used at once."""

import json
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import NullPool, create_engine, select
from sqlalchemy.orm import Session

from infra.local.stack import LocalStack
from infra.local.state import write_private
from services.records import access
from services.records.sandbox import create_sandbox
from services.records.states import Role
from services.records.tables.tenants import Tenant, User

PORTAL = "Demo portal"
SLUG = "demo"
SANDBOX, SANDBOX_SLUG = "Sandbox", "sandbox"
EMAIL = "dermatologist@demo.example"
PEOPLE = {
    Role.DERMATOLOGIST: (EMAIL, "Demo dermatologist"),
    Role.LEAD: ("lead@demo.example", "Demo lead"),
    Role.ADMIN: ("admin@demo.example", "Demo administrator"),
}


@dataclass(frozen=True, slots=True)
class Access:
    """What a person needs to use the stack; everybody of :data:`PEOPLE` has the same password. The file that keeps it has mode 0600."""

    tenant_id: str
    api_key: str
    email: str
    password: str
    sandbox_key: str


def seed(stack: LocalStack) -> Access:
    """Make the demo portal and its people once per state folder, and return how to get in."""
    file = stack.state.root / "access.json"
    if file.exists() and (kept := json.loads(file.read_text(encoding="utf-8"))).get("sandbox_key"):
        return Access(**kept)
    password = stack.choices.secrets["dashboard_password"]
    # The superuser's login: setting up a machine is above the tenants, whom row-level security keeps apart.
    engine = create_engine(stack.database_url("superuser"), poolclass=NullPool)
    with Session(engine) as session, session.begin():
        tenant_id = _portal(session)
        _, api_key = access.create_api_key(session=session, tenant_id=tenant_id, name="local stack")
        _people(session, tenant_id, password)
        _, sandbox_key = access.create_api_key(session=session, tenant_id=_sandbox(session), name="local stack")
    made = Access(tenant_id=str(tenant_id), api_key=api_key, email=EMAIL, password=password, sandbox_key=sandbox_key)
    write_private(file, json.dumps(asdict(made), indent=2) + "\n")
    return made


def _portal(session: Session) -> UUID:
    """The portal may exist: a start that was killed before the file was written. Its lost key is simply replaced."""
    known = session.scalar(select(Tenant.id).where(Tenant.slug == SLUG))
    return known or access.create_tenant(session=session, name=PORTAL, slug=SLUG).id


def _sandbox(session: Session) -> UUID:
    known = session.scalar(select(Tenant.id).where(Tenant.slug == SANDBOX_SLUG))
    return known or create_sandbox(session=session, name=SANDBOX, slug=SANDBOX_SLUG).id


def _people(session: Session, tenant_id: UUID, password: str) -> None:
    known = set(session.scalars(select(User.email)))
    for role, (email, name) in PEOPLE.items():
        if email not in known:
            access.create_user(session=session, email=email, name=name, role=role, password=password, tenants=[tenant_id])
