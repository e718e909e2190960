# SPDX-License-Identifier: Apache-2.0
"""A Redis of one's own, and what its commands cost it.

Times are processor time of the thread that runs commands, so other processes on the machine change them little.
"""

from __future__ import annotations

import hashlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import redis

from qfleet.local.server import find_server
from qfleet.wire.lua import Name, plain_script, script

_START_SECONDS = 20.0


@contextmanager
def own_redis(*, durable: bool = False) -> Iterator[int]:
    """Run a server on a free port, and yield the port.

    Args:
        durable: whether it writes an append-only file, as the server of a fleet should.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder = Path(tempfile.mkdtemp(prefix="qfleet-"))
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--loglevel", "warning"]
    options += ["--appendonly", "yes" if durable else "no"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [find_server()[1], *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(port, server)
        yield port
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with redis.Redis(port=port) as client:
        while server.poll() is None and time.monotonic() < deadline:
            with suppress(redis.ConnectionError):
                client.ping()
                return
            time.sleep(0.01)
    raise RuntimeError("the server doesn't start")


@dataclass(frozen=True, slots=True)
class Spent:
    """The cost of some commands to their Redis."""

    #: processor seconds of the thread that runs commands
    seconds: float
    #: the commands by their names, with those that scripts sent
    commands: Counter[str]
    #: the bytes read and written
    bytes: int


class Meter:
    """The measurement of a Redis, by a connection of its own."""

    def __init__(self, client: redis.Redis) -> None:
        self._client: Any = client
        self.start()

    def start(self) -> None:
        """Begin to measure."""
        self._begin = self._now()

    def stop(self) -> Spent:
        """Return the cost of the commands since the start."""
        (seconds, commands, moved), (was, before, bytes_before) = self._now(), self._begin
        return Spent(seconds - was, commands - before, moved - bytes_before)

    def seconds(self) -> float:
        """Return the processor seconds of the thread that runs commands."""
        used = self._client.info("cpu")
        names = "used_cpu_user_main_thread", "used_cpu_sys_main_thread"
        if names[0] not in used:  # before Redis 7
            names = "used_cpu_user", "used_cpu_sys"
        return sum(float(used[name]) for name in names)

    def _now(self) -> tuple[float, Counter[str], int]:
        calls = {
            name.removeprefix("cmdstat_"): values["calls"]
            for name, values in self._client.info("commandstats").items()
            if name != "cmdstat_info"
        }
        stats = self._client.info("stats")
        moved = int(stats["total_net_input_bytes"]) + int(stats["total_net_output_bytes"])
        return self.seconds(), Counter(calls), moved


@dataclass
class Commands:
    """The number and the time of a client's commands and scripts."""

    commands: int = 0
    seconds: float = 0.0
    #: the longest one
    name: str = ""
    longest: float = 0.0

    def add(self, name: str, seconds: float) -> None:
        """Count a command."""
        self.commands += 1
        self.seconds += seconds
        if seconds > self.longest:
            self.name, self.longest = name, seconds


class TimedRedis(redis.Redis):
    """A client that measures each of its commands by itself.

    The commands of a pipeline count as one.
    """

    def __init__(self, port: int) -> None:
        self._meter: Meter | None = None
        super().__init__(port=port)
        self._meter = Meter(redis.Redis(port=port))
        self.sent = Commands()

    def forget(self) -> None:
        """Forget the commands so far."""
        self.sent = Commands()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command."""
        if self._meter is None:
            return super().execute_command(*args, **options)
        before = self._meter.seconds()
        try:
            return super().execute_command(*args, **options)
        finally:
            self.sent.add(_name_of(args), self._meter.seconds() - before)

    def pipeline(self, *args: Any, **options: Any) -> Any:
        """Return a pipeline whose commands are measured together."""
        meter = self._meter
        assert meter is not None
        pipe = super().pipeline(*args, **options)
        run = pipe.execute

        def execute(*args: Any, **options: Any) -> Any:
            name = " ".join(dict.fromkeys(_name_of(command[0]) for command in pipe.command_stack))
            before = meter.seconds()
            try:
                return run(*args, **options)
            finally:
                self.sent.add(name, meter.seconds() - before)

        pipe.execute = execute
        return pipe


def _name_of(command: Sequence[Any]) -> str:
    return _SCRIPTS.get(str(command[1]), "a script") if command[0] in ("EVALSHA", "EVAL") else str(command[0])


def _sha(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


_SCRIPTS = {_sha(script(name)): f"{name}.lua" for kind in get_args(Name) for name in get_args(kind)} | {
    _sha(plain_script("show")): "show.lua"
}
