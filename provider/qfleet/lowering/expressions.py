# SPDX-License-Identifier: Apache-2.0
"""Turn Qiskit's classical expressions into expressions of a program."""

from __future__ import annotations

from collections.abc import Sequence

from qiskit.circuit import ClassicalRegister
from qiskit.circuit.classical import expr, types

from qfleet.errors import CapacityError
from qfleet.lowering.clbits import Clbits
from qfleet.lowering.refusal import RefusalError
from qfleet.wire.checks.expressions import type_of
from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_DEPTH, MAX_VARIABLES, MAX_WIDTH
from qfleet.wire.program import expressions as wire
from qfleet.wire.program.expressions import Expression

#: Most levels of an expression. A switch adds one more.
MAX_LEVELS = MAX_DEPTH - 1


class Variables:
    """The variables of one program, numbered in order of first use."""

    def __init__(self) -> None:
        self._numbers: dict[expr.Var, int] = {}
        #: The type of each variable, as on the wire.
        self.types: list[int] = []

    def number(self, var: expr.Var) -> int:
        """Return the number of a variable.

        Raises:
            RefusalError: there are too many variables.
        """
        number = self._numbers.setdefault(var, len(self.types))
        if number == len(self.types):
            if number == MAX_VARIABLES:
                raise RefusalError(f"it has more than {MAX_VARIABLES} variables", CapacityError)
            self.types.append(_type(var.type))
        return number


def lower_expression(
    expression: expr.Expr, clbits: Clbits, variables: Variables, kind: int | None = None
) -> Expression:
    """Return an expression of a program.

    Args:
        expression: Qiskit's expression.
        clbits: the clbits that it may read.
        variables: numbers its variables.
        kind: the type that it must have, as on the wire; ``None`` for any.

    Raises:
        RefusalError: the expression can't be evaluated, or has another type.
    """
    result = _node(expression, clbits, variables, MAX_LEVELS)
    try:
        actual = type_of(result, clbits.total, tuple(variables.types))
    except WireError as exc:
        raise RefusalError(f"its expression can't be evaluated: {exc}") from exc
    if kind is not None and actual != kind:
        raise RefusalError(f"its expression is a {wire.name(actual)} where a {wire.name(kind)} is needed")
    return result


def constant(value: int, kind: int) -> wire.Constant:
    """Return an integer or a bool as a constant.

    Args:
        value: the value.
        kind: the type, as on the wire.

    Raises:
        RefusalError: the type can't hold the value.
    """
    width = kind or 1
    if not 0 <= value < 1 << width:
        raise RefusalError(f"its value {value} doesn't fit a {wire.name(kind)}")
    return wire.Constant(kind, value.to_bytes(-(-width // 8), "little"))


def renumber_clbits(expression: Expression, clbits: Sequence[int]) -> Expression:
    """Return an expression with clbit i replaced by ``clbits[i]``."""
    match expression:
        case wire.Bit(clbit):
            return wire.Bit(clbits[clbit])
        case wire.Bits(bits):
            return wire.Bits(tuple([clbits[bit] for bit in bits]))
        case wire.Unary(op, operand):
            return wire.Unary(op, renumber_clbits(operand, clbits))
        case wire.Binary(op, left, right):
            return wire.Binary(op, renumber_clbits(left, clbits), renumber_clbits(right, clbits))
        case wire.Cast(kind, operand):
            return wire.Cast(kind, renumber_clbits(operand, clbits))
        case wire.Index(target, index):
            return wire.Index(renumber_clbits(target, clbits), renumber_clbits(index, clbits))
    return expression


def _node(expression: expr.Expr, clbits: Clbits, variables: Variables, depth: int) -> Expression:
    if not depth:
        raise RefusalError(f"its expression has more than {MAX_LEVELS} levels", CapacityError)

    def inner(operand: expr.Expr) -> Expression:
        return _node(operand, clbits, variables, depth - 1)

    match expression:
        case expr.Var():
            return _var(expression, clbits, variables)
        case expr.Value():
            kind = _type(expression.type)
            if kind == wire.FLOAT:
                return wire.Constant(kind, float(expression.value))
            return constant(int(expression.value), kind)
        case expr.Unary():
            return wire.Unary(wire.UnaryOp(expression.op.value), inner(expression.operand))
        case expr.Binary():
            op = wire.BinaryOp(expression.op.value)
            return wire.Binary(op, inner(expression.left), inner(expression.right))
        case expr.Cast():
            return wire.Cast(_type(expression.type), inner(expression.operand))
        case expr.Index():
            return wire.Index(inner(expression.target), inner(expression.index))
    raise RefusalError(f"its expression contains a {type(expression).__name__}, which has no value in a simulation")


def _var(var: expr.Var, clbits: Clbits, variables: Variables) -> Expression:
    if var.standalone:
        return wire.Variable(variables.number(var))
    if isinstance(var.var, ClassicalRegister):
        _type(var.type)
        return wire.Bits(tuple(map(clbits.read, var.var)))
    return wire.Bit(clbits.read(var.var))


def _type(kind: types.Type) -> int:
    match kind:
        case types.Bool():
            return wire.BOOL
        case types.Float():
            return wire.FLOAT
        case types.Uint():
            if kind.width > MAX_WIDTH:
                raise RefusalError(f"its {kind} is wider than {MAX_WIDTH} bits", CapacityError)
            return int(kind.width)
    raise RefusalError(f"its expression has the type {kind}; supported types are Bool, Uint and Float")
