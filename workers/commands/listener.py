"""``dermatrail dicom-listener``: the DICOM door (C-STORE, C-ECHO) as a process of its own."""

import os
import sys

import click


def register(cli: click.Group) -> None:
    """Add the command."""
    cli.add_command(dicom_listener)


@click.command("dicom-listener")
def dicom_listener() -> None:
    """Receive DICOM instances (C-STORE) until it is stopped.

    Runs with the intake's settings and DERMATRAIL_DICOM_…: see docs/settings.md and docs/dicom.md.
    """
    # This process becomes the listener: the intake is a door, which no other part imports.
    os.execv(sys.executable, [sys.executable, "-m", "services.intake.storage_scp"])  # noqa: S606
