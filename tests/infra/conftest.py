"""A stack of its own for tests that kill servers: others' connections shall not suffer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import LocalStack


@pytest.fixture(scope="module")
def fragile_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Servers without the application's tables; every test leaves them running."""
    with LocalStack(Path(tmp_path_factory.mktemp("fragile")), migrate=False) as running:
        yield running
