"""Statistics pages: for whom, with which choices, at which price, and as files."""

import csv
import io
import re
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import event, select

from services.records.states import AuditAction, Role
from services.records.statistics.figures import Proportion
from services.records.tables import AuditEvent
from services.review.lead_alarms import KEPT_SECONDS, DriftAlarms
from services.review.lead_export import csv_text
from services.review.lead_view import Cell, Column, Kind, Row, Table, share
from tests.review.conftest import Browser, words_of
from tests.review.history import write_history
from tests.review.seeds import MELANOMA, Clinic, Seen

PAGES = {
    "queue": ("arrivals", "portals", "waiting-times", "steps"),
    "readers": ("throughput", "agreement", "agreement-by-class", "readers-confusion", "model-confusion"),
    "model": ("safety", "accuracy", "coverage", "abstentions", "operating-point", "abstention-reasons"),
    "drift": ("drift",),
    "subgroups": ("age", "sex", "body-site", "fitzpatrick", "portal", "modality"),
}


@pytest.fixture
def lead(clinic: Clinic, tenant: UUID, browser: Browser) -> Browser:
    """A lead of one portal, signed in."""
    clinic.user(tenant, role=Role.LEAD)
    assert browser.sign_in().status_code == 303
    return browser


def fill(clinic: Clinic, tenant: UUID, cases: int = 3000) -> None:
    """Months of cases of one portal."""
    reader = clinic.user(tenant, email="reads@clinic.example", name="Dr Moreau")
    write_history(clinic.owner, tenants=[tenant], readers=[reader], cases=cases)


def audited(clinic: Clinic) -> list[dict[str, object]]:
    """What the trail says about statistics."""
    with clinic.owner.transaction() as session:
        return list(session.scalars(select(AuditEvent.details).where(AuditEvent.action == AuditAction.STATISTICS_READ)))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_its_tables_with_and_without_cases(clinic: Clinic, tenant: UUID, lead: Browser, page: str) -> None:
    assert lead.get(f"/lead/{page}").status_code == 200
    fill(clinic, tenant)
    answer = lead.get(f"/lead/{page}")
    assert answer.status_code == 200
    assert tuple(re.findall(r"/lead/\w+/([\w-]+)\.csv", answer.text)) == PAGES[page]


def test_a_page_of_nothing_says_so(lead: Browser) -> None:
    assert "no cases" in words_of(lead.get("/lead/model"))
    assert "Nothing to show in this window." in words_of(lead.get("/lead/drift"))


@pytest.mark.parametrize("path", ["/lead", "/lead/queue", "/lead/model/safety.csv", "/lead/alarms"])
def test_a_dermatologist_is_refused(reader: Browser, path: str) -> None:
    assert reader.get(path).status_code == 403
    assert "Statistics" not in words_of(reader.get("/models"))


def test_a_stranger_is_asked_to_sign_in(browser: Browser) -> None:
    assert browser.get("/lead/queue").headers["Location"] == "/sign-in"


@pytest.mark.parametrize(
    "query", ["portal=1", "portal=00000000-0000-0000-0000-000000000000", "days=3", "step=day", "recent=x", "reference=1"]
)
def test_a_choice_that_is_not_offered_is_not_found(lead: Browser, query: str) -> None:
    assert lead.get(f"/lead/model?{query}").status_code == 404
    assert lead.get("/lead/weather").status_code == 404
    assert lead.get("/lead/model/weather.csv").status_code == 404


def test_another_portals_figures_cannot_be_asked_for(clinic: Clinic, tenant: UUID, lead: Browser) -> None:
    other = clinic.tenant("Portal B", "portal-b")
    clinic.case(other, Seen(MELANOMA))
    assert lead.get(f"/lead/queue?portal={other}").status_code == 404
    assert "Portal B" not in words_of(lead.get("/lead/queue"))
    assert re.search(r"Open 0\b", words_of(lead.get("/lead/queue")))


def test_reading_and_taking_away_are_audited(clinic: Clinic, tenant: UUID, lead: Browser) -> None:
    lead.get("/lead/queue")
    lead.get("/lead/model/safety.csv")
    assert audited(clinic) == [{"statistics": "queue", "exported": False}, {"statistics": "model", "exported": True}]


@pytest.mark.parametrize("page", PAGES)
def test_every_table_is_a_file_without_a_patient(clinic: Clinic, tenant: UUID, lead: Browser, page: str) -> None:
    fill(clinic, tenant)
    for table in PAGES[page]:
        answer = lead.get(f"/lead/{page}/{table}.csv?days=84")
        assert answer.mimetype == "text/csv"
        assert re.search(rf'attachment; filename="dermatrail-{page}-{table}-\d{{4}}-\d\d-\d\d.csv"', answer.headers["Content-Disposition"])
        header, *rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
        assert rows
        assert {len(row) for row in rows} == {len(header)}
        assert not re.search(r"P-\d|[0-9a-f]{8}-[0-9a-f]{4}", answer.text)


def test_a_file_gives_each_figure_its_interval_and_number() -> None:
    table = Table(
        "t", "T", "Name", (Column("Share", Kind.FIGURE),), (Row("=cmd()", (share(Proportion(81, 263)),)), Row("b", (Cell("none"),)))
    )
    assert csv_text(table).splitlines() == ['Name,Share,"Share, low","Share, high","Share, n"', "'=cmd(),0.308,0.2553,0.3662,263", "b,,,,"]


def test_few_cases_are_said() -> None:
    cell = share(Proportion(3, 4))
    assert (cell.text, cell.interval, cell.note) == ("75 %", "30 to 95 · n\u00a04", "few")
    assert share(Proportion(0, 0)).text == "no cases"


@pytest.mark.parametrize("page", PAGES)
def test_the_number_of_statements_does_not_grow_with_the_cases(clinic: Clinic, tenant: UUID, app: Flask, lead: Browser, page: str) -> None:
    engine, counts = app.extensions["dermatrail"].database.engine, []
    for _ in range(2):
        statements: list[str] = []

        def count(_connection: object, _cursor: object, statement: str, *_rest: object, seen: list[str] = statements) -> None:
            seen.append(statement)

        event.listen(engine, "before_cursor_execute", count)
        lead.get(f"/lead/{page}")
        event.remove(engine, "before_cursor_execute", count)
        counts.append(len(statements))
        if len(counts) == 1:
            fill(clinic, tenant, 500)
    assert counts[0] == counts[1] <= 10


def test_the_bar_counts_the_alarms_of_the_leads_portals(clinic: Clinic, tenant: UUID, lead: Browser) -> None:
    assert lead.get("/lead/alarms").json == {"alarms": 0}
    page = lead.get("/models").text
    assert 'data-alarms="/lead/alarms"' in page


def test_alarms_are_counted_again_only_when_they_are_old(
    clinic: Clinic, tenant: UUID, app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    time = [0.0]
    alarms, database = DriftAlarms(lambda: time[0]), app.extensions["dermatrail"].database
    other = clinic.tenant("Portal B", "portal-b")
    assert alarms.count(database=database, tenant_ids=[tenant, other]) == 0
    reader = clinic.user(tenant, other)
    write_history(clinic.owner, tenants=[tenant, other], readers=[reader], cases=4000)
    assert alarms.count(database=database, tenant_ids=[tenant, other]) == 0
    time[0] = KEPT_SECONDS
    assert alarms.count(database=database, tenant_ids=[tenant, other]) > 0
    assert alarms.count(database=database, tenant_ids=[tenant]) == 0
    assert {record.__dict__["tenant"] for record in caplog.records if record.message == "drift alarm"} == {str(other)}


def test_no_portals_mean_empty_pages(clinic: Clinic, browser: Browser) -> None:
    clinic.user(role=Role.ADMIN, email=f"{uuid4()}@clinic.example")
    clinic.user(email="admin@clinic.example", role=Role.ADMIN)
    browser.sign_in("admin@clinic.example")
    assert {browser.get(f"/lead/{page}").status_code for page in PAGES} == {200}
    assert browser.get("/lead/alarms").json == {"alarms": 0}
