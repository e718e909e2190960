# SPDX-License-Identifier: Apache-2.0
"""Formulas have the values of Qiskit's expressions."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from filled_programs import filled, point_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import (
    Parameter,
    ParameterVector,
)

from qfleet.errors import UnboundParameterError
from qfleet.lowering.formulas import FormulaSteps, find_slots
from qfleet.lowering.lower import lower
from qfleet.lowering.refusal import RefusalError
from qfleet.wire.limits import MAX_STEPS
from qfleet.wire.program.angles import AngleError
from qfleet.wire.program.formulas import Step, parameter

A, B = Parameter("a"), Parameter("b")
V = ParameterVector("v", 3)


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
    """A formula has Qiskit's value at each point, and points without a real value are refused."""
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
        with pytest.raises(AngleError, match=r"operation 0 \(rx\)"):
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


def test_expressions_that_are_too_long_for_qiskit_to_tell() -> None:
    long = sum(ParameterVector("w", 501), start=0)
    circuit = QuantumCircuit(1, name="c")
    circuit.rx(long, 0)
    with pytest.raises(UnboundParameterError, match="'c' has 501 parameters without a value"):
        lower(circuit)


def test_operands_in_an_order_that_qiskit_never_writes() -> None:
    """Sums and products may come with the right operand on the stack; of the others nobody knows the order."""
    steps = FormulaSteps({A: 0, B: 1})
    inner = SimpleNamespace(op=5, lhs=A, rhs=None)
    steps.replay([inner, SimpleNamespace(op=2, lhs=B, rhs=None)])
    assert list(steps.formula().steps) == [Step.PARAMETER, Step.SIN, Step.PARAMETER, Step.MUL]
    with pytest.raises(ValueError, match="SUB"):
        steps.replay([inner, SimpleNamespace(op=1, lhs=B, rhs=None)])


@pytest.mark.parametrize(
    ("replay", "text"),
    [
        ([], "^0 steps"),
        ([(5, A, None)] + [(5, None, None)] * MAX_STEPS, f"{MAX_STEPS + 2} steps"),
        ([(0, None, None), (5, A, None), (5, B, None)], "operands that aren't there"),
        ([(5, A, None), (5, B, None)], "more than one number"),
    ],
    ids=["none", "many", "an operand is missing", "two numbers"],
)
def test_steps_that_do_not_leave_one_number(replay: list[tuple[int, Any, Any]], text: str) -> None:
    steps = FormulaSteps({A: 0, B: 1})
    steps.replay([SimpleNamespace(op=op, lhs=left, rhs=right) for op, left, right in replay])
    with pytest.raises(ValueError, match=text):
        steps.formula()


def test_a_qiskit_that_does_not_tell_the_structure() -> None:
    with pytest.raises(RefusalError, match=r"1 parameter without a value \('a'\)"):
        find_slots([2 * A], [A], steps={})
    assert find_slots([A], [A], steps={}).formulas == (parameter(0),)
