# SPDX-License-Identifier: Apache-2.0
"""Formulas of a program: how the angles in its slots follow from the values of its parameters.

A formula is a list of steps for a stack of numbers, one byte each: a step puts a parameter or a number on the stack, or
takes its operands from it and puts the result back. Numbers may be complex on the way; the last one has to be real.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from qfleet.wire.errors import WireError

if TYPE_CHECKING:
    from qfleet.wire.program.program import Program

MAX_PARAMETERS = 1 << 20
MAX_FORMULAS = 1 << 20
#: Steps of the longest formula.
MAX_STEPS = 1 << 16


class Step(IntEnum):
    """What a step does. The numbers are part of the wire format: never reuse one.

    Of two operands, the left one is the one that was put on the stack first; it is the right one of RSUB, RDIV, RPOW.
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
    """One formula: its steps, and what those of two kinds take, in their order."""

    #: uint8, shape (steps,)
    steps: Annotated[bytes, Meta(min_length=1, max_length=MAX_STEPS)]
    #: int32, little-endian: which parameter each PARAMETER puts on the stack
    parameters: Annotated[bytes, Meta(max_length=4 * MAX_STEPS)] = b""
    #: complex128, little-endian: what each NUMBER puts on the stack
    numbers: Annotated[bytes, Meta(max_length=16 * MAX_STEPS)] = b""


_PARAMETER = bytes([Step.PARAMETER])


def parameter(index: int) -> Formula:
    """The formula of a parameter by itself."""
    return Formula(_PARAMETER, index.to_bytes(4, "little"))


def parameter_of(formula: Formula) -> int | None:
    """Which parameter it is, for the formula of one by itself."""
    return int.from_bytes(formula.parameters, "little") if formula.steps == _PARAMETER else None


# How many numbers a step adds to the stack; -2 for what is no step.
_GROWTH = np.full(256, -2, np.int64)
for _step in Step:
    _GROWTH[_step] = 1 if _step in (Step.PARAMETER, Step.NUMBER) else -1 if _step in BINARY_STEPS else 0


def check_formulas(program: Program) -> None:
    """Raise `WireError` unless the program's slots are places in its angles, and its formulas give one number each."""
    slots, refs, formulas = program.slots, program.slot_refs, program.formulas
    if not (len(slots) or len(refs) or formulas):
        return
    if len(slots) != len(refs):
        raise WireError(f"{len(refs)} formula references for {len(slots)} slots")
    if ((slots < 0) | (slots >= len(program.params))).any() or (slots[1:] <= slots[:-1]).any():
        raise WireError("the slots aren't places in the params, in ascending order")
    if program.params[slots].any():
        raise WireError("a slot isn't empty")
    if ((refs < 0) | (refs >= len(formulas))).any():
        raise WireError("a slot refers to a formula that isn't there")
    lengths = np.array([len(formula.steps) for formula in formulas], np.int64)
    steps = np.frombuffer(b"".join([formula.steps for formula in formulas]), np.uint8)
    growth = _GROWTH[steps]
    if (growth < -1).any():
        raise WireError("a formula has an unknown step")
    owner = np.repeat(np.arange(len(formulas)), lengths)
    # Every formula before has left one number behind, or is found out itself.
    depth = np.cumsum(growth) - owner
    if (depth < 1).any() or (depth[np.cumsum(lengths) - 1] != 1).any():
        raise WireError("a formula takes operands that aren't there, or leaves more than one number")
    raw = [formula.parameters for formula in formulas]
    _check_taken(raw, 4, owner[steps == Step.PARAMETER], "parameters")
    indices: NDArray[np.int32] = np.frombuffer(b"".join(raw), "<i4")
    if ((indices < 0) | (indices >= program.num_parameters)).any():
        raise WireError("a formula reads a parameter that isn't there")
    raw = [formula.numbers for formula in formulas]
    _check_taken(raw, 16, owner[steps == Step.NUMBER], "numbers")
    if not np.isfinite(np.frombuffer(b"".join(raw), "<c16")).all():
        raise WireError("a formula holds something that isn't a finite number")


def _check_taken(raw: list[bytes], size: int, owners: NDArray[np.int64], what: str) -> None:
    """`owners`: the formula of each step that takes an item of so many bytes."""
    sizes = np.array([len(items) for items in raw], np.int64)
    if (sizes != size * np.bincount(owners, minlength=len(raw))).any():
        raise WireError(f"a formula has other {what} than its steps take")
