# SPDX-License-Identifier: Apache-2.0
"""The event hub: one thread that receives messages about all jobs.

Only that thread uses the hub's one connection, which may be TLS. It starts with the first listener, and ends after a
long time without listeners.

All jobs that this process sends have one channel, the client's. So none needs a subscription of its own, and a message
is heard that comes before anybody waits. A job of another process has a channel that is subscribed to while it is
waited for.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Final
from weakref import WeakValueDictionary

import redis

from qfleet.ledger.event_connection import EventConnection, sleep
from qfleet.ledger.listener import MOVED, READ, Listener
from qfleet.ledger.ticket import Ticket
from qfleet.wire.redis import keys

#: See `EventHub`.
IDLE_SECONDS: Final = 300.0
SILENCE_SECONDS: Final = 10.0
#: The time without a listener after which messages are read only now and then, and the time between two reads: each
#: read takes the interpreter from the thread that sends jobs.
_ALERT_SECONDS: Final = 0.05
_DOZE_SECONDS: Final = 1.0
#: The first and the longest pause between two attempts to connect.
_PAUSES_SECONDS: Final = (0.05, 1.0)


class EventHub:
    """The receiver of messages about jobs for a process's listeners.

    It has one connection for all of them.
    """

    def __init__(
        self,
        connect: Callable[[], redis.Redis],
        tenant: str = "",
        *,
        silence_seconds: float = SILENCE_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """Make a hub that isn't connected yet.

        Args:
            connect: makes a separate client for the hub.
            tenant: the tenant that this client's jobs belong to.
            silence_seconds: time of silence after which a connection is tested, and then again counts as lost.
            idle_seconds: time without a listener after which the connection is closed and the thread ends.
        """
        self._connect = connect
        self._silence_seconds = silence_seconds
        self._idle_seconds = idle_seconds
        self._pid = os.getpid()
        self._lock = threading.Lock()
        #: the name under which jobs know this client
        self.name: Final = uuid.uuid4().hex
        self._own_channel: Final = keys.client(tenant, self.name)
        #: by the job, if this process sent it; else by the job's channel
        self._listeners: dict[str, list[Listener]] = {}
        self._number = 0
        self._tickets: WeakValueDictionary[str, Ticket] = WeakValueDictionary()
        #: True if the thread reads messages as they come
        self._is_alert = False
        #: the channels that are subscribed to, confirmed or not
        self._subscribed: set[str] = set()
        self._confirmed: set[str] = set()
        #: the number of confirmations of each channel that haven't arrived yet
        self._asked: dict[str, int] = {}
        #: the channels that got their first listener, or lost their last, since the thread last looked
        self._changed: set[str] = {self._own_channel}
        self._thread: threading.Thread | None = None
        self._waker: socket.socket | None = None
        self.closed = False

    @property
    def number_of_listeners(self) -> int:
        """Return the number of listeners of all jobs."""
        return self._number

    def expect(self, job_id: str) -> Ticket:
        """Return the ticket of a job that is about to be sent."""
        with self._lock:
            ticket = self._tickets[job_id] = Ticket(job_id, is_sure=self._own_channel in self._confirmed)
        return ticket

    def is_silent(self, ticket: Ticket) -> bool:
        """Tell whether a job can't have ended, since no message said so.

        Args:
            ticket: the job's ticket, perhaps of another hub.
        """
        has_shards = ticket.stored is not None and not ticket.stored.is_final
        return self._tickets.get(ticket.job_id) is ticket and ticket.is_sure and not ticket.is_told and has_shards

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
            if listener.job_id in self._tickets:
                listener.is_own, listener.channel = True, self._own_channel
            self._listeners.setdefault(_place(listener), []).append(listener)
            self._number += 1
            if listener.channel in self._confirmed:
                listener.confirm()
                if self._is_alert:
                    return
            else:
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
            place = _place(listener)
            own = self._listeners.get(place, [])
            if listener not in own:  # the hub was closed, or Ctrl-C came, before it was added
                return
            own.remove(listener)
            self._number -= 1
            if not own:
                # The thread unsubscribes later: there are no messages about a job that has ended.
                del self._listeners[place]
                self._changed.add(listener.channel)

    def _all(self) -> list[Listener]:
        return [listener for own in self._listeners.values() for listener in own]

    def _on(self, channel: str) -> Collection[Listener]:
        """Return the listeners to a channel. The caller holds the lock."""
        if channel == self._own_channel:
            return [listener for listener in self._all() if listener.is_own]
        return self._listeners.get(channel, ())

    def _is_wanted(self, channel: str) -> bool:
        return channel == self._own_channel or channel in self._listeners

    def _wake(self) -> None:
        if self._waker is not None:
            with suppress(OSError):
                self._waker.send(b"\0")

    # --- In the hub's thread ---

    def _run(self, woken: socket.socket) -> None:
        connection: EventConnection | None = None
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
                    self._is_alert = connection is not None and now - idle_since < _ALERT_SECONDS
                try:
                    if connection is None and wanted and now >= attempt_at:
                        connection = EventConnection(self._connect(), self._silence_seconds)
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
                if connection is None:
                    sleep(woken, (attempt_at if wanted else idle_since + self._idle_seconds) - now)
                else:
                    self._rest(woken, connection, now - idle_since)
        except BaseException:
            with self._lock:
                self._forget()
            raise
        finally:
            if connection is not None:
                connection.close()
            woken.close()

    def _rest(self, woken: socket.socket, connection: EventConnection, idle: float) -> None:
        """Sleep until the hub has something to do.

        Args:
            woken: the socket that wakes the hub.
            connection: the connection.
            idle: seconds since the last listener left; 0 if there are some.
        """
        left = self._idle_seconds - idle
        if not idle:
            connection.sleep(woken, left)
        elif idle < _ALERT_SECONDS:
            connection.sleep(woken, min(left, _ALERT_SECONDS - idle))
        else:
            sleep(woken, min(left, _DOZE_SECONDS))

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
        self._changed = {self._own_channel} | {listener.channel for listener in self._all()}
        for ticket in self._tickets.values():
            ticket.is_sure = False

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

    def _converse(self, connection: EventConnection) -> None:
        with self._lock:
            new = [channel for channel in self._changed - self._subscribed if self._is_wanted(channel)]
            left = [channel for channel in self._changed & self._subscribed if not self._is_wanted(channel)]
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
            if kind == b"subscribe":
                left = self._asked.pop(channel, 1) - 1
                if left:
                    self._asked[channel] = left  # it was unsubscribed and subscribed again
                    return
                if self._is_wanted(channel):
                    self._confirmed.add(channel)
                for listener in self._on(channel):
                    listener.confirm()
            elif kind == b"message" and isinstance(data, bytes):
                self._tell(channel, data)

    def _tell(self, channel: str, message: bytes) -> None:
        """Pass a message on. The caller holds the lock.

        Args:
            channel: the channel that it came on.
            message: ``moved`` or ``ended``. On this client's channel the job follows, and perhaps its end.
        """
        what, _, rest = message.partition(b" ")
        place = channel
        if channel == self._own_channel:
            job, _, end = rest.partition(b" ")
            place = job.decode(errors="replace")
            ticket = self._tickets.get(place)
            if what == b"ended" and ticket is not None:
                ticket.tell(end)
        for listener in self._listeners.get(place, ()):
            listener.tell(READ if what == b"ended" else MOVED)

    def _refused(self, error: redis.ResponseError) -> None:
        """Pass an error to all listeners without a confirmed channel.

        The answer doesn't name the channel, so any of them may be concerned.
        """
        with self._lock:
            for channel in self._asked:
                for listener in self._on(channel):
                    listener.error = error
                    listener.tell(READ)
            self._subscribed.difference_update(self._asked)
            self._asked.clear()


def _place(listener: Listener) -> str:
    return listener.job_id if listener.is_own else listener.channel
