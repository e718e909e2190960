# SPDX-License-Identifier: Apache-2.0
"""Every engine finds the expectation values of many observables."""

from __future__ import annotations

import engine_oracle as oracle
import msgspec
import numpy as np
import pytest
from engine_oracle import UNITARY_OPS, measure, op
from engines import ENGINES
from hypothesis import given, settings
from hypothesis import strategies as st
from make_experiments import make_experiment
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import Pauli, SparseObservable, SparsePauliOp, Statevector

from qfleet.lowering.lower import lower
from qfleet.lowering.passes.expectation_values import save_expectation_values
from qfleet.wire.messages.request import Precision
from qfleet.wire.program.angles import fill, filled
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.contract import Outcome, Simulator
from qfleet_worker.engines.numpy.simulator import NumpySimulator

TOLERANCES: dict[Precision, float] = {"double": 1e-10, "single": 1e-5}

pytestmark = pytest.mark.usefixtures("nothing_compiles")


def observables(rng: np.random.Generator, num_qubits: int, number: int) -> list[SparseObservable]:
    """Sums of Paulis, few and many; with projectors, on few qubits and on all; and the empty one."""
    found = [SparseObservable.zero(num_qubits), SparseObservable.identity(num_qubits)]
    for at in range(number):
        letters = "XYZ+-rl01" if at % 3 == 0 else "XYZ" if at % 3 == 1 else "Z"
        terms = []
        for _ in range(rng.integers(1, 12)):
            size = int(rng.integers(0, min(num_qubits, 4 if at % 3 == 0 else num_qubits) + 1))
            qubits = rng.permutation(num_qubits)[:size].tolist()
            terms.append(("".join(rng.choice(list(letters), size)), qubits, rng.normal()))
        found.append(SparseObservable.from_sparse_list(terms, num_qubits=num_qubits))
    return found


def exact(state: np.ndarray, sums: list[SparseObservable]) -> np.ndarray:
    vector = Statevector(np.ascontiguousarray(state))
    return np.array([vector.expectation_value(SparsePauliOp.from_sparse_observable(each)).real for each in sums])


def values_of(outcome: Outcome, shots: int = 1) -> np.ndarray:
    (saved,) = outcome.saved
    assert np.frombuffer(saved.weights, "<i8").tolist() == [shots]
    return np.frombuffer(saved.values, "<f8") / shots


def gates(rng: np.random.Generator, num_qubits: int, number: int) -> list[Operation]:
    return [oracle.random_operation(rng, num_qubits, 0, UNITARY_OPS) for _ in range(number)]


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("num_qubits", [1, 2, 3, 5, 8, 11])
def test_expectation_values_of_many_observables(engine: Simulator, num_qubits: int, precision: Precision) -> None:
    rng = np.random.default_rng(num_qubits)
    plain = oracle.program(num_qubits, 0, gates(rng, num_qubits, 25))
    # The state of single precision isn't quite the exact one, but the expectation values of few Paulis are.
    sums = observables(rng, num_qubits, 30)
    expected = exact(oracle.statevector(plain), sums)
    program = save_expectation_values(plain, sums)
    scale = max(1.0, *(float(np.abs(each.coeffs).sum()) for each in sums if len(each.coeffs)))
    for shots in (1, 7):
        found = values_of(engine.run(make_experiment(program, shots, 1, precision=precision)), shots)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCES[precision] * scale)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
@pytest.mark.parametrize("name", ENGINES)
def test_expectation_values_and_squares_of_random_programs(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_qubits = int(rng.integers(1, 6))
    plain = oracle.program(num_qubits, 0, gates(rng, num_qubits, 15))
    sums = observables(rng, num_qubits, 6)
    expected = exact(oracle.unitary(plain)[:, 0], sums)
    found = values_of(ENGINES[name]().run(make_experiment(save_expectation_values(plain, sums, squares=True), 1, 1)))
    np.testing.assert_allclose(found, [*expected, *expected**2], rtol=0, atol=1e-10)


def branching(rng: np.random.Generator, num_qubits: int) -> list[Operation]:
    """Measurements and a reset in the midst of gates: three ways to go for each."""
    return [
        op(Op.H, [0]),
        *gates(rng, num_qubits, 8),
        measure(0, 0),
        *gates(rng, num_qubits, 8),
        op(Op.RESET, [num_qubits - 1]),
        *gates(rng, num_qubits, 8),
        measure(num_qubits - 1, 1),
        *gates(rng, num_qubits, 4),
    ]


def by_branch(program: Program, clbits: int, sums: list[SparseObservable]) -> list[np.ndarray]:
    """Return the exact expectation values in each way the program can go with these clbits."""
    found = []
    for outcome, state in oracle.branches(program):
        norm = np.linalg.norm(state)
        if outcome == clbits and norm > 1e-7:
            found.append(exact(state / norm, sums))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_expectation_values_after_measurements_are_those_of_the_shots(engine: Simulator, seed: int) -> None:
    """Each shot on its own goes one of the ways that the oracle knows; averages and squares are over the shots."""
    rng, shots = np.random.default_rng(seed), 40
    plain = oracle.program(3, 2, branching(rng, 3))
    sums = observables(rng, 3, 7)
    experiment = make_experiment(save_expectation_values(plain, sums, squares=True), shots, seed, memory=True)
    whole = engine.run(experiment)
    assert whole.memory is not None
    singles = []
    for shot in range(shots):
        one = engine.run(msgspec.structs.replace(experiment, shots=1, first_shot=shot))
        clbits = whole.outcomes[whole.memory[shot]]
        assert one.outcomes[0].tolist() == clbits.tolist()
        values = values_of(one)
        ways = by_branch(plain, int(clbits[0]), sums)
        assert any(np.allclose(values, [*way, *way**2], rtol=0, atol=1e-9) for way in ways)
        singles.append(values)
    assert len({tuple(np.round(values, 6)) for values in singles}) > 1
    np.testing.assert_allclose(values_of(whole, shots), np.mean(singles, axis=0), rtol=0, atol=1e-10)


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("seed", range(4))
def test_all_engines_give_the_same_expectation_values_of_shots(seed: int, precision: Precision) -> None:
    rng = np.random.default_rng(100 + seed)
    sums = observables(rng, 4, 9)
    program = save_expectation_values(oracle.program(4, 2, branching(rng, 4)), sums, squares=True)
    experiment = make_experiment(program, 30, seed, precision=precision)
    first, *others = [values_of(make().run(experiment), 30) for make in ENGINES.values()]
    for other in others:
        np.testing.assert_allclose(other, first, rtol=0, atol=100 * TOLERANCES[precision])


def bit_for_bit(engine: Simulator, program: Program, points: int, shots: int, precision: Precision) -> None:
    rng = np.random.default_rng(8)
    params = rng.uniform(-4, 4, (points, len(program.params)))
    experiment = make_experiment(program, shots, 1, precision=precision)
    swept = list(engine.sweep(experiment, params, range(5, 5 + points)))
    assert len(swept) == points
    few = engine.sweep(experiment, params[1:3], range(6, 8))
    assert [outcome.saved for outcome in few] == [outcome.saved for outcome in swept[1:3]]
    for point, outcome in enumerate(swept):
        bound = msgspec.structs.replace(program, params=params[point])
        single = engine.run(msgspec.structs.replace(experiment, program=bound, seed=5 + point))
        assert outcome.saved == single.saved
        assert outcome.outcomes.tobytes() == single.outcomes.tobytes()
        assert outcome.counts.tobytes() == single.counts.tobytes()


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("squares", [False, True])
@pytest.mark.parametrize("num_qubits", [1, 3, 4, 6, 9])
def test_a_sweep_gives_the_expectation_values_of_its_parameter_sets_to_the_bit(
    engine: Simulator, num_qubits: int, squares: bool, precision: Precision
) -> None:
    rng = np.random.default_rng(num_qubits)
    plain = oracle.program(num_qubits, 0, gates(rng, num_qubits, 20))
    program = save_expectation_values(plain, observables(rng, num_qubits, 12), squares=squares)
    bit_for_bit(engine, program, 9, 1, precision)
    bit_for_bit(engine, program, 3, 5, precision)


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("num_qubits", [2, 5])
def test_a_sweep_gives_the_expectation_values_of_shots_to_the_bit(
    engine: Simulator, num_qubits: int, precision: Precision
) -> None:
    rng = np.random.default_rng(num_qubits)
    plain = oracle.program(num_qubits, 2, branching(rng, num_qubits))
    bit_for_bit(engine, save_expectation_values(plain, observables(rng, num_qubits, 6), squares=True), 4, 25, precision)


def test_expectation_values_swept_over_many_parameter_sets(engine: Simulator) -> None:
    """More points than run at a time, each against Qiskit's formula."""
    angles = np.linspace(-3, 3, 700)
    plain = oracle.program(2, 0, [op(Op.RY, [1], [0.0]), op(Op.RX, [0], [0.5])])
    sums = [SparseObservable("ZI"), SparseObservable("XI"), SparseObservable("ZY")]
    params = np.stack([angles, np.full(700, 0.5)], axis=1)
    swept = engine.sweep(make_experiment(save_expectation_values(plain, sums), 1, 1), params, range(700))
    found = np.array([values_of(outcome) for outcome in swept])
    expected = np.stack([np.cos(angles), np.sin(angles), -np.sin(0.5) * np.cos(angles)], axis=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_a_sweep_of_a_circuit_that_is_compiled_in_parts() -> None:
    circuit = efficient_su2(13, reps=1)
    labels = ["Z" * 13, "XY" * 6 + "I", "I" * 12 + "Y"]
    values = np.random.default_rng(5).uniform(-3, 3, (3, circuit.num_parameters))
    program = save_expectation_values(lower(circuit), [SparseObservable(label) for label in labels])
    params = fill(program, values)
    experiment = make_experiment(filled(program, params[0]), 1, 1)
    found = [
        np.frombuffer(outcome.saved[0].values) for outcome in NumpySimulator().sweep(experiment, params, (1, 2, 3))
    ]
    for row, point in zip(found, values, strict=True):
        state = Statevector(circuit.assign_parameters(point))
        assert row == pytest.approx([state.expectation_value(Pauli(label)).real for label in labels], abs=1e-10)
