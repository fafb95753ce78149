"""Submit many cases side by side, wait for the answers, and look every accepted image up."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from infra.demo.cases import Submission
from infra.demo.portal import Accepted, Portal, PortalError, Refused
from infra.demo.tally import Answer, Fate

SENDERS = 4
POLL_SECONDS = 0.5
# No image for this long: the worker is gone for good, and waiting on would hide it.
STALLED_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """A submission and the intake's answer; PortalError when there was none."""

    submission: Submission
    outcome: Accepted | Refused | PortalError


def submit_all(*, portal: Portal, submissions: Iterable[Submission], advance: Callable[[int], None]) -> list[Receipt]:
    """Send every case, four at a time, in order. ``advance`` is told the number of images of each case that was answered."""
    receipts: dict[int, Receipt] = {}
    with ThreadPoolExecutor(SENDERS, "send") as pool:
        for number, receipt in _bounded(pool, portal, submissions):
            receipts[number] = receipt
            advance(len(receipt.submission.uploads))
    return [receipts[number] for number in sorted(receipts)]


def follow(*, portal: Portal, case_ids: Sequence[uuid.UUID], since: datetime, advance: Callable[[int], None]) -> None:
    """Poll the list of queued cases until none of ``case_ids`` is in it, or until nothing has moved for two minutes."""
    wanted, left, moved = set(case_ids), len(case_ids), time.monotonic()
    since_text = (since - timedelta(seconds=5)).astimezone(UTC).isoformat()
    while left and time.monotonic() - moved < STALLED_SECONDS:
        began = time.monotonic()
        waiting = len(wanted.intersection(portal.queued(since=since_text)))
        if waiting < left:
            advance(left - waiting)
            left, moved = waiting, time.monotonic()
        if left:
            # A list of thousands takes long: asking all the time would slow down what we wait for.
            time.sleep(max(POLL_SECONDS, 5 * (time.monotonic() - began)))


def look_up(*, portal: Portal, receipts: Sequence[Receipt]) -> list[Answer]:
    """One answer for each submitted image, read from the intake case by case."""
    with ThreadPoolExecutor(SENDERS, "read") as pool:
        return [answer for answers in pool.map(lambda receipt: _answers(portal, receipt), receipts) for answer in answers]


def _bounded(pool: ThreadPoolExecutor, portal: Portal, submissions: Iterable[Submission]) -> Iterator[tuple[int, Receipt]]:
    """Never more than two submissions per sender in memory."""
    waiting = iter(enumerate(submissions))
    running: dict[Future[Receipt], int] = {}
    while True:
        for number, submission in islice(waiting, 2 * SENDERS - len(running)):
            running[pool.submit(_send, portal, submission)] = number
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future.result()


def _send(portal: Portal, submission: Submission) -> Receipt:
    try:
        return Receipt(submission, portal.submit(submission))
    except PortalError as error:
        return Receipt(submission, error)


def _answers(portal: Portal, receipt: Receipt) -> list[Answer]:
    names = [upload.filename for upload in receipt.submission.uploads]
    match receipt.outcome:
        case Refused(status=status, reason=reason):
            return [Answer(name, Fate.REFUSED, f"{status} {reason}") for name in names]
        case PortalError() as error:
            return [Answer(name, Fate.LOST, str(error)) for name in names]
        case Accepted(case_id=case_id):
            return _looked_up(portal, case_id, names)


def _looked_up(portal: Portal, case_id: uuid.UUID, names: list[str]) -> list[Answer]:
    try:
        images = portal.case(case_id)["images"]
    except PortalError as error:
        return [Answer(name, Fate.LOST, str(error)) for name in names]
    # Images that the case does not list any more are left out here, and so counted as lost.
    return [_answer(name, image) for name, image in zip(names, images, strict=False)]


def _answer(name: str, image: dict[str, Any]) -> Answer:
    if image.get("analysis"):
        return Answer(name, Fate.ANALYSED, finding=image["analysis"]["finding"])
    if image["state"] == "failed":
        return Answer(name, Fate.FAILED, image.get("reason") or "no reason given")
    return Answer(name, Fate.LOST, f"still {image['state']}")
