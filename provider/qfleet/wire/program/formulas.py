# SPDX-License-Identifier: Apache-2.0
"""Formulas of a program, which give angles from its parameters.

A formula is a list of steps for a stack of numbers, one byte each. A step puts a parameter or a number on the stack, or
takes its operands from it and puts the result back. Intermediate numbers may be complex; the last one has to be real.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import Annotated

from msgspec import Meta, Struct

from qfleet.wire.limits import MAX_STEPS


class Step(IntEnum):
    """The kind of a step.

    The numbers are part of the wire format: never reuse one. Of two operands, the left one was put on the stack first;
    for RSUB, RDIV and RPOW it is the right one.
    """

    PARAMETER = 1
    NUMBER = 2
    ADD = 3
    SUB = 4
    MUL = 5
    DIV = 6
    POW = 7
    RSUB = 8
    RDIV = 9
    RPOW = 10
    SIN = 11
    COS = 12
    TAN = 13
    ASIN = 14
    ACOS = 15
    ATAN = 16
    EXP = 17
    LOG = 18
    ABS = 19
    #: z / abs(z), and 0 for 0
    SIGN = 20
    CONJUGATE = 21


#: Steps that take two operands.
BINARY_STEPS = frozenset(
    {Step.ADD, Step.SUB, Step.MUL, Step.DIV, Step.POW, Step.RSUB, Step.RDIV, Step.RPOW},
)


class Formula(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One formula: its steps, and the items that they take.

    The items of each kind are in the order of the steps.
    """

    #: uint8, shape (steps,)
    steps: Annotated[bytes, Meta(min_length=1, max_length=MAX_STEPS)]
    #: int32, little-endian: the parameter that each PARAMETER puts on the stack
    parameters: Annotated[bytes, Meta(max_length=4 * MAX_STEPS)] = b""
    #: complex128, little-endian: the number that each NUMBER puts on the stack
    numbers: Annotated[bytes, Meta(max_length=16 * MAX_STEPS)] = b""


_PARAMETER = bytes([Step.PARAMETER])


@lru_cache(maxsize=1024)
def parameter(index: int) -> Formula:
    """Return the formula of a parameter by itself."""
    return Formula(_PARAMETER, index.to_bytes(4, "little"))


def parameter_of(formula: Formula) -> int | None:
    """Return the parameter of a formula made by `parameter`.

    It is ``None`` for any other formula.
    """
    return int.from_bytes(formula.parameters, "little") if formula.steps == _PARAMETER else None
