"""Dermatrail's own processes as the local stack runs them."""

import functools
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from infra.local import postgres
from infra.local.programs import Program
from infra.local.state import Choices, StateFolder

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("intake", "review", "worker", "change", "delivery", "beat")
ROLE = {"intake": "intake", "review": "review", "worker": "worker", "change": "worker", "delivery": "worker", "beat": "worker"}
WEB_THREADS = 8
# On one machine a portal under development listens on the loopback address, without TLS.
LOCAL_WEBHOOKS = {"DERMATRAIL_WEBHOOK_HTTP": "true", "DERMATRAIL_WEBHOOK_NETWORKS": "127.0.0.0/8"}


def settings(choices: Choices, role: str) -> dict[str, str]:
    """The settings that only one role has."""
    if role == "intake":
        return {"DERMATRAIL_DATA_KEY": choices.secrets["data_key"], **LOCAL_WEBHOOKS}
    if role == "review":
        return {
            "DERMATRAIL_SESSION_SECRET": choices.secrets["session"],
            "DERMATRAIL_DATA_KEY": choices.secrets["data_key"],
            "DERMATRAIL_SECURE_COOKIES": "false",
            # On the loopback address a password is enough to look around. The account page offers the second factor.
            "DERMATRAIL_REQUIRE_SECOND_FACTOR": "false",
            "DERMATRAIL_PUBLIC_TRIAL": "true",
            **LOCAL_WEBHOOKS,
        }
    if role == "worker":
        return {"DERMATRAIL_METRICS_PORT": str(choices.ports["worker_metrics"])}
    return {}


def program(state: StateFolder, choices: Choices, name: str, environment: Mapping[str, str]) -> Program:
    """Describe one process."""
    if name == "worker":
        return _worker(state, choices.ports["worker_metrics"], environment, name=name, queues="analysis,upkeep", threads=2)
    if name == "change":
        port = choices.ports["change_metrics"]
        own = {**environment, "DERMATRAIL_METRICS_PORT": str(port)}
        return _worker(state, port, own, name=name, queues="change", threads=1)
    if name == "delivery":
        return _delivery(state, choices, environment)
    if name == "beat":
        return _beat(state, environment)
    return _web(state, choices.ports[name], name, environment)


def _web(state: StateFolder, port: int, name: str, environment: Mapping[str, str]) -> Program:
    options = ("--workers", "1", "--worker-class", "gthread", "--threads", str(WEB_THREADS), "--graceful-timeout", "20")
    # No access log: paths and query strings carry patient references. The applications log what is fit to be kept.
    return Program(
        name=name,
        command=(
            sys.executable,
            "-m",
            "gunicorn",
            "--bind",
            f"127.0.0.1:{port}",
            *options,
            "--no-control-socket",
            f"services.{name}.wsgi:app",
        ),
        # Each thread would keep memory of its own that it has used once; they share it instead.
        environment={**environment, "MALLOC_ARENA_MAX": "2"},
        log=state.log(name),
        directory=ROOT,
        ports=(port,),
        ready=functools.partial(responds, f"http://127.0.0.1:{port}/readyz"),
        grace_seconds=25,
    )


def _worker(state: StateFolder, port: int, environment: Mapping[str, str], *, name: str, queues: str, threads: int) -> Program:
    options = ("-P", "threads", "-c", str(threads), "-Q", queues, "--without-gossip", "--without-mingle", "--loglevel", "INFO")
    return Program(
        name=name,
        command=(sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-n", f"{name}@%h", *options),
        environment=environment,
        log=state.log(name),
        directory=ROOT,
        ports=(port,),
        ready=functools.partial(responds, f"http://127.0.0.1:{port}/metrics"),
        grace_seconds=60,
    )


def _delivery(state: StateFolder, choices: Choices, environment: Mapping[str, str]) -> Program:
    port = choices.ports["delivery_metrics"]
    own = {**environment, **LOCAL_WEBHOOKS, "DERMATRAIL_METRICS_PORT": str(port), "DERMATRAIL_DATA_KEY": choices.secrets["data_key"]}
    own["DERMATRAIL_RESULTS_DATABASE_URL"] = postgres.url(choices, "intake")
    return _worker(state, port, own, name="delivery", queues="delivery,exchange", threads=2)


def _beat(state: StateFolder, environment: Mapping[str, str]) -> Program:
    schedule = state.data("beat") / "schedule"
    return Program(
        name="beat",
        command=(
            sys.executable,
            "-m",
            "celery",
            "-A",
            "workers.app",
            "beat",
            "--schedule",
            str(schedule),
            "--pidfile=",
            "--loglevel",
            "INFO",
        ),
        environment={key: value for key, value in environment.items() if key != "DERMATRAIL_METRICS_PORT"},
        log=state.log("beat"),
        directory=ROOT,
        ready=lambda: True,  # beat listens to nobody; the supervisor sees when it stops
    )


def responds(url: str) -> bool:
    """Whether the address answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (http on the loopback address)
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
