"""What a reader narrows the worklist to: read from an address or a form, and written into one. Never a search text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import url_for

from services.records.access import SignedIn
from services.records.diagnoses import DIAGNOSES
from services.records.ranking import Mark, Place, Status, Wanted
from services.records.states import Outcome, Role, Urgency

STATUSES = {
    Status.WAITING: "waiting",
    Status.SECOND_READ: "second read",
    Status.ADJUDICATION: "adjudication",
    Status.MINE: "mine",
    Status.OVERDUE: "overdue",
    Status.ANALYSING: "being analysed",
    Status.REVIEWED: "reviewed",
}
MARKS = {
    Mark.CHANGED: "trail alert",
    Mark.SUSPICIOUS: "suspicious",
    Mark.OUT_OF_DISTRIBUTION: "out of distribution",
    Mark.QUALITY: "picture quality",
    Mark.NO_LESION: "no lesion found",
    Mark.NOT_ANALYSED: "not analysed",
    Mark.IDENTITY: "possible text in the picture",
}
LEADING = {
    **{diagnosis.code: f"{diagnosis.code} {diagnosis.name}" for diagnosis in DIAGNOSES},
    Outcome.SET.value: "set of classes",
    Outcome.ABSTAIN.value: "abstains",
}
URGENCIES = {urgency: urgency.value for urgency in Urgency}
LONGEST_SITE = 80


class UnknownFilter(ValueError):
    """The address names a filter that does not exist, or a portal of somebody else's."""


def address(query: Mapping[str, str], endpoint: str = "desk.worklist_page", **more: Any) -> str:
    """The address of a list with these filters."""
    words: dict[str, Any] = {**query, **more}
    return url_for(endpoint, **words)


@dataclass(frozen=True, slots=True)
class Filters:
    """The chosen filters."""

    wanted: Wanted
    portal: UUID | None = None

    def tenants(self, user: SignedIn) -> tuple[UUID, ...]:
        """The portals whose cases are listed."""
        return (self.portal,) if self.portal else user.tenant_ids

    def query(self) -> dict[str, str]:
        """The filters as words, without those that are off: for addresses, forms and saved views."""
        wanted = self.wanted
        words = {
            "status": "" if wanted.status is Status.WAITING else wanted.status.value,
            "portal": str(self.portal or ""),
            "mark": wanted.mark or "",
            "leading": wanted.leading or "",
            "site": wanted.body_site or "",
            "urgency": wanted.urgency or "",
        }
        return {name: str(word) for name, word in words.items() if word}


def statuses_for(user: SignedIn) -> dict[Status, str]:
    """The lists that this reader may choose from: differences are resolved by leads."""
    return {status: name for status, name in STATUSES.items() if status is not Status.ADJUDICATION or user.role is Role.LEAD}


def read_filters(said: Mapping[str, str], user: SignedIn) -> Filters:
    """The filters of an address or a form.

    Raises:
        UnknownFilter: a word is not one of ours, or a portal not one of the reader's.
    """
    try:
        status = Status(said.get("status") or Status.WAITING)
        mark = Mark(said["mark"]) if said.get("mark") else None
        urgency = Urgency(said["urgency"]) if said.get("urgency") else None
        portal = UUID(said["portal"]) if said.get("portal") else None
    except ValueError as error:
        raise UnknownFilter(str(error)) from error
    leading, site = said.get("leading") or None, (said.get("site") or "").strip() or None
    known = (portal is None or portal in user.tenant_ids) and (leading is None or leading in LEADING) and status in statuses_for(user)
    if not known or len(site or "") > LONGEST_SITE:
        raise UnknownFilter("no such portal, class, status or site")
    return Filters(Wanted(status=status, mark=mark, leading=leading, body_site=site, urgency=urgency), portal)


def read_place(said: Mapping[str, str]) -> Place | None:
    """Where the page before ended.

    Raises:
        UnknownFilter: it is not a place.
    """
    if not said.get("after"):
        return None
    try:
        return Place(float(said["key"]), UUID(said["after"]))
    except (KeyError, ValueError) as error:
        raise UnknownFilter("no such place") from error
