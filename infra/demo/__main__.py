"""``python -m infra.demo``: starts the stack, submits, waits, and shows what came of it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.demo.run import run_demo
from infra.local import LocalStackError

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every image was answered (and, on the drawn set, as expected), 1 otherwise, 2 when it could not start."""
    parser = argparse.ArgumentParser(prog="python -m infra.demo", description="The whole pipeline, end to end, on this machine.")
    parser.add_argument("--images", type=Path, metavar="DIR", help="submit the images under DIR instead of drawn ones, one case each")
    parser.add_argument(
        "--state", type=Path, default=ROOT / ".local" / "stack", metavar="DIR", help="folder of the stack (default: the one of `make up`)"
    )
    options = parser.parse_args(arguments)
    try:
        return run_demo(images=options.images, state=options.state)
    except (LocalStackError, FileNotFoundError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
