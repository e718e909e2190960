# SPDX-License-Identifier: Apache-2.0
"""The run of a shard, from taking it to storing its results."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, Protocol

from threadpoolctl import ThreadpoolController

from qfleet.wire.codec.shards import decode_work, encode_shard
from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_BLOB_BYTES
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.messages.result import CircuitResult, ShardResult
from qfleet.wire.messages.work import CircuitWork, ShardWork, take_points
from qfleet.wire.program.angles import ANGLES_AT_ONCE, points_at_once
from qfleet.wire.program.program import Program
from qfleet_worker.engines.choose import Choice, Engines
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.machine.resources import usable_cores
from qfleet_worker.picked import ClaimedShard
from qfleet_worker.shards.program_cache import Programs
from qfleet_worker.shards.simulation import resolve, simulate
from qfleet_worker.shards.size import Costs, size_of, size_refusal

logger = logging.getLogger(__name__)


#: A shard of many circuits may have several that kill their process; beyond this many attempts all its circuits fail.
MORE_ATTEMPTS: Final = 30


class ShardStore(Protocol):
    """The ledger as a runner uses it; see `qfleet_worker.store.Store`."""

    def begin(self, shard: ClaimedShard, circuit: int) -> int | None:
        """See `Store.begin`."""
        ...

    def programs(self, job_id: str, names: list[str]) -> list[bytes | None]:
        """See `Store.programs`."""
        ...

    def finish(
        self, shard: ClaimedShard, result: bytes, *, whole: int, blocks: list[tuple[int, int]], error: str
    ) -> bool:
        """See `Store.finish`."""
        ...


class ShardLimits(NamedTuple):
    """Limits of the circuits and results of one shard."""

    #: bytes that a Redis value holds
    blob_bytes: int = MAX_BLOB_BYTES
    #: see `points_at_once`
    angles: int = ANGLES_AT_ONCE


DEFAULT_LIMITS: Final = ShardLimits()


class Runner:
    """A runner of shards in this process.

    Args:
        store: the ledger.
        engines: the engines of this process, which choose one for each circuit.
        memory_bytes: the bytes of memory that a shard may use that was given none.
        max_attempts: the number of attempts in which its process died after which a circuit is given up.
        limits: the limits of a shard's circuits and results.
        limit_memory: is told the bytes that the next shard may use.
    """

    def __init__(
        self,
        store: ShardStore,
        engines: Engines,
        *,
        memory_bytes: int,
        max_attempts: int,
        limits: ShardLimits = DEFAULT_LIMITS,
        limit_memory: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._programs = Programs(store.programs)
        self._costs = Costs()
        self._engines = engines
        self._memory_bytes = memory_bytes
        self._max_attempts = max_attempts
        self._limits = limits
        self._limit_memory = limit_memory
        self._blas = ThreadpoolController()

    def run(self, shard: ClaimedShard) -> bool:
        """Run a shard to its end, and store its result.

        Returns:
            False if the result isn't wanted.
        """
        self._engines.look()
        self._limit_memory(shard.grant)
        try:
            work = decode_work(shard.work)
        except WireError as exc:
            return self._refuse(shard, f"shard {shard.index} can't be read: {exc}")
        end = max(circuit.index + circuit.points for circuit in work.circuits)
        if shard.circuits is not None and end > shard.circuits:
            # Quotas count the circuits that a job is said to have.
            why = f"it has circuit {end - 1}, but its job is said to have {shard.circuits} circuits"
            return self._refuse(shard, f"shard {shard.index} can't be run: {why}")
        threads = work.threads or shard.threads or usable_cores()
        try:
            # With other threads, BLAS might round otherwise: results mustn't depend on what the worker gave.
            with self._blas.limit(limits=work.threads or 1, user_api="blas"):
                results = self._circuits(shard, work, threads)
            return results is not None and self._finish(shard, work, results)
        except MemoryError as exc:
            # Celery would end the whole worker.
            return self._refuse(shard, f"shard {shard.index}: its results together take too much memory: {exc}")

    def _circuits(self, shard: ClaimedShard, work: ShardWork, threads: int) -> list[CircuitResult] | None:
        """Return the results of a shard's circuits.

        Returns:
            ``None`` if the shard was lost to another worker.
        """
        programs = self._programs.load(shard.job_id, [circuit.program for circuit in work.circuits])
        results: list[CircuitResult] = []
        held = 0
        if shard.attempt == 1:
            for circuit in work.circuits:
                found = self._run(shard, work, circuit, programs[circuit.program], threads, held)
                held += sum(map(size_of, found))
                results += found
            return results
        points = [take_points(circuit, at, 1) for circuit in work.circuits for at in range(circuit.points)]
        for circuit in points:
            deaths = self._deaths(shard, circuit, alone=len(points) == 1)
            if deaths is None:
                return None
            if deaths >= self._max_attempts or shard.attempt > self._max_attempts + MORE_ATTEMPTS:
                results.append(self._failed(circuit, _given_up(deaths or shard.attempt - 1, shard.cause)))
            else:
                found = self._run(shard, work, circuit, programs[circuit.program], threads, held)
                held += sum(map(size_of, found))
                results += found
        return results

    def _deaths(self, shard: ClaimedShard, circuit: CircuitWork, *, alone: bool) -> int | None:
        """Return how many processes died while they ran a circuit.

        After a death, the ledger records which circuit runs, so that the shard's other circuits don't fail with it.
        Nothing tells the circuit of the first death. So it counts for each circuit during which another process died.

        Returns:
            ``None`` if the shard was lost to another worker.
        """
        if alone:
            return shard.attempt - 1
        deaths = self._store.begin(shard, circuit.index)
        return None if deaths is None else deaths + (deaths > 0)

    def _run(
        self,
        shard: ClaimedShard,
        work: ShardWork,
        circuit: CircuitWork,
        program: Program | WireError,
        threads: int,
        held: int,
    ) -> list[CircuitResult]:
        """Run a circuit at all its points, in parts that fit memory.

        Args:
            shard: the shard.
            work: the shard's work.
            circuit: a circuit of the shard.
            program: the circuit's program, or the error of reading it.
            threads: the number of threads that the circuit may use.
            held: the bytes of results that the shard has already.
        """
        try:
            if isinstance(program, WireError):
                raise program
            request = resolve(program, work.request_of(circuit))
            too_large = partial(
                size_refusal,
                program,
                circuit,
                request,
                costs=self._costs,
                memory_bytes=shard.grant or self._memory_bytes,
                held=held,
                blob_bytes=self._limits.blob_bytes,
            )
            choice = self._engines.choose(program, request, too_large)
            # What is saved comes back point by point.
            at_once = points_at_once(program, self._limits.angles)
            most = 1 if program.saves and request.output != Output.EXPECTATION_VALUES else at_once
            parts = [take_points(circuit, at, min(most, circuit.points - at)) for at in range(0, circuit.points, most)]
        except Exception as exc:  # noqa: BLE001 - it becomes the circuit's error
            return [self._failed(circuit, self._reason(shard, circuit, exc))]
        return [result for part in parts for result in self._points(shard, part, program, request, choice, threads)]

    def _points(
        self,
        shard: ClaimedShard,
        circuit: CircuitWork,
        program: Program,
        request: Request,
        choice: Choice,
        threads: int,
    ) -> list[CircuitResult]:
        """Run a circuit at some points together.

        A point that fails doesn't affect the results of the others.
        """
        start = time.perf_counter()
        try:
            found = simulate(choice.simulator, program, circuit, request, threads)
        except Exception as exc:  # noqa: BLE001 - it becomes the circuit's error
            if circuit.points == 1:
                return [self._failed(circuit, self._reason(shard, circuit, exc), choice)]
            # Which point is to blame shows when each is run on its own.
            points = [take_points(circuit, at, 1) for at in range(circuit.points)]
            return [
                result for point in points for result in self._points(shard, point, program, request, choice, threads)
            ]
        return [
            CircuitResult(
                index=circuit.index,
                first_shot=circuit.first_shot,
                shots=circuit.shots,
                seconds=time.perf_counter() - start,
                engine=choice.engine.name,
                engine_reason=choice.reason,
                points=circuit.points,
                # A client of version 0.1, whose shards are given no number, doesn't know this field.
                threads=threads if shard.threads else 0,
                **found,
            )
        ]

    def _reason(self, shard: ClaimedShard, circuit: CircuitWork, exc: Exception) -> str:
        if isinstance(exc, EngineError | WireError):
            return str(exc)
        if isinstance(exc, MemoryError):
            return f"its simulation ran out of memory: {exc}"
        logger.error("circuit %s of job %s", circuit.index, shard.job_id, exc_info=exc)
        return f"a defect of qfleet, please report it: {type(exc).__name__}: {exc}"

    def _failed(self, circuit: CircuitWork, error: str, choice: Choice | None = None) -> CircuitResult:
        """Return the result of a circuit that fails.

        Args:
            circuit: the circuit.
            error: the error's text.
            choice: the engine that ran the circuit; ``None`` names the first one.
        """
        return CircuitResult(
            index=circuit.index,
            first_shot=circuit.first_shot,
            shots=circuit.shots,
            seconds=0.0,
            engine=choice.engine.name if choice else self._engines.engine.name,
            engine_reason=choice.reason if choice else self._engines.reason,
            error=error[:4096],
            points=circuit.points,
        )

    def _finish(self, shard: ClaimedShard, work: ShardWork, results: list[CircuitResult]) -> bool:
        ran = [result for result in results if not result.error]
        failed = [result for result in results if result.error]
        error = f"circuit {failed[0].index}: {failed[0].error}" if failed else ""
        blocks = {circuit.index: circuit.blocks for circuit in work.circuits if circuit.blocks > 1}
        blob = encode_shard(ShardResult(circuits=tuple(results)))
        if len(blob) > self._limits.blob_bytes:
            return self._refuse(
                shard,
                f"shard {shard.index}: its results take {len(blob) >> 20} MiB together; "
                f"a Redis value holds {self._limits.blob_bytes >> 20} MiB",
            )
        stored = self._store.finish(
            shard,
            blob,
            whole=sum(result.points for result in ran if result.index not in blocks),
            blocks=[(result.index, blocks[result.index]) for result in ran if result.index in blocks],
            error=error,
        )
        if not stored:
            logger.info("the result of shard %s of job %s is no longer wanted", shard.index, shard.job_id)
        return stored

    def _refuse(self, shard: ClaimedShard, error: str) -> bool:
        """Fail a shard as a whole, without results of its circuits."""
        logger.error("job %s: %s", shard.job_id, error)
        return self._store.finish(shard, b"", whole=0, blocks=[], error=error)


def _given_up(deaths: int, cause: str) -> str:
    last = cause or "unknown, its worker is gone with it"
    return f"given up: the worker process died {deaths} times while it ran this circuit; the last cause: {last}"
