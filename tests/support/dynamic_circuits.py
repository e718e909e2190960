# SPDX-License-Identifier: Apache-2.0
"""Dynamic circuits with every kind of block, condition and variable, by name."""

from __future__ import annotations

from collections.abc import Callable

from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import BreakLoopOp, Clbit, Instruction, Parameter, Qubit
from qiskit.circuit.classical import expr, types

#: Makers of circuits by their names.
CIRCUITS: dict[str, Callable[[], QuantumCircuit]] = {}


def circuit(make: Callable[[], QuantumCircuit]) -> Callable[[], QuantumCircuit]:
    """Add a maker of a circuit to `CIRCUITS`."""
    CIRCUITS[make.__name__] = make
    return make


@circuit
def teleportation() -> QuantumCircuit:
    qc = QuantumCircuit(3, 3)
    qc.u(0.7, 0.3, 1.9, 0)
    qc.h(1)
    qc.cx(1, 2)
    qc.cx(0, 1)
    qc.h(0)
    qc.measure([0, 1], [0, 1])
    with qc.if_test((qc.clbits[1], 1)):
        qc.x(2)
    with qc.if_test((qc.clbits[0], True)):
        qc.z(2)
    qc.measure(2, 2)
    return qc


@circuit
def repeat_until_success() -> QuantumCircuit:
    qc = QuantumCircuit(2, 2)
    qc.x(0)
    qc.measure(0, 0)
    with qc.while_loop((qc.clbits[0], 1)):
        qc.reset(0)
        qc.ry(1.2, 0)
        qc.cry(0.8, 0, 1)
        qc.measure(0, 0)
    qc.measure(1, 1)
    return qc


@circuit
def repetition_code() -> QuantumCircuit:
    data, ancillas = QuantumRegister(3, "d"), QuantumRegister(2, "a")
    syndrome, out = ClassicalRegister(2, "s"), ClassicalRegister(3, "o")
    qc = QuantumCircuit(data, ancillas, syndrome, out)
    for _ in range(5):
        qc.rx(0.4, data)
        for ancilla in range(2):
            qc.reset(ancillas[ancilla])
            qc.cx(data[ancilla], ancillas[ancilla])
            qc.cx(data[ancilla + 1], ancillas[ancilla])
        qc.measure(ancillas, syndrome)
        with qc.switch(syndrome) as case:
            with case(1):
                qc.x(data[0])
            with case(2):
                qc.x(data[2])
            with case(3):
                qc.x(data[1])
    qc.measure(data, out)
    return qc


@circuit
def if_in_for_in_while() -> QuantumCircuit:
    qc = QuantumCircuit(3, 4)
    angle = Parameter("t")
    qc.h(0)
    qc.measure(0, 0)
    n = qc.add_var("n", expr.lift(0, types.Uint(4)))
    with qc.while_loop(expr.less(n, 6)):
        qc.store(n, expr.add(n, 1))
        with qc.for_loop(range(1, 4), angle):
            qc.ry(angle * 0.3, 1)
            qc.measure(1, 1)
            with qc.if_test((qc.clbits[1], 1)) as otherwise:
                qc.x(2)
                qc.break_loop()
            with otherwise:
                qc.h(2)
            qc.ry(0.2, 2)
        with qc.if_test((qc.clbits[0], 1)):
            qc.ry(0.5, 0)
            qc.measure(0, 0)
            qc.continue_loop()
        qc.measure(2, 2)
        with qc.if_test((qc.clbits[2], 1)):
            qc.break_loop()
    qc.measure([0, 2], [0, 3])
    return qc


@circuit
def switch_with_default_and_several_labels() -> QuantumCircuit:
    qc = QuantumCircuit(QuantumRegister(4, "q"), ClassicalRegister(3, "c"), ClassicalRegister(1, "d"))
    qc.h([0, 1, 2])
    qc.measure([0, 1, 2], [0, 1, 2])
    with qc.switch(qc.cregs[0]) as case:
        with case(0, 3, 5):
            qc.x(3)
        with case(1):
            qc.ry(0.5, 3)
        with case(case.DEFAULT):
            qc.h(3)
    with qc.switch(qc.clbits[0]) as case, case(True):
        qc.y(3)
    qc.measure(3, 3)
    return qc


@circuit
def switch_on_an_expression() -> QuantumCircuit:
    qc = QuantumCircuit(3, 3)
    qc.h([0, 1])
    qc.measure([0, 1], [0, 1])
    with qc.switch(expr.bit_xor(qc.cregs[0], 3)) as case:
        with case(0):
            qc.x(2)
        with case(2, case.DEFAULT):
            qc.ry(1, 2)
    qc.measure(2, 2)
    return qc


@circuit
def clbits_go_from_one_to_zero() -> QuantumCircuit:
    qc = QuantumCircuit(2, 2)
    qc.x(0)
    qc.measure(0, 0)
    with qc.if_test((qc.clbits[0], 1)):
        qc.h(0)
        qc.measure(0, 0)
    with qc.if_test((qc.clbits[0], 0)):
        qc.x(1)
    qc.measure(1, 1)
    qc.measure(0, 0)
    qc.reset(0)
    with qc.if_test((qc.clbits[1], 1)):
        qc.measure(0, 1)
    return qc


@circuit
def swaps_in_blocks() -> QuantumCircuit:
    qc = QuantumCircuit(4, 5)
    qc.ry(0.3, 0)
    qc.ry(1.3, 1)
    qc.ry(2.1, 2)
    qc.swap(0, 1)
    qc.measure(2, 0)
    with qc.if_test((qc.clbits[0], 1)) as otherwise:
        qc.swap(0, 3)
        qc.iswap(1, 2)
    with otherwise:
        qc.swap(1, 2)
        qc.cswap(0, 1, 3)
    with qc.while_loop((qc.clbits[0], 1)):
        qc.swap(0, 1)
        qc.swap(1, 2)
        qc.ry(0.4, 2)
        qc.measure(2, 0)
        qc.swap(2, 3)
    qc.swap(0, 2)
    qc.measure(range(4), range(1, 5))
    return qc


@circuit
def a_loop_from_the_first_operation_on() -> QuantumCircuit:
    qc = QuantumCircuit(2, 2)
    with qc.while_loop((qc.cregs[0], 0)):
        qc.h(0)
        qc.cx(0, 1)
        qc.measure([0, 1], [0, 1])
        qc.rx(0.4, [0, 1])
    return qc


@circuit
def variables_of_every_type() -> QuantumCircuit:
    qc = QuantumCircuit(3, 3)
    flag = qc.add_var("flag", expr.lift(True))
    wide = qc.add_var("wide", expr.lift(1 << 90, types.Uint(100)))
    real = qc.add_var("real", expr.lift(0.25))
    none = expr.Var.new("none", types.Uint(3))
    qc.add_uninitialized_var(none)
    qc.h(0)
    qc.measure(0, 0)
    qc.store(flag, qc.clbits[0])
    qc.store(wide, expr.shift_right(wide, 88))
    with qc.if_test(flag):
        inner = qc.add_var("inner", expr.cast(wide, types.Uint(3)))
        qc.store(real, expr.add(real, expr.cast(inner, types.Float())))
        qc.store(expr.index(wide, 5), True)
    with qc.if_test(expr.less(real, 4.0)):
        qc.ry(0.7, 1)
    with qc.if_test(expr.equal(wide, 36)):
        qc.x(2)
    with qc.if_test(expr.equal(none, 0)):
        qc.h(1)
    qc.measure([1, 2], [1, 2])
    return qc


@circuit
def stores_to_clbits_and_registers() -> QuantumCircuit:
    low, high = ClassicalRegister(3, "low"), ClassicalRegister(2, "high")
    qc = QuantumCircuit(QuantumRegister(2), low, high, [Clbit()])
    qc.h([0, 1])
    qc.measure([0, 1], [0, 1])
    qc.store(high, expr.cast(expr.bit_and(low, 1), types.Uint(2)))
    qc.store(qc.clbits[5], expr.logic_and(low[0], high[1]))
    qc.store(expr.index(low, high), True)
    with qc.if_test(expr.lift(low[0])):
        qc.store(low, 0)
    return qc


@circuit
def a_register_wider_than_64_bits() -> QuantumCircuit:
    wide = ClassicalRegister(70, "wide")
    qc = QuantumCircuit(QuantumRegister(3), wide, ClassicalRegister(1, "out"))
    qc.h([0, 1])
    qc.measure([0, 1], [0, 69])
    with qc.if_test((wide, (1 << 69) + 1)):
        qc.x(2)
    with qc.if_test(expr.greater(wide, 1 << 69)):
        qc.ry(0.3, 2)
    qc.measure(2, 70)
    return qc


@circuit
def blocks_on_other_bits() -> QuantumCircuit:
    body = QuantumCircuit([Qubit(), Qubit()], ClassicalRegister(2, "own"))
    body.ry(1.0, 0)
    body.cx(0, 1)
    body.measure(0, 1)
    inner = QuantumCircuit(1, 1)
    inner.x(0)
    inner.measure(0, 0)
    body.if_else((body.cregs[0], 2), inner, None, [1], [0])
    qc = QuantumCircuit(4, 4, global_phase=0.3)
    qc.h(3)
    qc.measure(3, 3)
    qc.if_else((qc.clbits[3], 1), body, None, [2, 0], [1, 0])
    qc.for_loop(range(2), None, body, [1, 3], [2, 3])
    qc.box(body, [0, 1], [0, 1])
    return qc


@circuit
def control_flow_in_a_definition() -> QuantumCircuit:
    inner = QuantumCircuit(2, 2)
    inner.h(0)
    inner.measure(0, 0)
    body = QuantumCircuit(1)
    body.x(0)
    inner.if_else((inner.clbits[0], 1), body, None, [1], [])
    inner.measure(1, 1)
    wrapped = Instruction("wrapped", 2, 2, [])
    wrapped.definition = inner
    qc = QuantumCircuit(3, 3)
    qc.append(wrapped, [2, 0], [1, 2])
    with qc.for_loop(range(2)):
        qc.append(wrapped, [0, 1], [0, 1])
    return qc


@circuit
def a_for_loop_over_a_variable() -> QuantumCircuit:
    qc = QuantumCircuit(2, 2)
    var = expr.Var.new("i", types.Uint(4))
    body = QuantumCircuit(2, 2, inputs=[var])
    with body.if_test(expr.greater(var, 4)):
        body.ry(0.4, 0)
    body.h(1)
    body.measure(1, 1)
    leave = QuantumCircuit(2, 2)
    leave.append(BreakLoopOp(2, 2), [0, 1], [0, 1])
    body.if_else((body.clbits[1], 1), leave, None, [0, 1], [0, 1])
    qc.for_loop([1, 7, 5], var, body, [0, 1], [0, 1])
    qc.measure(0, 0)
    return qc
