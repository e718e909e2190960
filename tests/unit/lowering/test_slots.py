# SPDX-License-Identifier: Apache-2.0
"""A program with filled slots is the program of the circuit that Qiskit bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import program_oracle
import pytest
from filled_programs import filled, point_of
from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    ControlModifier,
    Delay,
    Gate,
    InverseModifier,
    Parameter,
    ParameterVector,
    PowerModifier,
)
from qiskit.circuit import library as lib
from qiskit.quantum_info import Operator, SparsePauliOp

from qfleet.errors import CapacityError, UnboundParameterError
from qfleet.lowering.lower import lower
from qfleet.lowering.size import ProgramLimits
from qfleet.wire.program.angles import fill
from qfleet.wire.program.formulas import parameter_of
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program

A, B = Parameter("a"), Parameter("b")
V = ParameterVector("v", 3)


def assert_is_bound(circuit: QuantumCircuit) -> Program:
    """Compare the unitary of the filled program with Qiskit's."""
    point = point_of(circuit)
    program = filled(circuit, point)
    expected = Operator(circuit.assign_parameters(point)).data
    np.testing.assert_allclose(program_oracle.unitary(program), expected, atol=1e-9)
    return program


def assert_same_rows(circuit: QuantumCircuit) -> None:
    """Compare the rows of the filled program with those of the bound circuit."""
    point = point_of(circuit)
    rows, expected = list(filled(circuit, point)), list(lower(circuit.assign_parameters(point)))
    assert [row._replace(params=()) for row in rows] == [row._replace(params=()) for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert row.params == pytest.approx(other.params, abs=1e-12)


def test_a_parameter_is_one_formula_however_often_it_stands() -> None:
    circuit = QuantumCircuit(2)
    for angle in [*V, *V, 2 * V[0], 2 * V[0], 0.5, V[1]]:
        circuit.rx(angle, 0)
    program = lower(circuit)
    assert program.slots.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 9]
    assert program.slot_refs.tolist() == [0, 1, 2, 0, 1, 2, 3, 3, 1]
    assert program.params.tolist() == [0.0] * 8 + [0.5, 0.0]
    assert [parameter_of(formula) for formula in program.formulas] == [0, 1, 2, None]


def test_parameters_are_numbered_as_in_the_circuit() -> None:
    """Vector elements stand by their number, not by their name."""
    vector = ParameterVector("w", 12)
    circuit = QuantumCircuit(1)
    for parameter in (B, vector[10], A, vector[2]):
        circuit.rx(parameter, 0)
    assert [parameter.name for parameter in circuit.parameters] == ["a", "b", "w[2]", "w[10]"]
    program = lower(circuit)
    assert fill(program, np.array([[1.0, 2.0, 3.0, 4.0]])).tolist() == [[2.0, 4.0, 1.0, 3.0]]


def test_a_program_without_parameters_has_no_slots() -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(0.5, 0)
    program = lower(circuit)
    assert (program.num_parameters, len(program.slots), len(program.slot_refs), program.formulas) == (0, 0, 0, ())


STANDARD = [gate for gate in lib.get_standard_gate_name_mapping().values() if isinstance(gate, Gate) and gate.params]


@pytest.mark.parametrize("gate", STANDARD, ids=lambda gate: gate.name)
@pytest.mark.parametrize("form", ["plain", "inverse", "controlled", "in a definition", "annotated"])
def test_every_standard_gate(gate: Gate, form: str) -> None:
    gate = gate.to_mutable()
    gate.params = [V[place] * 2 - A if place < 2 else B for place in range(len(gate.params))]
    if form == "inverse":
        gate = gate.inverse()
    elif form == "controlled":
        gate = gate.control(1, ctrl_state=0)
    elif form == "in a definition":
        inner = QuantumCircuit(gate.num_qubits, global_phase=A)
        inner.append(gate, range(gate.num_qubits))
        gate = inner.to_gate().inverse()
    elif form == "annotated":
        gate = AnnotatedOperation(gate, [InverseModifier(), ControlModifier(1), PowerModifier(2)])
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    assert_is_bound(circuit)


def test_global_phases() -> None:
    inner = QuantumCircuit(1, global_phase=A - B)
    inner.rx(A, 0)
    circuit = QuantumCircuit(3, global_phase=2 * A + 0.5)
    circuit.append(lib.GlobalPhaseGate(B), [])
    circuit.append(inner.to_gate().control(2, ctrl_state=1), [2, 0, 1])
    circuit.append(inner.to_gate().inverse(), [1])
    circuit.append(lib.CUGate(A, B, A + B, A - B), [0, 2])
    assert_is_bound(circuit)
    phase = QuantumCircuit(1, global_phase=A)
    program = lower(phase)
    assert [(row.code, row.controls) for row in program] == [(Op.GLOBAL_PHASE, ())]
    assert program.slots.tolist() == [0]


@pytest.mark.parametrize("power", [-3, 0, 1, 2, 5000])
def test_whole_powers(power: int) -> None:
    inner = QuantumCircuit(1, global_phase=A)
    inner.rx(B, 0)
    inner.rz(A, 0)
    circuit = QuantumCircuit(2)
    circuit.append(AnnotatedOperation(inner.to_gate(), [PowerModifier(power), ControlModifier(1)]), [0, 1])
    point = {A: 0.3, B: 0.2}
    matrix = np.linalg.matrix_power(Operator(inner.assign_parameters(point)).data, power)
    expected = Operator(lib.UnitaryGate(matrix).control(1)).data
    np.testing.assert_allclose(program_oracle.unitary(filled(circuit, point)), expected, atol=1e-9)


def test_where_terms_cancel_qiskit_may_tell_no_expression() -> None:
    quotient = A / (0.5 - 2j)
    circuit = QuantumCircuit(1)
    circuit.rx((quotient - quotient).cos(), 0)
    with pytest.raises(UnboundParameterError, match="'a'"):
        lower(circuit)


def test_a_fractional_power_of_parameters_is_refused() -> None:
    circuit = QuantumCircuit(1, name="c")
    circuit.append(AnnotatedOperation(lib.RXGate(A * B), PowerModifier(0.5)), [0])
    with pytest.raises(UnboundParameterError) as caught:
        lower(circuit)
    assert caught.value.message == (
        "circuit 'c' holds 'rx' at position 0 (qubit 0), which has 2 parameters without a value ('a', 'b'): "
        "bind with `circuit.assign_parameters({...})` first"
    ).replace("'rx'", f"'{circuit.data[0].name}'")


def test_parameters_that_were_replaced_in_a_controlled_gate() -> None:
    """Qiskit replaces them in the definition only, and the base gate keeps what it had."""
    inner = QuantumCircuit(1)
    inner.rx(A, 0)
    inner.rz(B, 0)
    for replacement in ({A: 2 * A}, {A: B, B: A}, {A: V[0] ** 2}, {A: 0.5}):
        circuit = QuantumCircuit(2)
        circuit.append(inner.to_gate().control(1), [0, 1])
        assert_is_bound(circuit.assign_parameters(replacement))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the older classes are still in use
def test_library_circuits() -> None:
    operator = SparsePauliOp.from_list([("ZZI", 0.5), ("IZZ", -0.25), ("XIX", 1.0)])
    evolution = QuantumCircuit(4)
    evolution.append(lib.PauliEvolutionGate(operator, time=A * B), range(3))
    evolution.append(lib.PauliEvolutionGate(operator, time=B).control(1), [3, 0, 1, 2])
    # Qiskit's own matrix of an evolution is the exact one, and its definition isn't.
    assert_same_rows(evolution)
    for circuit in (
        lib.EfficientSU2(3, reps=1),
        lib.efficient_su2(3, reps=1),
        lib.RealAmplitudes(3, entanglement="full"),
        lib.QAOAAnsatz(SparsePauliOp(["ZZI", "IZZ"], [0.5, -0.25]), reps=2),
        lib.ZZFeatureMap(3),
        lib.TwoLocal(2, ["rx", "rzz"], "cp"),
    ):
        assert_is_bound(circuit)


def test_what_comes_to_nothing_has_parameters_all_the_same() -> None:
    circuit = QuantumCircuit(1)
    circuit.append(Delay(A), [0])
    circuit.rx(B, 0)
    program = lower(circuit)
    assert (program.num_parameters, [row.code for row in program]) == (2, [Op.RX])
    assert fill(program, np.array([[5.0, 0.5]])).tolist() == [[0.5]]


def test_control_flow() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.rx(A, 0)
    circuit.measure(0, 0)
    with circuit.if_test((0, True)) as otherwise:
        circuit.ry(A + B, 1)
    with otherwise:
        circuit.cp(B, 0, 1)
    with circuit.while_loop((0, False)):
        circuit.rx(-B, 0)
        circuit.measure(0, 0)
    with circuit.for_loop(range(3)) as step:
        circuit.rz(step * A, 0)
        with circuit.if_test((1, True)):
            circuit.rx(A / (step + 1), 1)
            circuit.break_loop()
    with circuit.switch(circuit.clbits[0]) as case, case(True):
        circuit.u(A, B, 0.5, 1)
    assert_same_rows(circuit)


def test_the_phase_of_a_block_comes_before_its_jumps() -> None:
    body = QuantumCircuit(1, 1, global_phase=A)
    body.rx(B, 0)
    body.break_loop()
    circuit = QuantumCircuit(1, 1)
    circuit.while_loop((circuit.clbits[0], False), body, [0], [0])
    assert [row.code for row in lower(circuit)] == [Op.JUMP_UNLESS, Op.GLOBAL_PHASE, Op.RX, Op.JUMP, Op.JUMP]


def test_the_parameter_of_a_loop_is_none_of_the_circuit() -> None:
    circuit = QuantumCircuit(1)
    with circuit.for_loop([2, 5]) as factor:
        circuit.rx(factor * A, 0)
    program = lower(circuit)
    assert program.num_parameters == 1
    assert fill(program, np.array([[2.0]])).tolist() == [[4.0, 10.0]]


class Unknown(Gate):
    """Its definition has parameters of which the circuit knows nothing."""

    def __init__(self) -> None:
        super().__init__("unknown", 1, [A])

    def _define(self) -> None:
        self.definition = QuantumCircuit(1)
        self.definition.rx(A + Parameter("hidden"), 0)


def test_a_parameter_that_isnt_the_circuits_own() -> None:
    circuit = QuantumCircuit(1)
    circuit.append(Unknown(), [0])
    with pytest.raises(UnboundParameterError, match=r"'rx' at position 0, which has 1 parameter .*\('hidden'\)"):
        lower(circuit)


class Template(Gate):
    """A gate with a parameter, whose definition puts it where only numbers go."""

    def __init__(self, kind: Callable[[Any], Any]) -> None:
        super().__init__("template", 1, [A])
        self._kind = kind

    def _define(self) -> None:
        self.definition = QuantumCircuit(1)
        self.definition.append(self._kind(A), [0])


def test_matrices_hold_numbers_only() -> None:
    def diagonal(angle: Any) -> Gate:
        gate = lib.DiagonalGate([1, 1])
        gate.params = [1, angle]
        return gate

    circuit = QuantumCircuit(1, name="c")
    circuit.append(Template(diagonal), [0])
    with pytest.raises(
        UnboundParameterError, match=r"'template' at position 0 .*'diagonal' at position 0, which has 1 .*\('a'\)"
    ):
        lower(circuit)


def test_too_many_parameters() -> None:
    circuit = QuantumCircuit(1)
    for angle in V:
        circuit.rx(angle, 0)
    with pytest.raises(CapacityError, match="has 3 parameters; a program has at most 2"):
        lower(circuit, limits=ProgramLimits(parameters=2))


def test_angles_keep_their_precision() -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(A, 0)
    circuit.rx(-A, 0)
    circuit.rx(A / 3, 0)
    assert filled(circuit, {A: math.pi}).params.tolist() == [math.pi, -math.pi, math.pi / 3]
