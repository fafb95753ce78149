"""The Celery application: ``celery -A workers.app worker`` and ``… beat``.

Beat imports this module and the tasks too. Whatever needs torch is therefore imported when a worker process starts.
"""

from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_shutting_down

from services.broker import CHANGE_QUEUE, DELIVERY_BELL, DELIVERY_QUEUE, EXCHANGE_BELL, EXCHANGE_QUEUE, celery_settings
from services.logs import configure_logging
from services.settings import load_settings
from workers.base import TransparentTask
from workers.process import stopping

TRIALS_SECONDS = 30
UPLOADS_SECONDS = 300
ERASURES_SECONDS, RETENTION_SECONDS = 30, 3600
# An event waits this long at most until it is looked for.
DELIVERY_SECONDS = 2

settings = load_settings()
TASKS = [
    "workers.analysis",
    "workers.change",
    "workers.delivery",
    "workers.exchange",
    "workers.follow_ups",
    "workers.outlines",
    "workers.upkeep",
]
app = Celery("dermatrail", task_cls=TransparentTask, include=TASKS)
app.conf.update(celery_settings(settings))
app.conf.beat_schedule = {
    "sweep": {
        "task": "workers.upkeep.sweep",
        "schedule": settings.sweep_seconds,
        # A sweep that nobody took in time is worth nothing: the next one does the same.
        "options": {"queue": "upkeep", "expires": settings.sweep_seconds * 2},
    },
    "trials": {
        "task": "workers.upkeep.tend_trials",
        "schedule": TRIALS_SECONDS,
        "options": {"queue": "upkeep", "expires": TRIALS_SECONDS},
    },
    "erasures": {
        "task": "workers.upkeep.finish_erasures",
        "schedule": ERASURES_SECONDS,
        "options": {"queue": "upkeep", "expires": ERASURES_SECONDS},
    },
    "retention": {
        "task": "workers.upkeep.end_retention",
        "schedule": RETENTION_SECONDS,
        "options": {"queue": "upkeep", "expires": RETENTION_SECONDS},
    },
    "uploads": {
        "task": "workers.upkeep.expire_uploads",
        "schedule": UPLOADS_SECONDS,
        "options": {"queue": "upkeep", "expires": UPLOADS_SECONDS},
    },
    "reminders": {
        "task": "workers.follow_ups.remind_portals",
        "schedule": settings.reminder_seconds,
        "options": {"queue": "upkeep", "expires": settings.reminder_seconds},
    },
    "deliver": {
        "task": DELIVERY_BELL.task,
        "schedule": DELIVERY_SECONDS,
        "options": {"queue": DELIVERY_QUEUE, "expires": DELIVERY_SECONDS},
    },
    "exchange": {
        "task": EXCHANGE_BELL.task,
        "schedule": settings.sweep_seconds,
        "options": {"queue": EXCHANGE_QUEUE, "expires": settings.sweep_seconds * 2},
    },
}


@setup_logging.connect
def _log_as_json(**_: Any) -> None:
    configure_logging()


@worker_init.connect
def _prepare_process(sender: Any, **_: Any) -> None:
    served = set(sender.app.amqp.queues.consume_from)
    if served == {CHANGE_QUEUE}:
        from workers import change_process

        change_process.prepare_process()
    elif served <= {DELIVERY_QUEUE, EXCHANGE_QUEUE}:
        from workers import delivery_process

        delivery_process.prepare_process()
    else:
        from workers import runtime

        runtime.prepare_process()


@worker_shutting_down.connect
def _stop_claiming(**_: Any) -> None:
    stopping.set()
