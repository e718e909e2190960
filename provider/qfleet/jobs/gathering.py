# SPDX-License-Identifier: Apache-2.0
"""Which circuits of a job have ended, and what did they give? Results are read from the ledger once each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from qiskit.providers import JobStatus
from qiskit.result.models import ExperimentResult

from qfleet.jobs.result import experiment
from qfleet.jobs.result_data import split_points
from qfleet.jobs.status import job_status
from qfleet.jobs.waiting import Patience
from qfleet.ledger import Connection, JobRecord, Ledger, Snapshot
from qfleet.wire.messages.result import CircuitResult
from qfleet.wire.redis.states import FINAL_STATES

#: Shards whose states are read at once. They end in about the order of their numbers.
_STATES_AT_ONCE: Final = 500
#: Shards whose results are read at once.
_RESULTS_AT_ONCE: Final = 16
_LOST: Final = "its result is missing from Redis"


#: The units of a job that a result is about, each with those of its points.
Place = Callable[[CircuitResult], Iterable[tuple[int, CircuitResult]]]


def gather(
    connection: Connection, patience: Patience, record: JobRecord, snapshots: Iterable[Snapshot]
) -> Iterator[tuple[int, ExperimentResult]]:
    """The circuits of a job, each once: its index and its result, as soon as all its shots have run.

    Args:
        snapshots: what the ledger says now, and whenever something has changed; the last one is final.
    """
    circuits = record.points()
    left = {index: circuit.shots for index, (circuit, _) in enumerate(circuits)}

    def place(found: CircuitResult) -> Iterable[tuple[int, CircuitResult]]:
        return [(part.index, part) for part in split_points(found)]

    for index, parts, error in gather_units(connection, patience, left, place, snapshots):
        circuit, point = circuits[index]
        yield index, experiment(record, circuit, point, parts, error)


def gather_units(
    connection: Connection, patience: Patience, left: dict[int, int], place: Place, snapshots: Iterable[Snapshot]
) -> Iterator[tuple[int, list[CircuitResult], str]]:
    """The units of a job, each once, as soon as all its shots have run: its number, what it gave, why some is missing.

    Args:
        left: how many shots each unit has, all its points together.
        place: to which units a result belongs.
        snapshots: as for `gather`.
    """
    parts: dict[int, list[CircuitResult]] = {}
    left = dict(left)
    for found, snapshot in arriving(connection, patience, snapshots):
        for unit, part in [placed for each in found for placed in place(each)]:
            # One of another unit is damage, or was whole before its shard was tried again.
            if unit not in left:
                continue
            parts.setdefault(unit, []).append(part)
            left[unit] -= part.shots * part.points
            if left[unit] <= 0:
                del left[unit]
                yield unit, parts.pop(unit), _LOST
        if snapshot.is_final and not found and left:
            # raises if the job has expired, or was deleted, since it ended
            patience.ask(connection, lambda ledger: ledger.snapshot(patience.job_id))
            for unit in left:
                yield unit, parts.get(unit, []), default_error(snapshot)


def arriving(
    connection: Connection, patience: Patience, snapshots: Iterable[Snapshot]
) -> Iterator[tuple[list[CircuitResult], Snapshot]]:
    """What circuits of a job gave, a few shards at a time, as these end; at last nothing, with the final snapshot.

    Args:
        snapshots: as for `gather`.
    """
    unread: dict[int, None] = {}
    total = 0
    for snapshot in snapshots:
        if not total:
            total = sum(snapshot.states.values())
            unread = dict.fromkeys(range(total))
        over = total if snapshot.is_final else sum(snapshot.states[state] for state in FINAL_STATES)
        new = _ended(connection, patience, list(unread), over - (total - len(unread)))
        for start in range(0, len(new), _RESULTS_AT_ONCE):
            some = new[start : start + _RESULTS_AT_ONCE]
            found = _parts(connection, patience, some)
            if found:
                yield found, snapshot
            for index in some:
                del unread[index]
        if snapshot.is_final:
            yield [], snapshot


def all_parts(connection: Connection, patience: Patience, snapshot: Snapshot) -> list[CircuitResult]:
    """What the circuits of a job that has ended gave. Raises `JobNotFoundError` or `JobExpiredError` if it is gone."""
    tasks = sum(snapshot.states.values())
    job_id = patience.job_id

    def read(ledger: Ledger) -> list[CircuitResult]:
        found = [
            shard
            for start in range(0, tasks, _RESULTS_AT_ONCE)
            for shard in ledger.results(job_id, range(start, min(start + _RESULTS_AT_ONCE, tasks)))
        ]
        if len(found) < tasks:
            ledger.snapshot(job_id)  # raises if the job has expired, or was deleted, since it ended
        return [part for shard in found for part in shard.circuits]

    return patience.ask(connection, read)


def _ended(connection: Connection, patience: Patience, unread: list[int], at_least: int) -> list[int]:
    """Those of some shards that have ended. Once ``at_least`` so many are found, no more are asked for."""
    found: list[int] = []
    for start in range(0, len(unread), _STATES_AT_ONCE):
        if len(found) >= at_least:
            break
        some = unread[start : start + _STATES_AT_ONCE]
        found += patience.ask(connection, partial(Ledger.ended, job_id=patience.job_id, shards=some))
    return found


def _parts(connection: Connection, patience: Patience, shards: list[int]) -> list[CircuitResult]:
    found = patience.ask(connection, lambda ledger: list(ledger.results(patience.job_id, shards)))
    return [part for shard in found for part in shard.circuits]


def default_error(snapshot: Snapshot) -> str:
    """Why a circuit of a job that has ended has no result."""
    cancelled = job_status(snapshot.states) is JobStatus.CANCELLED
    return snapshot.error or ("cancelled before its task had ended" if cancelled else _LOST)
