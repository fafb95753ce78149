"""The local Valkey: the broker of the doorbells. Its loss costs delay, never work."""

import functools
import shutil
from pathlib import Path

import redis

from infra.local import binaries
from infra.local.programs import Program
from infra.local.state import Choices, StateFolder, write_private

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {data}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
logfile ""
"""


def url(choices: Choices) -> str:
    """The broker's address."""
    return f"redis://:{choices.secrets['valkey']}@127.0.0.1:{choices.ports['valkey']}/0"


def program(state: StateFolder, choices: Choices) -> Program:
    """Write the configuration (a password on the command line would show in `ps`) and describe the server."""
    folder = state.data("valkey")
    data, configuration = folder / "data", folder / "valkey.conf"
    data.mkdir(exist_ok=True)
    text = CONFIGURATION.format(port=choices.ports["valkey"], password=choices.secrets["valkey"], data=f'"{data}"')
    write_private(configuration, text)
    return Program(
        name="valkey",
        command=(str(binaries.valkey_server()), str(configuration)),
        log=state.log("valkey"),
        directory=folder,
        ports=(choices.ports["valkey"],),
        ready=functools.partial(answers, choices),
        wipe=functools.partial(_wipe, data),
    )


def answers(choices: Choices) -> bool:
    """Whether a signed-in PING is answered; not while the append-only file is still being read."""
    try:
        with redis.Redis.from_url(url(choices), socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _wipe(data: Path) -> None:
    shutil.rmtree(data)
    data.mkdir()
