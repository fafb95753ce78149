"""What the administrators' pages show."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.records.administration import KeyView, PortalSettings, PortalView, UserView
from services.records.states import Role
from services.review import words
from services.review.times import Moment

ROLES = {Role.DERMATOLOGIST: "Dermatologist", Role.LEAD: "Lead", Role.ADMIN: "Administrator"}
# Hours until a key stops working, by the value of the form's choice.
REVOCATIONS = {"0": "Now", "1": "In 1 hour", "24": "In 24 hours", "168": "In 7 days", "720": "In 30 days"}


@dataclass(frozen=True, slots=True)
class When:
    """A moment in the words of the desk, with the exact time for the hover."""

    text: str
    moment: Moment


@dataclass(frozen=True, slots=True)
class PortalRow:
    """A portal."""

    id: UUID
    name: str
    slug: str
    settings: PortalSettings
    share_percent: str
    second_reads: str
    keys: int
    readers: int
    sandbox: bool


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key: `mark` and `state` say whether it works."""

    id: UUID
    name: str
    short: str
    created: When
    last_used: When | None
    mark: str
    state: str
    ends: When | None
    in_use: bool


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person."""

    user: UserView
    role: str
    portals: str
    state: str
    mark: str
    last_sign_in: When | None
    is_me: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several, chosen or not."""

    value: str
    text: str
    chosen: bool


def portal_row(portal: PortalView) -> PortalRow:
    """A portal as a row, and as the head of its page."""
    settings = portal.settings
    return PortalRow(
        id=portal.id,
        name=settings.name,
        slug=portal.slug,
        settings=settings,
        share_percent=f"{settings.second_read_share * 100:g}",
        second_reads=_second_reads(settings),
        keys=portal.keys,
        readers=portal.readers,
        sandbox=portal.sandbox,
    )


def key_row(key: KeyView, *, now: datetime) -> KeyRow:
    """A key as a row."""
    mark, state = ("done", "in use")
    if not key.in_use:
        mark, state = ("information", "revoked")
    elif key.revoked_at is not None:
        mark, state = ("attention", f"stops in {words.span(key.revoked_at - now)}")
    return KeyRow(
        id=key.id,
        name=key.name,
        short=f"dmt_{key.prefix}_…",
        created=when(key.created_at, now),
        last_used=when(key.last_used_at, now) if key.last_used_at else None,
        mark=mark,
        state=state,
        ends=when(key.revoked_at, now) if key.revoked_at else None,
        in_use=key.in_use,
    )


def person_row(user: UserView, portals: Mapping[UUID, str], *, me: UUID, now: datetime) -> PersonRow:
    """A person as a row, and as the head of their page."""
    return PersonRow(
        user=user,
        role=ROLES[user.role] + (", trainee" if user.trainee else ""),
        portals=", ".join(name for tenant_id, name in portals.items() if tenant_id in user.tenant_ids),
        state="active" if user.active else "disabled",
        mark="done" if user.active else "information",
        last_sign_in=when(user.last_sign_in, now) if user.last_sign_in else None,
        is_me=user.id == me,
    )


def portal_choices(portals: Sequence[PortalView], chosen: Collection[UUID]) -> list[Choice]:
    """The portals as boxes to tick."""
    return [Choice(str(portal.id), portal.settings.name, portal.id in chosen) for portal in portals]


def when(moment: datetime, now: datetime) -> When:
    """`3 h ago`, or `in 3 h`."""
    text = words.ago(moment, now) if moment <= now else f"in {words.span(moment - now)}"
    return When(text, Moment.of(moment))


def _second_reads(settings: PortalSettings) -> str:
    reasons = [
        f"{settings.second_read_share * 100:g} % at random" if settings.second_read_share else "",
        f"risk ≥ {settings.second_read_risk:g}" if settings.second_read_risk is not None else "",
        "disagreement with the model" if settings.second_read_disagreement else "",
    ]
    return ", ".join(filter(None, reasons)) or "trainees only"
