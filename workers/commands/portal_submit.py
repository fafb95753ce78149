"""Submits planned cases side by side: bounded in memory, resumable at any moment, each case once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice

from services.client.client import Client
from services.client.content import key_of, sha256_of
from services.client.errors import ApiError, DermatrailError, NotAuthenticated, ServerError
from workers.commands.portal_journal import Journal, Outcome, seal_of
from workers.commands.portal_plan import Planned

# So many cases in a row that could not be sent: Dermatrail is away, and the rest would only wait for nothing.
AWAY = 3


class SubmitStopped(Exception):
    """Going on is of no use now. What was accepted is in the journal."""


@dataclass(slots=True)
class Tally:
    """How many cases ended how: ``before``: in an earlier run; ``replayed``: of the accepted, those that had been accepted unnoticed."""

    accepted: int = 0
    replayed: int = 0
    before: int = 0
    refused: int = 0
    unsent: int = 0
    away: int = field(default=0, repr=False)

    @property
    def total(self) -> int:
        """All of them."""
        return self.accepted + self.before + self.refused + self.unsent

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.accepted += outcome.case_id is not None
        self.replayed += outcome.replayed
        self.refused += outcome.final and outcome.case_id is None
        self.unsent += not outcome.final
        self.away = 0 if outcome.final else self.away + 1


@dataclass(frozen=True, slots=True)
class Run:
    """What a submission works with. ``tell``: called with each outcome, in the caller's thread."""

    client: Client
    journal: Journal
    tell: Callable[[Outcome], None]
    advance: Callable[[int], None]
    senders: int = 4


def submit_all(run: Run, planned: Iterable[Planned], tally: Tally) -> None:
    """Submit what the journal does not know yet. ``tally`` is kept up to date, also where it ends early.

    Raises:
        SubmitStopped: the key is not valid, or Dermatrail is away.
    """
    with ThreadPoolExecutor(run.senders, "send") as pool:
        try:
            for outcomes in _bounded(pool, run, fresh(run, planned, tally)):
                settle(run, outcomes, tally)
                require_answers(outcomes, tally)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def fresh(run: Run, planned: Iterable[Planned], tally: Tally) -> Iterator[Planned]:
    """Those that the journal does not know."""
    for each in planned:
        seen = run.journal.seen(seal_of(each))
        if seen is None:
            yield each
        else:
            count_before(run, tally, accepted=seen)


def count_before(run: Run, tally: Tally, *, accepted: bool) -> None:
    """A case that an earlier run has seen through."""
    tally.before += accepted
    tally.refused += not accepted
    run.advance(1)


def settle(run: Run, outcomes: list[Outcome], tally: Tally) -> None:
    """Write outcomes into the journal, with one wait for the disk, then tell them."""
    run.journal.record(outcomes)
    for outcome in outcomes:
        tally.add(outcome)
        run.tell(outcome)
        run.advance(1)


def require_answers(outcomes: Sequence[Outcome], tally: Tally) -> None:
    """Raise SubmitStopped where several cases in a row could not be sent."""
    if tally.away >= AWAY:
        raise SubmitStopped(f"{AWAY} cases in a row could not be sent: {outcomes[-1].detail}")


def case_key(planned: Planned) -> str:
    """The idempotency key of a planned case; reads its files. Raises OSError."""
    return key_of(planned.case, [(picture.name, sha256_of(picture.path)) for picture in planned.pictures])


def guarded(planned: Planned, key: str, work: Callable[[], Outcome]) -> Outcome:
    """The outcome, also where there is an error; SubmitStopped where every further case would end the same."""
    try:
        return work()
    except NotAuthenticated as error:
        raise SubmitStopped(f"The API key is not valid here: {error.detail}") from error
    except ServerError as error:
        return Outcome(planned, key, reason=error.reason, detail=str(error), final=False)
    except ApiError as error:
        told = error.faults[0] if error.faults else error
        return Outcome(planned, key, reason=told.reason, detail=told.detail)
    except (DermatrailError, OSError) as error:
        return Outcome(planned, key, reason="not_sent", detail=str(error), final=False)


def _send(run: Run, planned: Planned) -> Outcome:
    try:
        key = case_key(planned)
    except OSError as error:
        return Outcome(planned, reason="not_readable", detail=str(error), final=False)

    def work() -> Outcome:
        accepted = run.client.submit(planned.case, planned.pictures, idempotency_key=key)
        return Outcome(planned, key, case_id=str(accepted.case_id), replayed=accepted.replayed)

    return guarded(planned, key, work)


def _bounded(pool: ThreadPoolExecutor, run: Run, planned: Iterable[Planned]) -> Iterator[list[Outcome]]:
    """Never more than two cases per sender on their way; what has ended meanwhile comes together."""
    waiting = iter(planned)
    running: set[Future[Outcome]] = set()
    while True:
        running |= {pool.submit(_send, run, each) for each in islice(waiting, 2 * run.senders - len(running))}
        if not running:
            return
        done, running = wait(running, return_when=FIRST_COMPLETED)
        yield [future.result() for future in done if future.exception() is None]
        for future in done:
            future.result()  # raises what stopped it, once the others are in the journal
