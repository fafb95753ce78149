"""Note templates: words that readers begin their notes with, their own or (kept by leads) everybody's of a portal."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, insert, or_, select, update
from sqlalchemy.orm import Session

from services.records.audit import Actor, Subject, record_event
from services.records.errors import InvalidRecord, ReadRefused
from services.records.states import AuditAction, Role
from services.records.tables import NoteTemplate, Tenant

TITLE_LIMIT, BODY_LIMIT = 60, 1000
# As many as a list by number keys and a glance can take; nobody reads a hundred.
MOST = 50


@dataclass(frozen=True, slots=True)
class TemplateView:
    """One template. ``shared``: for everybody who reads for the portal."""

    id: UUID
    tenant_id: UUID
    portal: str
    title: str
    body: str
    shared: bool


def note_templates(*, session: Session, tenant_ids: Sequence[UUID], user_id: UUID) -> tuple[TemplateView, ...]:
    """Return what this reader may begin a note with: their own first, by title."""
    query = (
        select(NoteTemplate, Tenant.name)
        .join(Tenant, Tenant.id == NoteTemplate.tenant_id)
        .where(NoteTemplate.tenant_id.in_(tenant_ids), NoteTemplate.retired_at.is_(None), _theirs(user_id))
        .order_by(NoteTemplate.user_id.is_(None), NoteTemplate.title)
        .limit(MOST)
    )
    return tuple(
        TemplateView(row.id, row.tenant_id, portal, row.title, row.body, row.user_id is None) for row, portal in session.execute(query)
    )


def add_template(*, session: Session, tenant_id: UUID, user_id: UUID, role: Role, title: str, body: str, shared: bool) -> UUID:
    """Keep a template and return its id.

    Raises:
        InvalidRecord: title or body is empty or too long.
        ReadRefused: shared by somebody who is no lead.
    """
    title, body = _words(title, body)
    _may_share(role, shared=shared)
    template_id = uuid4()
    owner = None if shared else user_id
    session.execute(insert(NoteTemplate).values(id=template_id, tenant_id=tenant_id, user_id=owner, title=title, body=body))
    _record(session, tenant_id, user_id, template_id, "added")
    return template_id


def change_template(
    *, session: Session, tenant_ids: Sequence[UUID], template_id: UUID, user_id: UUID, role: Role, title: str, body: str
) -> None:
    """Reword a template.

    Raises:
        InvalidRecord: there is no such template, or title or body is empty or too long.
        ReadRefused: it is everybody's, and this is no lead.
    """
    title, body = _words(title, body)
    found = _mine(session, tenant_ids, template_id, user_id, role)
    session.execute(update(NoteTemplate).where(NoteTemplate.id == found.id).values(title=title, body=body))
    _record(session, found.tenant_id, user_id, template_id, "changed")


def retire_template(*, session: Session, tenant_ids: Sequence[UUID], template_id: UUID, user_id: UUID, role: Role) -> None:
    """Offer a template no longer.

    Raises:
        InvalidRecord: there is no such template.
        ReadRefused: it is everybody's, and this is no lead.
    """
    found = _mine(session, tenant_ids, template_id, user_id, role)
    session.execute(update(NoteTemplate).where(NoteTemplate.id == found.id).values(retired_at=func.now()))
    _record(session, found.tenant_id, user_id, template_id, "retired")


def _mine(session: Session, tenant_ids: Sequence[UUID], template_id: UUID, user_id: UUID, role: Role) -> NoteTemplate:
    mine = (NoteTemplate.id == template_id, NoteTemplate.tenant_id.in_(tenant_ids), NoteTemplate.retired_at.is_(None))
    found = session.scalars(select(NoteTemplate).where(*mine, _theirs(user_id))).one_or_none()
    if found is None:
        raise InvalidRecord("This template does not exist any more: load the page again.")
    _may_share(role, shared=found.user_id is None)
    return found


def _theirs(user_id: UUID) -> ColumnElement[bool]:
    return or_(NoteTemplate.user_id == user_id, NoteTemplate.user_id.is_(None))


def _words(title: str, body: str) -> tuple[str, str]:
    title, body = " ".join(title.split()), body.replace("\r\n", "\n").strip()
    if not 1 <= len(title) <= TITLE_LIMIT:
        raise InvalidRecord(f"Title: 1 to {TITLE_LIMIT} characters.")
    if not 1 <= len(body) <= BODY_LIMIT:
        raise InvalidRecord(f"Text: 1 to {BODY_LIMIT} characters.")
    return title, body


def _may_share(role: Role, *, shared: bool) -> None:
    if shared and role is not Role.LEAD:
        raise ReadRefused("Only a lead changes the templates that everybody uses.")


def _record(session: Session, tenant_id: UUID, user_id: UUID, template_id: UUID, what: str) -> None:
    subject, actor = Subject("note_template", template_id), Actor.user(user_id)
    record_event(
        session=session, tenant_id=tenant_id, actor=actor, action=AuditAction.TEMPLATE_CHANGED, subject=subject, details={"what": what}
    )
