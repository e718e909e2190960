# SPDX-License-Identifier: Apache-2.0
"""Results of circuits that have ended, each read once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from qiskit.providers import JobStatus
from qiskit.result.models import ExperimentResult

from qfleet.jobs.result import experiment
from qfleet.jobs.result_data import split_parameter_sets
from qfleet.jobs.status import job_status
from qfleet.jobs.waiting import Deadline
from qfleet.ledger import Connection, JobRecord, Ledger, Snapshot
from qfleet.ledger.own_errors import own_failures
from qfleet.wire.messages.result import CircuitResult
from qfleet.wire.redis.states import FINAL_STATES

#: The number of shards whose states are read at once. Shards end in about the order of their numbers.
_STATES_AT_ONCE: Final = 500
#: The number of shards whose results are read at once.
_RESULTS_AT_ONCE: Final = 16
_LOST: Final = "its result is missing from Redis"


#: Returns the numbers of the units (circuits or PUBs) in a shard's result, each with its part of the result.
Place = Callable[[CircuitResult], Iterable[tuple[int, CircuitResult]]]


def gather(
    connection: Connection, deadline: Deadline, record: JobRecord, snapshots: Iterable[Snapshot]
) -> Iterator[tuple[int, ExperimentResult]]:
    """Yield each circuit's index and result when its shots have run.

    Args:
        connection: the connection to Redis.
        deadline: the end of the wait.
        record: the job as it was submitted.
        snapshots: the state of the job now and after each change; the last one is final.
    """
    circuits = record.parameter_sets()
    left = {index: circuit.shots for index, (circuit, _) in enumerate(circuits)}

    def place(result: CircuitResult) -> Iterable[tuple[int, CircuitResult]]:
        return [(part.index, part) for part in split_parameter_sets(result)]

    for index, parts, error in gather_units(connection, deadline, left, place, snapshots):
        circuit, parameter_set = circuits[index]
        yield index, experiment(record, circuit, parameter_set, parts, error)


def gather_units(
    connection: Connection, deadline: Deadline, left: dict[int, int], place: Place, snapshots: Iterable[Snapshot]
) -> Iterator[tuple[int, list[CircuitResult], str]]:
    """Yield each unit of a job when its shots have run.

    Args:
        connection: the connection to Redis.
        deadline: the end of the wait.
        left: the number of shots of each unit, all its parameter sets together.
        place: assigns a result to units.
        snapshots: see `gather`.

    Yields:
        The unit's number, its results, and the error for missing results.
    """
    parts: dict[int, list[CircuitResult]] = {}
    left = dict(left)
    for arrived, snapshot in arriving(connection, deadline, snapshots):
        for unit, part in [placed for each in arrived for placed in place(each)]:
            # Any other unit is damaged data, or was complete before its shard was retried.
            if unit not in left:
                continue
            parts.setdefault(unit, []).append(part)
            left[unit] -= part.shots * part.points
            if left[unit] <= 0:
                del left[unit]
                yield unit, parts.pop(unit), _LOST
        if snapshot.is_final and not arrived and left:
            # raises if the job has expired, or was deleted, since it ended
            deadline.ask(connection, lambda ledger: ledger.snapshot(deadline.ref))
            for unit in left:
                yield unit, parts.get(unit, []), default_error(snapshot)


def arriving(
    connection: Connection, deadline: Deadline, snapshots: Iterable[Snapshot]
) -> Iterator[tuple[list[CircuitResult], Snapshot]]:
    """Yield the results of circuits as their shards end.

    The last item is an empty list with the final snapshot.

    Args:
        connection: the connection to Redis.
        deadline: the end of the wait.
        snapshots: see `gather`.
    """
    unread: dict[int, None] = {}
    total = 0
    for snapshot in snapshots:
        if not total:
            total = sum(snapshot.states.values())
            unread = dict.fromkeys(range(total))
        over = total if snapshot.is_final else sum(snapshot.states[state] for state in FINAL_STATES)
        new = _ended(connection, deadline, list(unread), over - (total - len(unread)))
        for start in range(0, len(new), _RESULTS_AT_ONCE):
            some = new[start : start + _RESULTS_AT_ONCE]
            parts = _parts(connection, deadline, some)
            if parts:
                yield parts, snapshot
            for index in some:
                del unread[index]
        if snapshot.is_final:
            failed = _own_failures(connection, deadline, snapshot)
            if failed:
                yield failed, snapshot
            yield [], snapshot


def all_parts(connection: Connection, deadline: Deadline, snapshot: Snapshot) -> list[CircuitResult]:
    """Return the results of the circuits of a job that has ended.

    Args:
        connection: the connection to Redis.
        deadline: the end of the wait.
        snapshot: the final state of the job.

    Raises:
        JobNotFoundError, JobExpiredError: the job is gone.
    """
    tasks = sum(snapshot.states.values())
    job_id = deadline.ref

    def read(ledger: Ledger) -> list[CircuitResult]:
        results = [
            shard
            for start in range(0, tasks, _RESULTS_AT_ONCE)
            for shard in ledger.results(job_id, range(start, min(start + _RESULTS_AT_ONCE, tasks)))
        ]
        if len(results) < tasks:
            ledger.snapshot(job_id)  # raises if the job has expired, or was deleted, since it ended
        return [part for shard in results for part in shard.circuits]

    return deadline.ask(connection, read) + _own_failures(connection, deadline, snapshot)


def _own_failures(connection: Connection, deadline: Deadline, snapshot: Snapshot) -> list[CircuitResult]:
    """Return failures that the job's first error does not explain."""
    if not snapshot.states["FAILURE"]:
        return []
    asked = deadline.ref, sum(snapshot.states.values()), snapshot.error
    return deadline.ask(connection, lambda _: own_failures(connection.client, *asked))


def _ended(connection: Connection, deadline: Deadline, unread: list[int], at_least: int) -> list[int]:
    """Return the unread shards that have ended.

    Args:
        connection: the connection to Redis.
        deadline: the end of the wait.
        unread: the numbers of the shards.
        at_least: the search stops at this number of ended shards.
    """
    ended: list[int] = []
    for start in range(0, len(unread), _STATES_AT_ONCE):
        if len(ended) >= at_least:
            break
        some = unread[start : start + _STATES_AT_ONCE]
        ended += deadline.ask(connection, partial(Ledger.ended, job_id=deadline.ref, shards=some))
    return ended


def _parts(connection: Connection, deadline: Deadline, shards: list[int]) -> list[CircuitResult]:
    results = deadline.ask(connection, lambda ledger: list(ledger.results(deadline.ref, shards)))
    return [part for shard in results for part in shard.circuits]


def default_error(snapshot: Snapshot) -> str:
    """Return the error of a circuit without a result.

    Args:
        snapshot: the state of its job, which has ended.
    """
    cancelled = job_status(snapshot.states) is JobStatus.CANCELLED
    return snapshot.error or ("cancelled before its task had ended" if cancelled else _LOST)
