"""Become another program that dies with its parent: `guard.py SIGNAL PARENT_PID COMMAND ARGUMENT…`.

Run with `python -I -S`, standard library only, so that it costs a few milliseconds. A program in between, not a
`preexec_fn`: Python code between fork and exec can deadlock in a process that has threads.

Linux keeps the promise by itself (PR_SET_PDEATHSIG, which survives exec). Elsewhere `watchdog.py` does the work.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(number: int, parent: int) -> None:
    """Ask the kernel to send us signal `number` when the thread that started us ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died before we could ask
        sys.exit("the supervisor is gone")


def main() -> None:
    """Set the death signal where the kernel knows one, then become the command."""
    number, parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        die_with_parent(int(number), int(parent))
    os.execvp(command[0], command)  # noqa: S606  (the command is the supervisor's own list)


if __name__ == "__main__":
    main()
