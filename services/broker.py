"""How every process of ours talks to the broker. The broker carries doorbells only: it may lose all it holds."""

from dataclasses import dataclass
from typing import Any

from services.settings import Settings

ANALYSIS_QUEUE = "analysis"
UPKEEP_QUEUE = "upkeep"
CHANGE_QUEUE = "change"
DELIVERY_QUEUE = "delivery"
EXCHANGE_QUEUE = "exchange"
DRAIN_TASK = "workers.analysis.drain"


@dataclass(frozen=True, slots=True)
class Bell:
    """Which task a doorbell asks for, and on which queue."""

    task: str
    queue: str


ANALYSIS_BELL = Bell(DRAIN_TASK, ANALYSIS_QUEUE)
# Measuring what a reader drew takes milliseconds: it goes where the sweeper goes, and never waits behind the networks.
OUTLINE_BELL = Bell("workers.outlines.measure", UPKEEP_QUEUE)
# Comparing visits has a process of its own, so that no picture ever waits for it.
CHANGE_BELL = Bell("workers.change.drain", CHANGE_QUEUE)
# What leaves has a small process of its own, which never loads a network: telling portals, and making documents of results.
DELIVERY_BELL = Bell("workers.delivery.drain", DELIVERY_QUEUE)
EXCHANGE_BELL = Bell("workers.exchange.drain", EXCHANGE_QUEUE)


def celery_settings(settings: Settings) -> dict[str, Any]:
    """Celery's configuration, the same in the worker, in beat and in the producers."""
    return {
        "broker_url": settings.broker_url.get_secret_value(),
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {
            # Far above the longest batch, so that a running task is never delivered a second time.
            "visibility_timeout": 900,
            # What a killed worker held comes back after 10 s; the default takes ten times as long.
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
        },
        "task_default_queue": ANALYSIS_QUEUE,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        # A task that was delivered again finds nothing to claim: cancelling it half-way would only cost its batch.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "task_ignore_result": True,
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "enable_utc": True,
        "timezone": "UTC",
        "worker_hijack_root_logger": False,
    }
