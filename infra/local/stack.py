"""The local stack: Postgres, Valkey and SeaweedFS from wheels, and Dermatrail's own processes, under one supervisor."""

import logging
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local import applications, postgres, programs, seaweed, valkey
from infra.local.errors import LocalStackError
from infra.local.programs import Record
from infra.local.state import Choices, StateFolder
from infra.local.supervisor import Supervisor

log = logging.getLogger(__name__)

ROLES = ("owner", "intake", "review", "worker")
SERVERS = ("postgres", "valkey", "seaweedfs")


def environment(choices: Choices, role: str) -> dict[str, str]:
    """The DERMATRAIL_ settings for one role: "owner" (migrations, administration), "intake", "review" or "worker"."""
    if role not in ROLES:
        raise LocalStackError(f"unknown role {role!r}; the roles are {', '.join(ROLES)}")
    return {
        "DERMATRAIL_DATABASE_URL": postgres.url(choices, role),
        "DERMATRAIL_BROKER_URL": valkey.url(choices),
        "DERMATRAIL_S3_ENDPOINT": seaweed.endpoint(choices),
        "DERMATRAIL_S3_ACCESS_KEY": choices.secrets["s3_access_key"],
        "DERMATRAIL_S3_SECRET_KEY": choices.secrets["s3_secret_key"],
        "DERMATRAIL_S3_SECURE": "false",
        "DERMATRAIL_S3_BUCKET": seaweed.BUCKET,
        **applications.settings(choices, role),
    }


class LocalStack:
    """`with LocalStack(folder) as stack:` starts the servers and migrates; leaving stops everything, data stays.

    Raises StateFolderBusy when another supervisor holds the folder, LocalStackError when a port is taken or a
    server does not start.
    """

    def __init__(self, state_dir: Path, *, migrate: bool = True, report: Callable[[str], None] = log.warning) -> None:
        """Name the state folder; `report` is told about survivors and crashes."""
        self.state = StateFolder(state_dir)
        self._migrate = migrate
        self._report = report
        self._record = Record(self.state.record_file)
        self._supervisor: Supervisor | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the servers; leave nothing running when that fails."""
        self.state.lock()
        try:
            self._start_servers()
        except BaseException:
            self._shut_down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop everything."""
        self._shut_down()

    @property
    def choices(self) -> Choices:
        """Ports and secrets of this state folder."""
        return self.state.choices()

    def environment(self, role: str) -> dict[str, str]:
        """The DERMATRAIL_ settings for "owner", "intake", "review" or "worker"."""
        return environment(self.choices, role)

    def database_url(self, role: str) -> str:
        """The database address for a role, or for "superuser"."""
        return postgres.url(self.choices, role)

    def address(self, name: str) -> str:
        """Where "intake" or "review" listens, as a URL without a path."""
        return f"http://127.0.0.1:{self.choices.ports[name]}"

    def start_processes(self, names: Iterable[str] = applications.NAMES, *, timeout: float = 90) -> None:
        """Start Dermatrail's own processes ("intake", "review", "worker", "change", "delivery", "beat")
        and wait until each one is ready."""
        wanted = tuple(names)
        for name in wanted:
            settings = environment(self.choices, applications.ROLE[name])
            self.supervisor.start(applications.program(self.state, self.choices, name, settings))
        for name in wanted:
            self.supervisor.wait_ready(name, timeout=timeout)

    def start(self, *names: str, timeout: float = 60) -> None:
        """Start stopped programs again, and wait until they are ready."""
        for name in names:
            self.supervisor.resume(name)
        self.wait_ready(*names, timeout=timeout)

    def stop(self, *names: str) -> None:
        """Stop programs in good order and leave them stopped."""
        self.supervisor.stop(names)

    def restart(self, *names: str, timeout: float = 60) -> None:
        """Stop programs in good order, and start them again."""
        self.stop(*names)
        self.start(*names, timeout=timeout)

    def kill(self, name: str, *, wipe: bool = False) -> None:
        """Kill -9 a program, and delete its data if asked. The supervisor starts it again by itself; see `wait_ready`."""
        self.supervisor.kill(name, wipe=wipe)

    def wait_ready(self, *names: str, timeout: float = 60) -> None:
        """Wait until the programs answer their probes; NotReady otherwise."""
        for name in names:
            self.supervisor.wait_ready(name, timeout=timeout)

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """The running process of a program, for its `pid`."""
        return self.supervisor.process(name)

    @property
    def supervisor(self) -> Supervisor:
        """The supervisor; LocalStackError outside of the `with` block."""
        if self._supervisor is None:
            raise LocalStackError("the stack is not started: use `with LocalStack(folder) as stack:`")
        return self._supervisor

    def _start_servers(self) -> None:
        for name in self._record.stop_survivors():
            self._report(f"stopped {name}, left over from a supervisor that was killed")
        self._watchdog = programs.start_watchdog(self.state.record_file)
        self._supervisor = supervisor = Supervisor(record=self._record, report=self._report)
        for server in (postgres, valkey, seaweed):
            supervisor.start(server.program(self.state, self.choices))
        supervisor.wait_ready("postgres")
        postgres.make_logins(self.choices)
        if self._migrate:
            from services.records.migrate import upgrade

            upgrade(postgres.url(self.choices, "owner"))
        self.wait_ready(*SERVERS)

    def _shut_down(self) -> None:
        if self._supervisor is not None:
            started = self._supervisor.names()
            self._supervisor.stop(name for name in started if name not in SERVERS)
            self._supervisor.stop(name for name in started if name in SERVERS)
            self._supervisor.close()
            self._supervisor = None
            self._record.remove()
        if self._watchdog is not None:
            self._watchdog.communicate()
            self._watchdog = None
        self.state.unlock()
