# SPDX-License-Identifier: Apache-2.0
"""Waits for jobs that survive outages of Redis."""

from __future__ import annotations

import asyncio
import math
import numbers
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from qfleet.errors import BrokerUnreachableError, FleetJobTimeoutError, InvalidOptionError
from qfleet.jobs.status import job_status
from qfleet.ledger import (
    Connection,
    CoroutineListener,
    EventHub,
    Ledger,
    Listener,
    Snapshot,
    ThreadListener,
    Ticket,
)
from qfleet.wire.redis import keys
from qfleet.wire.redis.references import id_of

#: The time between two reads of the ledger during a wait; messages may get lost.
READ_EVERY_SECONDS: Final = 2.0
#: The shortest time between two reads of the ledger.
LEAST_SECONDS: Final = 0.05
#: The shortest time between two reads of all waits of a client together, unless a message wakes them.
_SHARE_SECONDS: Final = 0.005
#: The longest outage of Redis that a wait survives.
OUTAGE_SECONDS: Final = 60.0
#: The first and the longest pause between two attempts to reach Redis.
_PAUSES_SECONDS: Final = (0.05, 1.0)

_Answer = TypeVar("_Answer")


class Deadline:
    """The end of one call's wait: by timeout or by outage.

    The wait ends also when an outage of Redis lasts longer than `OUTAGE_SECONDS`.

    Args:
        ref: the reference of the job that the call waits for.
        timeout: seconds from now; ``None`` for no end.
        outage_seconds: the longest outage of Redis that the wait survives.

    Raises:
        InvalidOptionError: ``timeout`` isn't a number.
    """

    def __init__(self, ref: str, timeout: float | None, *, outage_seconds: float = OUTAGE_SECONDS) -> None:
        self.ref = ref
        self.job_id = id_of(ref)
        self.timeout = None if timeout is None else seconds("timeout", timeout)
        self._deadline = math.inf if self.timeout is None else time.monotonic() + self.timeout
        self._outage_seconds = outage_seconds
        self._unreachable_since: float | None = None
        self._pause = _PAUSES_SECONDS[0]

    def left(self) -> float:
        """Return the seconds until the deadline; negative after it."""
        return self._deadline - time.monotonic()

    def answered(self) -> None:
        """Note that Redis has answered."""
        self._unreachable_since, self._pause = None, _PAUSES_SECONDS[0]

    def pause_after(self, error: BrokerUnreachableError) -> float:
        """Return the seconds to wait before Redis is asked again.

        Args:
            error: the error of the attempt that failed.

        Raises:
            FleetJobTimeoutError: the deadline is over.
            BrokerUnreachableError: the outage lasts too long.
        """
        now = time.monotonic()
        if self._unreachable_since is None:
            self._unreachable_since = now
        outage = now - self._unreachable_since
        left = self.left()
        if left <= 0:
            raise FleetJobTimeoutError(
                f"job {self.job_id} is not known to have ended within {self.timeout} s: {error}",
                job_id=self.job_id,
                timeout_seconds=self.timeout,
            ) from error
        if outage > self._outage_seconds:
            raise BrokerUnreachableError(
                f"Redis didn't come back within {outage:.0f} s; job {self.job_id} goes on without this client, "
                f"and provider.job({self.job_id!r}) finds it again. {error}",
                broker=error.broker,
                job_id=self.job_id,
            ) from error
        pause = min(self._pause, left)
        self._pause = min(2 * self._pause, _PAUSES_SECONDS[1])
        return pause

    def ask(self, connection: Connection, question: Callable[[Ledger], _Answer]) -> _Answer:
        """Return the ledger's answer, as soon as there is one.

        Args:
            connection: the connection to Redis.
            question: asks the ledger.

        Raises:
            FleetJobTimeoutError, BrokerError: see `pause_after`.
        """
        closings = connection.closings
        while True:
            try:
                with connection.ledger() as ledger:
                    answer = question(ledger)
            except BrokerUnreachableError as exc:
                if connection.closings != closings:
                    raise connection.closed_error() from exc
                time.sleep(self.pause_after(exc))
            else:
                self.answered()
                return answer


def watch(
    connection: Connection,
    deadline: Deadline,
    *,
    read_every: float = READ_EVERY_SECONDS,
    moves: bool = False,
    ticket: Ticket | None = None,
) -> Generator[Snapshot]:
    """Yield the job's state at each read, until it has ended.

    Args:
        connection: the connection to Redis.
        deadline: the end of the wait.
        read_every: seconds between two reads.
        moves: read after each move of a shard, and not only at the end of the job.
        ticket: the ticket of a job that this process sent. The ledger is read after a message, and not at all if the
            message holds the whole result.

    Raises:
        FleetJobTimeoutError: the job didn't end in time.
        BrokerUnreachableError: Redis didn't answer for too long, see `Deadline`.
        BrokerClosedError: the connection was closed in the meantime.
        JobNotFoundError, JobExpiredError: the job doesn't exist, or no longer exists.
    """
    closings = connection.closings
    while True:
        hub, listener = connection.hub, ThreadListener(deadline.ref, moves=moves)
        try:
            with hub.listening(listener):
                while not listener.confirmed and deadline.left() > 0:
                    listener.wait(deadline.left())
                    _check(connection, hub, listener)
                with connection.ledger() as ledger:
                    ledger.hear(deadline.ref, is_own=listener.is_own, moves=moves)
                listener.clear()
                if ticket is not None and hub.is_silent(ticket):
                    listener.wait(_until_first_read(deadline, hub, read_every))
                    _check(connection, hub, listener)
                while hub is connection.hub:  # a child process after fork() has its own
                    listener.clear()
                    snapshot = _told(ticket)
                    if snapshot is None:
                        with connection.ledger() as ledger:
                            snapshot = ledger.snapshot(deadline.ref)
                    deadline.answered()
                    yield snapshot
                    if snapshot.is_final:
                        return
                    listener.wait(_until_read(connection, deadline, snapshot, hub, read_every))
                    _check(connection, hub, listener)
        except BrokerUnreachableError as exc:
            if connection.closings != closings:
                raise connection.closed_error() from exc
            time.sleep(deadline.pause_after(exc))


async def ended(
    connection: Connection,
    deadline: Deadline,
    *,
    read_every: float = READ_EVERY_SECONDS,
    ticket: Ticket | None = None,
) -> Snapshot:
    """Return the job's final state when it has ended, for coroutines.

    Args:
        connection: the connection to Redis.
        deadline: the end of the wait.
        read_every: seconds between two reads of the ledger.
        ticket: see `watch`.

    Raises:
        FleetJobTimeoutError, BrokerError, JobNotFoundError, JobExpiredError: see `watch`.
    """
    loop = asyncio.get_running_loop()

    def read() -> Snapshot:
        with connection.ledger() as ledger:
            return ledger.snapshot(deadline.ref)

    def hear_end() -> None:
        with connection.ledger() as ledger:
            ledger.hear(deadline.ref, is_own=False, moves=False)

    closings = connection.closings
    while True:
        hub, listener = connection.hub, CoroutineListener(deadline.ref)
        try:
            with hub.listening(listener):
                while not listener.confirmed:
                    await listener.wait(deadline.left())
                    _check(connection, hub, listener)
                if not listener.is_own:
                    await loop.run_in_executor(connection.threads, hear_end)
                listener.clear()
                if ticket is not None and hub.is_silent(ticket):
                    await listener.wait(_until_first_read(deadline, hub, read_every))
                    _check(connection, hub, listener)
                while True:
                    listener.clear()
                    snapshot = _told(ticket)
                    if snapshot is None:
                        snapshot = await loop.run_in_executor(connection.threads, read)
                    deadline.answered()
                    if snapshot.is_final:
                        return snapshot
                    await listener.wait(_until_read(connection, deadline, snapshot, hub, read_every))
                    _check(connection, hub, listener)
        except BrokerUnreachableError as exc:
            if connection.closings != closings:
                raise connection.closed_error() from exc
            await asyncio.sleep(deadline.pause_after(exc))


def _told(ticket: Ticket | None) -> Snapshot | None:
    """Return the final state of a job that a message had.

    From now on, waits for the job read its state at once.
    """
    if ticket is None:
        return None
    ticket.is_sure = False
    end = ticket.end()
    return end.snapshot if end is not None else None


def _check(connection: Connection, hub: EventHub, listener: Listener) -> None:
    """Raise an error if a listener doesn't receive messages any more."""
    if hub.closed:
        raise connection.closed_error()
    connection.check(listener)


def _until_read(
    connection: Connection, deadline: Deadline, snapshot: Snapshot, hub: EventHub, read_every: float
) -> float:
    """Return the seconds until the next read of a running job.

    Raises:
        FleetJobTimeoutError: the deadline is over.
    """
    left = deadline.left()
    if left <= 0:
        raise FleetJobTimeoutError(
            _why_waiting(connection, deadline, snapshot), job_id=deadline.job_id, timeout_seconds=deadline.timeout
        )
    return min(pause_between_reads(read_every, hub.number_of_listeners), left)


def _until_first_read(deadline: Deadline, hub: EventHub, read_every: float) -> float:
    """Return the seconds until a silent job is read."""
    return min(pause_between_reads(read_every, hub.number_of_listeners), deadline.left())


def pause_between_reads(read_every: float, num_waits: int) -> float:
    """Return the seconds between two reads of the ledger by one wait.

    Args:
        read_every: seconds that the wait asks for.
        num_waits: number of waits of this client, which share Redis.
    """
    return max(read_every, LEAST_SECONDS, _SHARE_SECONDS * num_waits)


@contextmanager
def interruptible(job_id: str) -> Iterator[None]:
    """Add a note to Ctrl-C that the job goes on."""
    try:
        yield
    except KeyboardInterrupt as exc:
        exc.add_note(goes_on(job_id))
        raise


def goes_on(job_id: str) -> str:
    """Return a text that says how to find a job again."""
    return (
        f"Job {job_id} goes on: provider.job({job_id!r}) finds it again, job.cancel() or `qfleet cancel {job_id}` "
        "stops it."
    )


def seconds(name: str, value: object) -> float:
    """Return a number of seconds, checked.

    Args:
        name: the name of the argument.
        value: the value that was given.

    Raises:
        InvalidOptionError: it isn't a number.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or math.isnan(value):
        raise InvalidOptionError(f"{name}={value!r}: a number of seconds is needed", option=name, value=value)
    return float(value)


def _why_waiting(connection: Connection, deadline: Deadline, snapshot: Snapshot) -> str:
    fate = "is paused: resume() lets it go on" if snapshot.held == keys.PAUSED else "goes on"
    text = (
        f"job {deadline.job_id} did not end within {deadline.timeout} s; it is {job_status(snapshot.states).name} "
        f"with {snapshot.circuits_done} of {snapshot.circuits} circuits done, and {fate}"
    )
    with connection.ledger() as ledger:
        workers = ledger.workers()
    if not workers:
        text += f". No worker is up at {connection.broker}: start one with `qfleet worker --url ...`"
    return text
