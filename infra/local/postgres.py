"""The local Postgres: TCP on the loopback address, passwords (scram), one login per kind of process."""

import functools
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from sqlalchemy import URL, Connection, NullPool, create_engine
from sqlalchemy.exc import OperationalError

from infra.local import binaries
from infra.local.errors import LocalStackError
from infra.local.programs import Program
from infra.local.state import Choices, StateFolder

SUPERUSER = "postgres"
DATABASE = "dermatrail"
OWNER = "dermatrail"
# Login → group role. The migrations give the rights to the groups; a deployment makes the logins.
LOGINS = {"intake": "dermatrail_intake", "review": "dermatrail_review", "worker": "dermatrail_worker"}

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A failed statement and the DETAIL of a failed constraint carry patient data; the log shall not.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


def url(choices: Choices, role: str, *, database: str = DATABASE) -> str:
    """The SQLAlchemy address for "owner", "intake", "review", "worker" or "superuser"."""
    user = {"owner": OWNER, "superuser": SUPERUSER}.get(role, role)
    address = URL.create(
        "postgresql+psycopg2",
        username=user,
        password=choices.secrets[f"postgres_{role}"],
        host="127.0.0.1",
        port=choices.ports["postgres"],
        database=database,
    )
    return address.render_as_string(hide_password=False)


def program(state: StateFolder, choices: Choices) -> Program:
    """Create the data folder on the first start, and describe the server."""
    data = state.data("postgres") / "data"
    if not (data / "PG_VERSION").exists():
        _create(state, data, choices)
    options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    return Program(
        name="postgres",
        command=(*_as_postgres(), str(binaries.postgres_folder() / "postgres"), "-D", str(data), "-p", _port(choices), *options),
        environment={"LC_ALL": "C"},
        log=state.log("postgres"),
        directory=state.data("postgres"),
        ports=(choices.ports["postgres"],),
        ready=functools.partial(answers, choices),
        stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait for every client to leave
        grace_seconds=20,
    )


def answers(choices: Choices) -> bool:
    """Whether a login and a query succeed."""
    try:
        with _connect(url(choices, "superuser", database="postgres")) as connection:
            return bool(connection.exec_driver_sql("SELECT 1").scalar())
    except OperationalError:
        return False


def make_logins(choices: Choices) -> None:
    """Create the owner, the database, the group roles and their logins, where they are missing. Changes nothing else."""
    with _connect(url(choices, "superuser", database="postgres")) as connection:
        _make_role(connection, OWNER, "LOGIN CREATEROLE", choices.secrets["postgres_owner"])
        if not connection.exec_driver_sql("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).scalar():
            connection.exec_driver_sql(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        for login, group in LOGINS.items():
            connection.exec_driver_sql(f"SET ROLE {OWNER}")  # who creates a role may grant and drop it: the migrations do
            _make_role(connection, group, "NOLOGIN", None)
            connection.exec_driver_sql("RESET ROLE")
            _make_role(connection, login, f"LOGIN IN ROLE {group}", choices.secrets[f"postgres_{login}"])


def _make_role(connection: Connection, name: str, options: str, password: str | None) -> None:
    if not connection.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).scalar():
        connection.exec_driver_sql(f"CREATE ROLE {name} {options} PASSWORD %s", (password,))


def _connect(address: str) -> Connection:
    engine = create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 2})
    return engine.connect()


def _port(choices: Choices) -> str:
    return str(choices.ports["postgres"])


def _create(state: StateFolder, data: Path, choices: Choices) -> None:
    """Run initdb in a draft folder and rename it: a start that was killed half-way leaves no half database."""
    folder = state.data("postgres")
    draft, password = folder / "draft", folder / "password"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    password.touch(mode=0o600)
    password.write_text(choices.secrets["postgres_superuser"], encoding="utf-8")
    if os.geteuid() == 0:
        for path in (folder, draft, password):
            os.chown(path, _account().pw_uid, _account().pw_gid)
    initdb = [str(binaries.postgres_folder() / "initdb"), "-D", str(draft), "-U", SUPERUSER, f"--pwfile={password}"]
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    done = subprocess.run(
        [*_as_postgres(), *initdb, *locale, "--auth=scram-sha-256", "--data-checksums", "--no-sync"],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    password.unlink()
    if done.returncode:
        raise LocalStackError(f"initdb failed in {draft}: {done.stderr.strip()}")
    draft.rename(data)


def _account() -> pwd.struct_passwd:
    """The account that Postgres runs as when we are root."""
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _as_postgres() -> tuple[str, ...]:
    """Postgres refuses to run as root: step down, but keep the right to reach files below root's own folders.

    That right (CAP_DAC_OVERRIDE, ambient) saves changing the mode of anybody's folders; no_setuid_fixup because
    initdb checks its siblings with access(2). The parent-death signal is set here as changing the user clears it.
    """
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise LocalStackError("Postgres refuses to run as root and setpriv (util-linux) is missing: start as an ordinary user")
    user = _account()
    rights = ("--securebits", "+no_setuid_fixup", "--inh-caps", "+dac_override", "--ambient-caps", "+dac_override")
    identity = ("--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups")
    return (setpriv, *rights, *identity, "--pdeathsig", "INT", "--")
