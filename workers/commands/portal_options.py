"""How every command of a portal reaches Dermatrail."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(path_type=Path, dir_okay=False)


def connected(command: Command) -> Command:
    """Give a command the options --url, --key and --key-file."""
    key = click.option("--key", envvar="DERMATRAIL_PORTAL_KEY", help="API key, dmt_…; better in $DERMATRAIL_PORTAL_KEY or a file.")
    file = click.option("--key-file", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="File that holds the API key.")
    address = click.option(
        "--url", required=True, envvar="DERMATRAIL_PORTAL_URL", help="Address of Dermatrail's intake, or $DERMATRAIL_PORTAL_URL."
    )
    return address(key(file(command)))


def key_of(key: str | None, key_file: Path | None) -> str:
    """The API key, from wherever it was given. Raises UsageError where it was not."""
    if key_file is not None:
        return key_file.read_text(encoding="utf-8").strip()
    if not key:
        raise click.UsageError("Give the API key: --key-file, $DERMATRAIL_PORTAL_KEY or --key.")
    return key
