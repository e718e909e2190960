# SPDX-License-Identifier: Apache-2.0
"""The course of a shard, with a store and an engine that only say what they were asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from qfleet.wire import codec
from qfleet.wire.cost import required_bytes
from qfleet.wire.formulas import Formula, Step, parameter
from qfleet.wire.program import Op, Program
from qfleet.wire.shard import CircuitWork, ShardResult, ShardWork
from qfleet_worker.engines.base import EngineError, Experiment, Outcome
from qfleet_worker.runner import MORE_ATTEMPTS, Runner
from qfleet_worker.store import Taken

GIB = 2**30


def program(num_qubits: int = 1) -> bytes:
    """The blob of one measurement."""
    empty = np.zeros(0, np.int32)
    return codec.encode_program(
        Program(
            num_qubits=num_qubits,
            num_clbits=1,
            codes=np.array([Op.MEASURE], np.uint8),
            num_controls=np.zeros(1, np.uint16),
            num_targets=np.ones(1, np.uint16),
            operands=np.zeros(1, np.int32),
            clbits=np.zeros(1, np.int32),
            params=np.zeros(0),
            table_refs=empty,
            tables=(),
        )
    )


def shard(*circuits: CircuitWork, **changed: Any) -> ShardWork:
    fields: dict[str, Any] = {"output": "counts", "precision": "double", "memory": False, "threads": 1}
    return ShardWork(circuits=circuits, **fields | changed)


def circuit(index: int = 0, **changed: Any) -> CircuitWork:
    return CircuitWork(**{"index": index, "program": "p", "shots": 10, "seed": 5} | changed)


@dataclass
class FakeStore:
    """One shard, and what was stored of it."""

    work: bytes
    attempt: int = 1
    is_over: bool = False
    wanted: bool = True
    blobs: dict[str, bytes] = field(default_factory=lambda: {"p": program()})
    finished: list[dict[str, Any]] = field(default_factory=list)
    #: how many processes died running a circuit, once that is noted; -1: the shard was lost then
    deaths: dict[int, int] = field(default_factory=dict)
    begun: list[int] = field(default_factory=list)

    def take(self, job_id: str, index: int) -> Taken | None:
        return None if self.is_over else Taken(job_id, index, "me", self.attempt, self.work, "signal 9")

    def begin(self, taken: Taken, circuit: int) -> int | None:
        assert taken.owner == "me"
        self.begun.append(circuit)
        deaths = self.deaths.get(circuit, 0)
        return None if deaths < 0 else deaths

    def programs(self, job_id: str, names: list[str]) -> list[bytes | None]:
        assert job_id == "job"
        return [self.blobs.get(name) for name in names]

    def finish(self, taken: Taken, result: bytes, **what: Any) -> bool:
        self.finished.append({"taken": taken, "result": result} | what)
        return self.wanted

    @property
    def result(self) -> ShardResult:
        (finished,) = self.finished
        return codec.decode_result(finished["result"])


@dataclass
class FakeEngine:
    """Answers each experiment alike, or as it is told."""

    name: str = "fake"
    asked: list[Experiment] = field(default_factory=list)
    answer: Callable[[Experiment], Outcome] | None = None
    #: points of each sweep
    sweeps: list[int] = field(default_factory=list)

    def sweep(self, experiment: Experiment, params: NDArray[np.float64], seeds: Sequence[int]) -> Iterator[Outcome]:
        self.sweeps.append(len(params))
        for row, seed in zip(params, seeds, strict=True):
            program = dataclasses.replace(experiment.program, params=row)
            yield self.run(dataclasses.replace(experiment, program=program, seed=seed))

    def run(self, experiment: Experiment) -> Outcome:
        self.asked.append(experiment)
        if self.answer is not None:
            return self.answer(experiment)
        return Outcome(np.array([[1]], np.uint8), np.array([experiment.shots], np.int64))


def run(store: FakeStore, engine: FakeEngine | None = None, **changed: Any) -> bool:
    return Runner(store, engine or FakeEngine(), **{"memory_bytes": GIB, "max_attempts": 3} | changed).run("job", 0)


def test_a_shard_that_isnt_to_be_run() -> None:
    store, engine = FakeStore(b"", is_over=True), FakeEngine()
    assert run(store, engine) is False
    assert (store.finished, engine.asked) == ([], [])


def test_a_shard_runs_and_its_result_is_stored() -> None:
    work = shard(circuit(3), circuit(4, seed=6, shots=7), precision="single")
    store, engine = FakeStore(codec.encode(work)), FakeEngine()
    assert run(store, engine) is True
    assert [(asked.seed, asked.shots, asked.precision) for asked in engine.asked] == [
        (5, 10, "single"),
        (6, 7, "single"),
    ]
    first, second = store.result.circuits
    assert (first.index, first.shots, first.engine, first.error) == (3, 10, "fake", "")
    assert (first.outcomes, first.counts) == (b"\x01", np.array([10], "<i8").tobytes())
    assert (first.memory, first.amplitudes) == (b"", b"")
    assert (second.index, second.shots) == (4, 7)
    (finished,) = store.finished
    assert (finished["whole"], finished["blocks"], finished["error"]) == (2, [], "")


def test_memory_and_amplitudes_are_packed() -> None:
    def answer(experiment: Experiment) -> Outcome:
        amplitudes = np.arange(8, dtype=np.complex64).reshape(2, 4).T  # not contiguous
        rows = np.array([1, 0, 1], np.int64)
        return Outcome(np.array([[0], [1]], np.uint8), np.array([1, 2], np.int32), rows, amplitudes)

    store = FakeStore(codec.encode(shard(circuit(shots=3), memory=True, output="statevector", precision="single")))
    run(store, FakeEngine(answer=answer))
    (result,) = store.result.circuits
    assert np.frombuffer(result.counts, "<i8").tolist() == [1, 2]
    assert np.frombuffer(result.memory, "<u4").tolist() == [1, 0, 1]
    assert np.frombuffer(result.amplitudes, "<c8").tolist() == [0, 4, 1, 5, 2, 6, 3, 7]


def test_a_result_that_isnt_wanted_any_more() -> None:
    assert run(FakeStore(codec.encode(shard(circuit())), wanted=False)) is False


def test_blocks_of_shots_are_counted_apart() -> None:
    work = shard(circuit(0), circuit(1, first_shot=20, blocks=3), circuit(2, blocks=2))
    store, engine = FakeStore(codec.encode(work)), FakeEngine()
    run(store, engine)
    (finished,) = store.finished
    assert (finished["whole"], finished["blocks"]) == (1, [(1, 3), (2, 2)])
    assert [asked.first_shot for asked in engine.asked] == [0, 20, 0]
    assert [result.first_shot for result in store.result.circuits] == [0, 20, 0]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (EngineError("it has no unitary"), "it has no unitary"),
        (MemoryError("1 GiB"), "its simulation ran out of memory: 1 GiB"),
        (ZeroDivisionError("oh"), "a defect of qfleet, please report it: ZeroDivisionError: oh"),
        (EngineError("long" * 5000), "long" * 1024),
    ],
    ids=["engine", "memory", "defect", "long"],
)
def test_an_error_of_one_circuit_leaves_the_others(error: Exception, text: str) -> None:
    def answer(experiment: Experiment) -> Outcome:
        if experiment.seed == 13:
            raise error
        return Outcome(np.array([[1]], np.uint8), np.array([10], np.int64))

    store = FakeStore(codec.encode(shard(circuit(0), circuit(1, seed=13), circuit(2, blocks=2))))
    assert run(store, FakeEngine(answer=answer)) is True
    assert [result.error for result in store.result.circuits] == ["", text, ""]
    (finished,) = store.finished
    assert finished["error"] == f"circuit 1: {text}"
    assert (finished["whole"], finished["blocks"]) == (1, [(2, 2)])


@pytest.mark.parametrize("blob", [None, b"", program()[:-1]], ids=["missing", "empty", "truncated"])
def test_a_program_that_cant_be_read(blob: bytes | None) -> None:
    store, engine = FakeStore(codec.encode(shard(circuit(0, program="bad"), circuit(1)))), FakeEngine()
    if blob is not None:
        store.blobs["bad"] = blob
    assert run(store, engine) is True
    bad, good = store.result.circuits
    assert bad.error
    assert good.error == ""
    assert len(engine.asked) == 1


def test_work_that_cant_be_read_is_refused_whole() -> None:
    store, engine = FakeStore(b"damaged"), FakeEngine()
    assert run(store, engine) is True
    (finished,) = store.finished
    assert (finished["result"], finished["whole"], finished["blocks"], engine.asked) == (b"", 0, [], [])
    assert finished["error"].startswith("shard 0 can't be read: not a qfleet message")


def test_a_circuit_that_needs_too_much_memory_isnt_begun() -> None:
    needed = required_bytes(25, "counts", "double")
    for memory, ran in ((needed, 1), (needed - 1, 0)):
        store, engine = FakeStore(codec.encode(shard(circuit())), blobs={"p": program(25)}), FakeEngine()
        run(store, engine, memory_bytes=memory)
        assert len(engine.asked) == ran
        assert bool(store.result.circuits[0].error) == (not ran)
    assert store.result.circuits[0].error == (
        "its 25 qubits need 1.6 GiB of memory; this worker has 1.6 GiB for one task"
    )


@pytest.mark.parametrize(("attempt", "runs"), [(1, True), (3, True), (4, False), (100, False)])
def test_attempts_are_bounded(attempt: int, runs: bool) -> None:
    store, engine = FakeStore(codec.encode(shard(circuit())), attempt=attempt), FakeEngine()
    assert run(store, engine) is True
    assert len(engine.asked) == runs
    (result,) = store.result.circuits
    assert (f"died {attempt - 1} times while it ran this circuit; the last cause: signal 9" in result.error) != runs
    assert store.begun == []


def test_only_the_circuit_that_kills_is_given_up() -> None:
    work = codec.encode(shard(circuit(4), circuit(5), circuit(6)))
    # One process died of the whole shard, and two that had noted which circuit they were at.
    store, engine = FakeStore(work, attempt=4, deaths={5: 2}), FakeEngine()
    assert run(store, engine) is True
    assert [bool(result.error) for result in store.result.circuits] == [False, True, False]
    assert "died 3 times while it ran this circuit" in store.result.circuits[1].error
    assert store.begun == [4, 5, 6]
    assert store.finished[0]["whole"] == len(engine.asked) == 2


def test_a_first_attempt_notes_nothing() -> None:
    store = FakeStore(codec.encode(shard(circuit(4), circuit(5))))
    run(store)
    assert store.begun == []


def test_a_shard_that_was_lost_meanwhile_is_left() -> None:
    store, engine = FakeStore(codec.encode(shard(circuit(4), circuit(5))), attempt=2, deaths={5: -1}), FakeEngine()
    assert run(store, engine) is False
    assert (store.begun, len(engine.asked), store.finished) == ([4, 5], 1, [])


@pytest.mark.parametrize(("attempt", "runs"), [(3 + MORE_ATTEMPTS, True), (4 + MORE_ATTEMPTS, False)])
def test_a_shard_with_many_circuits_that_kill_is_given_up_at_last(attempt: int, runs: bool) -> None:
    store = FakeStore(codec.encode(shard(circuit(4), circuit(5))), attempt=attempt)
    run(store)
    assert [not result.error for result in store.result.circuits] == [runs, runs]


def test_an_error_of_the_store_comes_out() -> None:
    store = FakeStore(codec.encode(shard(circuit())))
    store.finish = lambda *_, **__: (_ for _ in ()).throw(ConnectionError("gone"))  # type: ignore[method-assign]
    with pytest.raises(ConnectionError, match="gone"):
        run(store)


def parametrised(formula: Formula | None = None) -> bytes:
    """The blob of one rotation by 0.25 and one by a formula of two parameters."""
    empty = np.zeros(0, np.int32)
    return codec.encode_program(
        Program(
            num_qubits=1,
            num_clbits=1,
            codes=np.array([Op.RX, Op.RY], np.uint8),
            num_controls=np.zeros(2, np.uint16),
            num_targets=np.ones(2, np.uint16),
            operands=np.zeros(2, np.int32),
            clbits=empty,
            params=np.array([0.25, 0.0]),
            table_refs=empty,
            tables=(),
            num_parameters=2,
            slots=np.array([1], np.int32),
            slot_refs=np.array([0], np.int32),
            formulas=(formula or parameter(1),),
        )
    )


def point(index: int, *values: float, **changed: Any) -> CircuitWork:
    return circuit(index, **{"seed": 100 + index, "values": np.array(values, "<f8").tobytes()} | changed)


def stored(*circuits: CircuitWork, formula: Formula | None = None) -> FakeStore:
    blobs = {"p": parametrised(formula), "q": parametrised(), "plain": program()}
    return FakeStore(codec.encode(shard(*circuits)), blobs=blobs)


def angles(engine: FakeEngine) -> list[list[float]]:
    return [asked.program.params.tolist() for asked in engine.asked]


def test_the_points_of_a_program_are_one_sweep() -> None:
    store, engine = stored(point(0, 1.0, 2.0), point(1, 3.0, 4.0), point(2, 5.0, 6.0)), FakeEngine()
    run(store, engine)
    assert engine.sweeps == [3]
    assert angles(engine) == [[0.25, 2.0], [0.25, 4.0], [0.25, 6.0]]
    assert [asked.seed for asked in engine.asked] == [100, 101, 102]
    assert [(result.index, result.error) for result in store.result.circuits] == [(0, ""), (1, ""), (2, "")]


def test_an_engine_gets_no_slots() -> None:
    for circuits in ([point(0, 1.0, 2.0)], [point(0, 1.0, 2.0), point(1, 3.0, 4.0)]):
        engine = FakeEngine()
        run(stored(*circuits), engine)
        for asked in engine.asked:
            assert (asked.program.num_parameters, asked.program.formulas) == (0, ())
            assert (len(asked.program.slots), len(asked.program.slot_refs)) == (0, 0)
            # What it is asked for is a program as any other.
            codec.decode_program(codec.encode_program(asked.program))


@pytest.mark.parametrize(
    ("circuits", "sweeps"),
    [
        ([point(0, 1, 2)], []),
        ([point(0, 1, 2), point(1, 1, 2, program="q")], []),
        ([point(0, 1, 2), point(1, 1, 2), point(2, 1, 2, program="q"), point(3, 1, 2, program="q")], [2, 2]),
        ([point(0, 1, 2), point(1, 1, 2), point(2, 1, 2, shots=3), point(3, 1, 2, shots=3)], [2, 2]),
        ([point(0, 1, 2, first_shot=5), point(1, 1, 2), point(2, 1, 2)], [2]),
        ([point(0, 1, 2), point(1, program="plain"), point(2, program="plain"), point(3, 1, 2)], []),
    ],
)
def test_only_neighbours_with_the_same_shots_are_swept_together(circuits: list[CircuitWork], sweeps: list[int]) -> None:
    store, engine = stored(*circuits), FakeEngine()
    run(store, engine)
    assert engine.sweeps == sweeps
    assert [(asked.seed, asked.shots, asked.first_shot) for asked in engine.asked] == [
        (each.seed, each.shots, each.first_shot) for each in circuits
    ]
    assert all(not result.error for result in store.result.circuits)


def test_long_sweeps_are_cut_by_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qfleet_worker.runner.points_at_once", lambda _: 2)
    engine = FakeEngine()
    run(stored(*[point(index, 1.0, index) for index in range(5)]), engine)
    assert engine.sweeps == [2, 2]
    assert angles(engine) == [[0.25, float(index)] for index in range(5)]


def test_a_program_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    decode = codec.decode_program
    monkeypatch.setattr(codec, "decode_program", lambda blob: decoded.append(blob) or decode(blob))
    run(stored(point(0, 1, 2), point(1, program="plain"), point(2, 3, 4), point(3, program="plain")))
    assert len(decoded) == 2


@pytest.mark.parametrize("error", [EngineError("the norm is 2"), MemoryError("1 GiB"), ZeroDivisionError("oh")])
def test_an_error_of_one_point_leaves_the_others(error: Exception) -> None:
    def answer(experiment: Experiment) -> Outcome:
        if experiment.seed in (101, 103):
            raise error
        return Outcome(np.array([[1]], np.uint8), np.array([10], np.int64))

    store = stored(*[point(index, 1.0, 2.0) for index in range(5)])
    assert run(store, FakeEngine(answer=answer)) is True
    assert [result.index for result in store.result.circuits] == [0, 1, 2, 3, 4]
    assert [bool(result.error) for result in store.result.circuits] == [False, True, False, True, False]
    assert str(error) in store.result.circuits[1].error
    assert store.finished[0]["whole"] == 3


def test_values_without_an_angle_fail_their_point_only() -> None:
    inverse = Formula(bytes([Step.NUMBER, Step.PARAMETER, Step.DIV]), bytes(4), np.array([1], "<c16").tobytes())
    store, engine = stored(*[point(index, index - 1.0, 0.0) for index in range(3)], formula=inverse), FakeEngine()
    run(store, engine)
    assert angles(engine) == [[0.25, -1.0], [0.25, 1.0]]
    assert [result.error for result in store.result.circuits] == [
        "",
        "the formula of an angle of operation 1 (ry) gives no real, finite number; give its parameters other values",
        "",
    ]


@pytest.mark.parametrize("values", [(), (1.0,), (1.0, 2.0, 3.0)])
def test_values_that_dont_fit_the_program(values: tuple[float, ...]) -> None:
    store, engine = stored(point(0, 1.0, 2.0), point(1, *values), point(2, program="plain")), FakeEngine()
    run(store, engine)
    good, bad, other = store.result.circuits
    assert bad.error == f"it comes with {8 * len(values)} bytes of values; its 2 parameters take 16"
    assert (good.error, other.error, len(engine.asked)) == ("", "", 2)


def test_values_for_a_program_without_parameters() -> None:
    store = stored(point(0, 1.0, program="plain"))
    run(store)
    assert store.result.circuits[0].error == "it comes with 8 bytes of values; its 0 parameters take 0"


def test_points_that_need_too_much_memory_arent_begun() -> None:
    store, engine = stored(point(0, 1.0, 2.0), point(1, 1.0, 2.0)), FakeEngine()
    run(store, engine, memory_bytes=1)
    assert engine.asked == []
    assert all("its 1 qubits need" in result.error for result in store.result.circuits)


def test_results_that_together_take_too_much_memory_are_an_error_of_the_shard() -> None:
    store = FakeStore(codec.encode(shard(circuit())))
    finish = store.finish

    def refuse_results(taken: Taken, result: bytes, **what: Any) -> bool:
        if result:
            raise MemoryError("no room")
        return finish(taken, result, **what)

    store.finish = refuse_results  # type: ignore[method-assign]
    assert run(store) is True
    (finished,) = store.finished
    assert finished["error"] == "shard 0: its results together take too much memory: no room"
