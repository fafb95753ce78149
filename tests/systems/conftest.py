"""Servers and an intake of their own, a portal's way in, and drawn training data."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.demo.portal import Portal
from infra.local import LocalStack
from infra.local.seed import seed
from tests.conftest import STACKS
from tests.models.training.drawn_data import write_ham10000


@pytest.fixture(scope="package")
def running() -> Iterator[LocalStack]:
    """Postgres, Valkey, SeaweedFS and the intake; the tests are the worker."""
    STACKS.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="stack-", dir=STACKS))
    with LocalStack(folder) as stack:
        stack.start_processes(("intake",))
        yield stack
    shutil.rmtree(folder)


@pytest.fixture(scope="package")
def portal(running: LocalStack) -> Iterator[Portal]:
    """One portal's client."""
    with Portal(address=running.address("intake"), api_key=seed(running).api_key) as client:
        yield client


@pytest.fixture(scope="package")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn pictures in the layout of HAM10000."""
    return write_ham10000(tmp_path_factory.mktemp("data"))
