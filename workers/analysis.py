"""The doorbell's task."""

from workers.app import app

# Longer than any queue should take; the threads pool cannot enforce it, a prefork pool would.
SOFT_LIMIT, LIMIT = 800, 840


@app.task(name="workers.analysis.drain", soft_time_limit=SOFT_LIMIT, time_limit=LIMIT)
def drain() -> bool:
    """Analyses whatever is due. What it works on is in Postgres; the message only says "look"."""
    from workers.runtime import turnstile

    return turnstile().ring()
