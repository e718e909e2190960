# SPDX-License-Identifier: Apache-2.0
"""Circuits with control flow that are composed onto other clbits mean what they mean when they are written there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Clbit, Qubit, SwitchCaseOp
from qiskit.circuit.classical import expr, types
from qiskit.circuit.exceptions import CircuitError

from qfleet.errors import UnsupportedCircuitError
from qfleet.lowering.lower import lower


@dataclass(frozen=True)
class Step:
    """One operation of a circuit, its bits by their numbers."""

    kind: str
    qubits: tuple[int, ...]
    clbits: tuple[int, ...] = ()
    value: int = 0
    body: tuple[Step, ...] = field(default=())
    other: tuple[Step, ...] = field(default=())


QUBITS, CLBITS = 2, 4
SIZES = {"flag": 1, "pair": 2, "last": 1}
#: Clbits that conditions are on: registers of the part, and single ones.
REGISTERS = [(0,), (1, 2), (3,)]


def steps(depth: int) -> st.SearchStrategy[tuple[Step, ...]]:
    leaves = st.one_of(
        st.builds(Step, st.sampled_from(["x", "h"]), st.sampled_from([(0,), (1,)])),
        st.builds(Step, st.just("measure"), st.sampled_from([(0,), (1,)]), st.sampled_from([(0,), (1,), (2,), (3,)])),
    )
    if not depth:
        return st.lists(leaves, min_size=1, max_size=2).map(tuple)
    inner = steps(depth - 1)
    blocks = st.builds(
        Step,
        st.sampled_from(["if", "if_bit", "if_expr", "if_else", "while", "switch", "for", "box", "store"]),
        st.just((0, 1)),
        st.sampled_from(REGISTERS),
        st.integers(0, 1),
        inner,
        inner,
    )
    return st.lists(st.one_of(leaves, blocks), min_size=1, max_size=3).map(tuple)


def write(  # noqa: C901 - a list of cases
    circuit: QuantumCircuit, program: Sequence[Step], qubits: Sequence[Qubit], of: Callable[[tuple[int, ...]], Any]
) -> None:
    """Write steps into a circuit. `of` gives the register, or the clbit, of some numbers."""
    for step in program:
        on = [qubits[qubit] for qubit in step.qubits]
        register = of(step.clbits) if len(step.clbits) else None
        bit = register if register is None or isinstance(register, Clbit) else register[0]

        def body(some: Sequence[Step]) -> None:
            write(circuit, some, qubits, of)

        match step.kind:
            case "x" | "h":
                getattr(circuit, step.kind)(on[0])
            case "measure":
                circuit.measure(on[0], bit)
            case "if":
                with circuit.if_test((register, step.value)):
                    body(step.body)
            case "if_bit":
                with circuit.if_test((bit, step.value)):
                    body(step.body)
            case "if_expr":
                with circuit.if_test(expr.less(register, 3) if len(step.clbits) > 1 else expr.lift(bit)):
                    body(step.body)
            case "if_else":
                with circuit.if_test((register, step.value)) as other:
                    body(step.body)
                with other:
                    body(step.other)
            case "while":
                with circuit.while_loop((register, step.value)):
                    body(step.body)
                    circuit.break_loop()
            case "switch":
                with circuit.switch(register) as case:
                    with case(step.value):
                        body(step.body)
                    with case(case.DEFAULT):
                        body(step.other)
            case "for":
                with circuit.for_loop(range(2)):
                    body(step.body)
            case "box":
                with circuit.box():
                    body(step.body)
            case "store":
                circuit.store(expr.lift(bit), expr.logic_not(bit))


def part_of(program: Sequence[Step], prefix: str) -> QuantumCircuit:
    """Return the steps on a circuit of their own, whose registers have names of their own."""
    registers = [ClassicalRegister(size, prefix + name) for name, size in SIZES.items()]
    part = QuantumCircuit(QuantumRegister(QUBITS, prefix + "q"), *registers)
    write(part, program, part.qubits, _registers(part, registers))
    return part


def _registers(circuit: QuantumCircuit, registers: list[ClassicalRegister]) -> Callable[[tuple[int, ...]], Any]:
    known = {tuple(circuit.clbits.index(bit) for bit in register): register for register in registers}
    return lambda numbers: known.get(numbers) or circuit.clbits[numbers[0]]


def directly(program: Sequence[Step], qubits: Sequence[int], clbits: Sequence[int], whole: QuantumCircuit) -> None:
    """Write the steps into a circuit, on these qubits and clbits of it."""
    registers = {
        numbers: ClassicalRegister(bits=[whole.clbits[clbits[number]] for number in numbers]) for numbers in REGISTERS
    }
    for register in registers.values():
        whole.add_register(register)
    write(
        whole,
        program,
        [whole.qubits[qubit] for qubit in qubits],
        lambda numbers: registers.get(numbers) or whole.clbits[clbits[numbers[0]]],
    )


def empty() -> QuantumCircuit:
    return QuantumCircuit(QuantumRegister(3, "q"), ClassicalRegister(2, "a"), ClassicalRegister(3, "b"), name="whole")


def rows(circuit: QuantumCircuit) -> list[str]:
    return [str(row) for row in lower(circuit)]


def compose(whole: QuantumCircuit, part: QuantumCircuit, qubits: Sequence[int], clbits: Sequence[int]) -> None:
    try:
        whole.compose(part, qubits, clbits, inplace=True)
    except CircuitError:
        # Qiskit can't compose blocks of one operation that read different clbits.
        reject()


PLACES = st.tuples(st.permutations(range(3)).map(lambda order: order[:QUBITS]), st.permutations(range(5)))


@settings(max_examples=150, deadline=None)
@given(steps(3), PLACES)
def test_composed_onto_random_bits(program: tuple[Step, ...], places: tuple[list[int], list[int]]) -> None:
    qubits, clbits = places[0], places[1][:CLBITS]
    expected, whole = empty(), empty()
    directly(program, qubits, clbits, expected)
    compose(whole, part_of(program, "p_"), qubits, clbits)
    assert rows(whole) == rows(expected)


@settings(max_examples=75, deadline=None)
@given(steps(2), PLACES, PLACES)
def test_composed_onto_what_becomes_a_block(
    program: tuple[Step, ...], first: tuple[Any, Any], second: tuple[Any, Any]
) -> None:
    """Circuits that are composed onto one that becomes a block of another."""
    middle = QuantumCircuit(QuantumRegister(3, "m"), ClassicalRegister(5, "n"))
    compose(middle, part_of(program, "p_"), first[0], first[1][:CLBITS])
    outer, expected = (QuantumCircuit(QuantumRegister(3, "q"), ClassicalRegister(6, "c")) for _ in range(2))
    order = [1 + clbit for clbit in second[1]]
    outer.if_else((outer.clbits[0], 1), middle, None, [0, 1, 2], order)
    with expected.if_test((expected.clbits[0], 1)):
        directly(program, first[0], [order[clbit] for clbit in first[1][:CLBITS]], expected)
    assert rows(outer) == rows(expected)


@settings(max_examples=150, deadline=None)
@given(steps(3), PLACES)
def test_equal_registers_run_right_or_are_refused(program: tuple[Step, ...], places: tuple[Any, Any]) -> None:
    """Clbits of registers of one name and size are equal, so that a block's may be taken for the circuit's."""
    clbits = places[1][:CLBITS]
    part, whole, expected = (QuantumCircuit(QUBITS, 5, name="whole") for _ in range(3))
    directly(program, [0, 1], range(CLBITS), part)
    directly(program, [0, 1], clbits, expected)
    compose(whole, part, [0, 1], places[1])
    refusal = ""
    try:
        found = rows(whole)
    except UnsupportedCircuitError as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith("circuit 'whole' holds '")
        assert "could be clbit" in refusal
    else:
        assert found == rows(expected)


def nested(prefix: str, inner: Callable[[QuantumCircuit, ClassicalRegister], None]) -> QuantumCircuit:
    flag, pair = ClassicalRegister(1, prefix + "flag"), ClassicalRegister(2, prefix + "pair")
    part = QuantumCircuit(QuantumRegister(1, prefix + "q"), flag, pair)
    with part.if_test((flag, 0)):
        inner(part, pair)
    return part


def test_a_nested_condition_names_the_clbits_of_the_whole() -> None:
    def inner(part: QuantumCircuit, pair: ClassicalRegister) -> None:
        with part.if_test((pair, 2)):
            part.x(0)

    whole = QuantumCircuit(QuantumRegister(1, "w"), ClassicalRegister(4, "out"))
    whole.compose(nested("p", inner), [0], [3, 0, 2], inplace=True)
    conditions = [str(row.expressions) for row in lower(whole) if row.expressions]
    assert "bits=(3,)" in conditions[0]
    assert "bits=(0, 2)" in conditions[1]


def test_what_could_be_two_clbits_is_refused_by_operation_and_position() -> None:
    part, whole = QuantumCircuit(1, 2), QuantumCircuit(1, 2, name="whole")
    with part.if_test((part.clbits[0], 1)), part.if_test((part.clbits[1], 1)):
        part.x(0)
    same = whole.compose(part, [0], [0, 1])
    assert rows(same) == rows(part)
    with pytest.raises(UnsupportedCircuitError) as caught:
        lower(whole.compose(part, [0], [1, 0]))
    message = str(caught.value)
    assert message.startswith(
        "circuit 'whole' holds 'if_else' at position 0 (qubit 0), and in it 'if_else' at position 0"
    )
    assert "compose" in message


def test_a_clbit_that_is_nowhere_is_refused() -> None:
    body = QuantumCircuit(1, 1)
    with body.if_test((body.clbits[0], 1)):
        body.x(0)
    body.data[0].operation.condition = (Clbit(), True)
    circuit = QuantumCircuit(1, 1, name="c")
    operation = body.data[0].operation
    circuit.if_else((circuit.clbits[0], 1), body, None, [0], [0])
    block = circuit.data[0].operation.blocks[0]
    block.data[0].operation.condition = (Clbit(), True)
    with pytest.raises(UnsupportedCircuitError, match=r"'if_else' at position 0 .*, which isn't in the circuit"):
        lower(circuit)
    assert operation is not None


def test_variables_keep_their_meaning() -> None:
    part = QuantumCircuit(QuantumRegister(1, "pq"), ClassicalRegister(2, "pc"))
    number = part.add_var("number", expr.lift(1, types.Uint(2)))
    with part.if_test(expr.equal(part.cregs[0], number)), part.if_test(expr.less(number, part.cregs[0])):
        part.store(number, expr.lift(2, types.Uint(2)))
        part.measure(0, 1)
    whole = QuantumCircuit(QuantumRegister(1, "wq"), ClassicalRegister(3, "wc"))
    whole.compose(part, [0], [2, 0], inplace=True)
    found = [(str(row.expressions), row.clbit) for row in lower(whole)]
    assert sum("bits=(2, 0)" in text for text, _ in found) == 2
    assert [clbit for _, clbit in found if clbit >= 0] == [0]


def test_a_switch_by_hand_whose_block_has_the_circuits_clbits() -> None:
    bits = [Clbit(), Clbit()]
    qubit = Qubit()
    block = QuantumCircuit([qubit], bits)
    with block.if_test((bits[1], 1)):
        block.x(0)
    circuit = QuantumCircuit([qubit], bits)
    circuit.append(SwitchCaseOp(bits[0], [(1, block)]), [0], [0, 1])
    assert sum("Bit(clbit=1)" in str(row.expressions) for row in lower(circuit)) == 1
