"""The demonstration on a folder of pictures, on the system that these tests keep running."""

from pathlib import Path

import pytest

from infra.demo.run import run_demo
from tests.chaos.system import System

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]


def test_the_demonstration_uses_a_running_stack_and_counts_every_image(
    system: System, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(system.pictures[number])
    (tmp_path / "cut-off.jpg").write_bytes(system.pictures[0][:2000])
    (tmp_path / "notes.txt").write_text("not an image")
    assert run_demo(images=tmp_path, state=system.stack.state.root) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "demo: 6 submitted, 5 analysed, 1 refused, 0 failed, 0 lost"
    assert system.stack.process("worker").poll() is None
