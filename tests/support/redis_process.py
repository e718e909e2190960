# SPDX-License-Identifier: Apache-2.0
"""A real Redis that tests can kill, freeze and start again.

It starts again on its port with its stored data.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import redis
from network import Host
from processes import free_port, redis_program
from waiting import until

#: Every write is on the disk before it is answered.
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


class RedisProcess:
    """A server with its own folder, not started yet.

    Args:
        folder: the folder; its path is short, since that of a unix socket is limited.
        options: options of the server's command line.
        port: the port; by default a free one.
        host: the host that it runs in; by default it is this machine.
    """

    def __init__(
        self, folder: Path, options: Sequence[str] = DURABLE, port: int | None = None, host: Host | None = None
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._options = options
        self._host = host
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the url for workers and clients."""
        return f"redis://{self._host.address if self._host else '127.0.0.1'}:{self.port}/0"

    @property
    def socket_url(self) -> str:
        """Return the url of the unix socket, which needs no network."""
        return f"redis+socket://{self._socket}"

    @property
    def _socket(self) -> Path:
        return self.folder / "redis.sock"

    def client(self) -> redis.Redis:
        """Return a new client, which the caller must close."""
        return self._client(60)

    def _client(self, timeout: float) -> redis.Redis:
        if self._host:
            return redis.Redis(unix_socket_path=str(self._socket), socket_timeout=timeout)
        return redis.Redis(port=self.port, socket_timeout=timeout)

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        bind = ["--bind", "127.0.0.1"]
        if self._host:
            bind = ["--bind", self._host.address, "--protected-mode", "no", "--unixsocket", str(self._socket)]
        arguments = [redis_program(), "--port", str(self.port), *bind, "--dir", str(self.folder), "--save", ""]
        command = [*arguments, *self._options]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                self._host.command(*command) if self._host else command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._process = process

        def answers() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"redis-server ended: {(self.folder / 'log').read_text()}")
            # It refuses with a ResponseError while it reads its data.
            with contextlib.suppress(redis.RedisError):
                return bool(probe.ping())
            return False

        with self._client(1) as probe:
            until(answers, "redis-server answers")

    def kill(self) -> None:
        """Kill the server, as a loss of power would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def freeze(self) -> None:
        """Stop the process by SIGSTOP, with all its connections open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the frozen process continue."""
        self._signal(signal.SIGCONT)

    def _signal(self, sign: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(sign)
