# SPDX-License-Identifier: Apache-2.0
"""Points together have the counts, bits and means of each point on its own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from aer_like import LikeAer
from fake_shards import FakeEngine
from make_experiments import make_experiment
from make_jobs import make_circuit_work, make_shard_work
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparseObservable

from qfleet.lowering.lower import lower
from qfleet.lowering.passes.expectation_values import save_expectation_values
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.messages.work import SEED_STEP, CircuitWork
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import EngineError, Outcome
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.shards.simulation import resolve, simulate

VALUES = np.array([[0.3, 1.0], [2.0, -0.7], [0.3, 1.0], [3.0, 0.1]])


def circuit(num_clbits: int = 11) -> QuantumCircuit:
    """Return three qubits and two angles; the measured clbits are in both bytes of an outcome."""
    a, b = Parameter("a"), Parameter("b")
    built = QuantumCircuit(3, num_clbits)
    built.ry(a, 0)
    built.cx(0, 1)
    built.rx(a * b, 2)
    if num_clbits:
        built.measure([0, 1, 2], [0, 9, 4])
    return built


def work(points: int = len(VALUES), **changed: Any) -> CircuitWork:
    fields = {"shots": 20, "seed": 50, "points": points}
    return make_circuit_work(3, **fields | {"values": VALUES[:points].tobytes()} | changed)


def simulated(
    program: Program, one: CircuitWork, output: str, engine: Any = None, *, memory: bool = False, **changed: Any
) -> dict[str, Any]:
    shard = make_shard_work(one, output=output, memory=memory, **changed)
    return simulate(engine or NumpySimulator(), program, one, resolve(program, shard.request_of(one)), 1)


def expected(built: QuantumCircuit, point: int, **changed: Any) -> Outcome:
    """Run a point on its own, with its parameters bound by Qiskit."""
    program = lower(built.assign_parameters(VALUES[point]))
    return NumpySimulator().run(
        make_experiment(program, seed=50 + SEED_STEP * point, **{"shots": 20, "memory": True} | changed)
    )


@pytest.mark.parametrize("points", [1, 4])
@pytest.mark.parametrize("memory", [False, True])
def test_counts_are_those_of_the_points(points: int, memory: bool) -> None:
    found = simulated(lower(circuit()), work(points), "counts", memory=memory)
    alone = [expected(circuit(), point) for point in range(points)]
    assert found["outcomes"] == b"".join(each.outcomes.tobytes() for each in alone)
    assert found["counts"] == b"".join(each.counts.tobytes() for each in alone)
    assert found["memory"] == (b"".join(each.memory.tobytes() for each in alone) if memory else b"")
    assert found["amplitudes"] == b""
    if points > 1:
        assert np.frombuffer(found["distinct"], "<i8").tolist() == [len(each.counts) for each in alone]
        assert "saved" not in found
    else:
        assert "distinct" not in found
        assert found["saved"] == ()


@pytest.mark.parametrize(("precision", "dtype"), [("double", "<c16"), ("single", "<c8")])
def test_amplitudes_of_all_points(precision: str, dtype: str) -> None:
    built = circuit(0)
    found = simulated(lower(built), work(), "statevector", precision=precision)
    alone = [expected(built, point, output="statevector", precision=precision).amplitudes for point in range(4)]
    np.testing.assert_array_equal(np.frombuffer(found["amplitudes"], dtype).reshape(4, 8), alone)


@pytest.mark.parametrize("points", [1, 4])
def test_bits_are_each_shots_outcome(points: int) -> None:
    found = simulated(lower(circuit()), work(points), "bits")
    assert found.keys() == {"bits"}
    bits = np.frombuffer(found["bits"], np.uint8).reshape(points, 20, 2)
    for point in range(points):
        alone = expected(circuit(), point)
        assert alone.memory is not None
        np.testing.assert_array_equal(bits[point], alone.outcomes[alone.memory])


def test_bits_of_a_block_of_shots_are_those_of_the_whole() -> None:
    whole = simulated(lower(circuit()), work(), "bits")["bits"]
    block = simulated(lower(circuit()), work(1, first_shot=5, shots=7), "bits")["bits"]
    assert block == whole[2 * 5 : 2 * 12]


def test_without_clbits_there_are_no_bits() -> None:
    assert simulated(lower(circuit(0)), work(), "bits") == {"bits": b""}


def test_what_an_engine_is_asked() -> None:
    engine = FakeEngine()
    simulated(lower(circuit()), work(2, first_shot=4), "bits", engine, precision="single")
    assert [(each.seed, each.shots, each.first_shot) for each in engine.asked] == [
        (50, 20, 4),
        (50 + SEED_STEP, 20, 4),
    ]
    asked = Request(Output.BITS, "statevector", "single")
    assert asked.keeps_shots
    assert {(each.request, each.threads) for each in engine.asked} == {(asked, 1)}
    simulated(lower(circuit()), work(1), "counts", engine := FakeEngine())
    assert (engine.sweeps, [each.request.keeps_shots for each in engine.asked]) == ([], [False])


@pytest.mark.parametrize("values", [b"", VALUES.tobytes()[:-8], VALUES.tobytes() + bytes(8), VALUES.tobytes()[:-1]])
def test_values_that_dont_fit_the_points(values: bytes) -> None:
    engine = FakeEngine()
    with pytest.raises(EngineError, match=f"{len(values)} bytes of values; its 2 parameters take 64 at 4 points"):
        simulated(lower(circuit()), work(values=values), "counts", engine)
    assert engine.asked == []


# -------------------------------------------------------------------------------------------------------------- means


def test_means_over_shots_that_differ_and_their_squares() -> None:
    """Qubit 1 is 0 or 1 by chance, as the shot's own bit says; and qubit 0 is turned by an angle after that."""
    built = QuantumCircuit(2, 1)
    built.ry(Parameter("a"), 1)
    built.measure(1, 0)
    built.ry(Parameter("b"), 0)
    observables = [SparseObservable("ZI"), SparseObservable("IX"), SparseObservable("ZX")]
    program = save_expectation_values(lower(built), observables, squares=True)
    found = simulated(program, work(shots=50), "means")
    assert found.keys() == {"expectation_values"}
    means = np.frombuffer(found["expectation_values"], "<f8").reshape(4, 2, 3)
    bits = np.frombuffer(simulated(program, work(shots=50), "bits")["bits"], np.uint8).reshape(4, 50)
    sines = np.sin(VALUES[:, 1])
    signs = 1 - 2.0 * bits
    expected = [signs.mean(1), sines, sines * signs.mean(1)]
    np.testing.assert_allclose(means[:, 0], np.transpose(expected), atol=1e-12)
    np.testing.assert_allclose(means[:, 1], np.transpose([np.ones(4), sines**2, sines**2]), atol=1e-12)
    assert 0 < bits.mean() < 1


def test_means_of_blocks_of_shots_are_those_of_the_whole() -> None:
    built = QuantumCircuit(1, 1)
    built.h(0)
    built.measure(0, 0)
    program = save_expectation_values(lower(built), [SparseObservable("Z")], squares=True)

    def means(first: int, shots: int) -> float:
        block = work(1, values=b"", first_shot=first, shots=shots)
        return float(np.frombuffer(simulated(program, block, "means")["expectation_values"], "<f8")[0])

    assert 30 * means(0, 30) == pytest.approx(11 * means(0, 11) + 19 * means(11, 19), abs=1e-12)


def test_points_of_one_shot_without_parameters() -> None:
    built = QuantumCircuit(1)
    built.ry(0.4, 0)
    program = save_expectation_values(lower(built), [SparseObservable("Z")])
    found = simulated(program, work(3, values=b"", shots=1), "means")["expectation_values"]
    assert np.frombuffer(found, "<f8") == pytest.approx([math.cos(0.4)] * 3, abs=1e-12)


@pytest.mark.parametrize("save", [False, True])
def test_means_of_a_program_that_saves_none(save: bool) -> None:
    built = circuit(0)
    if save:
        built.append(LikeAer("save_probabilities", 3, "average"), [0, 1, 2])
    with pytest.raises(EngineError, match="expectation values are wanted of it, and it saves none"):
        simulated(lower(built), work(), "means", FakeEngine())


def test_a_method_that_cannot_give_the_output() -> None:
    program = lower(circuit())
    assert resolve(program, Request()).method == "statevector"
    with pytest.raises(EngineError, match="it gives its counts, which method='unitary' doesn't have"):
        resolve(program, Request(method="unitary"))
