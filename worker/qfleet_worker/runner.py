# SPDX-License-Identifier: Apache-2.0
"""Runs one shard: take it, decode it, simulate its circuits, store what they gave."""

from __future__ import annotations

import logging
import time
from typing import Final, Protocol

import numpy as np
from threadpoolctl import ThreadpoolController

from qfleet.wire import codec
from qfleet.wire.cost import required_bytes
from qfleet.wire.shard import CircuitResult, CircuitWork, ShardResult, ShardWork
from qfleet_worker.engines.base import Engine, EngineError, Experiment
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
    """

    def __init__(self, store: ShardStore, engine: Engine, *, memory_bytes: int, max_attempts: int) -> None:
        self._store = store
        self._engine = engine
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
        names = [circuit.program for circuit in work.circuits]
        blobs = dict(zip(names, self._store.programs(taken.job_id, names), strict=True))
        results = []
        for circuit in work.circuits:
            deaths = self._deaths(taken, circuit, alone=len(work.circuits) == 1)
            if deaths is None:
                return None
            if deaths >= self._max_attempts or taken.attempt > self._max_attempts + MORE_ATTEMPTS:
                results.append(self._failed(circuit, _given_up(deaths or taken.attempt - 1, taken.cause)))
            else:
                results.append(self._circuit(taken, circuit, work, blobs[circuit.program], threads))
        return results

    def _deaths(self, taken: Taken, circuit: CircuitWork, *, alone: bool) -> int | None:
        """How many processes are known to have died while they ran a circuit; ``None`` if the shard was lost.

        Once a process died, it is noted which circuit is run, so that the others of the shard don't fail with it. The
        first process to die is taken to have died of each.
        """
        if alone or taken.attempt == 1:
            return taken.attempt - 1
        deaths = self._store.begin(taken, circuit.index)
        return None if deaths is None else deaths + (deaths > 0)

    def _circuit(
        self, taken: Taken, circuit: CircuitWork, work: ShardWork, blob: bytes | None, threads: int
    ) -> CircuitResult:
        start = time.perf_counter()
        try:
            if blob is None:
                return self._failed(circuit, "its program is missing from Redis")
            program = codec.decode_program(blob)
            needed = required_bytes(program.num_qubits, work.output, work.precision)
            if needed > self._memory_bytes:
                return self._failed(
                    circuit,
                    f"its {program.num_qubits} qubits need {needed / 2**30:.1f} GiB of memory; "
                    f"this worker has {self._memory_bytes / 2**30:.1f} GiB for one task",
                )
            outcome = self._engine.run(
                Experiment(
                    program=program,
                    shots=circuit.shots,
                    seed=circuit.seed,
                    first_shot=circuit.first_shot,
                    memory=work.memory,
                    output=work.output,
                    precision=work.precision,
                    threads=threads,
                )
            )
        except (EngineError, codec.WireError) as exc:
            return self._failed(circuit, str(exc))
        except MemoryError as exc:
            return self._failed(circuit, f"its simulation ran out of memory: {exc}")
        except Exception as exc:
            logger.exception("circuit %s of job %s", circuit.index, taken.job_id)
            return self._failed(circuit, f"a defect of qfleet, please report it: {type(exc).__name__}: {exc}")
        return CircuitResult(
            index=circuit.index,
            first_shot=circuit.first_shot,
            shots=circuit.shots,
            seconds=time.perf_counter() - start,
            engine=self._engine.name,
            outcomes=outcome.outcomes.tobytes(),
            counts=outcome.counts.astype("<i8", copy=False).tobytes(),
            memory=b"" if outcome.memory is None else outcome.memory.astype("<u4", copy=False).tobytes(),
            amplitudes=b"" if outcome.amplitudes is None else np.ascontiguousarray(outcome.amplitudes).tobytes(),
        )

    def _failed(self, circuit: CircuitWork, error: str) -> CircuitResult:
        return CircuitResult(
            index=circuit.index,
            first_shot=circuit.first_shot,
            shots=circuit.shots,
            seconds=0.0,
            engine=self._engine.name,
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


def _given_up(deaths: int, cause: str) -> str:
    last = cause or "unknown, its worker is gone with it"
    return f"given up: the worker process died {deaths} times while it ran this circuit; the last cause: {last}"
