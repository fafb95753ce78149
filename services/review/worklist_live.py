"""The changes under an open worklist, for its script."""

from datetime import datetime
from typing import Any
from uuid import UUID

from services.records.worklist import Counts
from services.records.worklist_changes import Changes
from services.review.lease_view import lease_view
from services.review.worklist_row import STATES, due_words
from services.review.worklist_view import count_words


def live_json(changes: Changes, counts: Counts, *, user_id: UUID, now: datetime) -> dict[str, Any]:
    """Case ids, states, due words and holders: nothing about patients."""
    rows = {}
    for shown in changes.shown:
        lease = lease_view(shown.claim, user_id)
        due, overdue = due_words(shown.due_at, shown.state, now)
        rows[str(shown.case_id)] = {
            "state": STATES[shown.state],
            "due": due,
            "overdue": overdue,
            "holder": lease.holder if lease else "",
            "mine": lease.mine if lease else False,
            "ends": lease.ends if lease else None,
            "clock": lease.clock if lease else "",
        }
    counted = {"queue": counts.queue, "mine": counts.mine, "overdue": counts.overdue}
    return {
        "rows": rows,
        "arrived": [str(case_id) for case_id in changes.arrived],
        "counts": {name: count_words(number) for name, number in counted.items()},
    }
