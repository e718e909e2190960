# SPDX-License-Identifier: Apache-2.0
"""Loops are unrolled and blocks keep their phase; what can't run is refused by its place in the circuit."""

import pytest
from circuits import bell_state
from qiskit import QuantumCircuit
from qiskit.circuit import (
    BreakLoopOp,
    ContinueLoopOp,
    ControlFlowOp,
    Duration,
    Gate,
    Instruction,
    Parameter,
)
from qiskit.circuit import library as lib
from qiskit.circuit.annotated_operation import AnnotatedOperation, ControlModifier, InverseModifier, PowerModifier
from qiskit.circuit.classical import expr, types
from refusals import refused

from qfleet.errors import CapacityError
from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.program.operations import Op


def with_control_flow(name: str) -> QuantumCircuit:
    circuit = bell_state(2)
    if name == "if_else":
        with circuit.if_test((0, 1)):
            circuit.x([0, 1])
    elif name == "while_loop":
        with circuit.while_loop((0, 1)):
            circuit.x([0, 1])
    elif name == "switch_case":
        with circuit.switch(0) as case, case(1):
            circuit.x([0, 1])
    return circuit


@pytest.mark.parametrize("name", ["if_else", "while_loop", "switch_case"])
def test_a_unitary_holds_no_control_flow(name):
    lower(with_control_flow(name))
    assert refused(with_control_flow(name), output="unitary") == (
        f"circuit 'bell' holds '{name}' at position 2 (qubits 0, 1), which qfleet doesn't run: "
        "it can't be part of a unitary; remove it from the circuit"
    )


def test_a_unitary_holds_no_stores():
    circuit = bell_state(2)
    circuit.add_var("a", expr.lift(3, types.Uint(8)))
    assert "circuit 'bell' holds 'store' at position 2 (no qubits), " in refused(circuit, output="unitary")


def test_unrolled_loops_and_boxes_have_a_unitary():
    circuit = bell_state(2)
    with circuit.for_loop(range(3)) as value, circuit.box():
        circuit.rx(value, 0)
    assert len(lower(circuit, "unitary")) == 5


@pytest.mark.parametrize("operation", ["break_loop", "continue_loop"])
def test_loose_jumps(operation):
    circuit = bell_state(2)
    circuit.append(Instruction(operation, 2, 2, []), [0, 1], [0, 1])
    assert f"circuit 'bell' holds '{operation}' at position 2 (qubits 0, 1), " in refused(circuit)
    circuit = bell_state(2)
    circuit.append({"break_loop": BreakLoopOp, "continue_loop": ContinueLoopOp}[operation](2, 2), [0, 1], [0, 1])
    assert f"'{operation}' at position 2 (qubits 0, 1), which qfleet doesn't run: it isn't inside a loop" in refused(
        circuit
    )


def test_a_jump_out_of_a_definition():
    inner = Instruction("inner", 1, 0, [])
    inner.definition = QuantumCircuit(1)
    inner.definition.append(BreakLoopOp(1, 0), [0])
    circuit = bell_state(2)
    with circuit.for_loop(range(2)):
        circuit.append(inner, [0])
    assert (
        "and in it 'inner' > 'break_loop' at position 0, which qfleet doesn't run: it isn't inside a loop"
        in refused(circuit)
    )


def test_the_path_into_a_block():
    circuit = bell_state(2)
    with circuit.if_test((0, 1)), circuit.for_loop(range(2)):
        circuit.append(Gate("opaque", 1, []), [0])
    assert "holds 'if_else' at position 2 (qubit 0), and in it 'for_loop' > 'opaque' at position 0" in refused(circuit)


def test_variables_without_a_value():
    circuit = QuantumCircuit(1, name="c", inputs=[expr.Var.new("a", types.Bool()), expr.Var.new("b", types.Uint(3))])
    assert refused(circuit) == (
        "circuit 'c' has classical variables without a value ('a', 'b'); "
        "declare them with `circuit.add_var(name, value)`"
    )
    circuit = QuantumCircuit(1, name="c", captures=[expr.Var.new("a", types.Bool())])
    assert "has classical variables without a value ('a')" in refused(circuit)


def test_expressions_that_have_no_value():
    circuit = bell_state(2)
    stretch = circuit.add_stretch("s")
    with circuit.if_test(expr.less(stretch, Duration.dt(100))):
        circuit.x(0)
    assert "its expression contains a Stretch, which has no value in a simulation" in refused(circuit)
    circuit = bell_state(2)
    with circuit.if_test(expr.less(expr.lift(Duration.dt(5)), Duration.dt(100))):
        circuit.x(0)
    assert "its expression has the type Duration(); supported types are Bool, Uint and Float" in refused(circuit)


def test_expressions_beyond_the_limits():
    deep = expr.lift(True)
    for _ in range(98):
        deep = expr.logic_not(deep)
    circuit = bell_state(2)
    with circuit.switch(deep) as case, case(1):
        circuit.x(0)
    decode_program(encode_program(lower(circuit)))
    circuit = bell_state(2)
    with circuit.if_test(expr.logic_not(deep)):
        circuit.x(0)
    assert "its expression has more than 99 levels" in refused(circuit, CapacityError)
    circuit = bell_state(2)
    circuit.add_var("wide", expr.lift(1, types.Uint(1 << 17)))
    assert "its Uint(131072) is wider than 65536 bits" in refused(circuit, CapacityError)


def test_an_expression_of_wrong_types():
    circuit = bell_state(2)
    wrong = expr.Binary(expr.Binary.Op.ADD, expr.lift(1, types.Uint(3)), expr.lift(1.5), types.Uint(3))
    with circuit.if_test(expr.equal(wrong, 2)):
        circuit.x(0)
    assert "its expression can't be evaluated: an expression applies ADD to Uint(3) and Float" in refused(circuit)


@pytest.mark.parametrize(
    ("modifier", "done"),
    [(ControlModifier(1), "controlled"), (InverseModifier(), "inverted"), (PowerModifier(2), "repeated")],
)
def test_modifiers_of_control_flow(modifier, done):
    body = QuantumCircuit(1)
    flag = body.add_var("flag", expr.lift(True))
    with body.if_test(flag):
        body.x(0)
    inner = Instruction("inner", 1, 0, [])
    inner.definition = body
    circuit = QuantumCircuit(2)
    operation = AnnotatedOperation(inner, modifier)
    circuit.append(operation, range(operation.num_qubits))
    assert f"it has control flow inside, which can't be {done}" in refused(circuit)


def half_turn_by(value: Parameter | float) -> AnnotatedOperation:
    """Return a gate whose parameter Qiskit must bind."""
    return AnnotatedOperation(lib.RXGate(value), PowerModifier(0.5))


def test_a_loop_whose_parameter_qiskit_binds():
    """Each turn has its value; a break leaves the loop, and a continue goes to the next turn."""
    looped, unrolled = QuantumCircuit(1, 2), QuantumCircuit(1, 2)
    parameter = Parameter("i")
    with looped.for_loop(range(3), parameter):
        looped.append(half_turn_by(parameter), [0])
        looped.rx(0.25, 0)
    for value in range(3):
        unrolled.append(half_turn_by(float(value)), [0])
        unrolled.rx(0.25, 0)
    assert encode_program(lower(looped)) == encode_program(lower(unrolled))

    jumping = QuantumCircuit(1, 2)
    with jumping.for_loop(range(2), parameter):
        jumping.append(half_turn_by(parameter), [0])
        with jumping.if_test((0, 1)):
            jumping.break_loop()
        with jumping.if_test((1, 1)):
            jumping.continue_loop()
        jumping.x(0)
    program = lower(jumping)
    turn = [Op.UNITARY, Op.JUMP_UNLESS, Op.JUMP, Op.JUMP_UNLESS, Op.JUMP, Op.X]
    assert [row.code for row in program] == turn * 2
    assert program.jumps.tolist() == [3, 12, 5, 6, 9, 12, 11, 12]


def test_a_bound_turn_that_is_too_long():
    circuit = QuantumCircuit(1, name="c")
    parameter = Parameter("i")
    with circuit.for_loop(range(1 << 16), parameter):
        circuit.append(half_turn_by(parameter), [0])
        for _ in range(256):
            circuit.x(0)
    assert "its 65536 turns unroll to 16842752 operations" in refused(circuit, CapacityError)


def test_a_loop_over_a_variable_with_too_many_turns():
    variable = expr.Var.new("i", types.Uint(32))
    circuit = QuantumCircuit(1, name="c")
    circuit.for_loop(range(1 << 17), variable, QuantumCircuit(1, inputs=[variable]), [0], [])
    assert "its 131072 turns unroll to 131072 jumps and stores; a program has at most 65536" in refused(
        circuit, CapacityError
    )


def test_the_phase_of_a_block_is_applied_where_it_stands():
    """A jump that passes a gate passes its phase as well."""
    body = QuantumCircuit(1, 1, global_phase=0.5)
    body.x(0)
    skip = QuantumCircuit(1, 1)
    skip.append(ContinueLoopOp(1, 1), [0], [0])
    body.if_else((0, 1), skip, None, [0], [0])
    body.append(lib.GlobalPhaseGate(0.25), [])
    circuit = QuantumCircuit(1, 1)
    circuit.for_loop(range(2), None, body, [0], [0])
    program = lower(circuit)
    turn = [Op.X, Op.GLOBAL_PHASE, Op.JUMP_UNLESS, Op.JUMP, Op.GLOBAL_PHASE]
    assert [row.code for row in program] == turn * 2
    assert program.params.tolist() == [0.5, 0.25] * 2
    assert program.jumps.tolist() == [4, 5, 9, 10]


def test_a_condition_that_is_changed_to_a_number():
    circuit = bell_state(2)
    with circuit.if_test((0, 1)):
        circuit.x(0)
    changed = circuit.data[2].operation
    changed.condition = expr.lift(3, types.Uint(2))
    circuit.data[2] = circuit.data[2].replace(operation=changed)
    assert "its expression is a Uint(2) where a Bool is needed" in refused(circuit)


def test_a_refusal_in_a_loop_is_not_taken_for_one_of_its_parameter():
    circuit = QuantumCircuit(1, name="c")
    parameter = Parameter("i")
    with circuit.for_loop(range(10**9), parameter):
        circuit.rx(parameter, 0)
        circuit.rx(0.25, 0)
        circuit.append(Gate("opaque", 1, []), [0])
    assert "holds 'for_loop' at position 0 (qubit 0), and in it 'opaque' at position 2" in refused(circuit)


def test_a_loop_gives_its_values_to_angles_with_its_parameter():
    circuit = QuantumCircuit(1)
    parameter, own = Parameter("i"), Parameter("own")
    with circuit.for_loop(range(2), parameter):
        circuit.rx(2 * parameter, 0)
        circuit.rx(own, 0)
        circuit.rx(0.25, 0)
    program = lower(circuit)
    assert program.params.tolist() == [0.0, 0.0, 0.25, 2.0, 0.0, 0.25]
    assert program.slots.tolist() == [1, 4]


def test_control_flow_of_an_unknown_kind():
    class Unknown(ControlFlowOp):
        blocks = ()

        def replace_blocks(self, _blocks):
            return self

    circuit = bell_state(2)
    circuit.append(Unknown("unknown", 1, 0, []), [0])
    assert "'unknown' at position 2 (qubit 0), which qfleet doesn't run: this kind of control flow isn't" in refused(
        circuit
    )
