# SPDX-License-Identifier: Apache-2.0
"""Submission of a prepared job: the last checks, the warnings, and sending."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from qfleet.errors import CapacityError
from qfleet.ledger import Connection, NewJob
from qfleet.submission.notices import warn_of_lost_metadata, warn_of_nothing_measured
from qfleet.wire.cost.constants import FASTER_ENGINE
from qfleet.wire.cost.cost import MOST_STATE_BYTES
from qfleet.wire.messages.presence import SLOWER_ENGINE, Presence

#: Circuits that need less memory fit any worker. For larger ones Redis is asked about the workers.
_FITS_ANYWHERE_BYTES: Final = 512 * 2**20

_WAY_OUT: Final = ". Start a worker with more memory, or see by `backend.explain(circuit)` what other methods need"


class Submittable(Protocol):
    """A job that isn't sent yet."""

    def submit(self) -> None:
        """Send the job."""


_Job = TypeVar("_Job", bound=Submittable)


def submit(connection: Connection, new: NewJob, make: Callable[[NewJob], _Job]) -> _Job:
    """Check a new job against the workers, and send it.

    Metadata that are lost and circuits without a measurement give a warning.

    Args:
        connection: the connection to the fleet's Redis.
        new: the job, prepared.
        make: makes the object that the caller gets.

    Returns:
        The job that `make` made, sent.

    Raises:
        CapacityError: a circuit fits no worker that is up.
        BrokerError: Redis can't be used.
    """
    check_capacity(connection, new)
    warn_of_lost_metadata(new.record)
    warn_of_nothing_measured(new.record)
    job = make(new)
    job.submit()
    return job


def check_capacity(connection: Connection, new: NewJob) -> None:
    """Check that a worker has the memory for the job's largest circuit.

    Args:
        connection: the connection to the fleet's Redis.
        new: the job, prepared.

    Raises:
        CapacityError: no worker that is up has the memory.
    """
    if all(need.memory_bytes <= _FITS_ANYWHERE_BYTES for need in new.needs.values()):
        return
    with connection.ledger() as ledger:
        workers = list(ledger.workers())
    needs = [(worker.memory_bytes, new.needs[_engine(worker)]) for worker in workers]
    if not needs or any(memory_bytes >= need.memory_bytes for memory_bytes, need in needs):
        return
    memory_bytes, (needed, place) = max(needs)
    largest = new.record.circuits[place]
    way = _WAY_OUT if needed <= MOST_STATE_BYTES else ", and no machine has enough"
    raise CapacityError(
        f"circuit {largest.name!r}: its {largest.num_qubits} qubits and {largest.shots} shots need "
        f"{needed / 2**30:.1f} GiB of memory; the largest worker has {memory_bytes / 2**30:.1f} GiB{way}",
        circuit=largest.name,
        needed_bytes=needed,
        available_bytes=memory_bytes,
    )


def _engine(worker: Presence) -> str:
    """Return the engine with which a worker runs circuits.

    For a worker that doesn't name its engine, it is the faster one.
    """
    return SLOWER_ENGINE if worker.engine == SLOWER_ENGINE else FASTER_ENGINE
