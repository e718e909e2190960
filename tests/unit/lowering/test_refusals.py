# SPDX-License-Identifier: Apache-2.0
"""Operations that can't be run are refused by circuit, operation and position, with a remedy."""

import numpy as np
import pytest
from circuits import bell_state
from qiskit import QuantumCircuit
from qiskit.circuit import (
    ControlledGate,
    Gate,
    Instruction,
    Operation,
    Parameter,
)
from qiskit.circuit import library as lib
from qiskit.circuit.annotated_operation import AnnotatedOperation, ControlModifier, InverseModifier, PowerModifier
from refusals import refused

from qfleet.errors import CapacityError, UnboundParameterError, UnsupportedCircuitError
from qfleet.lowering.gates import shape_of
from qfleet.lowering.lower import lower
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.rows import Rows
from qfleet.lowering.size import ProgramLimits
from qfleet.wire.limits import MAX_OPERATIONS, MAX_QUBITS
from qfleet.wire.program.operations import Op


@pytest.mark.parametrize("wrong", [None, "bell", [bell_state(2)], lib.HGate()])
def test_only_circuits(wrong):
    with pytest.raises(TypeError, match=f"expected a QuantumCircuit, got {type(wrong).__name__}"):
        lower(wrong)


NEITHER = (
    "it has neither a definition nor a unitary matrix; transpile it, write it as gates, or remove it from the circuit"
)


class Save(Instruction):
    """An instruction to another simulator."""

    _directive = True

    def __init__(self):
        super().__init__("save_statevector", 2, 0, [])


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (Save(), "save_statevector"),
        (Instruction("set_statevector", 2, 0, [np.eye(4)[0]]), "set_statevector"),
        (Instruction("quantum_channel", 2, 0, [np.eye(4)]), "quantum_channel"),
        (Gate("opaque", 2, []), "opaque"),
        (Gate("h", 2, []), "h"),
    ],
)
def test_operations_without_a_unitary(operation, name):
    circuit = bell_state(2)
    circuit.append(operation, [1, 0])
    assert refused(circuit) == (
        f"circuit 'bell' holds '{name}' at position 2 (qubits 1, 0), which qfleet doesn't run: {NEITHER}"
    )


def test_the_path_to_a_nested_operation():
    inner = QuantumCircuit(1, name="inner")
    inner.h(0)
    inner.append(Gate("opaque", 1, []), [0])
    middle = QuantumCircuit(1, name="middle")
    middle.append(inner.to_gate(), [0])
    circuit = QuantumCircuit(3, name="outer")
    circuit.append(middle.to_gate(), [2])
    assert refused(circuit) == (
        "circuit 'outer' holds 'middle' at position 0 (qubit 2), and in it 'inner' > 'opaque' at position 1, "
        f"which qfleet doesn't run: {NEITHER}"
    )


def test_a_long_list_of_qubits_is_cut():
    circuit = QuantumCircuit(20)
    circuit.append(Gate("opaque", 20, []), range(20))
    assert "(qubits 0, 1, 2, 3, 4, 5, 6, ..., 19)" in refused(circuit)


@pytest.mark.parametrize(
    ("add", "name"),
    [
        (lambda circuit: circuit.measure(0, 0), "measure"),
        (lambda circuit: circuit.reset(0), "reset"),
        (lambda circuit: circuit.initialize("1", 0), "initialize"),
    ],
)
def test_a_unitary_holds_no_measurement(add, name):
    circuit = bell_state(2)
    add(circuit)
    lower(circuit)
    what = "it can't be part of a unitary; remove it from the circuit"
    assert refused(circuit, output="unitary") == (
        f"circuit 'bell' holds '{name}' at position 2 (qubit 0), which qfleet doesn't run: {what}"
    )
    outer = QuantumCircuit(2, 2, name="outer")
    outer.append(circuit.to_instruction(), [1, 0], [0, 1])
    assert refused(outer, output="unitary") == (
        f"circuit 'outer' holds 'bell' at position 0 (qubits 1, 0), and in it '{name}' at position 2, "
        f"which qfleet doesn't run: {what}"
    )


class Careless(Gate):
    """Its definition has a parameter that the gate doesn't own to."""

    def __init__(self):
        super().__init__("careless", 1, [])

    def _define(self):
        self.definition = QuantumCircuit(1)
        self.definition.rx(Parameter("b") + Parameter("a"), 0)


def test_an_unbound_parameter_inside_a_definition():
    circuit = QuantumCircuit(1, name="c")
    circuit.append(Careless(), [0])
    assert refused(circuit, UnboundParameterError) == (
        "circuit 'c' holds 'careless' at position 0 (qubit 0), and in it 'rx' at position 0, "
        "which has 2 parameters without a value ('a', 'b'): bind with `circuit.assign_parameters({...})` first"
    )


@pytest.mark.parametrize(("value", "shown"), [(float("nan"), "nan"), (float("inf"), "inf"), (float("-inf"), "-inf")])
def test_parameters_that_are_not_finite(value, shown):
    circuit = QuantumCircuit(1, name="c")
    circuit.h(0)
    circuit.rz(value, 0)
    assert refused(circuit) == (
        f"circuit 'c' holds 'rz' at position 1 (qubit 0), which qfleet doesn't run: its parameter {shown} isn't finite"
    )


@pytest.mark.parametrize("value", [1 + 2j, "half", None])
def test_parameters_that_are_not_real(value):
    gate = lib.CRZGate(0.1, ctrl_state=0)
    gate.base_gate._params[0] = value
    circuit = QuantumCircuit(2, name="c")
    circuit.append(gate, [0, 1], copy=False)
    message = refused(circuit)
    assert "circuit 'c' holds 'crz_o0' at position 0 (qubits 0, 1), " in message
    assert "isn't a real number" in message


def test_a_matrix_that_is_not_unitary():
    for matrix in (np.diag([1, 2]), np.diag([1, np.nan])):
        circuit = QuantumCircuit(1, name="c")
        circuit.append(lib.UnitaryGate(matrix, check_input=False), [0])
        assert refused(circuit) == (
            "circuit 'c' holds 'unitary' at position 0 (qubit 0), which qfleet doesn't run: its matrix isn't unitary"
        )


def test_the_first_of_many_matrices_is_named():
    wrong = np.diag([1, 1, 1, 2])
    circuit = QuantumCircuit(3, name="c")
    circuit.unitary(np.eye(2), 0)
    circuit.append(lib.UnitaryGate(np.eye(4), check_input=False), [0, 2])
    circuit.append(lib.UnitaryGate(wrong, check_input=False), [2, 1])
    circuit.append(lib.UnitaryGate(np.diag([1, 2]), check_input=False), [0])
    circuit.append(lib.UnitaryGate(wrong, check_input=False), [0, 1])
    expected = "holds 'unitary' at position 2 (qubits 2, 1), which qfleet doesn't run: its matrix isn't unitary"
    assert refused(circuit) == f"circuit 'c' {expected}"
    circuit.append(Instruction("oracle", 1, 0, []), [0])
    assert refused(circuit) == f"circuit 'c' {expected}"
    outer = QuantumCircuit(3, name="outer")
    outer.h(0)
    outer.append(circuit.to_instruction(), [0, 1, 2])
    assert refused(outer) == (
        "circuit 'outer' holds 'c' at position 1 (qubits 0, 1, 2), and in it 'unitary' at position 2, "
        "which qfleet doesn't run: its matrix isn't unitary"
    )


@pytest.mark.parametrize("name", ["wrong", "unitary"])
def test_a_matrix_of_another_size(name):
    class Wrong(Gate):
        def to_matrix(self):
            return np.eye(2)

    circuit = QuantumCircuit(2)
    circuit.append(Wrong(name, 2, []), [0, 1])
    assert "its matrix has the shape (2, 2); 2 qubits need (4, 4)" in refused(circuit)


def test_amplitudes_and_diagonals_that_were_changed():
    gate = lib.DiagonalGate([1, -1])
    gate.params[0] = 2.0
    state = lib.Initialize([1, 0])
    state.params[0] = 2.0
    for operation, what in ((gate, "its diagonal isn't unitary"), (state, "the norm of its amplitudes isn't 1")):
        circuit = QuantumCircuit(1)
        circuit.append(operation, [0])
        assert what in refused(circuit)


def test_a_state_that_does_not_fit():
    circuit = QuantumCircuit(2)
    circuit.append(lib.Initialize(9, 2), [0, 1])
    assert "its state '1001' doesn't fit 2 qubits" in refused(circuit)


def test_a_definition_of_another_size():
    gate = Gate("wrong", 2, [])
    gate.definition = QuantumCircuit(3)
    circuit = QuantumCircuit(2)
    circuit.append(gate, [0, 1])
    assert "it has 2 qubits and 0 clbits, and its definition has 3 and 0" in refused(circuit)


def test_a_definition_that_is_no_circuit():
    gate = Gate("wrong", 1, [])
    gate.definition = [(lib.HGate(), [0], [])]
    circuit = QuantumCircuit(1)
    circuit.append(gate, [0])
    assert "its definition is a list, not a QuantumCircuit" in refused(circuit)


def test_a_definition_that_fails():
    class Broken(Gate):
        def _define(self):
            raise ZeroDivisionError("no way")

    circuit = QuantumCircuit(1, name="c")
    circuit.append(Broken("broken", 1, []), [0])
    with pytest.raises(
        UnsupportedCircuitError, match=r"'broken' at position 0.*ZeroDivisionError\('no way'\)"
    ) as caught:
        lower(circuit)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


class Endless(Gate):
    def __init__(self):
        super().__init__("endless", 1, [])

    def _define(self):
        self.definition = QuantumCircuit(1)
        self.definition.append(Endless(), [0])


def nested(depth: int) -> QuantumCircuit:
    body = QuantumCircuit(1)
    body.x(0)
    for _ in range(depth):
        gate = Gate("shell", 1, [])
        gate.definition = body
        body = QuantumCircuit(1, name="nested")
        body.append(gate, [0])
    return body


def test_definitions_nested_too_deeply():
    assert len(lower(nested(150))) == 1
    endless = QuantumCircuit(1, name="nested")
    endless.append(Endless(), [0])
    for circuit, name in ((nested(2000), "shell"), (endless, "endless")):
        assert refused(circuit) == (
            f"circuit 'nested' holds '{name}' at position 0 (qubit 0), which qfleet doesn't run: "
            "its definition is nested too deeply or endlessly; decompose the circuit first"
        )


@pytest.mark.parametrize(("modifier", "done"), [(ControlModifier(1), "controlled"), (InverseModifier(), "inverted")])
def test_modifiers_of_what_is_not_unitary(modifier, done):
    body = QuantumCircuit(1)
    body.reset(0)
    operation = AnnotatedOperation(body.to_instruction(), modifier)
    circuit = QuantumCircuit(2)
    circuit.append(operation, range(operation.num_qubits))
    assert f"it has a reset inside, which can't be {done}" in refused(circuit)


def test_powers_that_cannot_be_had():
    wide = QuantumCircuit(11)
    wide.h(0)
    circuit = QuantumCircuit(11)
    circuit.append(AnnotatedOperation(wide.to_gate(), PowerModifier(0.5)), range(11))
    assert "a fractional power of 11 qubits isn't supported; at most 10 qubits are" in refused(circuit)

    body = QuantumCircuit(1)
    body.reset(0)
    circuit = QuantumCircuit(1)
    circuit.append(AnnotatedOperation(body.to_instruction(), PowerModifier(0.5)), [0])
    assert "its power can't be computed: " in refused(circuit)


def test_a_modifier_of_another_kind():
    operation = AnnotatedOperation(lib.XGate(), "twisted")
    circuit = QuantumCircuit(1)
    circuit.append(operation, [0])
    assert "its modifier 'twisted' isn't supported" in refused(circuit)


def test_definitions_that_multiply():
    message = f"it expands to more than {MAX_OPERATIONS} operations with its definitions inlined"
    half = Rows([shape_of(Op.X)] * (MAX_OPERATIONS // 2 + 1))
    with pytest.raises(RefusalError, match=message):
        half.splice(half, [0], None)

    wide = QuantumCircuit(11)
    wide.h(0)
    circuit = QuantumCircuit(11)
    circuit.append(AnnotatedOperation(wide.to_gate(), PowerModifier(MAX_OPERATIONS + 1)), range(11))
    assert message in refused(circuit, CapacityError)


def test_too_many_operations():
    with pytest.raises(CapacityError) as caught:
        lower(bell_state(2), limits=ProgramLimits(operations=1))
    assert str(caught.value) == "circuit 'bell' has 2 operations; a program has at most 1"


def test_too_many_qubits():
    assert lower(QuantumCircuit(MAX_QUBITS, name="c")).num_qubits == MAX_QUBITS
    assert refused(QuantumCircuit(MAX_QUBITS + 1, name="c"), CapacityError) == (
        f"circuit 'c' has {MAX_QUBITS + 1} qubits; a program has at most {MAX_QUBITS}"
    )


def test_a_controlled_gate_without_meaning():
    class Empty(Operation):
        name, num_qubits, num_clbits = "empty", 1, 0

    circuit = QuantumCircuit(2)
    circuit.append(Empty(), [1])
    assert "'empty' at position 0 (qubit 1)" in refused(circuit)
    circuit = QuantumCircuit(2)
    circuit.append(ControlledGate("c_opaque", 2, [], base_gate=Gate("opaque", 1, [])), [0, 1])
    assert "'c_opaque' at position 0 (qubits 0, 1)" in refused(circuit)
