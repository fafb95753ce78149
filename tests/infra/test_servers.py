"""The real servers: private, durable, and back after every kind of death."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import redis
import urllib3
from minio import Minio, S3Error
from minio.sse import SseS3
from sqlalchemy import Connection, NullPool, create_engine, make_url
from sqlalchemy.exc import IntegrityError, OperationalError

from infra.local import LocalStack
from infra.local.errors import StateFolderBusy
from infra.local.postgres import LOGINS
from infra.local.stack import SERVERS

SUPERVISOR_THAT_IS_KILLED = """
import os, pathlib, sys
from sqlalchemy import create_engine
from infra.local import LocalStack
with LocalStack(pathlib.Path(sys.argv[1]), migrate=False) as stack:
    with create_engine(stack.database_url("owner")).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept AS SELECT 41 + 1 AS answer")
    print(*(stack.process(name).pid for name in stack.supervisor.names()), flush=True)
    os.kill(os.getpid(), 9)
"""


def connect(stack: LocalStack, role: str = "owner") -> Connection:
    return create_engine(stack.database_url(role), poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()


def valkey(stack: LocalStack) -> redis.Redis:
    return redis.Redis.from_url(stack.environment("worker")["DERMATRAIL_BROKER_URL"])


def minio(stack: LocalStack, *, secret: str | None = None) -> Minio:
    settings = stack.environment("worker")
    return Minio(
        settings["DERMATRAIL_S3_ENDPOINT"],
        settings["DERMATRAIL_S3_ACCESS_KEY"],
        secret or settings["DERMATRAIL_S3_SECRET_KEY"],
        secure=False,
        http_client=urllib3.PoolManager(timeout=10, retries=False, maxsize=1),
    )


def read(client: Minio, key: str) -> bytes:
    answer = client.get_object("dermatrail", key)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("name", SERVERS)
def test_a_killed_server_comes_back_by_itself(fragile_stack: LocalStack, name: str) -> None:
    before = fragile_stack.process(name).pid
    os.kill(before, signal.SIGKILL)
    time.sleep(0.1)
    fragile_stack.wait_ready(name)
    assert fragile_stack.process(name).pid != before


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_can_be_away_and_return(fragile_stack: LocalStack, name: str) -> None:
    fragile_stack.stop(name)
    fragile_stack.start(name)
    assert fragile_stack.process(name).poll() is None


def test_postgres_keeps_its_rows_through_a_kill(fragile_stack: LocalStack) -> None:
    with connect(fragile_stack) as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 7 AS answer")
    fragile_stack.kill("postgres")
    fragile_stack.wait_ready("postgres")
    with connect(fragile_stack) as connection:
        assert connection.exec_driver_sql("SELECT answer FROM kept").scalar() == 7


def test_the_store_keeps_its_objects_through_a_kill(fragile_stack: LocalStack) -> None:
    minio(fragile_stack).put_object("dermatrail", "kept", io.BytesIO(b"picture"), 7)
    fragile_stack.kill("seaweedfs")
    fragile_stack.wait_ready("seaweedfs")
    assert read(minio(fragile_stack), "kept") == b"picture"


def test_valkey_comes_back_empty_when_its_data_is_deleted(fragile_stack: LocalStack) -> None:
    with valkey(fragile_stack) as client:
        client.set("doorbell", "rung")
    fragile_stack.kill("valkey", wipe=True)
    fragile_stack.wait_ready("valkey")
    with valkey(fragile_stack) as client:
        assert client.dbsize() == 0


def test_a_second_supervisor_is_refused(fragile_stack: LocalStack) -> None:
    with pytest.raises(StateFolderBusy, match="in use"), LocalStack(fragile_stack.state.root, migrate=False):
        pytest.fail("two supervisors on one folder")
    assert fragile_stack.process("postgres").poll() is None


def test_wrong_passwords_are_refused(fragile_stack: LocalStack) -> None:
    address = make_url(fragile_stack.database_url("owner")).set(password="guess")
    with pytest.raises(OperationalError, match="password authentication failed"):
        create_engine(address, poolclass=NullPool).connect()
    broker = redis.Redis(port=fragile_stack.choices.ports["valkey"], password="guess")
    with broker, pytest.raises(redis.AuthenticationError):
        broker.ping()
    with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
        minio(fragile_stack, secret="guess").list_buckets()


def test_no_secret_shows_in_the_list_of_processes(fragile_stack: LocalStack) -> None:
    shown = " ".join(word for name in SERVERS for word in psutil.Process(fragile_stack.process(name).pid).cmdline())
    assert not [name for name, secret in fragile_stack.choices.secrets.items() if secret in shown]


def test_each_login_is_in_its_own_group_and_has_no_special_right(fragile_stack: LocalStack) -> None:
    query = """
        SELECT login.rolname, groups.rolname, login.rolsuper, login.rolbypassrls, login.rolcreaterole, login.rolcreatedb
        FROM pg_auth_members JOIN pg_roles AS login ON login.oid = member JOIN pg_roles AS groups ON groups.oid = roleid
        WHERE login.rolname IN ('intake', 'review', 'worker')"""
    with connect(fragile_stack, "superuser") as connection:
        rows = {tuple(row) for row in connection.exec_driver_sql(query)}
    assert rows == {(login, group, False, False, False, False) for login, group in LOGINS.items()}


def test_the_database_log_holds_no_row(fragile_stack: LocalStack) -> None:
    with connect(fragile_stack) as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS people; CREATE TABLE people (reference text CHECK (reference = ''))")
        with pytest.raises(IntegrityError):
            connection.exec_driver_sql("INSERT INTO people VALUES ('patient-0815')")
    log = fragile_stack.state.log("postgres").read_text()
    assert "people_reference_check" in log
    assert "patient-0815" not in log


def test_an_encrypted_object_is_not_readable_on_the_disk(fragile_stack: LocalStack) -> None:
    plain, sealed = os.urandom(5000), os.urandom(5000)  # random, so that the store does not compress it
    for name, body, encryption in (("plain", plain, None), ("sealed", sealed, SseS3())):
        minio(fragile_stack).put_object("dermatrail", name, io.BytesIO(body), len(body), sse=encryption)
        assert read(minio(fragile_stack), name) == body
    volumes = (fragile_stack.state.data("seaweedfs") / "data").rglob("*.dat")
    on_disk = b"".join(volume.read_bytes() for volume in volumes)
    assert plain in on_disk
    assert sealed not in on_disk


def test_nothing_runs_after_the_end_and_everything_is_there_again_later(tmp_path: Path) -> None:
    with LocalStack(tmp_path, migrate=False) as stack:
        ports = dict(stack.choices.ports)
        pids = [stack.process(name).pid for name in SERVERS]
        children = [child.pid for pid in pids for child in psutil.Process(pid).children(recursive=True)]
        with connect(stack) as connection:
            connection.exec_driver_sql("CREATE TABLE kept AS SELECT 7 AS answer")
    assert not [pid for pid in pids + children if is_alive(pid)]
    assert not [
        port for port in ports.values() if list(Path("/tmp").glob(f"*{port}.sock")) or list(Path("/tmp").glob(f"*{port + 10_000}.sock"))
    ]
    with LocalStack(tmp_path, migrate=False) as stack:
        assert dict(stack.choices.ports) == ports
        with connect(stack) as connection:
            assert connection.exec_driver_sql("SELECT answer FROM kept").scalar() == 7


def test_a_killed_supervisor_leaves_no_process_and_loses_no_data(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", SUPERVISOR_THAT_IS_KILLED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with LocalStack(tmp_path, migrate=False) as stack:
        assert not [pid for pid in killed.stdout.split() if is_alive(int(pid))]
        with connect(stack) as connection:
            assert connection.exec_driver_sql("SELECT answer FROM kept").scalar() == 42
