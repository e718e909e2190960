# SPDX-License-Identifier: Apache-2.0
"""Is a program with slots, filled, the program of the circuit that Qiskit bound?"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import program_oracle
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
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
from qfleet.lowering import formulas
from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.program.formulas import Step, parameter_of
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.shards.angles import fill

A, B = Parameter("a"), Parameter("b")
V = ParameterVector("v", 3)


def filled(circuit: QuantumCircuit, point: dict[Parameter, float]) -> Program:
    """The circuit's program at a point, by way of the wire."""
    program = decode_program(encode_program(lower(circuit)))
    assert program.num_parameters == circuit.num_parameters
    values = np.array([[point[parameter] for parameter in circuit.parameters]])
    return msgspec.structs.replace(program, params=fill(program, values)[0])


def point_of(circuit: QuantumCircuit) -> dict[Parameter, float]:
    return {parameter: 0.4 + 0.3 * place for place, parameter in enumerate(circuit.parameters)}


def assert_is_bound(circuit: QuantumCircuit) -> Program:
    """The filled program has the unitary that Qiskit says."""
    point = point_of(circuit)
    program = filled(circuit, point)
    expected = Operator(circuit.assign_parameters(point)).data
    np.testing.assert_allclose(program_oracle.unitary(program), expected, atol=1e-9)
    return program


def assert_same_rows(circuit: QuantumCircuit) -> None:
    """The filled program has the rows of the bound circuit."""
    point = point_of(circuit)
    rows, expected = list(filled(circuit, point)), list(lower(circuit.assign_parameters(point)))
    assert [row._replace(params=()) for row in rows] == [row._replace(params=()) for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert row.params == pytest.approx(other.params, abs=1e-12)


UNARY: list[Callable[[Any], Any]] = [
    lambda x: -x,
    lambda x: x.sin(),
    lambda x: x.cos(),
    lambda x: x.tan(),
    lambda x: x.arcsin(),
    lambda x: x.arccos(),
    lambda x: x.arctan(),
    lambda x: x.exp(),
    lambda x: x.log(),
    lambda x: x.sign(),
    lambda x: x.conjugate(),
    abs,
]
BINARY: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / y,
    lambda x, y: x**y,
]
CONSTANTS = st.sampled_from([2, -1, 3, 0.5, -1.5, 2.25, 1j, 0.5 - 2j])
EXPRESSIONS = st.recursive(
    st.sampled_from([A, B, *V]),
    lambda inner: st.one_of(
        st.builds(lambda function, x: function(x), st.sampled_from(UNARY), inner),
        st.builds(lambda function, x, y: function(x, y), st.sampled_from(BINARY), inner, inner),
        st.builds(lambda function, x, y: function(x, y), st.sampled_from(BINARY), inner, CONSTANTS),
        st.builds(lambda function, x, y: function(x, y), st.sampled_from(BINARY), CONSTANTS, inner),
        st.builds(lambda x, y: x.subs({A: y}) if A in x.parameters else x, inner, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_any_expression(data: st.DataObject) -> None:
    """What Qiskit gives for it at a point is what comes out, and what it gives no real number for is refused."""
    try:
        expression = data.draw(EXPRESSIONS)
        point = {free: data.draw(st.sampled_from([0.7, -1.3, 2.0, -2.0, 0.31])) for free in expression.parameters}
        expected = expression.bind(point).numeric()
    except (ZeroDivisionError, RuntimeError, OverflowError):
        # It has no value at all, or Qiskit won't bind it where we would go through the complex numbers.
        assume(False)
    assume(point)
    # Beyond, rounding is all that is left of an angle.
    assume(1e-3 < abs(expected) < 1e3)
    # Qiskit's arcsin(2) is no number, whose sign is 0.
    assume("sign" not in str(expression) or not {"asin", "acos"} & set(re.findall(r"\w+", str(expression))))
    circuit = QuantumCircuit(1)
    circuit.rx(expression, 0)
    if any(type(each.lhs) is float and each.rhs is None for each in expression._qpy_replay):
        # Terms cancelled, and Qiskit tells of a function of a number; see the next test.
        return
    if isinstance(expected, complex):
        assume(abs(expected.imag) > 1e-6)
        with pytest.raises(EngineError, match=r"operation 0 \(rx\)"):
            filled(circuit, point)
    else:
        assert filled(circuit, point).params.tolist() == pytest.approx([expected], rel=1e-6)


@pytest.mark.parametrize(
    "expression",
    [
        A,
        -A,
        A + B,
        A - 1,
        1 - A,
        2 / (A + B),
        (A + B) / 2,
        (A + B) ** A,
        A ** (A + B),
        2 ** (A.sin()),
        A.sin() - (B.cos() - A),
        A - B.sin(),
        B.sin() - A,
        (A.cos() + 1) / (B.sin() + 2),
        (A * B).gradient(A),
        (A + B).bind({B: 0.25}),
        (A + B).subs({A: 2 * B}),
        (1j * A).exp() * (-1j * A).exp(),
        (A * 1j) * (B * 1j),
        (-A).log().exp(),
        (A.log() - (-A).log()) * 1j,
        ((-A) ** 0.5) ** 2,
        (1j * A).conjugate() * 1j,
        abs(1j * A),
        V[0] * V[2] + V[1],
        A - A,
        0 * B,
    ],
    ids=str,
)
def test_expressions(expression: Any) -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(expression, 0)
    point = point_of(circuit)
    assert filled(circuit, point).params == pytest.approx([expression.bind(point).numeric()], abs=1e-12)


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


def test_expressions_that_are_too_long_for_qiskit_to_tell() -> None:
    long = sum(ParameterVector("w", 501), start=0)
    circuit = QuantumCircuit(1, name="c")
    circuit.rx(long, 0)
    with pytest.raises(UnboundParameterError, match="'c' has 501 parameters without a value"):
        lower(circuit)


def test_operands_in_an_order_that_qiskit_never_writes() -> None:
    """Sums and products may come with the right operand on the stack; of the others nobody knows the order."""
    steps = formulas._Steps({A: 0, B: 1})
    inner = SimpleNamespace(op=5, lhs=A, rhs=None)
    steps.replay(SimpleNamespace(_qpy_replay=[inner, SimpleNamespace(op=2, lhs=B, rhs=None)]))
    assert list(steps.formula().steps) == [Step.PARAMETER, Step.SIN, Step.PARAMETER, Step.MUL]
    with pytest.raises(ValueError, match="SUB"):
        steps.replay(SimpleNamespace(_qpy_replay=[inner, SimpleNamespace(op=1, lhs=B, rhs=None)]))


def test_a_qiskit_that_does_not_tell_the_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formulas, "_STEPS", {})
    circuit = QuantumCircuit(1)
    circuit.rx(2 * A, 0)
    with pytest.raises(UnboundParameterError, match="'a'"):
        lower(circuit)
    circuit = QuantumCircuit(1)
    circuit.rx(A, 0)
    assert lower(circuit).num_parameters == 1


def test_too_many_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qfleet.lowering.lower.MAX_PARAMETERS", 2)
    circuit = QuantumCircuit(1)
    for angle in V:
        circuit.rx(angle, 0)
    with pytest.raises(CapacityError, match="has 3 parameters; a program has 2 at most"):
        lower(circuit)


def test_angles_keep_their_precision() -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(A, 0)
    circuit.rx(-A, 0)
    circuit.rx(A / 3, 0)
    assert filled(circuit, {A: math.pi}).params.tolist() == [math.pi, -math.pi, math.pi / 3]
