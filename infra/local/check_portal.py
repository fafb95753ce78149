"""``python -m infra.local.check_portal``: the conformance run of portals against a stack of its own."""

import shutil
import subprocess
import sys

from infra.local.applications import ROOT
from infra.local.errors import LocalStackError
from infra.local.seed import seed
from infra.local.stack import LocalStack

STATE = ROOT / ".local" / "check-portal"


def main() -> int:
    """What the command says; its last line counts the checks."""
    shutil.rmtree(STATE, ignore_errors=True)
    try:
        with LocalStack(STATE) as stack:
            stack.start_processes()
            command = (
                sys.executable,
                "-c",
                "from workers.cli import main; main()",
                "portal",
                "check",
                stack.address("intake"),
                seed(stack).sandbox_key,
            )
            code = subprocess.run([*command, "--listen", "0"], check=False).returncode
    except LocalStackError as error:
        print(f"check-portal: {error}", file=sys.stderr)
        return 1
    shutil.rmtree(STATE)
    return code


if __name__ == "__main__":
    sys.exit(main())
