"""The local SeaweedFS: an S3 store in one process, with encryption at rest (SSE-S3)."""

import functools
import io
import shutil
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from infra.local import binaries
from infra.local.programs import Program
from infra.local.state import GRPC_OFFSET, Choices, StateFolder

BUCKET = "dermatrail"
PROBE_KEY = ".ready"


def endpoint(choices: Choices) -> str:
    """Host and port of the S3 API."""
    return f"127.0.0.1:{choices.ports['s3']}"


def program(state: StateFolder, choices: Choices) -> Program:
    """Describe the server."""
    folder = state.data("seaweedfs")
    data = folder / "data"
    data.mkdir(exist_ok=True)
    return Program(
        name="seaweedfs",
        command=(str(binaries.weed()), "-logtostderr", "mini", f"-dir={data}", *_options(choices)),
        environment=_environment(choices),
        log=state.log("seaweedfs"),
        directory=folder,
        ports=_ports(choices),
        ready=functools.partial(answers, choices),
        wipe=functools.partial(_wipe, data),
        tidy=functools.partial(remove_sockets, choices),
    )


def answers(choices: Choices) -> bool:
    """Whether the bucket takes an object: listing answers long before the first volume can be written."""
    timeout = urllib3.Timeout(connect=1, read=5)
    pool = urllib3.PoolManager(timeout=timeout, retries=False)
    client = Minio(endpoint(choices), choices.secrets["s3_access_key"], choices.secrets["s3_secret_key"], secure=False, http_client=pool)
    try:
        if not client.bucket_exists(BUCKET):
            client.make_bucket(BUCKET)
        client.put_object(BUCKET, PROBE_KEY, io.BytesIO(b"1"), 1)
    except (MinioException, HTTPError):
        return False
    finally:
        pool.clear()
    return True


def remove_sockets(choices: Choices) -> None:
    """Remove the sockets that SeaweedFS makes in /tmp, whatever it is told, and partly leaves there."""
    for part in ("admin", "filer", "master", "volume", "s3"):
        port = choices.ports[part if part == "s3" else f"seaweed_{part}"] + GRPC_OFFSET
        Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108


def _ports(choices: Choices) -> tuple[int, ...]:
    names = ("s3", "seaweed_master", "seaweed_volume", "seaweed_filer", "seaweed_admin")
    own = tuple(choices.ports[name] for name in names)
    return own + tuple(port + GRPC_OFFSET for port in own)


def _options(choices: Choices) -> list[str]:
    ports = choices.ports
    return [
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-s3.port={ports['s3']}",
        f"-master.port={ports['seaweed_master']}",
        f"-volume.port={ports['seaweed_volume']}",
        f"-filer.port={ports['seaweed_filer']}",
        f"-admin.port={ports['seaweed_admin']}",
        "-master.telemetry=false",
        "-master.electionTimeout=1s",
        "-volume.preStopSeconds=0",  # nobody else reads from it: there is no one to warn before a stop
        "-admin.ui=false",
        "-webdav=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
        # Relative to the working directory: a socket's path may have about 100 bytes only.
        "-filer.localSocket=filer.sock",
        "-s3.localSocket=s3.sock",
    ]


def _environment(choices: Choices) -> dict[str, str]:
    internal = choices.secrets["s3_internal"]  # without these four keys the filer's port is open to everyone
    keys = ("WEED_JWT_SIGNING_KEY", "WEED_JWT_SIGNING_READ_KEY", "WEED_JWT_FILER_SIGNING_KEY", "WEED_JWT_FILER_SIGNING_READ_KEY")
    return {
        "AWS_ACCESS_KEY_ID": choices.secrets["s3_access_key"],
        "AWS_SECRET_ACCESS_KEY": choices.secrets["s3_secret_key"],
        "WEED_S3_SSE_KEK": choices.secrets["s3_encryption_key"],
        "GOMEMLIMIT": "512MiB",
        **dict.fromkeys(keys, internal),
    }


def _wipe(data: Path) -> None:
    shutil.rmtree(data)
    data.mkdir()
