"""The state folder: ports and secrets chosen once, one supervisor at a time."""

import base64
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO

from infra.local.errors import StateFolderBusy

PORT_NAMES = (
    "postgres",
    "valkey",
    "s3",
    "seaweed_master",
    "seaweed_volume",
    "seaweed_filer",
    "seaweed_admin",
    "intake",
    "review",
    "worker_metrics",
    "change_metrics",
    "delivery_metrics",
)
# Below the range from which Linux and macOS take ports for outgoing connections, also with SeaweedFS's own
# +10000 for gRPC: no client of anything can sit on a port of ours when we come back.
LOWEST_PORT, HIGHEST_PORT, GRPC_OFFSET = 10_300, 22_000, 10_000

SECRET_NAMES = (
    "postgres_superuser",
    "postgres_owner",
    "postgres_intake",
    "postgres_review",
    "postgres_worker",
    "valkey",
    "s3_access_key",
    "s3_secret_key",
    "s3_encryption_key",
    "s3_internal",
    "session",
    "data_key",
    "dashboard_password",
)


@dataclass(frozen=True, slots=True)
class Choices:
    """Ports (name → number) and secrets (name → text) of one state folder."""

    ports: Mapping[str, int]
    secrets: Mapping[str, str]


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port(taken: Collection[int]) -> int:
    while True:
        port = LOWEST_PORT + secrets.randbelow(HIGHEST_PORT - LOWEST_PORT)
        if port not in taken and is_free(port) and is_free(port + GRPC_OFFSET):
            return port


def _new_secret(name: str) -> str:
    if name == "data_key":  # a Fernet key
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(32 if name == "s3_encryption_key" else 20)


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it, from its first byte on."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def load_choices(path: Path) -> Choices:
    """Read the choices; whatever is missing from the file is chosen now and written back."""
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    ports: dict[str, int] = dict(stored.get("ports", {}))
    words: dict[str, str] = dict(stored.get("secrets", {}))
    for name in PORT_NAMES:
        ports.setdefault(name, _free_port(ports.values()))
    for name in SECRET_NAMES:
        words.setdefault(name, _new_secret(name))
    complete = {"ports": ports, "secrets": words}
    if complete != stored:
        write_private(path, json.dumps(complete, indent=2) + "\n")
    return Choices(ports=MappingProxyType(ports), secrets=MappingProxyType(words))


class StateFolder:
    """Paths inside one state folder, and its lock."""

    def __init__(self, root: Path) -> None:
        """Name the folder; nothing is created before `lock` or `choices`."""
        self.root = root.resolve()
        self._lock: IO[str] | None = None

    @property
    def choices_file(self) -> Path:
        """Ports and secrets, mode 0600."""
        return self.root / "stack.json"

    @property
    def record_file(self) -> Path:
        """The processes that run now, for whoever comes after a crash."""
        return self.root / "processes.json"

    @property
    def lock_file(self) -> Path:
        """Locked while a supervisor lives; holds its process id."""
        return self.root / "lock"

    def data(self, name: str) -> Path:
        """The data folder of one server."""
        return self._folder(name)

    def log(self, name: str) -> Path:
        """The log file of one program."""
        return self._folder("logs") / f"{name}.log"

    def choices(self) -> Choices:
        """Ports and secrets, the same at every start."""
        self._folder()
        return load_choices(self.choices_file)

    def lock(self) -> None:
        """Hold the folder until `unlock` or the end of the process; StateFolderBusy when another one holds it."""
        self._folder()
        file = self.lock_file.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise StateFolderBusy(
                f"{self.root} is in use by the supervisor with process id {self.holder() or 'unknown'}; "
                "stop it with Ctrl-C or `python -m infra.local down`, or use another folder with --state"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._lock = file

    def unlock(self) -> None:
        """Let the next supervisor in."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def holder(self) -> int | None:
        """The process id of the last supervisor, which may be gone."""
        try:
            return int(self.lock_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def is_locked(self) -> bool:
        """Whether a supervisor holds the folder now."""
        if not self.lock_file.exists():
            return False
        with self.lock_file.open("a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _folder(self, *names: str) -> Path:
        folder = self.root.joinpath(*names)
        if not folder.is_dir():
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder
