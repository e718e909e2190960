# SPDX-License-Identifier: Apache-2.0
"""A primitive's job, as Qiskit sees it."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import BasePrimitiveJob, PrimitiveResult, PubResult
from qiskit.providers import BackendV2, JobStatus
from qiskit.providers.jobstatus import JOB_FINAL_STATES

from qfleet.errors import DamagedDataError
from qfleet.jobs.base import JobBackend, LedgerJob, damage_named
from qfleet.jobs.gathering import arriving, default_error, gather_units
from qfleet.jobs.pub_results import ERROR, Means, pub_result
from qfleet.jobs.waiting import Patience, interruptible
from qfleet.ledger import JobRecord, NewJob, Snapshot
from qfleet.wire.messages.request import Output
from qfleet.wire.messages.result import CircuitResult


class PrimitiveFleetJob(LedgerJob[PrimitiveResult[PubResult]], BasePrimitiveJob[PrimitiveResult[PubResult], JobStatus]):
    """PUBs that run, or ran, on a fleet. `qfleet.SamplerV2`, `qfleet.EstimatorV2` and `FleetProvider.job` make them.

    A job like any other of the fleet: cancelled, watched and found by its id in the same way. Its progress counts
    points. Of a job that failed, or was cancelled, ``result(partial=True)`` has all PUBs: one that failed has the key
    ``error`` in its metadata; an estimator's arrays are NaN where there is nothing, a sampler's PUB has no arrays.
    """

    _units = "PUBs"

    def __init__(
        self,
        backend: JobBackend,
        job_id: str,
        *,
        new: NewJob | None = None,
        snapshot: Snapshot | None = None,
    ) -> None:
        """See `qfleet.jobs.base.LedgerJob`."""
        BasePrimitiveJob.__init__(self, job_id)
        LedgerJob.__init__(self, backend, new=new, snapshot=snapshot)

    def backend(self) -> BackendV2:
        """Return the backend that the job runs on."""
        return self._backend

    def done(self) -> bool:
        """Whether all of it ran."""
        return self.status() is JobStatus.DONE

    def running(self) -> bool:
        """Whether some of it runs or ran, and not all."""
        return self.status() is JobStatus.RUNNING

    def cancelled(self) -> bool:
        """Whether it was cancelled, and nothing of it runs any more."""
        return self.status() is JobStatus.CANCELLED

    def errored(self) -> bool:
        """Whether it ended, and something of it failed."""
        return self.status() is JobStatus.ERROR

    def in_final_state(self) -> bool:
        """Whether it has ended."""
        return self.status() in JOB_FINAL_STATES

    def as_completed(self, timeout: float | None = None) -> Iterator[tuple[int, PubResult]]:
        """The PUBs as they end: each once, its index in the job and its result.

        A PUB is there when all its points have run. One that failed has the key ``error`` in its metadata; so have
        those that a cancelled job didn't run.

        Args:
            timeout: seconds from now until the last of them; ``None`` waits for ever.

        Raises:
            JobTimeoutError: there are more to come, but not in time. The job goes on.
        """
        self._must_be_submitted()
        return self._as_completed(Patience(self._job_id, timeout))

    def means_as_completed(self, timeout: float | None = None) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """The points of an estimator's only PUB as they end, some at a time. Points that fail don't come.

        Args:
            timeout: as for `as_completed`.

        Yields:
            Where the points are in the flat array of the PUB's points; and their means, shape (points, means of each).

        Raises:
            FleetJobError: it is a sampler's job, or has several PUBs.
            JobTimeoutError: there are more to come, but not in time. The job goes on.
        """
        self._must_be_submitted()
        record = self._read_record()
        if record.output != Output.EXPECTATION_VALUES or len(record.pubs) != 1:
            raise self._error("isn't an estimator's with one PUB; use as_completed()")
        return self._means_as_completed(Patience(self._job_id, timeout), record)

    def _means_as_completed(self, patience: Patience, record: JobRecord) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        (circuit,), blocks = record.circuits, defaultdict[int, list[CircuitResult]](list)
        means = Means(circuit, record.pubs[0])
        with (
            interruptible(self._job_id),
            damage_named(self._job_id),
            closing(self._reads(patience, moves=True)) as reads,
        ):
            for found, _ in arriving(self._connection, patience, reads):
                for part in found:
                    own = blocks[part.index]
                    own.append(part)
                    if any(block.error for block in own) or sum(block.shots for block in own) < circuit.shots:
                        continue
                    end = part.index + part.points
                    if end > circuit.points:
                        raise DamagedDataError(f"the job has {circuit.points} points, and gave {end}", circuit=0)
                    in_order = sorted(blocks.pop(part.index), key=lambda block: block.first_shot)
                    yield slice(part.index, end), means.of(part.index, part.points, in_order)[0]

    def _as_completed(self, patience: Patience) -> Iterator[tuple[int, PubResult]]:
        with interruptible(self._job_id), damage_named(self._job_id):
            record = self._read_record(patience)
            firsts = _firsts(record)
            left = {number: circuit.points * circuit.shots for number, circuit in enumerate(record.circuits)}
            for number in [number for number, shots in left.items() if not shots]:
                del left[number]
                yield number, pub_result(record, number, firsts[number], (), "")
            with closing(self._reads(patience, moves=True)) as reads:
                found = gather_units(
                    self._connection, patience, left, lambda part: [(_pub_of(firsts, part), part)], reads
                )
                for number, parts, error in found:
                    yield number, pub_result(record, number, firsts[number], parts, error)

    def _assembled(
        self, record: JobRecord, found: list[CircuitResult], snapshot: Snapshot
    ) -> PrimitiveResult[PubResult]:
        firsts = _firsts(record)
        parts: list[list[CircuitResult]] = [[] for _ in firsts]
        for part in found:
            parts[_pub_of(firsts, part)].append(part)
        error = default_error(snapshot)
        results = [pub_result(record, number, firsts[number], own, error) for number, own in enumerate(parts)]
        return PrimitiveResult(results, metadata={"version": 2})

    def _failures(self, result: PrimitiveResult[PubResult]) -> dict[int, str]:
        return {
            number: f"PUB {number}, {pub.metadata[ERROR]}" for number, pub in enumerate(result) if ERROR in pub.metadata
        }


def _firsts(record: JobRecord) -> list[int]:
    """The index of each PUB's first point."""
    return list(accumulate([circuit.points for circuit in record.circuits], initial=0))[:-1]


def _pub_of(firsts: list[int], part: CircuitResult) -> int:
    return bisect_right(firsts, part.index) - 1
