"""Submits planned cases in batches: pictures go into the store side by side, then one manifest names hundreds of them.

Killed in between, the command sends the pictures of the batch in hand again; each case has the same idempotency key as before, so a case
that a batch has made already is that line's case.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from services.client.errors import Refused
from services.client.model import Batch, BatchItem, BatchLine
from workers.commands.portal_journal import Outcome
from workers.commands.portal_plan import Planned
from workers.commands.portal_submit import Run, Tally, case_key, fresh, guarded, require_answers, settle

# Pauses between two questions how a batch stands: short ones first, for small batches.
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.1, 2.0
LINE = re.compile(r"line (\d+)")


@dataclass(frozen=True, slots=True)
class Sent:
    """A planned case whose pictures lie in the store."""

    planned: Planned
    line: BatchLine


def submit_batches(run: Run, planned: Iterable[Planned], tally: Tally, *, size: int, sleep: Callable[[float], None] = time.sleep) -> None:
    """Submit what the journal does not know yet, ``size`` cases at a time. Raises SubmitStopped."""
    waiting = fresh(run, planned, tally)
    with ThreadPoolExecutor(run.senders, "send") as pool:
        while chunk := list(islice(waiting, size)):
            made = list(pool.map(lambda each: _uploaded(run, each), chunk))
            failed = [each for each in made if isinstance(each, Outcome)]
            settle(run, failed, tally)
            require_answers(failed, tally)
            sent = [each for each in made if isinstance(each, Sent)]
            if sent:
                settle(run, _submitted(run, sent, sleep), tally)


def _uploaded(run: Run, planned: Planned) -> Sent | Outcome:
    try:
        key = case_key(planned)
    except OSError as error:
        return Outcome(planned, reason="not_readable", detail=str(error), final=False)
    uploads: list[UUID] = []

    def work() -> Outcome:
        uploads.extend(run.client.upload(picture).id for picture in planned.pictures)
        return Outcome(planned, key, final=False)

    outcome = guarded(planned, key, work)
    done = len(uploads) == len(planned.pictures)
    return Sent(planned, BatchLine(planned.case, uploads, key)) if done else outcome


def _submitted(run: Run, sent: Sequence[Sent], sleep: Callable[[float], None]) -> list[Outcome]:
    """The outcomes of one batch. A manifest that is refused is sent again without the lines at fault."""
    try:
        batch = run.client.submit_batch([each.line for each in sent])
    except Refused as refusal:
        faults = {int(found[1]): fault for fault in refusal.faults if (found := LINE.match(fault.location))}
        if not faults:
            raise
        refused = [
            Outcome(each.planned, each.line.idempotency_key, reason=faults[number].reason, detail=faults[number].detail)
            for number, each in enumerate(sent, start=1)
            if number in faults
        ]
        rest = [each for number, each in enumerate(sent, start=1) if number not in faults]
        return refused + (_submitted(run, rest, sleep) if rest else [])
    return _ended(run, batch, sent, sleep)


def _ended(run: Run, batch: Batch, sent: Sequence[Sent], sleep: Callable[[float], None]) -> list[Outcome]:
    pause = FIRST_POLL_SECONDS
    while batch.waiting:
        sleep(pause)
        pause = min(LONGEST_POLL_SECONDS, 1.5 * pause)
        batch = run.client.batch(batch.id)
    items: Mapping[int, BatchItem] = {item.line: item for item in run.client.batch_items(batch.id)}
    return [_outcome(each, items[number]) for number, each in enumerate(sent, start=1)]


def _outcome(sent: Sent, item: BatchItem) -> Outcome:
    case_id = str(item.case_id) if item.case_id else None
    return Outcome(sent.planned, sent.line.idempotency_key, case_id=case_id, reason=item.reason, detail=item.detail)
