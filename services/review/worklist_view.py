"""What the worklist shows: the bar's counts, the filters, and one line a case in the records' order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import url_for

from services.records.access import SignedIn
from services.records.decisions import DecisionView
from services.records.ranking import Status
from services.records.saved_views import View
from services.records.worklist import MOST_COUNTED, MOST_FOUND, Counts, Listing
from services.review.worklist_filters import LEADING, MARKS, URGENCIES, Filters, address, statuses_for
from services.review.worklist_row import Line, line_of

EMPTY = {
    Status.WAITING: ("No case is waiting", "New cases appear here when their pictures are analysed."),
    Status.SECOND_READ: ("No second read is due from you", "They appear here where a portal's policy asks for them."),
    Status.ADJUDICATION: ("No difference waits for a lead", "Cases appear here when two readers disagree."),
    Status.MINE: ("You have no case", "A case is yours from the moment you open it, until its lease is over."),
    Status.OVERDUE: ("Nothing is overdue", "Cases appear here when their due time has passed."),
    Status.ANALYSING: ("No picture is being analysed", "Cases appear here until every picture has its finding."),
    Status.REVIEWED: ("No case is decided yet", "Decided cases are listed here with their decision."),
}
NARROWED = ("No case fits these filters", "Take a filter away, or look at all waiting cases.")
NOT_FOUND = ("No case found", "Patients and cases are found by the beginning of their reference.")
PRESETS = (("urgent", {"urgency": "urgent"}), ("not analysed", {"mark": "not_analysed"}), ("trail alerts", {"mark": "change"}))


@dataclass(frozen=True, slots=True)
class Choice:
    """An option of a filter."""

    value: str
    text: str
    current: bool


@dataclass(frozen=True, slots=True)
class Select:
    """A filter."""

    name: str
    label: str
    choices: tuple[Choice, ...]

    @property
    def active(self) -> bool:
        """Whether it narrows the list."""
        return any(choice.current and choice.value for choice in self.choices)


@dataclass(frozen=True, slots=True)
class Count:
    """A number in the bar, with the list that it counts."""

    name: str
    text: str
    number: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A saved view, or one of ours (without `remove`)."""

    name: str
    href: str
    current: bool
    remove: str = ""


@dataclass(frozen=True, slots=True)
class Empty:
    """What is said where no row is."""

    title: str
    what: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Lines, and where the following ones come from."""

    lines: tuple[Line, ...]
    more: str
    reviewed: bool


@dataclass(frozen=True, slots=True)
class WorklistPage:
    """Everything that worklist.html needs."""

    title: str
    caption: str
    counts: tuple[Count, ...]
    selects: tuple[Select, ...]
    shortcuts: tuple[Shortcut, ...]
    narrowed: bool
    rows: Rows
    empty: Empty
    query: Mapping[str, str]
    since: str
    live: bool
    searched: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What surrounds the lines: who reads, what they chose, and what they may choose from."""

    user: SignedIn
    filters: Filters
    portals: Mapping[UUID, str]
    sites: Sequence[str]
    views: Sequence[View]
    counts: Counts
    now: datetime


def worklist_view(*, desk: Desk, listing: Listing, decisions: Mapping[UUID, DecisionView], searched: str = "") -> WorklistPage:
    """The page of a list, or of what a search has found."""
    status, query = desk.filters.wanted.status, desk.filters.query()
    reviewed = status is Status.REVIEWED
    return WorklistPage(
        title="Search" if searched else ("Reviewed" if reviewed else "Worklist"),
        caption=_caption(status, searched),
        counts=tuple(_counts(desk, searched)),
        selects=tuple(_selects(desk)),
        shortcuts=tuple(_shortcuts(desk.views, query)),
        narrowed=bool(query),
        rows=rows_view(desk=desk, listing=listing, decisions=decisions),
        empty=Empty(*_empty(desk.filters, searched)),
        query=query,
        since=listing.moment.isoformat(),
        live=not searched and not reviewed,
        searched=searched,
    )


def rows_view(*, desk: Desk, listing: Listing, decisions: Mapping[UUID, DecisionView]) -> Rows:
    """The lines of one page."""
    lines = tuple(line_of(row, decisions.get(row.case_id), desk.now, desk.user.user_id) for row in listing.rows)
    more = ""
    if listing.next:
        place = {"at": listing.moment.isoformat(), "key": repr(listing.next.key), "after": listing.next.case_id}
        more = address(desk.filters.query(), "desk.worklist_rows", **place)
    return Rows(lines, more, desk.filters.wanted.status is Status.REVIEWED)


def _caption(status: Status, searched: str) -> str:
    if searched:
        return f"Cases found, open ones first, {MOST_FOUND} at most"
    return "Decided cases, the latest first" if status is Status.REVIEWED else "Cases, the most pressing first"


def _empty(filters: Filters, searched: str) -> tuple[str, str]:
    if searched:
        return NOT_FOUND
    return NARROWED if filters.wanted.narrowed or filters.portal else EMPTY[filters.wanted.status]


def _counts(desk: Desk, searched: str) -> list[Count]:
    counted = (
        ("queue", "Queue", desk.counts.queue, Status.WAITING),
        ("mine", "Mine", desk.counts.mine, Status.MINE),
        ("overdue", "Overdue", desk.counts.overdue, Status.OVERDUE),
    )
    chosen = None if searched else desk.filters.wanted.status
    return [Count(name, text, count_words(number), _href(status), status is chosen) for name, text, number, status in counted]


def count_words(number: int) -> str:
    """`214`, or `10 000+` where nobody counted further."""
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}") + ("+" if number >= MOST_COUNTED else "")


def _href(status: Status) -> str:
    return url_for("desk.worklist_page", status=None if status is Status.WAITING else status.value)


def _selects(desk: Desk) -> list[Select]:
    query = desk.filters.query()
    offered: list[tuple[str, str, dict[str, str]]] = [
        (
            "status",
            "Status",
            {("" if status is Status.WAITING else status.value): name for status, name in statuses_for(desk.user).items()},
        ),
        ("mark", "Flags", {"": "All flags", **{mark.value: name for mark, name in MARKS.items()}}),
        ("leading", "Leading class", {"": "All classes", **LEADING}),
        ("site", "Body site", {"": "All sites", **{site: site for site in desk.sites}}),
        ("urgency", "Urgency", {"": "Any urgency", **{urgency.value: name for urgency, name in URGENCIES.items()}}),
    ]
    if len(desk.portals) > 1:
        offered.insert(0, ("portal", "Portal", {"": "All portals", **{str(portal): name for portal, name in desk.portals.items()}}))
    return [
        Select(name, label, tuple(Choice(value, text, query.get(name, "") == value) for value, text in choices.items()))
        for name, label, choices in offered
    ]


def _shortcuts(views: Sequence[View], query: Mapping[str, str]) -> list[Shortcut]:
    ours = [Shortcut(name, address(words), words == query) for name, words in PRESETS]
    own = [Shortcut(view.name, address(view.query), view.query == query, url_for("desk.remove_saved", view_id=view.id)) for view in views]
    return [*ours, *own]
