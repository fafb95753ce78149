"""What a lead chose to look at: which portal, how many days, in which steps; read from the address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from werkzeug.datastructures import MultiDict

from services.records.statistics.windows import Period, Scope, Window

DAYS = {28: "4 weeks", 84: "12 weeks", 182: "6 months", 364: "12 months"}
STEPS = {Period.WEEK: "weeks", Period.MONTH: "months"}
RECENT = {7: "last 7 days", 14: "last 14 days", 28: "last 28 days"}
# A reference that slides along hides a slow drift: an older one shows it.
REFERENCES = {0: "the 90 days before", 182: "90 days, half a year before", 364: "90 days, a year before"}
REFERENCE_DAYS = 90


class InvalidChoice(ValueError):
    """The address names a portal, a time or a step that there is not."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the page shows. ``portal`` None: all of the reader's."""

    portal: UUID | None
    days: int
    step: Period
    recent: int
    reference: int

    def scope(self, tenant_ids: Sequence[UUID], now: datetime) -> Scope:
        """Whose cases, and in which window; weeks begin on Mondays, so that the first one is whole."""
        window = Window.last(self.days, now=now)
        if self.step is Period.WEEK:
            window = Window(window.start - timedelta(days=window.start.weekday()), now)
        return Scope([self.portal] if self.portal else tenant_ids, window)

    def windows(self, now: datetime) -> tuple[Window, Window]:
        """The reference window and the recent one."""
        recent = Window.last(self.recent, now=now)
        end = recent.start - timedelta(days=self.reference)
        return Window(end - timedelta(days=REFERENCE_DAYS), end), recent

    def query(self) -> dict[str, str]:
        """The same choices for another address."""
        shown = {"days": self.days, "step": self.step, "recent": self.recent, "reference": self.reference, "portal": self.portal or ""}
        return {name: str(value) for name, value in shown.items()}


def read_choices(fields: MultiDict[str, str], tenant_ids: Sequence[UUID]) -> Choices:
    """The choices in an address; what is left out has its usual value.

    Raises:
        InvalidChoice: a value is none of those that are offered.
    """
    try:
        portal = UUID(fields["portal"]) if fields.get("portal") else None
        step = Period(fields.get("step", Period.WEEK))
        days, recent, reference = (int(fields.get(name, usual)) for name, usual in (("days", 84), ("recent", 14), ("reference", 0)))
    except ValueError as error:
        raise InvalidChoice(str(error)) from error
    offered = days in DAYS and recent in RECENT and reference in REFERENCES and step in STEPS
    if not offered or (portal is not None and portal not in tenant_ids):
        raise InvalidChoice("not offered")
    return Choices(portal, days, step, recent, reference)


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a select field."""

    value: str
    text: str
    current: bool


@dataclass(frozen=True, slots=True)
class Field:
    """A select field."""

    name: str
    label: str
    choices: tuple[Choice, ...]


def fields_of(page: str, choices: Choices, portals: Mapping[UUID, str]) -> tuple[Field, ...]:
    """The fields over a page; the queue's has no window of time, and one portal needs no choice."""
    of_portals = {"": "All portals", **{str(tenant_id): name for tenant_id, name in portals.items()}}
    chosen = choices.query()
    offered: dict[str, tuple[str, Mapping[str, str]]] = {"portal": ("Portal", of_portals if len(portals) > 1 else {})}
    if page == "drift":
        offered |= {"recent": ("Recent", _texts(RECENT)), "reference": ("Compared with", _texts(REFERENCES))}
    elif page != "queue":
        offered |= {"days": ("Window", _texts(DAYS))}
    if page == "model":
        offered |= {"step": ("In", _texts(STEPS))}
    return tuple(_field(name, label, texts, chosen[name]) for name, (label, texts) in offered.items() if texts)


def _field(name: str, label: str, texts: Mapping[str, str], chosen: str) -> Field:
    return Field(name, label, tuple(Choice(value, text, value == chosen) for value, text in texts.items()))


def _texts(offered: Mapping[int, str] | Mapping[Period, str]) -> dict[str, str]:
    return {str(value): text for value, text in offered.items()}
