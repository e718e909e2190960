# SPDX-License-Identifier: Apache-2.0
"""The connection on which messages about jobs come."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import redis


class EventConnection:
    """The connection of a hub, with the time of the last answer."""

    def __init__(self, client: redis.Redis, silence_seconds: float) -> None:
        """Open the connection.

        Args:
            client: a client for this connection alone.
            silence_seconds: time of silence after which the connection is tested, and then again counts as lost.
        """
        self._client: Any = client
        self._silence_seconds = silence_seconds
        self._connection: Any = client.connection_pool.get_connection()
        self._heard_at = time.monotonic()
        self._asked_at: float | None = None

    def send(self, command: str, channels: list[str]) -> None:
        """Send a command with channels, unless there are none."""
        if channels:
            self._connection.send_command(command, *channels, check_health=False)
            self._asked_at = self._asked_at or time.monotonic()

    def messages(self) -> Iterator[object]:
        """Yield the messages that have arrived, then check that Redis still answers."""
        while self._connection.can_read(timeout=0):
            try:
                message = self._connection.read_response(push_request=True)
            except redis.ResponseError as exc:
                message = exc
            self._heard_at, self._asked_at = time.monotonic(), None
            yield message
        now = time.monotonic()
        if self._asked_at is not None and now - self._asked_at >= self._silence_seconds:
            raise redis.TimeoutError(f"no answer for {now - self._asked_at:.0f} s")
        if self._asked_at is None and now - self._heard_at >= self._silence_seconds:
            self._connection.send_command("PING", check_health=False)
            self._asked_at = now

    def sleep(self, woken: socket.socket, idle: float) -> None:
        """Sleep until the hub has something to do.

        There is a message, the hub is woken, or the connection has to be checked.

        Args:
            woken: the socket that wakes the hub.
            idle: the longest time, in seconds.
        """
        since = self._heard_at if self._asked_at is None else self._asked_at
        sleep(woken, min(idle, since + self._silence_seconds - time.monotonic()), self._connection._sock)

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()
        self._client.close()


def sleep(woken: socket.socket, seconds: float, *others: Any) -> None:
    """Sleep until the hub is woken or a socket can be read.

    Args:
        woken: the socket that wakes the hub.
        seconds: the longest time.
        others: the other sockets.
    """
    poll = select.poll()
    for each in (woken, *others):
        poll.register(each, select.POLLIN)
    poll.poll(max(seconds, 0.0) * 1000)
    with suppress(BlockingIOError):
        woken.recv(4096)
