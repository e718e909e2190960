# SPDX-License-Identifier: Apache-2.0
"""Checks of classical expressions: their types, clbits and variables."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_DEPTH
from qfleet.wire.program.expressions import (
    BITWISE,
    BOOL,
    EQUALITY,
    FLOAT,
    LOGIC,
    ORDER,
    SHIFTS,
    Binary,
    BinaryOp,
    Bit,
    Bits,
    Cast,
    Constant,
    Expression,
    Index,
    Unary,
    UnaryOp,
    Variable,
    name,
)

#: By operation, a test of the operand's type.
_TAKES_ONE: Final[dict[UnaryOp, Callable[[int], bool]]] = {
    UnaryOp.BIT_NOT: lambda kind: kind != FLOAT,
    UnaryOp.LOGIC_NOT: lambda kind: kind == BOOL,
    UnaryOp.NEGATE: lambda kind: kind == FLOAT,
}

#: By operation, a test of the operands' types.
_TAKES_TWO: Final[dict[BinaryOp, Callable[[int, int], bool]]] = {
    **dict.fromkeys(BinaryOp, lambda left, right: left == right != BOOL),
    **dict.fromkeys(LOGIC, lambda left, right: left == right == BOOL),
    **dict.fromkeys(SHIFTS, lambda left, right: left > BOOL and right > BOOL),
    **dict.fromkeys(EQUALITY, lambda left, right: left == right),
    **dict.fromkeys(BITWISE, lambda left, right: left == right != FLOAT),
}

#: Operations whose value is a BOOL, whatever the operands.
_COMPARES: Final = EQUALITY | ORDER


def type_of(expression: Expression, num_clbits: int, variables: tuple[int, ...], depth: int = MAX_DEPTH) -> int:
    """Return the type of an expression.

    Args:
        expression: the expression.
        num_clbits: the number of the program's clbits.
        variables: the type of each variable of the program.
        depth: the largest number of levels.

    Raises:
        WireError: types don't fit, a clbit or variable doesn't exist, or there are more levels.
    """
    if not depth:
        raise WireError(f"an expression with more than {MAX_DEPTH} levels")

    def inner(operand: Expression) -> int:
        return type_of(operand, num_clbits, variables, depth - 1)

    match expression:
        case Unary(op, operand):
            kind = inner(operand)
            _require(_TAKES_ONE[op](kind), op.name, kind)
            return kind
        case Binary(op, left, right):
            types = inner(left), inner(right)
            _require(_TAKES_TWO[op](*types), op.name, *types)
            return BOOL if op in _COMPARES else types[0]
        case Cast(kind, operand):
            inner(operand)
            return kind
        case Index(target, index):
            types = inner(target), inner(index)
            _require(min(types) > BOOL, "INDEX", *types)
            return BOOL
    return _type_of_leaf(expression, num_clbits, variables)


def _type_of_leaf(leaf: Constant | Bit | Bits | Variable, num_clbits: int, variables: tuple[int, ...]) -> int:
    match leaf:
        case Constant():
            return _type_of_constant(leaf)
        case Variable(index):
            if index >= len(variables):
                raise WireError("an expression reads a variable that isn't there")
            return variables[index]
    clbits = (leaf.clbit,) if isinstance(leaf, Bit) else leaf.clbits
    if max(clbits) >= num_clbits:
        raise WireError("an expression reads a clbit that isn't there")
    return BOOL if isinstance(leaf, Bit) else len(clbits)


def _type_of_constant(constant: Constant) -> int:
    kind, value = constant.kind, constant.value
    if isinstance(value, float):
        fits = kind == FLOAT and math.isfinite(value)
    else:
        fits = kind != FLOAT and int.from_bytes(value, "little").bit_length() <= (kind or 1)
    if not fits:
        raise WireError(f"a constant that is no {name(kind)}")
    return kind


def _require(fits: bool, operation: str, *types: int) -> None:
    if not fits:
        raise WireError(f"an expression applies {operation} to {' and '.join(map(name, types))}")


def is_place(expression: Expression) -> bool:
    """Tell whether a value can be stored to an expression."""
    if isinstance(expression, Index):
        expression = expression.target
    return isinstance(expression, Bit | Bits | Variable)
