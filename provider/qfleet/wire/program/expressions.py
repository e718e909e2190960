# SPDX-License-Identifier: Apache-2.0
"""Classical expressions of a program: trees of typed nodes over its clbits and variables.

A type is one number: `BOOL`, `FLOAT`, or the width of an unsigned integer. The type of a node follows from those of its
operands, so that only constants and casts name one. Arithmetic of integers wraps around at their width.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from qfleet.wire.errors import WireError

#: Types that aren't the width of an unsigned integer.
BOOL = 0
FLOAT = -1
#: Bits of the widest integer.
MAX_WIDTH = 1 << 16
#: Levels of the deepest expression.
MAX_DEPTH = 100

Type = Annotated[int, Meta(ge=FLOAT, le=MAX_WIDTH)]
Place = Annotated[int, Meta(ge=0, lt=2**31)]


class UnaryOp(IntEnum):
    """Operations on one operand. The numbers are part of the wire format, and Qiskit's."""

    BIT_NOT = 1
    LOGIC_NOT = 2
    NEGATE = 3


class BinaryOp(IntEnum):
    """Operations on two operands. The numbers are part of the wire format, and Qiskit's."""

    BIT_AND = 1
    BIT_OR = 2
    BIT_XOR = 3
    LOGIC_AND = 4
    LOGIC_OR = 5
    EQUAL = 6
    NOT_EQUAL = 7
    LESS = 8
    LESS_EQUAL = 9
    GREATER = 10
    GREATER_EQUAL = 11
    SHIFT_LEFT = 12
    SHIFT_RIGHT = 13
    ADD = 14
    SUB = 15
    MUL = 16
    DIV = 17


class _Node(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    pass


class Constant(_Node, frozen=True, tag=0):
    """A value: of a FLOAT the number, else the integer in little-endian bytes."""

    kind: Type
    value: float | Annotated[bytes, Meta(max_length=MAX_WIDTH // 8)]


class Bit(_Node, frozen=True, tag=1):
    """A clbit, as a BOOL."""

    clbit: Place


class Bits(_Node, frozen=True, tag=2):
    """Clbits as an integer, the lowest bit first."""

    clbits: Annotated[tuple[Place, ...], Meta(min_length=1, max_length=MAX_WIDTH)]


class Variable(_Node, frozen=True, tag=3):
    """A variable, by its place in the program's list of their types."""

    index: Place


class Unary(_Node, frozen=True, tag=4):
    """An operation on one operand."""

    op: UnaryOp
    operand: Expression


class Binary(_Node, frozen=True, tag=5):
    """An operation on two operands."""

    op: BinaryOp
    left: Expression
    right: Expression


class Cast(_Node, frozen=True, tag=6):
    """The operand as another type."""

    kind: Type
    operand: Expression


class Index(_Node, frozen=True, tag=7):
    """One bit of an integer, as a BOOL."""

    target: Expression
    index: Expression


Expression: TypeAlias = Constant | Bit | Bits | Variable | Unary | Binary | Cast | Index

BITWISE = frozenset({BinaryOp.BIT_AND, BinaryOp.BIT_OR, BinaryOp.BIT_XOR})
LOGIC = frozenset({BinaryOp.LOGIC_AND, BinaryOp.LOGIC_OR})
EQUALITY = frozenset({BinaryOp.EQUAL, BinaryOp.NOT_EQUAL})
ORDER = frozenset({BinaryOp.LESS, BinaryOp.LESS_EQUAL, BinaryOp.GREATER, BinaryOp.GREATER_EQUAL})
SHIFTS = frozenset({BinaryOp.SHIFT_LEFT, BinaryOp.SHIFT_RIGHT})


def type_of(expression: Expression, num_clbits: int, variables: tuple[int, ...], depth: int = MAX_DEPTH) -> int:
    """The type of an expression over so many clbits and variables of these types.

    Raises `WireError` for one that has no value in any program of that kind: wrong types, clbits or variables that
    aren't there, more than `depth` levels.
    """
    if not depth:
        raise WireError(f"an expression with more than {MAX_DEPTH} levels")

    def inner(operand: Expression) -> int:
        return type_of(operand, num_clbits, variables, depth - 1)

    match expression:
        case Constant():
            return _constant(expression)
        case Bit(clbit):
            if clbit >= num_clbits:
                raise WireError("an expression reads a clbit that isn't there")
            return BOOL
        case Bits(clbits):
            if max(clbits) >= num_clbits:
                raise WireError("an expression reads a clbit that isn't there")
            return len(clbits)
        case Variable(index):
            if index >= len(variables):
                raise WireError("an expression reads a variable that isn't there")
            return variables[index]
        case Unary(op, operand):
            return _unary(op, inner(operand))
        case Binary(op, left, right):
            return _binary(op, inner(left), inner(right))
        case Cast(kind, operand):
            inner(operand)
            return kind
        case Index(target, index):
            types = inner(target), inner(index)
            if min(types) <= BOOL:
                raise _mistyped("INDEX", *types)
            return BOOL


def is_place(expression: Expression) -> bool:
    """Whether a value can be stored to an expression."""
    if isinstance(expression, Index):
        expression = expression.target
    return isinstance(expression, Bit | Bits | Variable)


def _constant(constant: Constant) -> int:
    kind, value = constant.kind, constant.value
    if isinstance(value, float):
        fits = kind == FLOAT and math.isfinite(value)
    else:
        fits = kind != FLOAT and int.from_bytes(value, "little").bit_length() <= (kind or 1)
    if not fits:
        raise WireError(f"a constant that is no {name(kind)}")
    return kind


def _unary(op: UnaryOp, kind: int) -> int:
    match op:
        case UnaryOp.BIT_NOT:
            fits = kind != FLOAT
        case UnaryOp.LOGIC_NOT:
            fits = kind == BOOL
        case UnaryOp.NEGATE:
            fits = kind == FLOAT
    if not fits:
        raise _mistyped(op.name, kind)
    return kind


def _binary(op: BinaryOp, left: int, right: int) -> int:
    if op in LOGIC:
        fits = left == right == BOOL
    elif op in SHIFTS:
        fits = left > BOOL and right > BOOL
    elif op in EQUALITY:
        fits = left == right
    elif op in BITWISE:
        fits = left == right != FLOAT
    else:
        fits = left == right != BOOL
    if not fits:
        raise _mistyped(op.name, left, right)
    return BOOL if op in EQUALITY | ORDER else left


def _mistyped(what: str, *types: int) -> WireError:
    return WireError(f"an expression applies {what} to {' and '.join(map(name, types))}")


def name(kind: int) -> str:
    """A type, in words."""
    return {BOOL: "Bool", FLOAT: "Float"}.get(kind, f"Uint({kind})")
