"""The worker that compares visits under fire: no trail is lost, none is compared twice, and the analysis never waits for it."""

import contextlib
import os
import uuid
from collections.abc import Iterator, Sequence

import psutil
import pytest
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from infra.demo.cases import Submission, Upload, encode
from models.synthetic import Kind, draw
from models.synthetic.visits import Course, Imaging, revisit
from services.records import audit
from tests.chaos.system import System, wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

LESIONS, VISITS = 4, 3
WAITING = "SELECT id FROM cases WHERE id = ANY(:cases) AND trail_due_at IS NOT NULL"
QUEUED = "SELECT id FROM cases WHERE id = ANY(:cases) AND state = 'queued'"
COMPARED = "SELECT earlier_case_id, later_case_id FROM comparisons WHERE later_case_id = ANY(:cases)"
VISITED = "SELECT id, lesion_id, trail_failed FROM cases WHERE id = ANY(:cases) ORDER BY lesion_id, visited_at"


@pytest.fixture(autouse=True)
def stopped(system: System) -> Iterator[None]:
    """The worker is known to the stack and does not run yet, so that each test chooses its moment."""
    if "change" not in system.stack.supervisor.names():
        system.stack.start_processes(("change",))
    system.stack.stop("change")
    yield
    system.stack.stop("change")


def test_a_worker_killed_in_the_middle_of_a_comparison_loses_nothing(system: System) -> None:
    cases = followed(system)
    start(system)
    wait_until(lambda: 0 < len(read(system, COMPARED, cases)) < LESIONS * VISITS, what="a comparison is made", pause=0.01)
    system.stack.kill("change")
    assert read(system, WAITING, cases), "the kill came too late to be in the middle"
    hurry(system)
    assert_all_compared_once(system, cases)


def test_an_object_store_that_goes_away_costs_only_time(system: System) -> None:
    cases = followed(system)
    start(system)
    wait_until(lambda: len(read(system, COMPARED, cases)) > 0, what="a comparison is made", pause=0.01)
    system.stack.restart("seaweedfs")
    assert_all_compared_once(system, cases)


def test_cases_are_analysed_while_nothing_compares_visits(system: System) -> None:
    followed(system)
    rows = system.settled(system.submit(system.submissions(2)))
    assert all(row.job_state == "done" for row in rows)


def start(system: System) -> None:
    system.stack.start("change", timeout=90)
    hurry(system)


def hurry(system: System) -> None:
    """Among tests that use every core, a process that steps behind all others would not be done in time."""
    system.stack.wait_ready("change", timeout=90)
    for thread in psutil.Process(system.stack.process("change").pid).threads():
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, thread.id, 0)


def followed(system: System) -> list[uuid.UUID]:
    """Analysed visits of lesions of patients of their own; their trails wait."""
    patients = [uuid.uuid4().hex[:8] for _ in range(LESIONS)]
    cases = system.submit([visit(patient, number) for patient in patients for number in range(VISITS)])
    wait_until(lambda: not read(system, QUEUED, cases), what="every visit is analysed")
    return cases


def visit(patient: str, number: int) -> Submission:
    """A visit of a patient's lesion; later ones are larger and lie otherwise in the picture."""
    drawn = draw(seed=7, kind=Kind.MELANOMA, width=320, height=240)
    taken = revisit(drawn.rgb, drawn.mask, course=Course(growth=0.1 * number), imaging=Imaging(turn=20.0 * number))
    picture = encode(taken.rgb, ".jpg")
    case = {
        "patient": {"reference": f"TRAIL-{patient}"},
        "lesion": {"reference": "L-1"},
        "visited_at": f"2026-0{1 + number}-05T10:00:00Z",
    }
    return Submission(case=case, uploads=(Upload("visit.jpg", lambda: picture),))


def assert_all_compared_once(system: System, cases: Sequence[uuid.UUID]) -> None:
    """Every visit is compared with the one before it, the last with the first, each once, and nothing waits or has failed."""
    wait_until(lambda: not read(system, WAITING, cases), what="every trail is up to date")
    visits = read(system, VISITED, cases)
    assert [row.trail_failed for row in visits] == [None] * len(cases)
    first, second, third = visits[0::VISITS], visits[1::VISITS], visits[2::VISITS]
    wanted = [(one.id, other.id) for pair in ((first, second), (second, third), (first, third)) for one, other in zip(*pair, strict=True)]
    assert sorted(map(tuple, read(system, COMPARED, cases))) == sorted(wanted)
    with Session(system.engine) as session:
        assert audit.verify_chain(session=session, tenant_id=uuid.UUID(system.access.tenant_id)).intact


def read(system: System, query: str, cases: Sequence[uuid.UUID]) -> Sequence[Row[*tuple[object, ...]]]:
    with system.engine.begin() as connection:
        return connection.execute(text(query), {"cases": list(cases)}).all()
