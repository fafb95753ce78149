"""The desk's benchmark on a small clinic, and its words."""

from pathlib import Path

import pytest

from infra.bench.desk import main, run
from infra.bench.desk_measure import LISTS, Figures, Plan, Times
from infra.bench.desk_report import last_line, page


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    """A whole run with few cases."""
    said: list[str] = []
    return run(folder=tmp_path_factory.mktemp("desk") / "stack", plan=Plan(600, 200, 2), say=said.append)


def test_a_small_clinic_is_filled_and_every_list_is_measured(figures: Figures) -> None:
    assert [times.name for times in figures.lists] == [*LISTS, "scrolling on", "search"]
    assert all(times.at(0.95) > 0 for times in figures.lists)
    assert len(figures.case.values) == 16
    assert max(times.statements for times in (*figures.lists, figures.case)) <= 24


def test_the_page_names_its_command_and_ends_with_the_line_for_programs(figures: Figures) -> None:
    text = page(figures, command="make bench-desk", machine=[("date", "today")])
    assert "`make bench-desk`" in text
    assert text.endswith(f"`{last_line(figures)}`\n")


def test_the_last_line_is_what_programs_read() -> None:
    figures = Figures(Plan(1_000_000, 200_000, 1), (Times("first page", (40.4, 61.6)),), Times("case page", (22.2,)), "3 GB", ())
    assert last_line(figures) == "desk: 1000000 cases, worklist p95 62 ms, case p95 22 ms"


def test_more_open_cases_than_cases_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cases", "10", "--open", "11", "--folder", str(tmp_path)]) == 2
    assert "--open must be between 1 and --cases" in capsys.readouterr().err
