"""``dermatrail portal check``: a conformance run for those who connect a portal."""

import json
from contextlib import nullcontext
from typing import Any

import click

from services import admin


def register(_: click.Group) -> None:
    """Add the command to ``dermatrail portal``."""
    admin.portal.add_command(check)


@click.command()
@click.argument("url")
@click.argument("key")
@click.option("--listen", metavar="[HOST:]PORT", help="Receive webhooks here for the time of the run; without it they are not checked.")
@click.option("--webhook-url", metavar="URL", help="How Dermatrail reaches the address of --listen, where that is another.")
@click.option("--patience", default=90, show_default=True, type=click.IntRange(1, 3600), help="Seconds that one thing may take.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each check.")
def check(*, url: str, key: str, listen: str | None, webhook_url: str | None, patience: int, as_json: bool) -> None:
    """Check that everything works between here and the Dermatrail at URL, with the KEY of a sandbox.

    Submits, follows, is told, fetches, erases; all that it made is erased at the end. Exit code: 0 all passed, 1 not all.
    """
    from services.client.check import Outcome, run_checks
    from services.client.check.receiver import Receiver

    def told(outcome: Outcome) -> None:
        click.echo(json.dumps({"check": outcome.name, "passed": not outcome.fault, "fault": outcome.fault}) if as_json else line(outcome))

    receiver = Receiver(**address(listen), public_url=webhook_url) if listen else None
    with receiver or nullcontext():
        outcomes = run_checks(url=url, key=key, receiver=receiver, told=told, patience=patience)
    failed = sum(outcome.fault is not None for outcome in outcomes)
    if receiver is None and not as_json:
        click.echo("webhooks were not checked: give --listen")
    click.echo(f"portal: {len(outcomes) - failed} checks passed, {failed} failed")
    if failed:
        raise SystemExit(1)


def line(outcome: Any) -> str:
    """An outcome for people."""
    mark = click.style("failed", fg="red") if outcome.fault else click.style("passed", fg="green")
    return f"{mark}  {outcome.name} ({outcome.seconds:.1f} s)" + (f"\n        {outcome.fault}" if outcome.fault else "")


def address(listen: str) -> dict[str, Any]:
    """Host and port of ``[HOST:]PORT``. Raises BadParameter."""
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise click.BadParameter(f"{listen!r} is not [HOST:]PORT.", param_hint="--listen")
    return {"host": host or "127.0.0.1", "port": int(port)}
