# SPDX-License-Identifier: Apache-2.0
"""How a client waits for a job, whatever happens to Redis meanwhile."""

from __future__ import annotations

import asyncio
import math
import numbers
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

from qfleet.errors import BrokerUnreachableError, FleetJobTimeoutError, InvalidOptionError
from qfleet.queue import Connection, Ledger, Snapshot
from qfleet.status import job_status

#: While it waits for a message, a client reads the ledger so often: messages may get lost.
READ_EVERY_SECONDS: Final = 2.0
#: It never reads more often than this, whatever it is asked for.
LEAST_SECONDS: Final = 0.05
#: A wait goes on while Redis doesn't answer for so long.
OUTAGE_SECONDS: Final = 60.0
#: Between two attempts to reach Redis: the first pause, and the longest.
_PAUSES_SECONDS: Final = (0.05, 1.0)

_Answer = TypeVar("_Answer")


class Patience:
    """For how long one call waits: until its timeout, and through any outage of Redis that isn't too long.

    Args:
        timeout: seconds from now; ``None`` has no end.
        stop: set by another thread that wants no answer any more; `CancelledError` is raised then.

    Raises:
        InvalidOptionError: ``timeout`` is no number.
    """

    def __init__(self, job_id: str, timeout: float | None, stop: threading.Event | None = None) -> None:
        self.job_id = job_id
        self.timeout = None if timeout is None else seconds("timeout", timeout)
        self.stop = stop
        self._deadline = math.inf if self.timeout is None else time.monotonic() + self.timeout
        self._unreachable_since: float | None = None
        self._pause = _PAUSES_SECONDS[0]

    def left(self) -> float:
        """Seconds until the deadline; negative after it."""
        if self.stop is not None and self.stop.is_set():
            raise CancelledError
        return self._deadline - time.monotonic()

    def answered(self) -> None:
        """Redis has answered."""
        self._unreachable_since, self._pause = None, _PAUSES_SECONDS[0]

    def endure(self, error: BrokerUnreachableError) -> None:
        """Redis hasn't: wait a little before it is asked again.

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
                f"job {self.job_id} is not known to have ended within {self.timeout} s: {error}"
            ) from error
        if outage > OUTAGE_SECONDS:
            raise BrokerUnreachableError(
                f"waited {outage:.0f} s in vain for Redis to come back; job {self.job_id} goes on without this client, "
                f"and provider.job({self.job_id!r}) finds it again. {error}"
            ) from error
        pause = min(self._pause, left)
        self._pause = min(2 * self._pause, _PAUSES_SECONDS[1])
        if self.stop is None:
            time.sleep(pause)
        else:
            self.stop.wait(pause)

    def ask(self, connection: Connection, question: Callable[[Ledger], _Answer]) -> _Answer:
        """What the ledger answers, once it does."""
        while True:
            try:
                with connection.ledger() as ledger:
                    answer = question(ledger)
            except BrokerUnreachableError as exc:
                self.endure(exc)
            else:
                self.answered()
                return answer


def watch(
    connection: Connection, patience: Patience, *, read_every: float = READ_EVERY_SECONDS, moves: bool = False
) -> Generator[Snapshot]:
    """What each read of the ledger says, until the job has ended.

    The end of the job wakes it; with ``moves``, each move of a shard does, several at once as one.

    Raises:
        FleetJobTimeoutError: the job didn't end in time.
        BrokerUnreachableError: Redis didn't answer for `OUTAGE_SECONDS`.
        JobNotFoundError, JobExpiredError: there is no such job, or no more.
    """
    job_id = patience.job_id
    while True:
        try:
            with connection.ledger() as ledger, ledger.listen(job_id) as events:
                while True:
                    snapshot = ledger.snapshot(job_id)
                    patience.answered()
                    yield snapshot
                    if snapshot.is_final:
                        return
                    left = patience.left()
                    if left <= 0:
                        raise FleetJobTimeoutError(_why_waiting(connection, ledger, patience, snapshot))
                    events.wait(min(max(read_every, LEAST_SECONDS), left), moves=moves, stop=patience.stop)
        except BrokerUnreachableError as exc:
            patience.endure(exc)


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


async def in_thread(call: Callable[[threading.Event], _Answer]) -> _Answer:
    """What a call that waits gives, for coroutines. It gets an event that is set if nobody wants that any more."""
    # A thread of its own: those that asyncio shares might all be waiting for other jobs.
    thread, stop = ThreadPoolExecutor(1, "qfleet-await"), threading.Event()
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, call, stop)
    finally:
        stop.set()
        thread.shutdown(wait=False)


def seconds(name: str, value: object) -> float:
    """A number of seconds. Raises `InvalidOptionError`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or math.isnan(value):
        raise InvalidOptionError(f"{name}={value!r}: a number of seconds is needed")
    return float(value)


def _why_waiting(connection: Connection, ledger: Ledger, patience: Patience, snapshot: Snapshot) -> str:
    text = (
        f"job {patience.job_id} did not end within {patience.timeout} s; it is {job_status(snapshot.states).name} "
        f"with {snapshot.circuits_done} of {snapshot.circuits} circuits done, and goes on"
    )
    if not ledger.workers():
        text += f". No worker is up at {connection.broker}: start one with `qfleet worker --url ...`"
    return text
