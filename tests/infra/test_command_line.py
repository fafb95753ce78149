"""`python -m infra.local` as a person uses it."""

import json
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

from infra.local.applications import ROOT
from infra.local.state import StateFolder


def stack_command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "infra.local", *(str(word) for word in words)]


def run(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(stack_command(*words), cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def wait_for_line(process: "subprocess.Popen[str]", start: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(start):
            return line
    raise AssertionError(f"no line that starts with {start!r}")


def test_run_gives_a_command_the_settings_and_exits_with_its_status(tmp_path: Path) -> None:
    script = "import os, sys; print(os.environ['DERMATRAIL_DATABASE_URL']); sys.exit(7)"
    done = run("run", "--state", tmp_path, "--role", "worker", "--", sys.executable, "-c", script)
    assert done.returncode == 7, done.stderr
    assert done.stdout.startswith("postgresql+psycopg2://worker:")
    assert not StateFolder(tmp_path).is_locked()
    shown = run("env", "--state", tmp_path, "--role", "worker").stdout
    assert f"export DERMATRAIL_DATABASE_URL={done.stdout.strip()}" in shown


def test_env_says_what_to_do_where_no_stack_was_started(tmp_path: Path) -> None:
    done = run("env", "--state", tmp_path)
    assert done.returncode == 1
    assert "start one with `python -m infra.local up`" in done.stderr
    assert "Traceback" not in done.stderr


def test_down_is_content_where_nothing_runs(tmp_path: Path) -> None:
    done = run("down", "--state", tmp_path)
    assert done.returncode == 0
    assert "nothing runs" in done.stderr


def test_down_stops_a_stack_of_another_terminal(tmp_path: Path) -> None:
    running = subprocess.Popen(stack_command("run", "--state", tmp_path, "--", "sleep", "60"), cwd=ROOT, stderr=subprocess.DEVNULL)
    state = StateFolder(tmp_path)
    while not state.record_file.exists():
        assert running.poll() is None
        time.sleep(0.05)
    assert run("down", "--state", tmp_path).returncode == 0
    assert running.wait(30) == 128 + signal.SIGTERM
    assert not state.is_locked()


def test_up_prints_how_to_get_in_and_stops_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    up = subprocess.Popen(
        stack_command("up", "--state", tmp_path),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        dashboard = wait_for_line(up, "dashboard")
        intake = wait_for_line(up, "intake")
    finally:
        up.send_signal(signal.SIGINT)
        _, errors = up.communicate(timeout=120)
    assert up.returncode == 0, errors
    access = json.loads((tmp_path / "access.json").read_text())
    assert stat.S_IMODE((tmp_path / "access.json").stat().st_mode) == 0o600
    assert access["email"] in dashboard
    assert access["password"] in dashboard
    assert access["api_key"] in intake
    assert not StateFolder(tmp_path).is_locked()
    assert not StateFolder(tmp_path).record_file.exists()
