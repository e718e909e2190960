# SPDX-License-Identifier: Apache-2.0
"""A program saves the expectation values that Qiskit computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_experiments import make_experiment
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import SparseObservable, SparsePauliOp, Statevector

from qfleet.errors import CapacityError
from qfleet.lowering.lower import lower
from qfleet.lowering.passes.exact_means import without_squares
from qfleet.lowering.passes.expectation_values import final_state_varies, save_expectation_values
from qfleet.lowering.passes.idle_qubits import drop_idle_qubits
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import SaveKind
from qfleet_worker.engines.numpy.simulator import NumpySimulator

LETTERS = "XYZ+-rl01"


def found_means(program: Program) -> np.ndarray:
    """Send a program as a client does, and return the values that a worker finds."""
    travelled = decode_program(encode_program(drop_idle_qubits(program)))
    outcome = NumpySimulator().run(make_experiment(travelled, 1, 1))
    return np.frombuffer(outcome.saved[-1].values, "<f8")


def exact(circuit: QuantumCircuit, observable: SparseObservable) -> float:
    state = Statevector(circuit)
    return float(np.real(state.expectation_value(SparsePauliOp.from_sparse_observable(observable))))


def random_observable(rng: np.random.Generator, num_qubits: int, qubits: list[int], letters: str) -> SparseObservable:
    """Return a sum on some of the qubits."""
    terms = []
    for _ in range(rng.integers(0, 6)):
        chosen = rng.permutation(qubits)[: rng.integers(0, len(qubits) + 1)].tolist()
        terms.append(("".join(rng.choice(list(letters), len(chosen))), chosen, rng.normal()))
    return SparseObservable.from_sparse_list(terms, num_qubits=num_qubits)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32))
def test_means_are_qiskits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_qubits = int(rng.integers(1, 5))
    circuit = random_circuit(num_qubits, 3, max_operands=min(num_qubits, 2), seed=int(rng.integers(2**31)))
    observables = [
        random_observable(rng, num_qubits, list(range(num_qubits)), LETTERS if at % 2 else "XYZ") for at in range(6)
    ]
    found = found_means(save_expectation_values(lower(circuit), observables))
    assert found == pytest.approx([exact(circuit, each) for each in observables], abs=1e-12)


#: The mean of each letter in |0>.
IN_ZERO = {"X": 0, "Y": 0, "Z": 1, "+": 0.5, "-": 0.5, "r": 0.5, "l": 0.5, "0": 1, "1": 0}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_idle_qubits_are_zero_however_many_there_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    small = random_circuit(3, 3, max_operands=2, seed=int(rng.integers(2**31)))
    num_qubits = int(rng.integers(70, 130))
    places = rng.permutation(num_qubits)[:3].tolist()
    circuit = QuantumCircuit(num_qubits)
    circuit.compose(small, places, inplace=True)
    idle = [qubit for qubit in range(num_qubits) if qubit not in places]
    observables, expected = [], []
    for _ in range(5):
        terms, reduced = [], []
        for _ in range(rng.integers(1, 5)):
            letters = "".join(rng.choice(list(LETTERS), 2))
            inside = rng.permutation(3)[:2].tolist()
            # Mostly Zs, else the mean would mostly be 0; of many qubits, since projectors come to many Paulis.
            many = "".join(rng.choice(list("ZZZZZZZ0+1X"), int(rng.integers(0, 6)))) + "Z" * int(rng.integers(0, 60))
            outside = rng.permutation(idle)[: len(many)].tolist()
            factor = rng.normal()
            terms.append((letters + many, [places[at] for at in inside] + outside, factor))
            reduced.append((letters, inside, factor * float(np.prod([IN_ZERO[each] for each in many]))))
        observables.append(SparseObservable.from_sparse_list(terms, num_qubits=num_qubits))
        expected.append(exact(small, SparseObservable.from_sparse_list(reduced, num_qubits=3)))
    program = save_expectation_values(lower(circuit), observables)
    assert drop_idle_qubits(program).num_qubits <= 3
    assert found_means(program) == pytest.approx(expected, abs=1e-12)


def test_observables_on_qubits_that_are_all_idle() -> None:
    observables = [SparseObservable(label) for label in ("IIZ", "XII", "1I0", "+II", "III")]
    found = found_means(save_expectation_values(lower(QuantumCircuit(3)), observables))
    assert found.tolist() == [1, 0, 0, 0.5, 1]


def test_an_observable_without_terms_is_zero_between_others() -> None:
    circuit = QuantumCircuit(1)
    circuit.x(0)
    observables = [SparseObservable("Z"), SparseObservable.zero(1), SparseObservable("I")]
    assert found_means(save_expectation_values(lower(circuit), observables)).tolist() == [-1, 0, 1]


def test_squares_are_those_of_the_means() -> None:
    circuit = QuantumCircuit(1)
    circuit.ry(0.7, 0)
    program = save_expectation_values(lower(circuit), [SparseObservable("Z"), SparseObservable("X")], squares=True)
    assert program.saves[0].kind is SaveKind.EXPECTATION_VALUES_AND_SQUARES
    expected = np.array([np.cos(0.7), np.sin(0.7)])
    assert found_means(program) == pytest.approx([*expected, *expected**2], abs=1e-12)


def rotated(number: int) -> Program:
    circuit = QuantumCircuit(number)
    circuit.ry(0.1, range(number))
    return lower(circuit)


@pytest.mark.parametrize("width", [62, 63, 64, 65, 128, 129, 1000])
def test_masks_have_as_many_words_as_the_qubits_need(width: int) -> None:
    rng = np.random.default_rng(width)
    # The first acts on all qubits.
    labels = ["".join(rng.choice(list(letters), width)) for letters in ("XYZ", "IXYZ", "IXYZ")]
    labels += ["I" * (width - 1) + "Y", "Y" + "I" * (width - 1)]
    observables = [SparseObservable.from_list(list(zip(labels, range(1, 6), strict=True))), SparseObservable(labels[0])]
    program = save_expectation_values(rotated(width), observables)
    (save,) = decode_program(encode_program(program)).saves
    x, z, coefficients = save.paulis()
    assert x.shape == z.shape == ((6,) if width <= 64 else (6, -(-width // 64)))
    assert coefficients.tolist() == [[1, 2, 3, 4, 5, 1]]
    for masks, letters in ((x, "XY"), (z, "ZY")):
        found = [int.from_bytes(row.tobytes(), "little") for row in masks]
        bits = [sum(1 << at for at, letter in enumerate(reversed(label)) if letter in letters) for label in labels]
        assert found == [*bits, bits[0]]


def test_measured_qubits_have_no_x_in_wide_sums() -> None:
    circuit = QuantumCircuit(130, 130)
    circuit.h(range(130))
    circuit.measure([0, 129], [0, 1])
    labels = ["X" + "I" * 129, "I" * 64 + "X" + "I" * 65, "I" * 129 + "X", "Z" + "I" * 129, "Y" + "Z" * 129]
    program = save_expectation_values(lower(circuit), [SparseObservable(label) for label in labels], squares=True)
    (save,) = without_squares(program).saves
    assert save.paulis()[2].tolist() == [[0, 1, 0, 1, 0]]


def test_terms_are_counted_over_all_observables() -> None:
    pair = SparseObservable.from_list([("Z", 1), ("X", 1)])
    assert len(save_expectation_values(rotated(1), [pair, pair], most_terms=4).saves[0].coefficients) == 4 * 16
    with pytest.raises(CapacityError, match="more than 4 terms together"):
        save_expectation_values(rotated(1), [pair, pair, SparseObservable("Z")], most_terms=4)


def test_projectors_are_counted_before_they_are_written_out() -> None:
    with pytest.raises(CapacityError, match=r"expand to 1\.13e\+15 Paulis"):
        save_expectation_values(rotated(50), [SparseObservable("0" * 50)])


def test_projectors_count_for_each_term() -> None:
    seven = SparseObservable.from_list([("00", 1), ("+Z", 1), ("XX", 1)])
    assert len(save_expectation_values(rotated(2), [seven], most_terms=7).saves[0].coefficients) == 7 * 16
    eight = SparseObservable.from_list([("00", 1), ("+1", 1)])
    with pytest.raises(CapacityError, match="expand to 8 Paulis"):
        save_expectation_values(rotated(2), [eight], most_terms=7)


def dynamic() -> QuantumCircuit:
    qubits, clbits = QuantumRegister(2), ClassicalRegister(1)
    circuit = QuantumCircuit(qubits, clbits)
    circuit.measure(0, 0)
    with circuit.if_test((clbits, 1)):
        circuit.x(1)
    return circuit


def built(*steps: str) -> QuantumCircuit:
    """Return a circuit of steps such as "h0", "m1" for a measurement or "r0" for a reset."""
    circuit = QuantumCircuit(3, 3)
    for step in steps:
        qubit = int(step[-1])
        match step[:-1]:
            case "m":
                circuit.measure(qubit, qubit)
            case "r":
                circuit.reset(qubit)
            case "cx":
                circuit.cx(qubit, (qubit + 1) % 3)
            case "i":
                circuit.initialize([0, 1], [qubit])
            case name:
                getattr(circuit, name)(qubit)
    return circuit


@pytest.mark.parametrize(
    ("circuit", "random"),
    [
        (built(), False),
        (built("h0", "cx0"), False),
        (built("r0", "r1", "h0"), False),
        (built("m0", "h0"), False),
        (built("h0", "m1", "r2"), False),
        (built("i0", "h0"), False),
        (built("h0", "m0"), True),
        (built("h0", "r0"), True),
        (built("h0", "i0"), True),
        (built("i0", "m0"), True),
        (built("cx0", "r1"), True),
        (built("cx0", "r0"), True),
        (built("h0", "m1", "m0"), True),
        (dynamic(), True),
    ],
)
def test_which_programs_go_several_ways(circuit: QuantumCircuit, random: bool) -> None:
    assert final_state_varies(lower(circuit)) == random


def test_an_open_control_is_a_use() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.cx(0, 1, ctrl_state=0)
    circuit.measure(0, 0)
    assert final_state_varies(lower(circuit))
