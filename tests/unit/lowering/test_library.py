# SPDX-License-Identifier: Apache-2.0
"""Circuits and gates of Qiskit's library keep their meaning."""

import numpy as np
import program_oracle
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    ControlModifier,
    Gate,
    InverseModifier,
    Operation,
    Parameter,
    PowerModifier,
)
from qiskit.circuit import library as lib
from qiskit.quantum_info import (
    Clifford,
    Operator,
    Pauli,
    SparsePauliOp,
    random_clifford,
    random_statevector,
    random_unitary,
)
from qiskit.synthesis import SuzukiTrotter

from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.program.operations import HAS_TABLE, Op

ANGLES = [0.3, -1.1, 2.7, 0.9]
PAULIS = SparsePauliOp(["XZI", "IYY", "ZZZ"], [0.3, 0.5, 0.2])


def alone(operation) -> QuantumCircuit:
    circuit = QuantumCircuit(operation.num_qubits)
    circuit.append(operation, list(reversed(range(operation.num_qubits))))
    return circuit


def check(circuit: QuantumCircuit, tolerance: float = 1e-9) -> None:
    program = decode_program(encode_program(lower(circuit, "unitary")))
    np.testing.assert_allclose(program_oracle.unitary(program), Operator(circuit).data, atol=tolerance, rtol=0)


def matrix(num_qubits: int, seed: int = 0) -> np.ndarray:
    return random_unitary(1 << num_qubits, seed=seed).data


def composite() -> Gate:
    """Return a gate that holds a bit of everything, a global phase included."""
    circuit = QuantumCircuit(3, global_phase=0.3)
    circuit.h(0)
    circuit.cx(0, 1, ctrl_state=0)
    circuit.append(lib.CUGate(*ANGLES), [1, 2])
    circuit.iswap(0, 2)
    circuit.append(lib.GlobalPhaseGate(0.7), [])
    circuit.rccx(2, 1, 0)
    circuit.append(lib.DCXGate(), [2, 0])
    circuit.r(0.2, 0.4, 1)
    circuit.append(lib.XXPlusYYGate(0.3, 0.8), [0, 1])
    circuit.unitary(matrix(2), [2, 0])
    circuit.append(lib.DiagonalGate([1, 1j, -1, -1j]), [0, 2])
    circuit.sx(0)
    circuit.t(1)
    circuit.append(lib.U2Gate(0.1, 0.2), [2])
    return circuit.to_gate(label="everything")


GATES = {
    "unitary": lambda: lib.UnitaryGate(matrix(3)),
    "diagonal": lambda: lib.DiagonalGate(np.exp(1j * np.arange(8)).tolist()),
    "permutation": lambda: lib.PermutationGate([2, 0, 3, 1]),
    "state_preparation": lambda: lib.StatePreparation(random_statevector(8, seed=3).data),
    "state_preparation_dg": lambda: lib.StatePreparation(random_statevector(8, seed=3).data).inverse(),
    "state_preparation of a label": lambda: lib.StatePreparation("01+-rl"[:4]),
    "state_preparation of an integer": lambda: lib.StatePreparation(5, num_qubits=4),
    "uniform superposition": lambda: lib.UniformSuperpositionGate(5),
    "multiplexer": lambda: lib.UCGate([matrix(1, seed) for seed in range(4)]),
    "ucrx": lambda: lib.UCRXGate(ANGLES),
    "ucry": lambda: lib.UCRYGate(ANGLES),
    "ucrz": lambda: lib.UCRZGate(ANGLES),
    "isometry": lambda: lib.Isometry(matrix(3), 0, 0),
    "isometry of a column": lambda: lib.Isometry(matrix(3)[:, :1], 0, 0),
    "clifford": lambda: random_clifford(3, seed=2),
    "linear_function": lambda: lib.LinearFunction([[1, 1, 0], [0, 1, 0], [1, 0, 1]]),
    "pauli": lambda: lib.PauliGate("XYZI"),
    "pauli rotation": lambda: lib.PauliProductRotationGate(Pauli("-XYZ"), 0.4),
    "hamiltonian": lambda: lib.HamiltonianGate(np.array([[1, 2], [2, 3]]), 0.3),
    "ms": lambda: lib.MSGate(3, 0.3),
    "rv": lambda: lib.RVGate(0.1, 0.2, 0.3),
    "qft": lambda: lib.QFTGate(4),
    "inverse qft": lambda: lib.QFTGate(4).inverse(),
    "mcmt": lambda: lib.MCMTGate(lib.HGate(), 2, 2, ctrl_state=1),
    "full adder": lambda: lib.FullAdderGate(1),
    "modular adder": lambda: lib.ModularAdderGate(2),
    "comparator": lambda: lib.IntegerComparatorGate(2, 2),
    "inner product": lambda: lib.InnerProductGate(2),
    "and": lambda: lib.AndGate(3, [1, -1, 0]),
    "graph state": lambda: lib.GraphStateGate([[0, 1], [1, 0]]),
    "linear pauli rotations": lambda: lib.LinearPauliRotationsGate(2, 0.3, 0.4),
    "phase oracle": lambda: lib.PhaseOracleGate("a & b"),
    "composite": composite,
    "controlled unitary": lambda: lib.UnitaryGate(matrix(2)).control(1, ctrl_state=0, annotated=False),
    "controlled composite": lambda: composite().control(2, ctrl_state=1, annotated=False),
    "twice controlled composite": lambda: (
        composite().control(1, ctrl_state=0, annotated=False).control(1, annotated=False)
    ),
    "annotated composite": lambda: composite().control(2, ctrl_state=2, annotated=True),
    "controlled rccx": lambda: lib.RCCXGate().control(1, annotated=False),
}


@pytest.mark.parametrize("name", GATES)
def test_a_library_gate_keeps_its_matrix(name):
    check(alone(GATES[name]()))


@pytest.mark.parametrize(
    "circuit",
    [
        lib.quantum_volume(4, seed=1),
        lib.hidden_linear_function([[1, 1], [1, 0]]),
        lib.efficient_su2(3).assign_parameters(np.arange(24) / 7),
        lib.zz_feature_map(3).assign_parameters([0.1, 0.2, 0.3]),
        lib.grover_operator(alone(lib.CZGate())),
        lib.iqp([[6, 5, 3], [5, 4, 5], [3, 5, 1]]),
        lib.fourier_checking([1, -1, -1, -1], [1, 1, -1, -1]),
        lib.phase_estimation(2, alone(lib.SGate())),
        lib.unitary_overlap(alone(lib.HGate()), alone(lib.XGate())),
    ],
    ids=lambda circuit: circuit.name,
)
def test_a_library_circuit_keeps_its_matrix(circuit):
    check(circuit)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_blueprint_circuit_builds_itself():
    check(lib.QFT(3))
    check(lib.TwoLocal(2, "ry", "cx", reps=1).assign_parameters(ANGLES))


@pytest.mark.parametrize("synthesis", [None, SuzukiTrotter(order=2, reps=2)])
def test_an_evolution_goes_by_its_product_formula(synthesis):
    gate = lib.PauliEvolutionGate(PAULIS, time=0.7, synthesis=synthesis)
    np.testing.assert_allclose(
        program_oracle.unitary(lower(QuantumCircuit(3).compose(alone(gate).reverse_bits()))),
        Operator(gate.definition).data,
        atol=1e-9,
        rtol=0,
    )


@pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")
def test_an_evolution_of_commuting_terms():
    gate = lib.PauliEvolutionGate(SparsePauliOp(["XX", "ZZ"], [0.3, 0.4]), time=0.7)
    for circuit in (alone(gate), alone(gate.control(1, ctrl_state=0, annotated=True))):
        check(circuit)


MODIFIERS = {
    "inverse": [InverseModifier()],
    "no controls": [ControlModifier(0)],
    "inverse under controls": [ControlModifier(1, 0), InverseModifier(), ControlModifier(1, 1)],
    "power": [PowerModifier(3)],
    "negative power": [PowerModifier(-2)],
    "no power": [PowerModifier(0)],
    "fraction": [PowerModifier(0.5)],
    "root of the inverse": [InverseModifier(), PowerModifier(0.5)],
    "inverse of the root": [PowerModifier(0.5), InverseModifier()],
    "large power": [PowerModifier(100_001)],
    "all": [ControlModifier(1, 0), PowerModifier(0.5), InverseModifier(), ControlModifier(1, 1), PowerModifier(3)],
}


@pytest.mark.parametrize("modifiers", MODIFIERS.values(), ids=MODIFIERS)
@pytest.mark.parametrize("base", [composite(), lib.XGate(), lib.RC3XGate(), random_clifford(2, seed=1)], ids=str)
def test_modifiers(base, modifiers):
    check(alone(AnnotatedOperation(base, modifiers)))


def test_nested_annotated_operations():
    inner = AnnotatedOperation(lib.SXGate(), [ControlModifier(1, 0), InverseModifier()])
    check(alone(AnnotatedOperation(inner, [PowerModifier(2), ControlModifier(1, 0)])))


def test_a_large_power_of_few_qubits_is_a_matrix():
    circuit = alone(AnnotatedOperation(composite(), PowerModifier(100_001)))
    assert [row.code for row in lower(circuit)] == [Op.UNITARY]


def test_a_wide_power_is_repeated():
    gate = QuantumCircuit(11)
    gate.h(range(11))
    circuit = alone(AnnotatedOperation(gate.to_gate(), PowerModifier(1000)))
    assert len(lower(circuit)) == 11_000


def test_bound_parameters_reach_a_composite_under_controls():
    """Qiskit leaves the base gate's definition unbound."""
    p = Parameter("p")
    body = QuantumCircuit(2, global_phase=p)
    body.rx(2 * p, 0)
    body.cx(0, 1)
    for annotated in (True, False):
        circuit = QuantumCircuit(3)
        circuit.append(body.to_gate().control(1, ctrl_state=0, annotated=annotated), [2, 0, 1])
        check(circuit.assign_parameters({p: 0.3}))


def test_bound_parameters_reach_a_controlled_u_under_more_controls():
    angles = [Parameter(name) for name in "abcd"]
    circuit = QuantumCircuit(4)
    circuit.append(lib.CUGate(*angles).control(1, annotated=False), [2, 0, 1])
    circuit.append(lib.CUGate(*angles, ctrl_state=0), [3, 0])
    check(circuit.assign_parameters(ANGLES))


class MatrixOnly(Gate):
    def __init__(self):
        super().__init__("matrix_only", 2, [])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(matrix(2), dtype)


class MatrixMethod(Operation):
    name = "matrix_method"
    num_qubits = 1
    num_clbits = 0

    def to_matrix(self):
        return matrix(1)


class Circuitous(Operation):
    name = "circuitous"
    num_qubits = 1
    num_clbits = 0

    def to_instruction(self):
        body = QuantumCircuit(1)
        body.h(0)
        return body.to_instruction()


def test_custom_operations():
    check(alone(MatrixOnly()))
    check(alone(MatrixOnly().control(2, ctrl_state=1, annotated=True)))
    np.testing.assert_allclose(program_oracle.unitary(lower(alone(MatrixMethod()))), matrix(1))
    assert [row.code for row in lower(alone(Circuitous()))] == [Op.H]


class Broken(Gate):
    def __init__(self):
        super().__init__("unitary", 1, [])

    def to_matrix(self):
        raise RuntimeError("no matrix today")

    def _define(self):
        self.definition = QuantumCircuit(1)
        self.definition.h(0)


def test_gates_that_are_called_unitary():
    body = QuantumCircuit(1, name="unitary")
    body.h(0)
    assert [row.code for row in lower(alone(body.to_gate()))] == [Op.H]
    assert [row.code for row in lower(alone(body.to_instruction()))] == [Op.H]
    assert [row.code for row in lower(alone(Broken()))] == [Op.H]
    check(alone(lib.UnitaryGate(matrix(2), label="mine")))


def test_operators_as_operations():
    circuit = QuantumCircuit(2)
    circuit.append(Operator(matrix(2)), [1, 0])
    circuit.append(Pauli("-iXY"), [0, 1])
    circuit.append(Clifford(lib.CXGate()), [1, 0])
    check(circuit)


@pytest.mark.parametrize(
    ("gate", "code"), [(lib.UnitaryGate(matrix(2)), Op.UNITARY), (lib.DiagonalGate([1, -1, 1j, 1]), Op.DIAGONAL)]
)
def test_tables_need_no_definition(gate, code):
    for circuit in (alone(gate), alone(gate.control(1, annotated=True))):
        assert [row.code for row in lower(circuit)] == [code]


def test_a_permutation_is_swaps():
    wide = QuantumCircuit(30)
    wide.append(lib.PermutationGate(np.random.default_rng(1).permutation(30)), range(30))
    rows = list(lower(wide))
    assert {row.code for row in rows} == {Op.SWAP}
    assert len(rows) < 30


def test_equal_tables_are_stored_once():
    circuit = QuantumCircuit(3)
    for qubits in ([0, 1], [1, 2], [2, 0]):
        circuit.unitary(matrix(2), qubits)
        circuit.unitary(matrix(2, seed=1), qubits)
    program = lower(circuit)
    assert len(program.tables) == 2
    assert program.table_refs.tolist() == [0, 1, 0, 1, 0, 1]


def test_only_tables_in_use_are_kept():
    circuit = alone(AnnotatedOperation(lib.UnitaryGate(matrix(2)), InverseModifier()))
    program = lower(circuit)
    assert len(program.tables) == 1
    assert all(HAS_TABLE[row.code] for row in program)
