# SPDX-License-Identifier: Apache-2.0
"""Classical expressions of a program.

They are trees of typed nodes over its clbits and variables. A type is one number: `BOOL`, `FLOAT`, or the width of an
unsigned integer. The type of a node follows from those of its operands, so that only constants and casts name one.
Arithmetic of integers wraps around at their width.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from qfleet.wire.limits import MAX_WIDTH

#: Types that aren't the width of an unsigned integer.
BOOL = 0
FLOAT = -1

Type = Annotated[int, Meta(ge=FLOAT, le=MAX_WIDTH)]
Place = Annotated[int, Meta(ge=0, lt=2**31)]


class UnaryOp(IntEnum):
    """Operations on one operand.

    The numbers are part of the wire format, and are Qiskit's.
    """

    BIT_NOT = 1
    LOGIC_NOT = 2
    NEGATE = 3


class BinaryOp(IntEnum):
    """Operations on two operands.

    The numbers are part of the wire format, and are Qiskit's.
    """

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
    """A value.

    A FLOAT is a number, all others are the bytes of a little-endian integer.
    """

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


def name(kind: int) -> str:
    """Return the name of a type."""
    return {BOOL: "Bool", FLOAT: "Float"}.get(kind, f"Uint({kind})")
