# SPDX-License-Identifier: Apache-2.0
"""The course of circuits at several points, with a store and an engine that only say what they were asked."""

from __future__ import annotations

import make_golden
import msgspec
import numpy as np
import pytest
from fake_shards import TILT, FakeEngine, P, angles, circuit, parametrised, points, run, stored

from qfleet.wire.codec.blobs import content_hash
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.messages.work import SEED_STEP, CircuitWork
from qfleet.wire.program.formulas import Formula, Step
from qfleet.wire.program.program import NOTHING
from qfleet.wire.program.saves import SaveKind
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.shards.runner import MORE_ATTEMPTS, ShardLimits

ROWS = [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)]


def seeds(number: int, first: int = 100) -> list[int]:
    return [first + SEED_STEP * point for point in range(number)]


def test_the_points_of_a_circuit_are_one_sweep_and_one_result() -> None:
    store, engine = stored(points(4, *ROWS)), FakeEngine()
    run(store, engine)
    assert engine.sweeps == [3]
    assert angles(engine) == [[0.25, 2.0], [0.25, 4.0], [0.25, 6.0]]
    assert [asked.seed for asked in engine.asked] == seeds(3)
    (result,) = store.result.circuits
    assert (result.index, result.points, result.shots, result.error) == (4, 3, 10, "")
    assert (result.engine, result.first_shot) == ("fake", 0)
    assert np.frombuffer(result.distinct, "<i8").tolist() == [1, 1, 1]
    assert result.outcomes == b"\x01" * 3
    assert np.frombuffer(result.counts, "<i8").tolist() == [10, 10, 10]
    (finished,) = store.finished
    assert (finished["whole"], finished["blocks"], finished["error"]) == (3, [], "")


def test_an_engine_gets_angles_and_which_of_them_are_slots() -> None:
    for rows in ROWS[:1], ROWS[:2]:
        engine = FakeEngine()
        run(stored(points(0, *rows)), engine)
        assert len(engine.asked) == len(rows)
        for asked in engine.asked:
            assert (asked.program.num_parameters, asked.program.formulas) == (0, ())
            assert len(asked.program.slots)
            assert not len(asked.program.slot_refs)
            # But for these, it is asked for a program as any other.
            decode_program(encode_program(msgspec.structs.replace(asked.program, slots=NOTHING)))


@pytest.mark.parametrize(
    ("circuits", "sweeps"),
    [
        ([points(0, (1, 2))], []),
        ([points(0, (1, 2)), points(1, (1, 2), program=TILT, seed=7)], []),
        ([points(0, (1, 2), (3, 4)), points(2, (1, 2), (3, 4), program=TILT)], [2, 2]),
        ([points(0, (1, 2), (3, 4)), points(2, (1, 2), (3, 4), (5, 6), shots=3)], [2, 3]),
        ([points(0, (1, 2), first_shot=5), points(1, (1, 2), (1, 2))], [2]),
        ([points(0, (1, 2)), circuit(1, points=2), points(3, (1, 2))], [2]),
    ],
)
def test_the_points_of_each_circuit_are_swept_on_their_own(circuits: list[CircuitWork], sweeps: list[int]) -> None:
    store, engine = stored(*circuits), FakeEngine()
    run(store, engine)
    assert engine.sweeps == sweeps
    assert [(asked.seed, asked.shots, asked.first_shot) for asked in engine.asked] == [
        (seed, each.shots, each.first_shot) for each in circuits for seed in seeds(each.points, each.seed)
    ]
    assert [(result.index, result.points, result.error) for result in store.result.circuits] == [
        (each.index, each.points, "") for each in circuits
    ]


def test_long_sweeps_are_cut_by_memory() -> None:
    store, engine = stored(points(0, *[(1.0, index) for index in range(5)])), FakeEngine()
    # Two angles, and seven numbers on the way to them.
    run(store, engine, limits=ShardLimits(angles=19))
    assert engine.sweeps == [2, 2]
    assert angles(engine) == [[0.25, float(index)] for index in range(5)]
    assert [asked.seed for asked in engine.asked] == seeds(5)
    assert [(result.index, result.points) for result in store.result.circuits] == [(0, 2), (2, 2), (4, 1)]
    assert store.finished[0]["whole"] == 5


def test_a_program_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    decode = decode_program
    monkeypatch.setattr(
        "qfleet_worker.shards.program_cache.decode_program", lambda blob: decoded.append(blob) or decode(blob)
    )
    run(stored(points(0, (1, 2)), circuit(1), points(2, (3, 4), (5, 6)), circuit(4)))
    assert len(decoded) == 2


def test_points_that_were_cut_into_blocks_of_shots_are_counted_apart() -> None:
    store = stored(points(0, (1, 2), first_shot=20, blocks=3), points(1, (1, 2), (3, 4)))
    run(store)
    assert (store.finished[0]["whole"], store.finished[0]["blocks"]) == (2, [(0, 3)])


@pytest.mark.parametrize("error", [EngineError("the norm is 2"), MemoryError("1 GiB"), ZeroDivisionError("oh")])
def test_an_error_of_one_point_leaves_the_others(error: Exception) -> None:
    def answer(experiment: Experiment) -> Outcome:
        if experiment.seed in seeds(5)[1::2]:
            raise error
        return Outcome(np.array([[1]], np.uint8), np.array([10], np.int64))

    store = stored(points(0, *[(1.0, 2.0)] * 5))
    assert run(store, FakeEngine(answer=answer)) is True
    results = store.result.circuits
    assert [(result.index, result.points) for result in results] == [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)]
    assert [bool(result.error) for result in results] == [False, True, False, True, False]
    assert [len(result.counts) for result in results] == [8, 0, 8, 0, 8]
    assert str(error) in results[1].error
    (finished,) = store.finished
    assert finished["whole"] == 3
    assert finished["error"] == f"circuit 1: {results[1].error}"


def test_an_error_says_which_work_it_is_of_and_leaves_other_works() -> None:
    def answer(experiment: Experiment) -> Outcome:
        if experiment.program.params[0] == 0.5:
            raise EngineError("tilted")
        return Outcome(np.array([[1]], np.uint8), np.array([10], np.int64))

    store = stored(points(0, *ROWS), points(3, *ROWS, program=TILT), points(6, *ROWS))
    run(store, FakeEngine(answer=answer))
    assert [(result.index, result.points, result.error) for result in store.result.circuits] == [
        (0, 3, ""),
        *[(index, 1, "tilted") for index in (3, 4, 5)],
        (6, 3, ""),
    ]


def test_values_without_an_angle_fail_their_point_only() -> None:
    inverse = Formula(bytes([Step.NUMBER, Step.PARAMETER, Step.DIV]), bytes(4), np.array([1], "<c16").tobytes())
    name = content_hash(parametrised(inverse))
    store = stored(points(0, *[(index - 1.0, 0.0) for index in range(3)], program=name), formula=inverse)
    engine = FakeEngine()
    run(store, engine)
    assert angles(engine) == [[0.25, -1.0], [0.25, 1.0]]
    assert [result.error for result in store.result.circuits] == [
        "",
        "the formula of an angle of operation 1 (ry) gives no real, finite number; give its parameters other values",
        "",
    ]


@pytest.mark.parametrize("number", [0, 1, 3])
def test_values_that_dont_fit_the_program(number: int) -> None:
    bad = points(1, (1.0,) * number)
    store, engine = stored(points(0, (1.0, 2.0)), bad, circuit(2)), FakeEngine()
    run(store, engine)
    good, failed, other = store.result.circuits
    assert failed.error == f"it comes with {8 * number} bytes of values; its 2 parameters take 16 at 1 points"
    assert (good.error, other.error, len(engine.asked)) == ("", "", 2)


def test_values_that_dont_fit_the_points() -> None:
    store, engine = stored(points(0, *ROWS, points=2), circuit(2)), FakeEngine()
    run(store, engine)
    *failed, other = store.result.circuits
    # Each point is tried with its share of the values, and those fit no better.
    assert [(result.index, result.points) for result in failed] == [(0, 1), (1, 1)]
    text = "it comes with 24 bytes of values; its 2 parameters take 16 at 1 points"
    assert [result.error for result in failed] == [text, text]
    assert (other.error, len(engine.asked)) == ("", 1)


def test_values_for_a_program_without_parameters() -> None:
    store = stored(points(0, (1.0,), program=P))
    run(store)
    assert store.result.circuits[0].error == "it comes with 8 bytes of values; its 0 parameters take 0 at 1 points"


def test_points_that_need_too_much_memory_arent_begun() -> None:
    store, engine = stored(points(0, (1.0, 2.0)), points(1, *ROWS)), FakeEngine()
    run(store, engine, memory_bytes=1)
    assert engine.asked == []
    assert [(result.index, result.points) for result in store.result.circuits] == [(0, 1), (1, 3)]
    assert all("its 1 qubits need" in result.error for result in store.result.circuits)
    assert store.finished[0]["whole"] == 0


def test_after_a_death_each_point_is_noted_and_run_on_its_own() -> None:
    store, engine = stored(points(4, *ROWS), circuit(7)), FakeEngine()
    store.attempt, store.deaths = 4, {5: 2}
    assert run(store, engine) is True
    assert store.begun == [4, 5, 6, 7]
    assert engine.sweeps == []
    assert [(result.index, result.points, bool(result.error)) for result in store.result.circuits] == [
        (4, 1, False),
        (5, 1, True),
        (6, 1, False),
        (7, 1, False),
    ]
    assert "died 3 times while it ran this circuit" in store.result.circuits[1].error
    assert [asked.seed for asked in engine.asked] == [100, 100 + 2 * SEED_STEP, 5]
    assert angles(engine)[:2] == [[0.25, 2.0], [0.25, 6.0]]
    assert store.finished[0]["whole"] == 3


@pytest.mark.parametrize(("attempt", "runs"), [(3 + MORE_ATTEMPTS, True), (4 + MORE_ATTEMPTS, False)])
def test_several_points_arent_one_circuit_that_kills(attempt: int, runs: bool) -> None:
    store = stored(points(0, *ROWS))
    store.attempt = attempt
    run(store)
    assert [not result.error for result in store.result.circuits] == [runs] * 3


@pytest.mark.parametrize(
    ("output", "expected"),
    [("counts", [(0, 1), (1, 1), (2, 1)]), ("statevector", [(0, 1), (1, 1), (2, 1)]), ("means", [(0, 3)])],
)
def test_what_is_saved_comes_back_point_by_point(output: str, expected: list[tuple[int, int]]) -> None:
    blob = encode_program(make_golden.means(SaveKind.EXPECTATION_VALUES))
    name = content_hash(blob)
    store = stored(circuit(0, program=name, points=3), output=output)
    store.blobs[name] = blob
    run(store, NumpySimulator())
    assert [(result.index, result.points) for result in store.result.circuits] == expected
    assert not any(result.error for result in store.result.circuits)
