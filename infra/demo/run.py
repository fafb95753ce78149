"""One demonstration from the start of the servers to the last line."""

import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from infra.demo.cases import Submission, drawn_cases, folder_cases
from infra.demo.portal import Accepted, Portal, Refused
from infra.demo.submitting import Receipt, follow, look_up, submit_all
from infra.demo.tally import Answer, table, tally
from infra.demo.trails import Trail, follow_trails, trail_surprises, trail_table
from infra.demo.visits import FOLLOWED
from infra.local import LocalStack
from infra.local.errors import StateFolderBusy

PROCESSES = ("intake", "worker", "change", "beat")
FAREWELL = "Every case waits for a dermatologist: the models support the decision, they do not take it. `make up` shows the cases."


def run_demo(*, images: Path | None, state: Path) -> int:
    """Submit the images under ``images`` (or the drawn set) to a stack in ``state``; 0 when every image was answered as it should be.

    Raises FileNotFoundError when there is no image under ``images``, LocalStackError when the stack does not start.
    """
    # Into a file or a pipe the table keeps its lines whole.
    console = Console(width=None if sys.stdout.isatty() else 110)
    from_folder = list(folder_cases(images)) if images else None
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(1) as drawing:
        starting = progress.add_task("starting the servers and the worker", total=1)
        # The pictures are drawn while the worker loads its networks.
        submissions: Future[list[Submission]] = drawing.submit(lambda: from_folder or list(drawn_cases()))
        with portal_of_stack(state, console) as portal:
            progress.update(starting, completed=1)
            receipts, answers = _travel(portal, submissions.result(), progress)
            trails = _compare(portal, receipts, progress) if images is None else []
    return _conclude(console, receipts, answers, trails, drawn_set=images is None)


@contextmanager
def portal_of_stack(state: Path, console: Console) -> Iterator[Portal]:
    """The demo portal of the stack in ``state``; a stack that `make up` runs there already is used and left running."""
    from infra.local.seed import seed

    try:
        with LocalStack(state, report=console.print) as stack:
            stack.start_processes(PROCESSES)
            with Portal(address=stack.address("intake"), api_key=seed(stack).api_key) as portal:
                yield portal
    except StateFolderBusy:
        access = state / "access.json"
        if not access.exists():
            raise
        address = LocalStack(state).address("intake")
        console.print(f"using the stack that runs in {state}")
        with Portal(address=address, api_key=json.loads(access.read_text(encoding="utf-8"))["api_key"]) as portal:
            yield portal


def _travel(portal: Portal, submissions: Sequence[Submission], progress: Progress) -> tuple[list[Receipt], list[Answer]]:
    since = datetime.now(UTC)
    sending = progress.add_task("submitting images", total=sum(len(submission.uploads) for submission in submissions))
    receipts = submit_all(portal=portal, submissions=submissions, advance=lambda images: progress.advance(sending, images))
    accepted = [receipt.outcome.case_id for receipt in receipts if isinstance(receipt.outcome, Accepted)]
    analysing = progress.add_task("analysing accepted cases", total=len(accepted))
    follow(portal=portal, case_ids=accepted, since=since, advance=lambda cases: progress.advance(analysing, cases))
    return receipts, look_up(portal=portal, receipts=receipts)


def _compare(portal: Portal, receipts: Sequence[Receipt], progress: Progress) -> list[Trail]:
    comparing = progress.add_task("comparing visits", total=len(FOLLOWED))
    return follow_trails(portal=portal, receipts=receipts, advance=lambda lesions: progress.advance(comparing, lesions))


def _conclude(console: Console, receipts: Sequence[Receipt], answers: Sequence[Answer], trails: Sequence[Trail], *, drawn_set: bool) -> int:
    console.print(table(answers))
    if trails:
        console.print(trail_table(trails))
    counts = tally(answers, submitted=sum(len(receipt.submission.uploads) for receipt in receipts))
    wrong = [*surprises(receipts), *trail_surprises(trails)] if drawn_set else []
    if drawn_set and counts.failed:
        wrong.append(f"{counts.failed} drawn images failed: see the reasons above")
    for surprise in wrong:
        console.print(surprise, style="red", markup=False)
    console.print(FAREWELL)
    # Plain print: the last line is for programs too, and a narrow terminal must not wrap it.
    print(counts.line(), flush=True)
    return 1 if counts.lost or wrong else 0


def surprises(receipts: Sequence[Receipt]) -> list[str]:
    """The drawn set is known: its broken file must be refused, and nothing else."""
    found = []
    for receipt in receipts:
        refused = isinstance(receipt.outcome, Refused)
        if refused != receipt.submission.refusal_expected:
            name = receipt.submission.uploads[0].filename
            found.append(f"{name} should have been {'accepted' if refused else 'refused'}, but: {receipt.outcome}")
    return found
