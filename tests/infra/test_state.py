"""Ports and secrets are chosen once; one supervisor holds a folder."""

import json
import os
import stat
from pathlib import Path

import pytest

from infra.local.errors import StateFolderBusy
from infra.local.state import GRPC_OFFSET, PORT_NAMES, StateFolder, write_private


def test_it_makes_the_same_choices_at_every_start(tmp_path: Path) -> None:
    assert StateFolder(tmp_path).choices() == StateFolder(tmp_path).choices()


def test_it_keeps_secrets_from_other_users(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "new")
    state.choices()
    assert stat.S_IMODE(state.choices_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.root.stat().st_mode) == 0o700


def test_it_never_widens_the_mode_of_a_rewritten_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    write_private(file, "one")
    write_private(file, "two")
    assert file.read_text() == "two"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_gives_every_server_a_port_of_its_own_also_for_grpc(tmp_path: Path) -> None:
    ports = StateFolder(tmp_path).choices().ports
    own = set(ports.values())
    assert len(own) == len(PORT_NAMES)
    assert own.isdisjoint({port + GRPC_OFFSET for port in own})


def test_it_makes_a_new_choice_only_for_a_removed_port(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    before = state.choices()
    stored = json.loads(state.choices_file.read_text())
    del stored["ports"]["valkey"]
    write_private(state.choices_file, json.dumps(stored))
    after = state.choices()
    assert after.secrets == before.secrets
    assert {name: port for name, port in after.ports.items() if name != "valkey"} == {
        name: port for name, port in before.ports.items() if name != "valkey"
    }


def test_it_gives_no_two_folders_the_same_secret(tmp_path: Path) -> None:
    first, second = (StateFolder(tmp_path / name).choices().secrets for name in ("first", "second"))
    assert set(first.values()).isdisjoint(second.values())


def test_it_refuses_a_folder_that_another_supervisor_holds(tmp_path: Path) -> None:
    holder = StateFolder(tmp_path)
    holder.lock()
    with pytest.raises(StateFolderBusy, match=f"process id {os.getpid()}"):
        StateFolder(tmp_path).lock()
    assert holder.is_locked()
    holder.unlock()
    assert not holder.is_locked()


def test_it_lets_the_next_supervisor_in(tmp_path: Path) -> None:
    first, second = StateFolder(tmp_path), StateFolder(tmp_path)
    first.lock()
    first.unlock()
    second.lock()
    assert second.holder() == os.getpid()
    second.unlock()
