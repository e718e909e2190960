# SPDX-License-Identifier: Apache-2.0
"""One subscription for all waits of a client: a thread hears of the moves of jobs, and wakes their listeners.

Only that thread touches the connection, which may be TLS. It starts with the first listener, and ends when there has
been none for a while.
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

#: The connection is closed, and the thread ends, after this long without a listener.
IDLE_SECONDS: Final = 10.0
#: A connection that is silent for this long is asked for an answer, and is lost if there is none for as long again.
SILENCE_SECONDS: Final = 10.0
#: Between two attempts to connect: the first pause, and the longest.
_PAUSES_SECONDS: Final = (0.05, 1.0)


class Hub:
    """Hears of the moves of jobs, on one connection, for all listeners of a process."""

    def __init__(self, connect: Callable[[], redis.Redis]) -> None:
        """Make a hub that doesn't connect yet.

        Args:
            connect: makes a client of its own for the hub.
        """
        self._connect = connect
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Listener]] = {}
        self._number = 0
        #: channels that are subscribed to, confirmed or not
        self._subscribed: set[str] = set()
        self._confirmed: set[str] = set()
        #: how many confirmations of a channel are still to come
        self._asked: dict[str, int] = {}
        #: channels that have got their first listener, or lost their last, since the thread looked
        self._changed: set[str] = set()
        self._thread: threading.Thread | None = None
        self._poker: socket.socket | None = None
        self.closed = False

    @property
    def number_of_listeners(self) -> int:
        """Return the number of listeners of all jobs."""
        return self._number

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Wake a listener when its job moves, and when the hub is closed.

        Nothing is missed once `Listener.confirmed` is true.
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
            self._poke()
        if thread is not None and thread is not threading.current_thread():
            # It may be connecting to a Redis that doesn't answer; then it ends later, by itself.
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
                self._poker, poked = socket.socketpair()
                # Neither waits: a full buffer wakes the thread as well, which needs the lock to empty it.
                self._poker.setblocking(False)
                poked.setblocking(False)
                self._thread = threading.Thread(target=self._run, args=(poked,), name="qfleet-hub", daemon=True)
                self._thread.start()
            else:
                self._poke()

    def _remove(self, listener: Listener) -> None:
        if self._pid != os.getpid():  # the lock may be held by a thread of the parent, for ever
            return
        with self._lock:
            own = self._listeners.get(listener.channel, [])
            if listener not in own:  # the hub was closed, or Ctrl-C came, before it was there
                return
            own.remove(listener)
            self._number -= 1
            if not own:
                # Unsubscribed when the thread looks next: nothing comes on the channel of a job that has ended.
                del self._listeners[listener.channel]
                self._changed.add(listener.channel)

    def _all(self) -> list[Listener]:
        return [listener for own in self._listeners.values() for listener in own]

    def _poke(self) -> None:
        if self._poker is not None:
            with suppress(OSError):
                self._poker.send(b"\0")

    # --- In the hub's thread ---

    def _run(self, poked: socket.socket) -> None:
        link: _Link | None = None
        attempt_at, pause, idle_since = 0.0, _PAUSES_SECONDS[0], time.monotonic()
        try:
            while True:
                now = time.monotonic()
                with self._lock:
                    if self._listeners:
                        idle_since = now
                    if self.closed or now - idle_since >= IDLE_SECONDS:
                        self._forget()
                        return
                    wanted = bool(self._listeners)
                try:
                    if link is None and wanted and now >= attempt_at:
                        link = _Link(self._connect())
                        pause = _PAUSES_SECONDS[0]
                    if link is not None:
                        self._converse(link)
                except (redis.RedisError, OSError) as exc:
                    if link is not None:
                        link.close()
                        link = None
                    self._lost(exc)
                    attempt_at = time.monotonic() + pause
                    pause = min(2 * pause, _PAUSES_SECONDS[1])
                    continue
                if link is not None:
                    link.sleep(poked, idle_since + IDLE_SECONDS - now)
                else:
                    _sleep(poked, (attempt_at if wanted else idle_since + IDLE_SECONDS) - now)
        except BaseException:
            with self._lock:
                self._forget()
            raise
        finally:
            if link is not None:
                link.close()
            poked.close()

    def _forget(self) -> None:
        """Let the next listener start another thread. The caller holds the lock."""
        self._thread = None
        if self._poker is not None:
            self._poker.close()
        self._poker = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Forget all subscriptions. The caller holds the lock."""
        self._subscribed.clear()
        self._confirmed.clear()
        self._asked.clear()
        self._changed = set(self._listeners)

    def _lost(self, error: Exception) -> None:
        """Wake listeners with a confirmed channel, so that they read the ledger; let the others fail."""
        with self._lock:
            for listener in self._all():
                if not listener.confirmed:
                    listener.error = error
                listener.tell(READ)
            self._begin_anew()

    def _converse(self, link: _Link) -> None:
        with self._lock:
            new = [channel for channel in self._changed - self._subscribed if channel in self._listeners]
            left = [channel for channel in self._changed & self._subscribed if channel not in self._listeners]
            self._changed.clear()
            self._confirmed.difference_update(left)
            self._subscribed.difference_update(left)
            self._subscribed.update(new)
            for channel in new:
                self._asked[channel] = self._asked.get(channel, 0) + 1
        link.send("UNSUBSCRIBE", left)
        link.send("SUBSCRIBE", new)
        for message in link.messages():
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
                    self._asked[channel] = left  # it was left, and asked for again
                    return
                if own:
                    self._confirmed.add(channel)
                for listener in own:
                    listener.confirm()
            elif kind == b"message":
                for listener in own:
                    listener.tell(READ if data == b"ended" else MOVED)

    def _refused(self, error: redis.ResponseError) -> None:
        """Let all listeners without a confirmed channel fail: the answer doesn't name the channel."""
        with self._lock:
            for channel in self._asked:
                for listener in self._listeners.get(channel, ()):
                    listener.error = error
                    listener.tell(READ)
            self._subscribed.difference_update(self._asked)
            self._asked.clear()


class _Link:
    """The connection of a hub, and the time of the last answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._client: Any = client
        self._connection: Any = client.connection_pool.get_connection()
        self._heard_at = time.monotonic()
        self._asked_at: float | None = None

    def send(self, command: str, channels: list[str]) -> None:
        if channels:
            self._connection.send_command(command, *channels, check_health=False)
            self._asked_at = self._asked_at or time.monotonic()

    def messages(self) -> Iterator[object]:
        """Yield the messages that have come; then check that Redis still answers."""
        while self._connection.can_read(timeout=0):
            try:
                message = self._connection.read_response(push_request=True)
            except redis.ResponseError as exc:
                message = exc
            self._heard_at, self._asked_at = time.monotonic(), None
            yield message
        now = time.monotonic()
        if self._asked_at is not None and now - self._asked_at >= SILENCE_SECONDS:
            raise redis.TimeoutError(f"no answer for {now - self._asked_at:.0f} s")
        if self._asked_at is None and now - self._heard_at >= SILENCE_SECONDS:
            self._connection.send_command("PING", check_health=False)
            self._asked_at = now

    def sleep(self, poked: socket.socket, idle: float) -> None:
        since = self._heard_at if self._asked_at is None else self._asked_at
        _sleep(poked, min(idle, since + SILENCE_SECONDS - time.monotonic()), self._connection._sock)

    def close(self) -> None:
        self._connection.disconnect()
        self._client.close()


def _sleep(poked: socket.socket, seconds: float, *others: Any) -> None:
    """Sleep until the hub is poked, or one of the other sockets can be read."""
    poll = select.poll()
    for each in (poked, *others):
        poll.register(each, select.POLLIN)
    poll.poll(max(seconds, 0.0) * 1000)
    with suppress(BlockingIOError):
        poked.recv(4096)
