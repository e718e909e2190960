# SPDX-License-Identifier: Apache-2.0
"""The job of a primitive: Qiskit's `BasePrimitiveJob`."""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import BasePrimitiveJob, PrimitiveResult, PubResult
from qiskit.providers import BackendV2, JobStatus
from qiskit.providers.jobstatus import JOB_FINAL_STATES

from qfleet.jobs.base import LedgerJob, damage_named
from qfleet.jobs.gathering import arriving, default_error, gather_units
from qfleet.jobs.pub_results import ERROR, pub_result, whole_expectation_values
from qfleet.jobs.queued import JobBackend
from qfleet.jobs.waiting import READ_EVERY_SECONDS, Deadline, interruptible
from qfleet.ledger import JobRecord, NewJob, Snapshot
from qfleet.wire.messages.request import Output
from qfleet.wire.messages.result import CircuitResult


class PrimitiveFleetJob(LedgerJob[PrimitiveResult[PubResult]], BasePrimitiveJob[PrimitiveResult[PubResult], JobStatus]):
    """A job of PUBs on a fleet.

    `qfleet.SamplerV2`, `qfleet.EstimatorV2` and `FleetProvider.job` make it.

    It is cancelled, watched and found by its id like any other job. Its progress counts parameter sets. If the job
    failed or was cancelled, ``result(partial=True)`` still has all PUBs: one that failed has the key ``error`` in its
    metadata; an estimator's arrays are NaN for missing values, and a sampler's PUB has no arrays.
    """

    _units = "PUBs"

    def __init__(
        self,
        backend: JobBackend,
        job_id: str,
        *,
        tenant: str | None = None,
        new: NewJob | None = None,
        snapshot: Snapshot | None = None,
        read_every: float = READ_EVERY_SECONDS,
    ) -> None:
        """See `qfleet.jobs.base.LedgerJob`."""
        BasePrimitiveJob.__init__(self, job_id)
        LedgerJob.__init__(self, backend, job_id, tenant=tenant, new=new, snapshot=snapshot, read_every=read_every)

    def backend(self) -> BackendV2:
        """Return the backend that the job runs on."""
        return self._backend

    def done(self) -> bool:
        """Tell whether the whole job ran successfully."""
        return self.status() is JobStatus.DONE

    def running(self) -> bool:
        """Tell whether the job has been started and hasn't ended."""
        return self.status() is JobStatus.RUNNING

    def cancelled(self) -> bool:
        """Tell whether the job was cancelled and no task runs."""
        return self.status() is JobStatus.CANCELLED

    def errored(self) -> bool:
        """Tell whether the job ended, and a part of it failed."""
        return self.status() is JobStatus.ERROR

    def in_final_state(self) -> bool:
        """Tell whether the job has ended."""
        return self.status() in JOB_FINAL_STATES

    def as_completed(self, timeout: float | None = None) -> Iterator[tuple[int, PubResult]]:
        """Yield each PUB's index and result when its parameter sets have run.

        A PUB that failed, or that a cancelled job didn't run, has the key ``error`` in its metadata.

        Args:
            timeout: seconds from now until the last PUB; ``None`` waits forever.

        Raises:
            JobTimeoutError: some PUBs didn't end in time. The job continues.
        """
        self._must_be_submitted()
        return self._as_completed(Deadline(self._ref, timeout))

    def means_as_completed(self, timeout: float | None = None) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield as `expectation_values_as_completed` does. Deprecated name."""
        text = "means_as_completed is now called expectation_values_as_completed; the old name goes in the next version"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return self.expectation_values_as_completed(timeout)

    def expectation_values_as_completed(
        self, timeout: float | None = None
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield the expectation values of an estimator's only PUB as they arrive.

        They come for some parameter sets at a time. Parameter sets that fail are left out.

        Args:
            timeout: seconds from now until the last parameter set; ``None`` waits forever.

        Yields:
            The place of the parameter sets in the flat array of all, and their expectation values: float64, shape
            (sets, expectation values of each).

        Raises:
            FleetJobError: the job is a sampler's, or has several PUBs.
            JobTimeoutError: some parameter sets didn't end in time. The job continues.
        """
        self._must_be_submitted()
        record = self._read_record()
        if record.output != Output.EXPECTATION_VALUES or len(record.pubs) != 1:
            raise self._error("isn't an estimator's with one PUB; use as_completed()")
        return self._expectation_values_as_completed(Deadline(self._ref, timeout), record)

    def _expectation_values_as_completed(
        self, deadline: Deadline, record: JobRecord
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        with (
            interruptible(self._job_id),
            damage_named(self._job_id),
            closing(self._reads(deadline, moves=True)) as reads,
        ):
            arrived = (part for parts, _ in arriving(self._connection, deadline, reads) for part in parts)
            yield from whole_expectation_values(record, arrived)

    def _as_completed(self, deadline: Deadline) -> Iterator[tuple[int, PubResult]]:
        with interruptible(self._job_id), damage_named(self._job_id):
            record = self._read_record(deadline)
            firsts = _firsts(record)
            left = {number: circuit.points * circuit.shots for number, circuit in enumerate(record.circuits)}
            for number in [number for number, shots in left.items() if not shots]:
                del left[number]
                yield number, pub_result(record, number, firsts[number], (), "")
            with closing(self._reads(deadline, moves=True)) as reads:
                ended = gather_units(
                    self._connection, deadline, left, lambda part: [(_pub_of(firsts, part), part)], reads
                )
                for number, parts, error in ended:
                    yield number, pub_result(record, number, firsts[number], parts, error)

    def _make_result(
        self, record: JobRecord, parts: list[CircuitResult], snapshot: Snapshot
    ) -> PrimitiveResult[PubResult]:
        firsts = _firsts(record)
        of_pubs: list[list[CircuitResult]] = [[] for _ in firsts]
        for part in parts:
            of_pubs[_pub_of(firsts, part)].append(part)
        error = default_error(snapshot)
        results = [pub_result(record, number, firsts[number], own, error) for number, own in enumerate(of_pubs)]
        return PrimitiveResult(results, metadata={"version": 2})

    def _failures(self, result: PrimitiveResult[PubResult]) -> dict[int, str]:
        return {
            number: f"PUB {number}, {pub.metadata[ERROR]}" for number, pub in enumerate(result) if ERROR in pub.metadata
        }


def _firsts(record: JobRecord) -> list[int]:
    """Return the index of each PUB's first parameter set in the job."""
    return list(accumulate([circuit.points for circuit in record.circuits], initial=0))[:-1]


def _pub_of(firsts: list[int], part: CircuitResult) -> int:
    """Return the number of the PUB that a result belongs to."""
    return bisect_right(firsts, part.index) - 1
