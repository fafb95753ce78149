"""The task of the queue ``exchange``: making the DICOM results of decided cases."""

from workers.app import app


@app.task(name="workers.exchange.drain", soft_time_limit=800, time_limit=840)
def drain() -> bool:
    """Makes whatever is due. What that is, is in Postgres; the message only says "look". Returns whether this call did the work itself."""
    from workers.exchange_process import turnstile

    return turnstile().ring()
