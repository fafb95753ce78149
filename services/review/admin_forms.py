"""What administrators type, as the records want it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from werkzeug.datastructures import MultiDict

from services.records.administration import PortalSettings, UserChange
from services.records.errors import InvalidRecord
from services.records.states import ActorKind, AuditAction, Role
from services.records.trail import TrailFilter

NO_PORTAL = "none"


@dataclass(frozen=True, slots=True)
class NewUser:
    """A person who is to be made."""

    email: str = ""
    change: UserChange = field(default_factory=lambda: UserChange("", Role.DERMATOLOGIST, trainee=False, tenant_ids=frozenset()))


@dataclass(frozen=True, slots=True)
class TrailForm:
    """The filters of the audit trail as they were chosen, to show them again."""

    portal: str = ""
    actor: str = ""
    action: str = ""
    since: str = ""
    until: str = ""


def said(error: Exception) -> str:
    """A refusal of the records as a sentence."""
    text = str(error)
    return text[:1].upper() + text[1:]


def portal_settings(form: Mapping[str, str]) -> PortalSettings:
    """How a portal is to be served.

    Raises:
        InvalidRecord: a number is none.
    """
    risk = form.get("second_read_risk", "").strip()
    return PortalSettings(
        name=form.get("name", ""),
        urgent_hours=_whole(form, "urgent_hours", "urgent"),
        soon_hours=_whole(form, "soon_hours", "soon"),
        routine_hours=_whole(form, "routine_hours", "routine"),
        blind_first_read="blind_first_read" in form,
        second_read_share=round(_number(form.get("second_read_share", ""), "random share") / 100, 4),
        second_read_risk=_number(risk, "risk") if risk else None,
        second_read_disagreement="second_read_disagreement" in form,
        retention_days=_days(form.get("retention_days", "").strip()),
    )


def new_user(form: MultiDict[str, str]) -> NewUser:
    """Who is to be made."""
    return NewUser(form.get("email", "").strip(), user_change(form))


def user_change(form: MultiDict[str, str]) -> UserChange:
    """What a person is to be.

    Raises:
        InvalidRecord: a choice is none of those offered.
    """
    try:
        role, tenants = Role(form.get("role", "")), frozenset(UUID(text) for text in form.getlist("portals"))
    except ValueError as error:
        raise InvalidRecord("role, portals: choose from what is offered.") from error
    return UserChange(form.get("name", ""), role, trainee="trainee" in form, tenant_ids=tenants)


def trail_filter(form: TrailForm) -> TrailFilter:
    """Which events are wanted. What cannot be understood asks for nothing: addresses are typed, too."""
    kinds = {kind.value: kind for kind in ActorKind}
    actor_id = _uuid(form.actor)
    return TrailFilter(
        tenant_id=_uuid(form.portal),
        no_portal=form.portal == NO_PORTAL,
        actor_kind=kinds.get(form.actor),
        actor_id=str(actor_id) if actor_id else None,
        action=AuditAction(form.action) if form.action in list(AuditAction) else None,
        since=_midnight(form.since),
        until=_midnight(form.until, days=1),
    )


def _whole(form: Mapping[str, str], name: str, label: str) -> int:
    try:
        return int(form.get(name, ""))
    except ValueError as error:
        raise InvalidRecord(f"{label}: a whole number of hours.") from error


def _days(text: str) -> int | None:
    try:
        return int(text) if text else None
    except ValueError as error:
        raise InvalidRecord("retention: a whole number of days, or nothing.") from error


def _number(text: str, label: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise InvalidRecord(f"{label}: a number.") from error


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _midnight(text: str, *, days: int = 0) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text) + timedelta(days=days), time(), UTC)
    except (ValueError, OverflowError):
        return None
