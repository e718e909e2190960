# SPDX-License-Identifier: Apache-2.0
"""Circuits that take too much memory, or more than Redis holds, are refused in words before they run."""

from __future__ import annotations

import re

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import measure, op
from fake_shards import GIB, FakeEngine, FakeStore, OneEngine, circuit, run
from make_jobs import make_circuit_result, make_shard_work
from msgspec.structs import replace

from qfleet.wire.codec.blobs import content_hash
from qfleet.wire.codec.programs import encode_program
from qfleet.wire.codec.shards import encode_shard
from qfleet.wire.cost.constants import ENGINES
from qfleet.wire.cost.cost import Cost, cost
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Save, SaveKind
from qfleet_worker.engines.choose import Engines
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.shards.runner import Runner, ShardLimits
from qfleet_worker.shards.size import Costs, size_of


def store_of(
    program: Program, output: str = "counts", *, memory: bool = False, copies: int = 1, **work: object
) -> FakeStore:
    blob = encode_program(program)
    name = content_hash(blob)
    circuits = [circuit(index, program=name, **work) for index in range(copies)]
    return FakeStore(encode_shard(make_shard_work(*circuits, output=output, memory=memory)), blobs={name: blob})


def means(observables: int) -> Program:
    save = Save(SaveKind.EXPECTATION_VALUES, "m", "average", starts=np.zeros(observables + 1, "<i4").tobytes())
    row = op(Op.SAVE, [0])._replace(save=0)
    return replace(oracle.program(1, 0, [row]), saves=(save,), save_refs=np.zeros(1, np.int32))


ONE = oracle.program(1, 1, [measure(0, 0)])
WIDE = oracle.program(20, 1 << 24, [measure(qubit, qubit) for qubit in range(20)])

REFUSED = {
    "qubits whose amplitudes no number counts": (oracle.program(32_767, 1, []), {}, r"2\*\*32767 amplitudes"),
    "the unitary of many qubits": (oracle.program(60, 0, []), {"output": "unitary"}, r"60 qubits need 2\*\*120"),
    "states": (oracle.program(30, 1, [measure(0, 0)]), {}, "its 30 qubits need 48.1 GiB of memory; this worker has"),
    "each shot's outcome": (ONE, {"memory": True, "shots": 2**31 - 1}, "its results would take 8192 MiB"),
    "bits": (ONE, {"output": "bits", "shots": 2**31 - 1}, "its results would take 2048 MiB"),
    "outcomes of many clbits": (WIDE, {"shots": 2000}, "its results would take 4000 MiB"),
    "means at many points": (means(100_000), {"output": "means", "points": 3000}, "its results would take 22"),
    "results that fit Redis alone": (
        ONE,
        {"memory": True, "shots": 100_000_000},
        "its 1 qubits, with all that it saves and gives, need 1.6 GiB of memory; this worker has 1.0 GiB",
    ),
    "means that fit Redis alone": (
        means(100_000),
        {"output": "means", "points": 600},
        "with all that it saves and gives, need 1.9 GiB",
    ),
}


@pytest.mark.parametrize(("program", "asked", "text"), REFUSED.values(), ids=REFUSED)
def test_what_is_too_large_is_refused(program: Program, asked: dict[str, object], text: str) -> None:
    store, engine = store_of(program, **asked), FakeEngine()
    assert run(store, engine)
    (result,) = store.result.circuits
    assert engine.asked == []
    assert re.search(text, result.error), result.error


def test_an_engine_that_holds_fewer_states_runs_what_the_first_has_no_room_for() -> None:
    """A reset in the middle: the statevector engine counts 3.1 states for its branches, the numpy engine 3."""
    program = oracle.program(22, 1, [op(Op.H, [0]), op(Op.RESET, [0]), op(Op.H, [0]), measure(0, 0)])
    needed = {name: cost(program, Request(), shots=10, engine=name).memory_bytes for name in ENGINES}
    assert needed["numpy"] < needed["statevector"]
    first, second = FakeEngine(), FakeEngine()
    engines = Engines([OneEngine(first, "fast", "statevector"), OneEngine(second, "slow", "numpy")])
    for memory_bytes, name, reason in (
        (needed["statevector"], "statevector", "fast"),
        (needed["numpy"], "numpy", "on the statevector engine, its 22 qubits need"),
    ):
        store = store_of(program)
        Runner(store, engines, memory_bytes=memory_bytes, max_attempts=3).run(store.claimed())
        (result,) = store.result.circuits
        assert (result.engine, result.error) == (name, "")
        assert result.engine_reason.startswith(reason)
    assert (len(first.asked), len(second.asked)) == (1, 1)
    store = store_of(program)
    Runner(store, engines, memory_bytes=needed["numpy"] - 1, max_attempts=3).run(store.claimed())
    assert store.result.circuits[0].error.startswith("its 22 qubits need")
    assert store.result.circuits[0].engine == "statevector"


def test_a_circuit_that_fails_names_the_engine_that_ran_it() -> None:
    def fail(_: Experiment) -> Outcome:
        raise EngineError("it failed")

    engines = Engines([OneEngine(FakeEngine(), name="small", methods=frozenset()), OneEngine(FakeEngine(answer=fail))])
    store = store_of(ONE)
    Runner(store, engines, memory_bytes=GIB, max_attempts=3).run(store.claimed())
    (result,) = store.result.circuits
    assert (result.engine, result.error) == ("fake", "it failed")


def test_results_of_a_shard_count_together() -> None:
    """Each alone would fit Redis."""
    program = oracle.program(10, 0, [op(Op.H, [0])])
    store = store_of(program, output="statevector", copies=4)
    assert run(store, NumpySimulator(), limits=ShardLimits(blob_bytes=40_000))
    errors = [result.error for result in store.result.circuits]
    assert [bool(error) for error in errors] == [False, False, True, True]
    assert "its results would take 0 MiB, beside 0 MiB of others; a Redis value holds 0 MiB" in errors[2]


def test_a_result_that_became_too_large_after_all_fails_its_shard() -> None:
    store = store_of(ONE)

    def answer(_: Experiment) -> Outcome:
        return Outcome(np.array([[1]], np.uint8), np.array([10]), amplitudes=np.zeros(100, np.complex128))

    assert run(store, FakeEngine(answer=answer), limits=ShardLimits(blob_bytes=1000))
    (finished,) = store.finished
    assert finished["result"] == b""
    assert "shard 0: its results take 0 MiB together; a Redis value holds 0 MiB" in finished["error"]


def test_a_unitary_of_a_circuit_that_saves_a_state_is_refused() -> None:
    save = Save(SaveKind.PROBABILITIES, "p", "average")
    row = op(Op.SAVE, [0])._replace(save=0)
    program = replace(oracle.program(1, 0, [row]), saves=(save,), save_refs=np.zeros(1, np.int32))
    store, engine = store_of(program, output="unitary"), FakeEngine()
    assert run(store, engine)
    assert (
        "it gives its unitary, and has save_probabilities ('p'), and no method has both"
        in store.result.circuits[0].error
    )
    assert engine.asked == []


def test_the_size_of_a_result_is_that_of_its_data() -> None:
    names = ("outcomes", "counts", "memory", "amplitudes", "bits", "expectation_values", "distinct")
    result = make_circuit_result(**{name: bytes(at) for at, name in enumerate(names)})
    assert size_of(result) == sum(range(len(names)))


def test_a_cost_is_computed_once() -> None:
    asked: list[dict[str, object]] = []

    class Engine(OneEngine):
        def cost(self, program: Program, request: Request, **load: object) -> Cost:  # type: ignore[override]
            asked.append({"request": request, **load})
            return super().cost(program, request, **load)  # type: ignore[arg-type]

    costs, engine = Costs(), Engine(FakeEngine())
    first = circuit(0, program=content_hash(encode_program(ONE)))
    one, other = Request(Output.COUNTS, "statevector"), Request(Output.BITS, "statevector")
    same = [costs.of(engine, ONE, first, one) for _ in range(3)]
    assert same == [engine.cost(ONE, one, shots=first.shots)] * 3
    costs.of(engine, ONE, first, other)
    costs.of(engine, ONE, replace(first, shots=first.shots + 1), one)
    costs.of(engine, ONE, first, one, points=2)
    costs.of(engine, WIDE, replace(first, program=content_hash(encode_program(WIDE))), one)
    assert len(asked) == 1 + 1 + 4
