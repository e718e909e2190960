# SPDX-License-Identifier: Apache-2.0
"""A store and an engine that record calls, and shards for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import engine_oracle as oracle
import msgspec
import numpy as np
from make_jobs import make_circuit_work, make_shard_work
from numpy.typing import NDArray

from qfleet.wire.codec.blobs import content_hash
from qfleet.wire.codec.programs import encode_program
from qfleet.wire.codec.shards import decode_result, encode_shard
from qfleet.wire.cost.cost import Cost, cost
from qfleet.wire.messages.request import METHODS, Method, Request
from qfleet.wire.messages.result import ShardResult
from qfleet.wire.messages.work import CircuitWork
from qfleet.wire.program.formulas import Formula, parameter
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.choose import Engines
from qfleet_worker.engines.contract import Experiment, Outcome, Simulator
from qfleet_worker.picked import ClaimedShard
from qfleet_worker.shards.runner import Runner

GIB = 2**30


def program(num_qubits: int = 1) -> bytes:
    """Return the blob of one measurement."""
    return encode_program(oracle.program(num_qubits, 1, [oracle.measure(0, 0)]))


def parametrised(formula: Formula | None = None, angle: float = 0.25) -> bytes:
    """Return the blob of rotations by an angle and by a formula."""
    rotations = [oracle.op(Op.RX, [0], [angle]), oracle.op(Op.RY, [0], [0.0])]
    return encode_program(
        msgspec.structs.replace(
            oracle.program(1, 1, rotations),
            num_parameters=2,
            slots=np.array([1], np.int32),
            slot_refs=np.array([0], np.int32),
            formulas=(formula or parameter(1),),
        )
    )


#: The names of a `program`, and of two `parametrised` ones.
P, TURN, TILT = map(content_hash, [program(), parametrised(), parametrised(angle=0.5)])


def circuit(index: int = 0, **changed: Any) -> CircuitWork:
    return make_circuit_work(index, **{"program": P, "seed": 5} | changed)


@dataclass
class FakeStore:
    """One shard, and what was stored of it."""

    work: bytes
    attempt: int = 1
    wanted: bool = True
    blobs: dict[str, bytes] = field(default_factory=lambda: {P: program()})
    finished: list[dict[str, Any]] = field(default_factory=list)
    #: the circuits that its job is said to have
    circuits: int | None = None
    #: how many processes died running a circuit, once that is noted; -1: the shard was lost then
    deaths: dict[int, int] = field(default_factory=dict)
    begun: list[int] = field(default_factory=list)

    def claimed(self, grant: int = 0, threads: int = 0) -> ClaimedShard:
        """Return the shard as a process gets it."""
        return ClaimedShard("job", 0, "me", self.attempt, self.work, "signal 9", grant, threads, circuits=self.circuits)

    def begin(self, shard: ClaimedShard, circuit: int) -> int | None:
        assert shard.owner == "me"
        self.begun.append(circuit)
        deaths = self.deaths.get(circuit, 0)
        return None if deaths < 0 else deaths

    def programs(self, job_id: str, names: list[str]) -> list[bytes | None]:
        assert job_id == "job"
        return [self.blobs.get(name) for name in names]

    def finish(self, shard: ClaimedShard, result: bytes, **what: Any) -> bool:
        self.finished.append({"shard": shard, "result": result} | what)
        return self.wanted

    @property
    def result(self) -> ShardResult:
        (finished,) = self.finished
        return decode_result(finished["result"])


@dataclass
class FakeEngine:
    """A simulator that gives the same or a prepared answer."""

    asked: list[Experiment] = field(default_factory=list)
    answer: Callable[[Experiment], Outcome] | None = None
    #: points of each sweep
    sweeps: list[int] = field(default_factory=list)

    def sweep(self, experiment: Experiment, params: NDArray[np.float64], seeds: Sequence[int]) -> Iterator[Outcome]:
        self.sweeps.append(len(params))
        for row, seed in zip(params, seeds, strict=True):
            program = msgspec.structs.replace(experiment.program, params=row)
            yield self.run(msgspec.structs.replace(experiment, program=program, seed=seed))

    def run(self, experiment: Experiment) -> Outcome:
        self.asked.append(experiment)
        if self.answer is not None:
            return self.answer(experiment)
        return Outcome(np.array([[1]], np.uint8), np.array([experiment.shots], np.int64))


def run(
    store: FakeStore, engine: FakeEngine | None = None, *, grant: int = 0, threads: int = 0, **changed: Any
) -> bool:
    runner = Runner(store, always(engine or FakeEngine()), **{"memory_bytes": GIB, "max_attempts": 3} | changed)
    return runner.run(store.claimed(grant, threads))


@dataclass
class OneEngine:
    """An engine that runs everything by one simulator."""

    simulator: Simulator
    reason: str = ""
    name: str = "fake"
    methods: frozenset[Method] = frozenset(spec.method for spec in METHODS.values())

    def available(self) -> str:
        return ""

    def supports(self, program: Program, request: Request) -> str:  # noqa: ARG002
        return ""

    def cost(
        self, program: Program, request: Request, *, shots: int, points: int = 1, num_observables: int = 0
    ) -> Cost:
        return cost(program, request, shots=shots, points=points, num_observables=num_observables, engine=self.name)

    def open(self) -> Simulator:
        return self.simulator


def always(engine: Simulator, reason: str = "") -> Engines:
    """Return engines that always choose the same one."""
    return Engines([OneEngine(engine, reason)])


def points(index: int, *rows: Sequence[float], **changed: Any) -> CircuitWork:
    """Return a circuit with a parameter set for each row of values."""
    values = np.array(rows, "<f8").tobytes()
    return circuit(index, **{"program": TURN, "seed": 100, "points": len(rows), "values": values} | changed)


def stored(*circuits: CircuitWork, formula: Formula | None = None, **changed: Any) -> FakeStore:
    blobs = [parametrised(formula), parametrised(), parametrised(angle=0.5), program()]
    return FakeStore(
        encode_shard(make_shard_work(*circuits, **changed)), blobs={content_hash(blob): blob for blob in blobs}
    )


def angles(engine: FakeEngine) -> list[list[float]]:
    return [asked.program.params.tolist() for asked in engine.asked]
