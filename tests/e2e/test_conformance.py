"""The conformance run for portals, as its developers start it."""

import subprocess
import sys

from infra.local import LocalStack
from infra.local.seed import Access

CHECK = (sys.executable, "-c", "from workers.cli import main; main()", "portal", "check")


def test_a_sandbox_passes_every_check(running_stack: LocalStack, demo_access: Access) -> None:
    command = (*CHECK, running_stack.address("intake"), demo_access.sandbox_key, "--listen", "0")
    run = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1] == "portal: 21 checks passed, 0 failed"


def test_a_portal_with_patients_is_left_alone(running_stack: LocalStack, demo_access: Access) -> None:
    command = (*CHECK, running_stack.address("intake"), demo_access.api_key)
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 1
    assert "this key is of a portal with patients" in run.stdout
    assert run.stdout.splitlines()[-1] == "portal: 1 checks passed, 1 failed"
