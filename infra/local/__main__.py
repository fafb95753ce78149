"""`python -m infra.local`: run Dermatrail on this machine."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from infra.local.applications import ROOT
from infra.local.errors import LocalStackError
from infra.local.stack import ROLES, LocalStack, environment
from infra.local.state import StateFolder

DEFAULT_STATE = ROOT / ".local" / "stack"
STOP_SECONDS = 90

state_option = click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), default=DEFAULT_STATE, show_default=True, help="State folder."
)


def say(text: str) -> None:
    """Tell the person at the terminal; standard output stays free for results."""
    click.echo(text, err=True)


def _leave(number: int, _frame: FrameType | None) -> None:
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)  # once is enough: a second Ctrl-C must not cut the orderly stop short
    raise SystemExit(0 if number == signal.SIGINT else 128 + number)


@contextmanager
def running(state: Path, *, applications: bool) -> Iterator[LocalStack]:
    """The stack for one command; Ctrl-C, SIGTERM and a closed terminal leave through its orderly stop."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    began = time.monotonic()
    say("starting Postgres, Valkey and SeaweedFS …")
    try:
        with LocalStack(state, report=say) as stack:
            if applications:
                say("starting intake, review, both workers and beat …")
                stack.start_processes()
            say(f"ready after {time.monotonic() - began:.1f} s; state and logs in {stack.state.root}")
            try:
                yield stack
            finally:
                began = time.monotonic()
                say("stopping …")
    finally:
        say(f"stopped after {time.monotonic() - began:.1f} s; the data stays in {state}")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Dermatrail on this machine: real servers, no containers, no root."""


@cli.command()
@state_option
def up(state: Path) -> None:
    """Start everything, print how to get in, run until Ctrl-C."""
    from infra.local.seed import PEOPLE, seed

    with running(state, applications=True) as stack:
        access = seed(stack)
        click.echo(f"dashboard  {stack.address('review')}  sign-in {access.email}  password {access.password}")
        others = [email for email, _ in PEOPLE.values() if email != access.email]
        click.echo(f"           {' and '.join(others)} have the same password on this machine")
        click.echo("           no second factor is asked for on this machine; the account page sets one up")
        click.echo(f"intake     {stack.address('intake')}  API key {access.api_key}")
        click.echo(f"           API key of the sandbox, which a script answers: {access.sandbox_key}")
        click.echo("Decision support only: no case leaves without a dermatologist's decision. Ctrl-C stops everything.")
        while True:
            signal.pause()


@cli.command(context_settings={"ignore_unknown_options": True})
@state_option
@click.option("--applications/--servers-only", default=False, help="Also start intake, review, both workers and beat.")
@click.option("--role", type=click.Choice(ROLES), default="owner", show_default=True, help="Whose settings the command gets.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(*, state: Path, applications: bool, role: str, command: tuple[str, ...]) -> None:
    """Start the stack, run COMMAND with its settings, stop, and exit with COMMAND's status."""
    with running(state, applications=applications) as stack:
        status = subprocess.run(command, env={**os.environ, **stack.environment(role)}, check=False).returncode
    raise SystemExit(status)


@cli.command()
@state_option
def down(state: Path) -> None:
    """Stop the stack that runs in another terminal."""
    folder = StateFolder(state)
    holder = folder.holder()
    if not folder.is_locked() or holder is None:
        say(f"nothing runs in {folder.root}")
        return
    os.kill(holder, signal.SIGTERM)
    _wait_until(lambda: not folder.is_locked())
    say("stopped")


@cli.command()
@state_option
@click.option("--role", type=click.Choice(ROLES), default="owner", show_default=True)
def env(state: Path, role: str) -> None:
    """Print the settings of one role as shell exports (they contain secrets)."""
    folder = StateFolder(state)
    if not folder.choices_file.exists():
        raise LocalStackError(f"{folder.root} holds no stack yet: start one with `python -m infra.local up`")
    for name, value in environment(folder.choices(), role).items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _wait_until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + STOP_SECONDS
    while not reached():
        if time.monotonic() > end:
            raise LocalStackError(f"the supervisor did not stop within {STOP_SECONDS} s")
        time.sleep(0.1)


def main() -> None:
    """Run the command line; what goes wrong with the stack is told in one line."""
    try:
        cli(prog_name="python -m infra.local")
    except LocalStackError as error:
        say(f"error: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
