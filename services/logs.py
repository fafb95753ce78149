"""Logs as JSON lines that carry the ids of the work in hand and nothing about patients.

``with log_context(case_id=…):`` puts ids on every line that is logged inside the block, in this thread or
asynchronous task. Only the ids named in ``Ids`` can be bound, and of a foreign exception only the type
and the place are logged: its message may repeat a value (Postgres quotes the row that broke a constraint).
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy.exc import OperationalError

OURS = ("services.", "models.", "workers.", "infra.")


class Ids(TypedDict, total=False):
    """What a line may be about."""

    request_id: UUID | str
    tenant_id: UUID | str
    case_id: UUID | str
    image_id: UUID | str
    job_id: UUID | str
    owner: str
    task: str
    task_id: str


_bound: ContextVar[Ids] = ContextVar("dermatrail_log_ids")


@contextmanager
def log_context(**ids: Unpack[Ids]) -> Iterator[None]:
    """Put ids on every line that is logged inside the block; inner blocks add to outer ones."""
    token = _bound.set({**_bound.get({}), **ids})
    try:
        yield
    finally:
        _bound.reset(token)


def configure_logging(level: int = logging.INFO) -> None:
    """Send this process's logs to standard error as JSON lines, in place of what was set up before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, bound ids, error."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a line break."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_bound.get({}),
        }
        if record.exc_info and record.exc_info[1]:
            line["error"] = _error(record.exc_info[1])
        return json.dumps(line, default=str, ensure_ascii=False)


def _error(error: BaseException) -> dict[str, Any]:
    kind = type(error)
    described: dict[str, Any] = {"type": f"{kind.__module__}.{kind.__qualname__}", "trace": _trace(error)}
    if isinstance(error, OSError | OperationalError) or kind.__module__.startswith(OURS):
        described["message"] = str(error)
    if cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        described["cause"] = _error(cause)
    return described


def _trace(error: BaseException) -> list[str]:
    """Return the way to the error through code of ours, and the place where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    shown = [frame for frame in frames[:-1] if "site-packages" not in frame.filename] + frames[-1:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in shown]
