"""The queue's page: what waits, for how long, and whether decisions keep up."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.records.states import CaseState, Urgency
from services.records.statistics.queue import AGES, Day, Standing
from services.records.statistics.windows import Period
from services.review.lead_view import (
    Chart,
    Column,
    Headline,
    Kind,
    Page,
    Panel,
    Row,
    Table,
    at,
    count,
    count_text,
    largest,
    period_head,
    words,
)
from services.review.words import span

AGE_NAMES = ("under 4 h", "4 to 12 h", "12 to 24 h", "1 to 3 d", "3 to 7 d", "7 to 14 d", "over 14 d")
STATES = {
    CaseState.QUEUED: "being analysed",
    CaseState.AWAITING_REVIEW: "first reading",
    CaseState.AWAITING_SECOND_READ: "second reading",
    CaseState.AWAITING_ADJUDICATION: "adjudication",
}


def queue_page(*, standings: Sequence[Standing], days: Sequence[Day], portals: Mapping[UUID, str], now: datetime) -> Page:
    """The page of the open cases and of the last days."""
    flow = _flow(days)
    return Page(
        "queue",
        _headlines(standings, days, now),
        (
            Panel(flow, Chart(flow, "cases", "day", _flow_words(days))),
            Panel(_groups(standings, portals, now)),
            Panel(_ages(standings)),
            Panel(_steps(standings)),
        ),
        ("Every open case counts, whatever the window of time; days begin at midnight UTC, and today is not over.",),
    )


def _headlines(standings: Sequence[Standing], days: Sequence[Day], now: datetime) -> tuple[Headline, ...]:
    waiting, soon, overdue = (_cases(standings, due) for due in ("", "soon", "overdue"))
    oldest = min((each.oldest for each in standings), default=None)
    whole = [day for day in days if day.start.date() != now.date()][-7:]
    arrived, decided = sum(day.arrived for day in whole), sum(day.decided for day in whole)
    balance = (
        "as many decided as arrived"
        if arrived == decided
        else f"{count_text(abs(arrived - decided))} {'more' if arrived > decided else 'fewer'} waiting"
    )
    return (
        Headline("Open", count_text(waiting), f"oldest {span(now - oldest)}" if oldest else "nothing waits"),
        Headline("Due within 24 h", count_text(soon)),
        Headline("Overdue", count_text(overdue), mark="urgent" if overdue else "done"),
        Headline("Arrived in 7 days", count_text(arrived)),
        Headline("Decided in 7 days", count_text(decided), balance),
    )


def _cases(standings: Sequence[Standing], due: str = "") -> int:
    return sum(each.cases for each in standings if due in ("", each.due))


def _flow(days: Sequence[Day]) -> Table:
    columns = (Column("Arrived", series="line"), Column("Decided", series="dashed"))
    rows = tuple(_day(day, today=day is days[-1]) for day in days)
    return Table("arrivals", "Arrivals and decisions", "Day", columns, rows)


def _day(day: Day, *, today: bool) -> Row:
    """Today is in the table but not in the plot: half a day looks like a collapse."""
    head = period_head(Period.DAY, day.start)
    return Row(f"{head}, until now" if today else head, (count(day.arrived), count(day.decided)), None if today else at(day.start))


def _flow_words(days: Sequence[Day]) -> str:
    arrived, decided = sum(day.arrived for day in days), sum(day.decided for day in days)
    return f"{count_text(arrived)} cases arrived and {count_text(decided)} were decided in {len(days)} days."


def _ages(standings: Sequence[Standing]) -> Table:
    counts = [sum(each.cases for each in standings if each.age == age) for age in range(len(AGES) + 1)]
    late = [sum(each.cases for each in standings if each.age == age and each.due == "overdue") for age in range(len(AGES) + 1)]
    top = largest(counts)
    rows = tuple(Row(name, (count(cases, of=top), count(overdue))) for name, cases, overdue in zip(AGE_NAMES, counts, late, strict=True))
    return Table("waiting-times", "How long open cases have waited", "Waiting", (Column("Cases", bar=True), Column("Overdue")), rows)


def _groups(standings: Sequence[Standing], portals: Mapping[UUID, str], now: datetime) -> Table:
    columns = (Column("Open"), Column("Due within 24 h"), Column("Overdue"), Column("Oldest", Kind.TEXT))
    rows = []
    for tenant_id, name in portals.items():
        mine = [each for each in standings if each.tenant_id == tenant_id]
        rows.append(_group(name, mine, now, strong=True))
        rows += [_group(word.value, found, now) for word in Urgency if (found := [each for each in mine if each.urgency is word])]
    return Table("portals", "By portal and urgency", "Portal", columns, tuple(rows))


def _group(name: str, standings: Sequence[Standing], now: datetime, *, strong: bool = False) -> Row:
    oldest = min((each.oldest for each in standings), default=None)
    counts = [count(_cases(standings, due)) for due in ("", "soon", "overdue")]
    return Row(name, (*counts, words(span(now - oldest) if oldest else "none")), strong=strong)


def _steps(standings: Sequence[Standing]) -> Table:
    counts = {name: [each for each in standings if each.state is state] for state, name in STATES.items()}
    top = largest([_cases(found) for found in counts.values()])
    rows = tuple(Row(name, (count(_cases(found), of=top), count(_cases(found, "overdue")))) for name, found in counts.items())
    return Table("steps", "What open cases wait for", "Step", (Column("Cases", bar=True), Column("Overdue")), rows)
