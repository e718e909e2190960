# SPDX-License-Identifier: Apache-2.0
"""The event hub: one thread that receives messages about all jobs.

Only that thread uses the hub's one connection, which may be TLS. It starts with the first listener, and ends after a
time without listeners.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import redis

from qfleet.ledger.listener import MOVED, READ, Listener

#: See `EventHub`.
IDLE_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 10.0
#: The first and the longest pause between two attempts to connect.
_PAUSES_SECONDS: Final = (0.05, 1.0)


class EventHub:
    """The receiver of messages about jobs for a process's listeners.

    It has one connection for all of them.
    """

    def __init__(
        self,
        connect: Callable[[], redis.Redis],
        *,
        silence_seconds: float = SILENCE_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """Make a hub that isn't connected yet.

        Args:
            connect: makes a separate client for the hub.
            silence_seconds: time of silence after which a connection is tested, and then again counts as lost.
            idle_seconds: time without a listener after which the connection is closed and the thread ends.
        """
        self._connect = connect
        self._silence_seconds = silence_seconds
        self._idle_seconds = idle_seconds
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Listener]] = {}
        self._number = 0
        #: the channels that are subscribed to, confirmed or not
        self._subscribed: set[str] = set()
        self._confirmed: set[str] = set()
        #: the number of confirmations of each channel that haven't arrived yet
        self._asked: dict[str, int] = {}
        #: the channels that got their first listener, or lost their last, since the thread last looked
        self._changed: set[str] = set()
        self._thread: threading.Thread | None = None
        self._waker: socket.socket | None = None
        self.closed = False

    @property
    def number_of_listeners(self) -> int:
        """Return the number of listeners of all jobs."""
        return self._number

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Wake a listener in a block at each message about its job.

        It is also woken when the hub is closed. No message is missed when `Listener.confirmed` is true.
        """
        try:
            self._add(listener)
            yield
        finally:
            self._remove(listener)

    def close(self) -> None:
        """End the thread and its connection, and wake every listener."""
        with self._lock:
            self.closed = True
            for listener in self._all():
                listener.tell(READ)
            thread = self._thread
            self._wake()
        if thread is not None and thread is not threading.current_thread():
            # A thread that connects to a silent Redis can't end yet; it ends later.
            thread.join(1.0)

    def _add(self, listener: Listener) -> None:
        with self._lock:
            if self.closed:
                listener.tell(READ)
                return
            self._listeners.setdefault(listener.channel, []).append(listener)
            self._number += 1
            if listener.channel in self._confirmed:
                listener.confirm()
                return
            self._changed.add(listener.channel)
            if self._thread is None:
                self._waker, woken = socket.socketpair()
                # Neither blocks: a full buffer wakes the thread too, and the thread needs the lock to empty it.
                self._waker.setblocking(False)
                woken.setblocking(False)
                self._thread = threading.Thread(target=self._run, args=(woken,), name="qfleet-hub", daemon=True)
                self._thread.start()
            else:
                self._wake()

    def _remove(self, listener: Listener) -> None:
        if self._pid != os.getpid():  # a thread of the parent may hold the lock forever
            return
        with self._lock:
            own = self._listeners.get(listener.channel, [])
            if listener not in own:  # the hub was closed, or Ctrl-C came, before it was added
                return
            own.remove(listener)
            self._number -= 1
            if not own:
                # The thread unsubscribes later: there are no messages about a job that has ended.
                del self._listeners[listener.channel]
                self._changed.add(listener.channel)

    def _all(self) -> list[Listener]:
        return [listener for own in self._listeners.values() for listener in own]

    def _wake(self) -> None:
        if self._waker is not None:
            with suppress(OSError):
                self._waker.send(b"\0")

    # --- In the hub's thread ---

    def _run(self, woken: socket.socket) -> None:
        connection: _EventConnection | None = None
        attempt_at, pause, idle_since = 0.0, _PAUSES_SECONDS[0], time.monotonic()
        try:
            while True:
                now = time.monotonic()
                with self._lock:
                    if self._listeners:
                        idle_since = now
                    if self.closed or now - idle_since >= self._idle_seconds:
                        self._forget()
                        return
                    wanted = bool(self._listeners)
                try:
                    if connection is None and wanted and now >= attempt_at:
                        connection = _EventConnection(self._connect(), self._silence_seconds)
                        pause = _PAUSES_SECONDS[0]
                    if connection is not None:
                        self._converse(connection)
                except (redis.RedisError, OSError) as exc:
                    if connection is not None:
                        connection.close()
                        connection = None
                    self._lost(exc)
                    attempt_at = time.monotonic() + pause
                    pause = min(2 * pause, _PAUSES_SECONDS[1])
                    continue
                if connection is not None:
                    connection.sleep(woken, idle_since + self._idle_seconds - now)
                else:
                    _sleep(woken, (attempt_at if wanted else idle_since + self._idle_seconds) - now)
        except BaseException:
            with self._lock:
                self._forget()
            raise
        finally:
            if connection is not None:
                connection.close()
            woken.close()

    def _forget(self) -> None:
        """Forget the thread, so that the next listener starts another one.

        The caller holds the lock.
        """
        self._thread = None
        if self._waker is not None:
            self._waker.close()
        self._waker = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Forget all subscriptions. The caller holds the lock."""
        self._subscribed.clear()
        self._confirmed.clear()
        self._asked.clear()
        self._changed = set(self._listeners)

    def _lost(self, error: Exception) -> None:
        """Wake all listeners after the connection is lost.

        Those without a confirmed channel get the error.
        """
        with self._lock:
            for listener in self._all():
                if not listener.confirmed:
                    listener.error = error
                listener.tell(READ)
            self._begin_anew()

    def _converse(self, connection: _EventConnection) -> None:
        with self._lock:
            new = [channel for channel in self._changed - self._subscribed if channel in self._listeners]
            left = [channel for channel in self._changed & self._subscribed if channel not in self._listeners]
            self._changed.clear()
            self._confirmed.difference_update(left)
            self._subscribed.difference_update(left)
            self._subscribed.update(new)
            for channel in new:
                self._asked[channel] = self._asked.get(channel, 0) + 1
        connection.send("UNSUBSCRIBE", left)
        connection.send("SUBSCRIBE", new)
        for message in connection.messages():
            if isinstance(message, redis.ResponseError):
                self._refused(message)
            elif isinstance(message, list) and len(message) == 3:
                self._heard(*message)

    def _heard(self, kind: bytes, name: bytes, data: object) -> None:
        channel = name.decode()
        with self._lock:
            own = self._listeners.get(channel, ())
            if kind == b"subscribe":
                left = self._asked.pop(channel, 1) - 1
                if left:
                    self._asked[channel] = left  # it was unsubscribed and subscribed again
                    return
                if own:
                    self._confirmed.add(channel)
                for listener in own:
                    listener.confirm()
            elif kind == b"message":
                for listener in own:
                    listener.tell(READ if data == b"ended" else MOVED)

    def _refused(self, error: redis.ResponseError) -> None:
        """Pass an error to all listeners without a confirmed channel.

        The answer doesn't name the channel, so any of them may be concerned.
        """
        with self._lock:
            for channel in self._asked:
                for listener in self._listeners.get(channel, ()):
                    listener.error = error
                    listener.tell(READ)
            self._subscribed.difference_update(self._asked)
            self._asked.clear()


class _EventConnection:
    """The connection of a hub, with the time of the last answer."""

    def __init__(self, client: redis.Redis, silence_seconds: float) -> None:
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
        _sleep(woken, min(idle, since + self._silence_seconds - time.monotonic()), self._connection._sock)

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()
        self._client.close()


def _sleep(woken: socket.socket, seconds: float, *others: Any) -> None:
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
