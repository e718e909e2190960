# SPDX-License-Identifier: Apache-2.0
"""Runs one shard: take it, decode it, simulate its circuits, store what they gave."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from qfleet.wire import codec
from qfleet.wire.cost import required_bytes
from qfleet.wire.program import Program
from qfleet.wire.saving import saved_bytes, saves_unitary
from qfleet.wire.shard import CircuitResult, CircuitWork, ShardResult, ShardWork
from qfleet_worker.engines.base import Engine, EngineError, Experiment, Outcome
from qfleet_worker.formulas import fill, filled, points_at_once
from qfleet_worker.machine import usable_cores
from qfleet_worker.store import Taken

logger = logging.getLogger(__name__)


#: A shard of many circuits may have several that kill their process; beyond so many attempts all its circuits fail.
MORE_ATTEMPTS: Final = 30


class ShardStore(Protocol):
    """Where shards come from and results go; see `qfleet_worker.store.Store`."""

    def take(self, job_id: str, index: int) -> Taken | None: ...
    def begin(self, taken: Taken, circuit: int) -> int | None: ...
    def programs(self, job_id: str, names: list[str]) -> list[bytes | None]: ...
    def finish(self, taken: Taken, result: bytes, *, whole: int, blocks: list[tuple[int, int]], error: str) -> bool: ...


class Runner:
    """Runs shards in this process.

    Args:
        memory_bytes: what one shard may use.
        max_attempts: a circuit that was begun so often, and whose process died each time, is given up.
        engine_reason: why this engine, for the metadata of results.
    """

    def __init__(
        self, store: ShardStore, engine: Engine, *, memory_bytes: int, max_attempts: int, engine_reason: str = ""
    ) -> None:
        self._store = store
        self._engine = engine
        self._engine_reason = engine_reason
        self._memory_bytes = memory_bytes
        self._max_attempts = max_attempts
        self._blas = ThreadpoolController()

    def run(self, job_id: str, index: int) -> bool:
        """Run a shard to its end. Returns False if it was not to be run, or its result no longer wanted."""
        taken = self._store.take(job_id, index)
        if taken is None:
            return False
        try:
            work = codec.decode_work(taken.work)
        except codec.WireError as exc:
            return self._refuse(taken, f"shard {index} can't be read: {exc}")
        threads = work.threads or usable_cores()
        try:
            with self._blas.limit(limits=threads, user_api="blas"):
                results = self._circuits(taken, work, threads)
            return results is not None and self._finish(taken, work, results)
        except MemoryError as exc:
            # Celery would end the whole worker.
            return self._refuse(taken, f"shard {index}: its results together take too much memory: {exc}")

    def _circuits(self, taken: Taken, work: ShardWork, threads: int) -> list[CircuitResult] | None:
        """What the circuits gave; ``None`` if the shard was lost to somebody else."""
        names = list(dict.fromkeys(circuit.program for circuit in work.circuits))
        blobs = dict(zip(names, self._store.programs(taken.job_id, names), strict=True))
        if taken.attempt == 1:
            return self._run(taken, work, work.circuits, blobs, threads)
        results = []
        for circuit in work.circuits:
            deaths = self._deaths(taken, circuit, alone=len(work.circuits) == 1)
            if deaths is None:
                return None
            if deaths >= self._max_attempts or taken.attempt > self._max_attempts + MORE_ATTEMPTS:
                results.append(self._failed(circuit, _given_up(deaths or taken.attempt - 1, taken.cause)))
            else:
                results += self._run(taken, work, [circuit], blobs, threads)
        return results

    def _deaths(self, taken: Taken, circuit: CircuitWork, *, alone: bool) -> int | None:
        """How many processes are known to have died while they ran a circuit; ``None`` if the shard was lost.

        Once a process died, it is noted which circuit is run, so that the others of the shard don't fail with it. The
        first process to die is taken to have died of each.
        """
        if alone:
            return taken.attempt - 1
        deaths = self._store.begin(taken, circuit.index)
        return None if deaths is None else deaths + (deaths > 0)

    def _run(
        self,
        taken: Taken,
        work: ShardWork,
        circuits: Sequence[CircuitWork],
        blobs: Mapping[str, bytes | None],
        threads: int,
    ) -> list[CircuitResult]:
        """Run some of the circuits, neighbours with the same program together."""
        programs: dict[str, Program] = {}
        results: list[CircuitResult] = []
        for name, same in groupby(circuits, lambda circuit: circuit.program):
            together = list(same)
            try:
                if name not in programs:
                    shots = max(circuit.shots for circuit in together)
                    programs[name] = self._program(blobs[name], work, shots)
            except Exception as exc:  # noqa: BLE001 - it becomes the circuits' error
                reason = self._reason(taken, together[0], exc)
                results += [self._failed(circuit, reason) for circuit in together]
                continue
            for points in _sweeps(programs[name], together):
                results += self._points(taken, points, programs[name], work, threads)
        return results

    def _program(self, blob: bytes | None, work: ShardWork, shots: int) -> Program:
        if blob is None:
            raise EngineError("its program is missing from Redis")
        program = codec.decode_program(blob)
        output = "unitary" if saves_unitary(program) else work.output
        saved = saved_bytes(program, shots, work.precision)
        needed = required_bytes(program.num_qubits, output, work.precision, saved)
        if needed > self._memory_bytes:
            raise EngineError(
                f"its {program.num_qubits} qubits need {needed / 2**30:.1f} GiB of memory; "
                f"this worker has {self._memory_bytes / 2**30:.1f} GiB for one task"
            )
        return program

    def _points(
        self, taken: Taken, circuits: Sequence[CircuitWork], program: Program, work: ShardWork, threads: int
    ) -> list[CircuitResult]:
        """Run circuits that differ in their values and seeds only. An error of one leaves the others."""
        experiment = Experiment(
            program=program,
            shots=circuits[0].shots,
            seed=circuits[0].seed,
            first_shot=circuits[0].first_shot,
            memory=work.memory,
            output=work.output,
            precision=work.precision,
            threads=threads,
        )
        results: list[CircuitResult] = []
        start = time.perf_counter()
        try:
            for circuit, outcome in zip(circuits, self._outcomes(circuits, experiment), strict=True):
                end = time.perf_counter()
                results.append(self._succeeded(circuit, outcome, end - start))
                start = end
        except Exception as exc:  # noqa: BLE001 - it becomes the circuit's error
            if len(circuits) == 1:
                return [self._failed(circuits[0], self._reason(taken, circuits[0], exc))]
            # Which circuit is to blame shows when each is run on its own.
            for circuit in circuits[len(results) :]:
                results += self._points(taken, [circuit], program, work, threads)
        return results

    def _outcomes(self, circuits: Sequence[CircuitWork], experiment: Experiment) -> Iterator[Outcome]:
        program = experiment.program
        values = [_values(circuit, program) for circuit in circuits]
        if not program.num_parameters:
            yield self._engine.run(experiment)
            return
        params = fill(program, np.stack(values))
        experiment = dataclasses.replace(experiment, program=filled(program, params[0]))
        if len(circuits) == 1:
            yield self._engine.run(experiment)
        else:
            yield from self._engine.sweep(experiment, params, [circuit.seed for circuit in circuits])

    def _reason(self, taken: Taken, circuit: CircuitWork, exc: Exception) -> str:
        if isinstance(exc, EngineError | codec.WireError):
            return str(exc)
        if isinstance(exc, MemoryError):
            return f"its simulation ran out of memory: {exc}"
        logger.error("circuit %s of job %s", circuit.index, taken.job_id, exc_info=exc)
        return f"a defect of qfleet, please report it: {type(exc).__name__}: {exc}"

    def _succeeded(self, circuit: CircuitWork, outcome: Outcome, seconds: float) -> CircuitResult:
        return CircuitResult(
            index=circuit.index,
            first_shot=circuit.first_shot,
            shots=circuit.shots,
            seconds=seconds,
            engine=self._engine.name,
            engine_reason=self._engine_reason,
            outcomes=outcome.outcomes.tobytes(),
            counts=outcome.counts.astype("<i8", copy=False).tobytes(),
            memory=b"" if outcome.memory is None else outcome.memory.astype("<u4", copy=False).tobytes(),
            amplitudes=b"" if outcome.amplitudes is None else np.ascontiguousarray(outcome.amplitudes).tobytes(),
            saved=outcome.saved,
        )

    def _failed(self, circuit: CircuitWork, error: str) -> CircuitResult:
        return CircuitResult(
            index=circuit.index,
            first_shot=circuit.first_shot,
            shots=circuit.shots,
            seconds=0.0,
            engine=self._engine.name,
            engine_reason=self._engine_reason,
            error=error[:4096],
        )

    def _finish(self, taken: Taken, work: ShardWork, results: list[CircuitResult]) -> bool:
        ran = [circuit for circuit, result in zip(work.circuits, results, strict=True) if not result.error]
        failed = [result for result in results if result.error]
        error = f"circuit {failed[0].index}: {failed[0].error}" if failed else ""
        stored = self._store.finish(
            taken,
            codec.encode(ShardResult(circuits=tuple(results))),
            whole=sum(circuit.blocks == 1 for circuit in ran),
            blocks=[(circuit.index, circuit.blocks) for circuit in ran if circuit.blocks > 1],
            error=error,
        )
        if not stored:
            logger.info("the result of shard %s of job %s is no longer wanted", taken.index, taken.job_id)
        return stored

    def _refuse(self, taken: Taken, error: str) -> bool:
        """Fail a shard of which not even the circuits are known."""
        logger.error("job %s: %s", taken.job_id, error)
        return self._store.finish(taken, b"", whole=0, blocks=[], error=error)


def _sweeps(program: Program, circuits: Iterable[CircuitWork]) -> Iterator[list[CircuitWork]]:
    """Circuits of one program, cut into what an engine can run as one sweep: without parameters, one each."""
    most = points_at_once(program) if program.num_parameters else 1
    for _, same in groupby(circuits, lambda circuit: (circuit.shots, circuit.first_shot)):
        points = list(same)
        for first in range(0, len(points), most):
            yield points[first : first + most]


def _values(circuit: CircuitWork, program: Program) -> NDArray[np.float64]:
    if len(circuit.values) != 8 * program.num_parameters:
        raise EngineError(
            f"it comes with {len(circuit.values)} bytes of values; its {program.num_parameters} parameters "
            f"take {8 * program.num_parameters}"
        )
    return np.frombuffer(circuit.values, "<f8")


def _given_up(deaths: int, cause: str) -> str:
    last = cause or "unknown, its worker is gone with it"
    return f"given up: the worker process died {deaths} times while it ran this circuit; the last cause: {last}"
