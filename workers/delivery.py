"""The task of the queue ``delivery``: telling portals what has happened, in a process of its own that never loads a network."""

from workers.app import app


@app.task(name="workers.delivery.drain", soft_time_limit=800, time_limit=840)
def drain() -> bool:
    """Tells whatever is due. What that is, is in Postgres; the message only says "look"."""
    from workers.delivery_process import turnstile

    return turnstile().ring()
