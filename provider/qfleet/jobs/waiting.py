# SPDX-License-Identifier: Apache-2.0
"""How a client waits for a job, whatever happens to Redis meanwhile."""

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
from qfleet.ledger import Connection, CoroutineListener, Hub, Ledger, Listener, Snapshot, ThreadListener

#: While it waits for a message, a client reads the ledger so often: messages may get lost.
READ_EVERY_SECONDS: Final = 2.0
#: It never reads more often than this, whatever it is asked for.
LEAST_SECONDS: Final = 0.05
#: All waits of a client together read this often at most, unless they are woken.
_SHARE_SECONDS: Final = 0.005
#: A wait goes on while Redis doesn't answer for so long.
OUTAGE_SECONDS: Final = 60.0
#: Between two attempts to reach Redis: the first pause, and the longest.
_PAUSES_SECONDS: Final = (0.05, 1.0)

_Answer = TypeVar("_Answer")


class Patience:
    """For how long one call waits: until its timeout, and through any outage of Redis that isn't too long.

    Args:
        timeout: seconds from now; ``None`` has no end.

    Raises:
        InvalidOptionError: ``timeout`` isn't a number.
    """

    def __init__(self, job_id: str, timeout: float | None) -> None:
        self.job_id = job_id
        self.timeout = None if timeout is None else seconds("timeout", timeout)
        self._deadline = math.inf if self.timeout is None else time.monotonic() + self.timeout
        self._unreachable_since: float | None = None
        self._pause = _PAUSES_SECONDS[0]

    def left(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self._deadline - time.monotonic()

    def answered(self) -> None:
        """Redis has answered."""
        self._unreachable_since, self._pause = None, _PAUSES_SECONDS[0]

    def pause_after(self, error: BrokerUnreachableError) -> float:
        """Return the seconds to wait before Redis, which didn't answer, is asked again.

        Raises:
            FleetJobTimeoutError: the deadline is over.
            BrokerUnreachableError: the outage takes too long.
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
        if outage > OUTAGE_SECONDS:
            raise BrokerUnreachableError(
                f"waited {outage:.0f} s in vain for Redis to come back; job {self.job_id} goes on without this client, "
                f"and provider.job({self.job_id!r}) finds it again. {error}",
                broker=error.broker,
                job_id=self.job_id,
            ) from error
        pause = min(self._pause, left)
        self._pause = min(2 * self._pause, _PAUSES_SECONDS[1])
        return pause

    def ask(self, connection: Connection, question: Callable[[Ledger], _Answer]) -> _Answer:
        """Return what the ledger answers, once it does."""
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
    connection: Connection, patience: Patience, *, read_every: float = READ_EVERY_SECONDS, moves: bool = False
) -> Generator[Snapshot]:
    """Yield what each read of the ledger says, until the job has ended.

    The end of the job wakes it; with ``moves``, each move of a shard does, several at once as one.

    Raises:
        FleetJobTimeoutError: the job didn't end in time.
        BrokerUnreachableError: Redis didn't answer for `OUTAGE_SECONDS`.
        BrokerClosedError: the connection was closed meanwhile.
        JobNotFoundError, JobExpiredError: there is no such job, or no more.
    """
    closings = connection.closings
    while True:
        hub, listener = connection.hub, ThreadListener(patience.job_id, moves=moves)
        try:
            with hub.listening(listener):
                while not listener.confirmed and patience.left() > 0:
                    listener.wait(patience.left())
                    _check(connection, hub, listener)
                while hub is connection.hub:  # a child after fork() has its own
                    listener.clear()
                    with connection.ledger() as ledger:
                        snapshot = ledger.snapshot(patience.job_id)
                    patience.answered()
                    yield snapshot
                    if snapshot.is_final:
                        return
                    listener.wait(_until_read(connection, patience, snapshot, hub, read_every))
                    _check(connection, hub, listener)
        except BrokerUnreachableError as exc:
            if connection.closings != closings:
                raise connection.closed_error() from exc
            time.sleep(patience.pause_after(exc))


async def ended(connection: Connection, patience: Patience) -> Snapshot:
    """Return what the ledger says of the job once it has ended, for coroutines. Raises what `watch` does."""
    loop = asyncio.get_running_loop()

    def read() -> Snapshot:
        with connection.ledger() as ledger:
            return ledger.snapshot(patience.job_id)

    closings = connection.closings
    while True:
        hub, listener = connection.hub, CoroutineListener(patience.job_id)
        try:
            with hub.listening(listener):
                while not listener.confirmed:
                    await listener.wait(patience.left())
                    _check(connection, hub, listener)
                while True:
                    listener.clear()
                    snapshot = await loop.run_in_executor(connection.threads, read)
                    patience.answered()
                    if snapshot.is_final:
                        return snapshot
                    await listener.wait(_until_read(connection, patience, snapshot, hub, READ_EVERY_SECONDS))
                    _check(connection, hub, listener)
        except BrokerUnreachableError as exc:
            if connection.closings != closings:
                raise connection.closed_error() from exc
            await asyncio.sleep(patience.pause_after(exc))


def _check(connection: Connection, hub: Hub, listener: Listener) -> None:
    """Raise an error if a listener hears nothing any more."""
    if hub.closed:
        raise connection.closed_error()
    connection.check(listener)


def _until_read(connection: Connection, patience: Patience, snapshot: Snapshot, hub: Hub, read_every: float) -> float:
    """Return the seconds until the next read of a job that hasn't ended. Raises `FleetJobTimeoutError`."""
    left = patience.left()
    if left <= 0:
        raise FleetJobTimeoutError(
            _why_waiting(connection, patience, snapshot), job_id=patience.job_id, timeout_seconds=patience.timeout
        )
    return min(max(read_every, LEAST_SECONDS, _SHARE_SECONDS * hub.number_of_listeners), left)


@contextmanager
def interruptible(job_id: str) -> Iterator[None]:
    """Let Ctrl-C say that it ends the wait, and not the job."""
    try:
        yield
    except KeyboardInterrupt as exc:
        exc.add_note(goes_on(job_id))
        raise


def goes_on(job_id: str) -> str:
    """Return how to find a job that this process loses sight of."""
    return (
        f"Job {job_id} goes on: provider.job({job_id!r}) finds it again, job.cancel() or `qfleet cancel {job_id}` "
        "stops it."
    )


def seconds(name: str, value: object) -> float:
    """Return a number of seconds. Raises `InvalidOptionError`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or math.isnan(value):
        raise InvalidOptionError(f"{name}={value!r}: a number of seconds is needed", option=name, value=value)
    return float(value)


def _why_waiting(connection: Connection, patience: Patience, snapshot: Snapshot) -> str:
    text = (
        f"job {patience.job_id} did not end within {patience.timeout} s; it is {job_status(snapshot.states).name} "
        f"with {snapshot.circuits_done} of {snapshot.circuits} circuits done, and goes on"
    )
    with connection.ledger() as ledger:
        workers = ledger.workers()
    if not workers:
        text += f". No worker is up at {connection.broker}: start one with `qfleet worker --url ...`"
    return text
