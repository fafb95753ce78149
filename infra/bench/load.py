"""Load on the intake, and how long the answers take: rows in Postgres tell when each image was settled."""

import random
import statistics
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine, create_engine, text

from infra.demo.cases import Submission, Upload
from infra.demo.portal import Accepted, Portal
from infra.local import LocalStack

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 1_200.0


class BenchmarkFailed(Exception):
    """An image was refused, failed or not settled in time: the figures would say nothing."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A case, and when (Unix seconds) its upload began and was accepted."""

    case_id: uuid.UUID
    began: float
    accepted: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the beginning of the upload to the transaction with the answer."""

    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """Percentiles of at least two values."""
        cuts = statistics.quantiles(seconds, n=100, method="inclusive")
        return cls(p50=cuts[49], p95=cuts[94])


class Ledger:
    """Looks at the jobs behind the API's back, so that following costs the intake nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def finished(self, sent: Sequence[Sent]) -> dict[uuid.UUID, float]:
        """Case → Unix time of its last answer, once all have one. Raises BenchmarkFailed."""
        wanted, end = {one.case_id for one in sent}, time.monotonic() + PATIENCE_SECONDS
        while self._count(wanted, "state NOT IN ('done', 'failed')"):
            if time.monotonic() > end:
                raise BenchmarkFailed(f"the images were not settled within {PATIENCE_SECONDS:.0f} s: see the worker's log")
            time.sleep(POLL_SECONDS)
        if failed := self._count(wanted, "state = 'failed'"):
            raise BenchmarkFailed(f"{failed} images failed: see the worker's log")
        query = "SELECT i.case_id, extract(epoch FROM max(j.finished_at)) FROM jobs j JOIN images i ON i.id = j.image_id GROUP BY 1"
        with self._engine.connect() as connection:
            return {row[0]: float(row[1]) for row in connection.execute(text(query)) if row[0] in wanted}

    def _count(self, cases: set[uuid.UUID], condition: str) -> int:
        query = f"SELECT count(*) FROM jobs j JOIN images i ON i.id = j.image_id WHERE i.case_id = ANY(:cases) AND {condition}"  # noqa: S608
        with self._engine.connect() as connection:
            return int(connection.execute(text(query), {"cases": list(cases)}).scalar_one())


@contextmanager
def ledger_of(stack: LocalStack) -> Iterator[Ledger]:
    """A ledger with the superuser's login, which sees every tenant."""
    # One connection for all its looks: to make one costs the server a process.
    engine = create_engine(stack.database_url("superuser"), pool_size=1, isolation_level="AUTOCOMMIT")
    try:
        yield Ledger(engine)
    finally:
        engine.dispose()


def send_all(portal: Portal, pictures: Sequence[bytes], *, images: int, connections: int) -> list[Sent]:
    """As fast as the intake accepts, one case for each image, over ``connections`` connections."""
    with ThreadPoolExecutor(connections) as pool:
        return list(pool.map(lambda number: _send(portal, pictures, number), range(images)))


def send_at_rate(portal: Portal, pictures: Sequence[bytes], *, images: int, per_second: float) -> list[Sent]:
    """At random moments (Poisson arrivals) of the given mean rate, whether or not earlier ones are answered."""
    rng, futures = random.Random(7), list[Future[Sent]]()  # noqa: S311  (arrival times, nothing secret)
    with ThreadPoolExecutor(16) as pool:
        due = time.monotonic()
        for number in range(images):
            due += rng.expovariate(per_second)
            time.sleep(max(0.0, due - time.monotonic()))
            futures.append(pool.submit(_send, portal, pictures, number))
        return [future.result() for future in futures]


def _send(portal: Portal, pictures: Sequence[bytes], number: int) -> Sent:
    upload = Upload(f"{number}.jpg", lambda: pictures[number % len(pictures)])
    # A patient of its own each time: visits of one patient would be compared, which is another benchmark.
    case = {"patient": {"reference": f"BENCH-{uuid.uuid4()}"}, "urgency": "routine"}
    began = time.time()
    outcome = portal.submit(Submission(case=case, uploads=(upload,)))
    if not isinstance(outcome, Accepted):
        raise BenchmarkFailed(f"the intake refused a drawn picture: {outcome}")
    return Sent(case_id=outcome.case_id, began=began, accepted=time.time())
