"""The task of the queue ``change``: comparing the visits of lesions, in a process of its own that never holds an analysis up."""

from services.broker import CHANGE_QUEUE
from workers.app import app


@app.task(name="workers.change.drain", soft_time_limit=800, time_limit=840)
def drain() -> bool:
    """Brings up to date whatever trail is due. What that is, is in Postgres; the message only says "look"."""
    from workers.change_process import turnstile

    return turnstile().ring()


def ring_for_trails(*, waiting: int, expires: float) -> None:
    """Rings again for trails whose doorbell was lost."""
    if waiting:
        drain.apply_async(queue=CHANGE_QUEUE, expires=expires)
