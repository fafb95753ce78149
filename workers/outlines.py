"""The task that a saved outline rings for."""

from services.broker import UPKEEP_QUEUE
from workers.app import app


@app.task(name="workers.outlines.measure", soft_time_limit=120, time_limit=150)
def measure() -> bool:
    """Measures whatever outlines wait. They are in Postgres; the message only says "look"."""
    from workers.measuring import turnstile

    return turnstile().ring()


def ring_for_outlines(*, waiting: int, expires: float) -> None:
    """Rings again for outlines whose doorbell was lost."""
    if waiting:
        measure.apply_async(queue=UPKEEP_QUEUE, expires=expires)
