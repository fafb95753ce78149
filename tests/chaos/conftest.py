"""A whole system of its own (servers, intake, worker, beat) that the tests of this folder may damage."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine

from infra.demo.cases import encode
from infra.demo.portal import Portal
from infra.local import LocalStack
from infra.local.seed import seed
from models.synthetic import Kind, draw
from tests.chaos.system import System

STACKS = Path(__file__).resolve().parents[2] / ".local" / "tests"
# Short, so that a dead worker's jobs come back within seconds; still far above the time a batch takes here.
HURRY = {"DERMATRAIL_LEASE_SECONDS": "10", "DERMATRAIL_SWEEP_SECONDS": "2"}


@pytest.fixture(scope="package")
def system() -> Iterator[System]:
    STACKS.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="stack-chaos-", dir=STACKS))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in HURRY.items():
            patch.setenv(name, value)
        with LocalStack(folder) as stack:
            stack.start_processes(("intake", "worker", "beat"))
            access = seed(stack)
            engine = create_engine(stack.database_url("superuser"), poolclass=NullPool)
            with Portal(address=stack.address("intake"), api_key=access.api_key) as portal:
                yield System(stack=stack, portal=portal, access=access, engine=engine, pictures=small_pictures())
            engine.dispose()
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def everything_runs(system: System) -> None:
    """The test before may have left a server just starting."""
    system.stack.wait_ready("postgres", "valkey", "seaweedfs", "intake", "worker", "beat", timeout=90)


def small_pictures() -> list[bytes]:
    """40 pictures of 320×240: the model's time does not depend on the size, everything else here is quicker."""
    kinds = list(Kind)
    return [encode(draw(seed=number, kind=kinds[number % len(kinds)], width=320, height=240).rgb, ".jpg") for number in range(40)]
