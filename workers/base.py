"""The one base task: every log line of a task carries its id, and no failure passes in silence."""

import logging
from typing import Any

from celery import Task

from services.logs import log_context

log = logging.getLogger(__name__)


class TransparentTask(Task):  # type: ignore[misc]  # celery is untyped
    """Binds the task id into the log context and logs the exception that ended a task."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with log_context(task=self.name, task_id=self.request.id or "local"):
            try:
                return super().__call__(*args, **kwargs)
            except Exception:
                log.exception("the task ended with an error; the sweeper rings again")
                raise
