"""What the page of follow-ups shows: a list for each state, and one line a lesion."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from flask import url_for

from services.records.follow_up_listing import FollowUpCounts, FollowUpList, FollowUpRow
from services.records.follow_ups import GRACE_DAYS, NOTICE_DAYS, FollowUpState
from services.review.case_view import picture_url, site_words
from services.review.decision import decision_words
from services.review.times import Moment
from services.review.worklist_view import Choice, Count, Empty, Select, count_words

NAMES = {FollowUpState.OVERDUE: "Overdue", FollowUpState.DUE: "Due", FollowUpState.UPCOMING: "Upcoming"}
CAPTIONS = {
    FollowUpState.OVERDUE: f"Not seen again within {GRACE_DAYS} days after the follow-up's day",
    FollowUpState.DUE: f"To be seen now: the day has come, at most {GRACE_DAYS} days ago",
    FollowUpState.UPCOMING: f"To be seen later; the portal is reminded {NOTICE_DAYS} days before",
}
EMPTY = {
    FollowUpState.OVERDUE: Empty("No follow-up is overdue", f"Lesions appear here {GRACE_DAYS} days after the day of their follow-up."),
    FollowUpState.DUE: Empty("No follow-up is due", "Lesions appear here on the day of their follow-up, until they are seen again."),
    FollowUpState.UPCOMING: Empty("No follow-up is planned", "Lesions appear here when a decision asks to see them again."),
}
MARKS = {FollowUpState.OVERDUE: "attention", FollowUpState.DUE: "soon", FollowUpState.UPCOMING: "information"}
DAYS_IN_WORDS = 60
DAYS_OF_A_MONTH = 30.44


@dataclass(frozen=True, slots=True)
class Asked:
    """Which list, of which portal."""

    state: FollowUpState
    portal: UUID | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One lesion that is to be seen again. `reminded`: when the portal was told."""

    href: str
    thumbnail: str | None
    patient: str
    site: str
    lesion: str
    decision: str
    case_href: str
    decided: Moment
    decided_on: str
    mark: str
    when: str
    day: str
    portal: str
    reminded: Moment | None
    reminded_on: str


@dataclass(frozen=True, slots=True)
class FollowUpPage:
    """Everything that follow_ups.html needs."""

    caption: str
    lists: tuple[Count, ...]
    select: Select | None
    state: str
    lines: tuple[Line, ...]
    empty: Empty
    more: str


def follow_up_page(*, asked: Asked, found: FollowUpList, counts: FollowUpCounts, portals: Mapping[UUID, str], today: date) -> FollowUpPage:
    """The page of one list."""
    return FollowUpPage(
        caption=CAPTIONS[asked.state],
        lists=tuple(_list(state, asked, getattr(counts, state)) for state in NAMES),
        select=_portals(asked, portals) if len(portals) > 1 else None,
        state=asked.state,
        lines=tuple(_line(row, today) for row in found.rows),
        empty=EMPTY[asked.state],
        more=_address(asked.state, asked.portal, cursor=found.next_cursor) if found.next_cursor else "",
    )


def day_words(day: date, today: date) -> str:
    """`in 5 days`, `tomorrow`, `today`, `12 days ago`, `4 months ago`."""
    distance = (day - today).days
    near = {0: "today", 1: "tomorrow", -1: "yesterday"}
    if distance in near:
        return near[distance]
    days = abs(distance)
    words = f"{days} days" if days <= DAYS_IN_WORDS else f"{round(days / DAYS_OF_A_MONTH)} months"
    return f"in {words}" if distance > 0 else f"{words} ago"


def _list(state: FollowUpState, asked: Asked, number: int) -> Count:
    return Count(state, NAMES[state], count_words(number), _address(state, asked.portal), state is asked.state)


def _portals(asked: Asked, portals: Mapping[UUID, str]) -> Select:
    chosen = str(asked.portal or "")
    offered = {"": "All portals", **{str(portal): name for portal, name in portals.items()}}
    return Select("portal", "Portal", tuple(Choice(value, text, value == chosen) for value, text in offered.items()))


def _line(row: FollowUpRow, today: date) -> Line:
    found = row.follow_up
    thumbnail = picture_url("thumbnail", found.case_id, row.image_id, None) if row.image_id and row.thumbnail_key else None
    return Line(
        href=url_for("lesions.lesion", lesion_id=found.lesion_id),
        thumbnail=thumbnail,
        patient=row.patient_reference,
        site=site_words(row.body_site, row.laterality),
        lesion=f"lesion {row.lesion_reference}" if row.lesion_reference else "",
        decision=decision_words(row.decision, row.diagnosis),
        case_href=url_for("desk.case", case_id=found.case_id),
        decided=Moment.of(found.decided_at),
        decided_on=f"{found.decided_at:%Y-%m-%d}",
        mark=MARKS[found.state],
        when=day_words(found.follow_up_on, today),
        day=found.follow_up_on.isoformat(),
        portal=row.portal,
        reminded=Moment.of(row.reminded_at) if row.reminded_at else None,
        reminded_on=f"{row.reminded_at:%Y-%m-%d}" if row.reminded_at else "",
    )


def _address(state: FollowUpState, portal: UUID | None, **more: Any) -> str:
    return url_for("follow_ups.page", state=None if state is FollowUpState.OVERDUE else state.value, portal=portal, **more)
