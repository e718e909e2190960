# SPDX-License-Identifier: Apache-2.0
"""Expressions name the clbits of the whole circuit, and their variables and constants have limits."""

import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Instruction
from qiskit.circuit.classical import expr, types
from refusals import refused

from qfleet.lowering.expressions import Variables
from qfleet.lowering.lower import lower
from qfleet.lowering.refusal import RefusalError
from qfleet.wire.codec.programs import encode_program
from qfleet.wire.limits import MAX_VARIABLES

LOW, HIGH = ClassicalRegister(3, "low"), ClassicalRegister(2, "high")

CONDITIONS = {
    "a clbit": lambda: expr.lift(HIGH[1]),
    "a register": lambda: expr.equal(LOW, 5),
    "one operand": lambda: expr.equal(expr.bit_not(LOW), 5),
    "a cast": lambda: expr.cast(HIGH, types.Bool()),
    "a clbit of a register": lambda: expr.index(LOW, HIGH),
    "nothing that is read": lambda: expr.lift(True),
}


def written(condition: expr.Expr) -> QuantumCircuit:
    circuit = QuantumCircuit(QuantumRegister(1, "q"), LOW, HIGH)
    with circuit.if_test(condition):
        circuit.x(0)
    circuit.store(LOW, expr.bit_xor(LOW, 3))
    return circuit


@pytest.mark.parametrize("name", CONDITIONS)
def test_expressions_of_a_definition_read_the_clbits_that_it_is_placed_on(name: str) -> None:
    """The definition's clbits 0 to 4 are the circuit's clbits 6, 1, 4, 0 and 3."""
    inner = Instruction("inner", 1, 5, [])
    inner.definition = written(CONDITIONS[name]())
    placed = QuantumCircuit(1, 7)
    placed.append(inner, [0], [6, 1, 4, 0, 3])
    composed = QuantumCircuit(QuantumRegister(1, "q"), ClassicalRegister(7, "c"))
    composed.compose(written(CONDITIONS[name]()), [0], [6, 1, 4, 0, 3], inplace=True)
    assert encode_program(lower(placed)) == encode_program(lower(composed))


def test_a_constant_that_does_not_fit_its_type() -> None:
    circuit = QuantumCircuit(1, name="c")
    circuit.add_var("a", expr.Value(8, types.Uint(3)))
    assert "its value 8 doesn't fit a Uint(3)" in refused(circuit)


def test_too_many_variables() -> None:
    variables = Variables()
    some = [expr.Var.new("v", types.Bool()) for _ in range(MAX_VARIABLES + 1)]
    numbers = [variables.number(var) for var in some[:-1]]
    assert numbers == list(range(MAX_VARIABLES))
    assert variables.number(some[5]) == 5
    with pytest.raises(RefusalError, match=f"it has more than {MAX_VARIABLES} variables"):
        variables.number(some[-1])
