"""Stop the recorded programs when the supervisor is gone: `watchdog.py PROCESSES_JSON`, stdin is a pipe from it.

For systems whose kernel has no parent-death signal (macOS). The supervisor never writes into the pipe: the read
ends when the supervisor ends, whatever ended it. Standard library only; run with `python -I -S`.
"""

import contextlib
import json
import os
import sys
from pathlib import Path


def stop_recorded(record: Path) -> None:
    """Send every recorded process the signal that stops it in good order."""
    for entry in json.loads(record.read_text(encoding="utf-8")):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(entry["pid"], entry["stop_signal"])


def main() -> None:
    """Wait for the end of the pipe, then stop what is left."""
    sys.stdin.buffer.read()
    with contextlib.suppress(FileNotFoundError):  # a clean stop removes the record
        stop_recorded(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
