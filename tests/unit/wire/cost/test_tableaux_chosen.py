# SPDX-License-Identifier: Apache-2.0
"""A tableau is chosen for Clifford gates where other states take long or fit nowhere, and for nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import density_oracle
import engine_oracle as oracle
import numpy as np
import pytest
from density_oracle import noise
from engine_oracle import measure, op
from msgspec.structs import replace
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparseObservable

from qfleet.lowering.lower import lower
from qfleet.lowering.passes.exact_means import without_squares
from qfleet.wire.cost import methods
from qfleet.wire.cost.cost import cost, seconds_of
from qfleet.wire.cost.methods import choose_exact_method, choose_method, method_refusal, other_methods
from qfleet.wire.messages.methods import MethodError
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.program.channels import Branch
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet.wire.program.saves import Save, SaveKind

AUTOMATIC = Request(method="automatic")
STABILIZER = Request(method="stabilizer")


def brick(num_qubits: int, layers: int, *more: Operation, channel: Sequence[Branch] = ()) -> Program:
    """Return layers of Clifford gates, with a channel behind each."""
    operations = []
    for layer in range(layers):
        for qubit in range(layer % 2, num_qubits - 1, 2):
            operations += [op(Op.RZ, [qubit], [layer % 3 * math.pi / 2]), op(Op.ECR, [qubit, qubit + 1])]
            operations += [noise([qubit], channel)] if channel else []
    return density_oracle.program(
        num_qubits, num_qubits, [*operations, *more, *[measure(qubit, qubit) for qubit in range(num_qubits)]]
    )


PAULIS = (Branch(0.99), Branch(0.01, 1, 0))
DAMPING = (Branch(0.9), Branch(0.1, operators=np.array([[[1, 0], [0, 0.6]], [[0, 0.8], [0, 0]]], np.complex128)))


@pytest.mark.parametrize(("num_qubits", "layers"), [(2, 10), (5, 40), (12, 12), (20, 1)])
def test_few_qubits_stay_statevectors(num_qubits: int, layers: int) -> None:
    assert choose_method(brick(num_qubits, layers), AUTOMATIC, 1024)[0] == "statevector"


@pytest.mark.parametrize("num_qubits", [26, 39])
def test_states_that_take_long_are_tableaux(num_qubits: int) -> None:
    found = choose_method(brick(num_qubits, 20), AUTOMATIC, 1024)
    reason = "automatic: it has Clifford gates alone, whose tableau takes less time than a statevector"
    assert found == ("stabilizer", reason)


@pytest.mark.parametrize("num_qubits", [40, 127, 1500])
def test_states_that_fit_no_machine_are_tableaux(num_qubits: int) -> None:
    found = choose_method(brick(num_qubits, 2), AUTOMATIC, 1024)
    reason = "automatic: it has Clifford gates alone, and no machine holds a statevector of its qubits"
    assert found == ("stabilizer", reason)


def test_measurements_in_between_make_it_longer() -> None:
    program = brick(14, 30, *[measure(qubit, qubit) for qubit in range(14)], op(Op.H, [0]))
    assert choose_method(program, AUTOMATIC, 1)[0] == "statevector"
    assert choose_method(program, AUTOMATIC, 10_000)[0] == "stabilizer"


@pytest.mark.parametrize("num_qubits", [10, 16, 60])
def test_pauli_noise_goes_with_a_tableau_and_other_noise_does_not(num_qubits: int) -> None:
    assert choose_method(brick(num_qubits, 10, channel=PAULIS), AUTOMATIC, 100_000)[0] == "stabilizer"
    assert choose_method(brick(num_qubits, 10, channel=DAMPING), AUTOMATIC, 100_000)[0] != "stabilizer"


@pytest.mark.parametrize("num_qubits", [26, 127])
def test_other_gates_and_saves_do_not(num_qubits: int) -> None:
    assert choose_method(brick(num_qubits, 20, op(Op.T, [3])), AUTOMATIC, 1024)[0] == "statevector"
    assert choose_method(brick(num_qubits, 20), Request(Output.STATEVECTOR, "automatic"), 1024)[0] == "statevector"
    row = op(Op.SAVE, range(num_qubits))._replace(save=0)
    program = brick(num_qubits, 20, row)
    save = Save(SaveKind.AMPLITUDES, "a", "single", indices=bytes(8))
    program = replace(program, saves=(save,), save_refs=np.zeros(1, np.int32))
    assert choose_method(program, AUTOMATIC, 1024)[0] == "statevector"


def free(num_qubits: int = 60) -> Program:
    circuit = QuantumCircuit(num_qubits, 1)
    one, other = Parameter("a"), Parameter("b")
    circuit.h(range(num_qubits))
    circuit.rx(one, 3)
    for _ in range(12):
        circuit.cx(30, 31)
    circuit.rzz(one + other, 0, 5)
    circuit.measure(0, 0)
    return lower(circuit, Output.COUNTS)


def test_all_points_must_be_clifford(monkeypatch: pytest.MonkeyPatch) -> None:
    program, values = free(), np.arange(10.0).reshape(5, 2) * math.pi / 2
    assert choose_method(program, AUTOMATIC, 1, values=values)[0] == "stabilizer"
    assert choose_method(program, STABILIZER, 1, values=values)[0] == "stabilizer"
    assert choose_method(program, AUTOMATIC, 1)[0] == "statevector"
    # A worker checks what a client can't.
    assert choose_method(program, STABILIZER, 1)[0] == "stabilizer"
    values[3, 1] += 0.25
    assert choose_method(program, AUTOMATIC, 1, values=values)[0] == "statevector"
    text = (
        r"can't be run by method='stabilizer': operation 73, rzz\(20\.6704\) on qubits 0, 5, isn't .* at point 3; leave"
    )
    with pytest.raises(MethodError, match=text):
        choose_method(program, STABILIZER, 1, values=values)
    monkeypatch.setattr(methods, "ANGLES_AT_ONCE", 10)
    assert choose_method(program, STABILIZER, 1, values=values)[0] == "stabilizer"
    assert choose_method(program, AUTOMATIC, 1, values=np.zeros((5, 2)))[0] == "statevector"


def means(num_qubits: int, *, dynamic: bool) -> Program:
    circuit = QuantumCircuit(num_qubits, 1)
    circuit.h(range(num_qubits))
    if dynamic:
        circuit.measure(0, 0)
        circuit.h(0)
    return lower(circuit, Output.EXPECTATION_VALUES, observables=[SparseObservable("Z" * num_qubits)])


def test_expectation_values_of_wide_circuits() -> None:
    request = Request(Output.EXPECTATION_VALUES, "automatic")
    assert choose_method(means(10, dynamic=False), request, 1)[0] == "statevector"
    assert choose_method(means(100, dynamic=False), request, 1)[0] == "stabilizer"
    assert choose_exact_method(without_squares(means(6, dynamic=True)), request)[0] != "stabilizer"
    assert choose_exact_method(without_squares(means(100, dynamic=True)), request)[0] == "stabilizer"


def test_exact_means_with_noise_are_refused_of_every_method_that_draws_errors() -> None:
    circuit = density_oracle.program(3, 0, [op(Op.H, [0]), noise([0], PAULIS)])
    with pytest.raises(
        MethodError, match="has noise, with which method='stabilizer' gives no exact expectation values"
    ):
        choose_exact_method(circuit, Request(Output.COUNTS, "stabilizer"))


def test_what_each_method_says() -> None:
    program = brick(127, 2, op(Op.T, [17]))
    assert method_refusal(program, Request()) == "2**127 amplitudes, and no machine holds more than 2**39"
    single = Request(precision="single")
    assert method_refusal(program, single) == "2**127 amplitudes, and no machine holds more than 2**40"
    said = [
        "stabilizer: operation 252, t on qubit 17, isn't a Clifford gate",
        "matrix_product_state: it can run the circuit",
    ]
    assert other_methods(program, 127, Request()) == said
    assert other_methods(brick(127, 2), 127, Request())[0] == "stabilizer: it can run the circuit"
    deep = other_methods(brick(127, 30), 127, Request())
    assert deep[1] == "matrix_product_state: its bonds may need more than 1024 values; ask for the method to try it"


@pytest.mark.parametrize("program", [brick(1000, 20), brick(1000, 20, channel=PAULIS), means(1000, dynamic=False)])
def test_costs_of_tableaux(program: Program) -> None:
    seconds = [seconds_of(program, STABILIZER)(shots) for shots in (1, 1000, 100_000, 10_000_000)]
    assert seconds == sorted(seconds)
    assert seconds[0] < 1
    found = cost(program, STABILIZER, shots=1000)
    assert found.seconds == pytest.approx(seconds[1])
    assert 500_000 <= found.state_bytes < found.memory_bytes < 2**28
    # A tableau grows with the square of the qubits.
    assert cost(oracle.program(10_000, 0, []), STABILIZER, shots=1).state_bytes < 2**28
