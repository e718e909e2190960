# SPDX-License-Identifier: Apache-2.0
"""Exact means over all outcomes, on both engines and with both methods."""

from __future__ import annotations

import density_oracle
import engine_oracle as oracle
import msgspec
import numpy as np
import pytest
from density_oracle import noise
from engine_oracle import UNITARY_OPS, measure, op
from engines import ENGINES
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.quantum_info import SparseObservable, SparsePauliOp, Statevector

from qfleet.lowering.lower import lower
from qfleet.lowering.passes.exact_means import without_squares
from qfleet.wire.messages.request import Method, Output, Request
from qfleet.wire.program.channels import Branch
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet.wire.program.saves import Save, SaveKind
from qfleet_worker.engines.contract import EngineError, Experiment
from qfleet_worker.engines.driver import branches

pytestmark = pytest.mark.usefixtures("nothing_compiles")
METHODS: tuple[Method, ...] = ("statevector", "density_matrix")


def means(name: str, method: Method, program: Program) -> np.ndarray:
    """Return the exact means that a program saves."""
    request = Request(Output.EXPECTATION_VALUES, method)
    outcome = ENGINES[name]().run(Experiment(program, 1, 1, 0, request, 1))
    return np.frombuffer(outcome.saved[-1].values, "<f8")


def of_circuit(circuit: QuantumCircuit, *labels: str) -> Program:
    """Return the program that saves the means of some Paulis."""
    observables = [SparseObservable(label) for label in labels]
    program = lower(circuit, Output.EXPECTATION_VALUES, observables=observables)
    return without_squares(program) if program.saves[-1].spec.squares else program


def saving_paulis(program: Program, labels: list[str]) -> Program:
    """Return a program that saves the squares, too, of some Paulis at its end."""
    table = str.maketrans("IXYZ", "0110"), str.maketrans("IXYZ", "0011")
    x, z = (np.array([int(label.translate(each), 2) for label in labels], "<u8").tobytes() for each in table)
    save = Save(
        kind=SaveKind.EXPECTATION_VALUES_AND_SQUARES,
        label="means",
        subtype="average",
        x_masks=x,
        z_masks=z,
        coefficients=np.ones(len(labels), "<c16").tobytes(),
        starts=np.arange(len(labels) + 1, dtype="<i4").tobytes(),
    )
    row = Operation(Op.SAVE, (), tuple(range(program.num_qubits)), (), None, -1)
    whole = density_oracle.program(program.num_qubits, program.num_clbits, [*program, row])
    return msgspec.structs.replace(whole, saves=(save,), save_refs=np.zeros(1, np.int32))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ENGINES)
def test_measurements_and_resets_have_the_means_of_all_outcomes(name: str, method: Method, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = [*UNITARY_OPS, Op.RESET, Op.INITIALIZE, Op.MEASURE, Op.MEASURE]
    operations = [oracle.random_operation(rng, 4, 3, codes) for _ in range(10)]
    if method == "density_matrix":
        operations.insert(5, noise([2, 0], density_oracle.random_branches(rng, 2)))
    operations += [measure(qubit, 0) for qubit in range(int(rng.integers(4)))]
    program = density_oracle.program(4, 3, operations)
    exact = density_oracle.density_matrix(program)
    labels = ["IIII", "ZIIZ", "XYZI", "IIXX", "YIIY", "IIIX", "ZZZZ"]
    found = means(name, method, without_squares(saving_paulis(program, labels)))
    expected = [np.trace(SparsePauliOp(label).to_matrix() @ exact).real for label in labels]
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ENGINES)
def test_teleportation(name: str, method: Method) -> None:
    qubits, clbits = QuantumRegister(3), ClassicalRegister(2)
    circuit = QuantumCircuit(qubits, clbits)
    circuit.u(0.4, 1.1, 0.3, 0)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure([0, 1], [0, 1])
    with circuit.if_test((clbits[1], 1)):
        circuit.x(2)
    with circuit.if_test((clbits[0], 1)):
        circuit.z(2)
    sent = QuantumCircuit(1)
    sent.u(0.4, 1.1, 0.3, 0)
    state = Statevector(sent)
    expected = [state.expectation_value(SparsePauliOp(label)).real for label in "XYZ"]
    assert means(name, method, of_circuit(circuit, "XII", "YII", "ZII")) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ENGINES)
def test_a_loop_that_repeats_until_success(name: str, method: Method) -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.ry(1.0, 0)
    circuit.cx(0, 1)
    circuit.measure(0, 0)
    with circuit.while_loop((circuit.clbits[0], 1)):
        circuit.reset(0)
        circuit.ry(1.3, 0)
        circuit.measure(0, 0)
        circuit.ry(0.1, 1)
    # The turns are k = 1, 2, ... with the chance of the first measurement, and then of each other one.
    first, again = np.sin(0.5) ** 2, np.sin(0.65) ** 2
    turns = np.arange(1, 200)
    value = (1 - first) + (first * again ** (turns - 1) * (1 - again) * -np.cos(0.1 * turns)).sum()
    assert means(name, method, of_circuit(circuit, "ZI", "IZ")) == pytest.approx([value, 1], abs=1e-10)


def test_readout_errors_change_what_is_done() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.ry(1.0, 0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    program = of_circuit(circuit, "ZI")
    flipped = msgspec.structs.replace(program, flips=np.array([0.1, 0.3]))
    one = np.sin(0.5) ** 2
    read = one * 0.7 + (1 - one) * 0.1
    for name in ENGINES:
        for method in METHODS:
            assert means(name, method, flipped) == pytest.approx([1 - 2 * read], abs=1e-12)


def test_too_many_outcomes_are_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = QuantumCircuit(4, 4)
    for qubit in range(4):
        circuit.ry(0.3 + qubit, qubit)
        circuit.measure(qubit, qubit)
        circuit.ry(0.4, qubit)
    monkeypatch.setattr(branches, "MOST_BRANCHES", 8)
    with pytest.raises(EngineError, match="more than 8 outcomes; give a precision above 0"):
        means("numpy", "statevector", of_circuit(circuit, "ZZZZ"))


def test_noise_is_refused_where_errors_are_drawn() -> None:
    program = density_oracle.program(1, 0, [op(Op.H, [0]), noise([0], [Branch(0.9), Branch(0.1, 0, 1)])])
    whole = without_squares(saving_paulis(program, ["X"]))
    with pytest.raises(EngineError, match="method='density_matrix'"):
        means("numpy", "statevector", whole)
    assert means("numpy", "density_matrix", whole) == pytest.approx([0.8], abs=1e-12)


def test_final_measurements_are_left_out() -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    program = of_circuit(circuit, "ZZ", "XX", "IZ")
    assert Op.MEASURE not in program.codes
    assert means("numpy", "statevector", program) == pytest.approx([1, 0, 0], abs=1e-12)
