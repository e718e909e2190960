# SPDX-License-Identifier: Apache-2.0
"""Real Redis servers and real worker processes that end with a test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import redis
from network import Host
from waiting import until

import qfleet.local.server
from qfleet import FleetProvider
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import ShardField


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def redis_program() -> str:
    """Return the path of the server that a local fleet starts."""
    return qfleet.local.server.find_server()[1]


@contextmanager
def process(arguments: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, and kill its whole group at the end."""
    with log.open("wb") as output:
        started = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | environment,
            start_new_session=True,
        )
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


@contextmanager
def redis_server(*options: str, port: int | None = None, client: dict[str, object] | None = None) -> Iterator[int]:
    """Run a real server that keeps nothing, and yield its port.

    Args:
        options: options of the server's command line.
        port: the port; by default a free one.
        client: options beside the port with which a client reaches the server.
    """
    port = port or free_port()
    folder = Path(tempfile.mkdtemp(prefix="qfleet-test-"))
    arguments = [redis_program(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    try:
        with process([*arguments, *options], folder / "log") as server:
            probe = redis.Redis(**{"port": port, "socket_timeout": 5} | (client or {}))  # type: ignore[arg-type]

            def answers() -> bool:
                if server.poll() is not None:
                    raise AssertionError(f"redis-server ended: {(folder / 'log').read_text()}")
                with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
                    return bool(probe.ping())
                return False

            with probe:
                until(answers, "redis-server answers")
            yield port
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Worker:
    """A running worker process."""

    process: subprocess.Popen[bytes]
    name: str
    log: Path

    def children(self) -> list[psutil.Process]:
        """Return the processes of the worker's pool."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def is_alive(self) -> bool:
        """Tell whether the worker still runs."""
        return self.process.poll() is None

    def lose_machine(self) -> None:
        """Kill all its processes at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def worker(
    url: str,
    log: Path,
    *,
    program: tuple[str, ...] = ("-m", "qfleet_worker"),
    host: Host | None = None,
    seen_at: str = "",
    **settings: str,
) -> Iterator[Worker]:
    """Run a worker, and yield it when it takes tasks.

    Args:
        url: the fleet's Redis.
        log: the file for the worker's output.
        program: Python's arguments, by default as a user starts a worker.
        host: the host that it runs in; by default it is this machine.
        seen_at: the url by which this process reaches the Redis, if it is another one.
        settings: the variables of the worker's environment.
    """
    environment = {"QFLEET_URL": url, "QFLEET_CONCURRENCY": "1", "QFLEET_LOG_LEVEL": "INFO"} | settings
    command = [sys.executable, *program]
    with (
        FleetProvider(seen_at or url) as provider,
        process(host.command(*command) if host else command, log, **environment) as started,
    ):

        def name_shown() -> str | None:
            if started.poll() is not None:
                raise AssertionError(f"the worker ended: {log.read_text()}")
            return next((shown.name for shown in provider.workers() if shown.process_id == started.pid), None)

        yield Worker(started, until(name_shown, "the worker takes tasks"), log)


def shard_field(client: redis.Redis, job_id: str, index: int, field: str) -> str | None:
    """Return a shard's field in the ledger, such as ``state`` or ``owner``."""
    return shard_fields(client, job_id, index, field)[0]


def shard_fields(client: redis.Redis, job_id: str, index: int, *fields: str) -> list[str | None]:
    """Return several fields of a shard from one read."""
    values = client.hmget(keys.shards(job_id), [ShardField.of(index, field) for field in fields])
    assert isinstance(values, list)
    return [None if value is None else value.decode() for value in values]


#: Core seconds by which a process is known to compute: more than it takes to end another shard.
_BUSY_SECONDS = 0.15


def owner_process(client: redis.Redis, job_id: str, index: int = 0) -> psutil.Process:
    """Return the process that runs a shard.

    The ledger names the worker's main process. The process in its pool that computes is meant.
    """
    owner = until(lambda: shard_field(client, job_id, index, "owner"), "the shard was taken")
    main = psutil.Process(int(owner.split("/")[1]))
    program = main.cmdline()
    if main.parent().cmdline() == program:
        return main  # of a shard that a message named: a process of the pool claimed it
    before: dict[psutil.Process, float] = {}

    def busy() -> psutil.Process | None:
        pool = [child for child in main.children() if _is_at_work(child, program)]
        for child in pool:
            before.setdefault(child, child.cpu_times().user)
        return next((child for child in pool if child.cpu_times().user > before[child] + _BUSY_SECONDS), None)

    return until(busy, "a process of the pool computes")


def _is_at_work(child: psutil.Process, program: list[str]) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return child.cmdline() == program and child.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    return False


def is_dead(process: psutil.Process) -> bool:
    """Tell whether a process has ended, noticed by its parent or not."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def left_behind(scratch: Path) -> list[object]:
    """Return the contents of a temporary folder, and its processes."""
    left: list[object] = list(scratch.iterdir())
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("TMPDIR", "").startswith(str(scratch)):
                left.append(process)
    return left


def keys_with(client: redis.Redis, text: str) -> list[str]:
    """Return all keys of the database whose names contain a text."""
    return sorted(key.decode() for key in client.scan_iter(match=f"*{text}*", count=1000))
