# SPDX-License-Identifier: Apache-2.0
"""Random classical expressions of a program that always have a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from qfleet.wire.program.expressions import (
    BITWISE,
    BOOL,
    EQUALITY,
    FLOAT,
    LOGIC,
    ORDER,
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
)

#: The type of a variable that expressions must not use.
HIDDEN = -2

_WIDTHS = (1, 3, 8, 70)
_FLOAT_ARITHMETIC = (BinaryOp.ADD, BinaryOp.SUB, BinaryOp.MUL, BinaryOp.DIV)
_ARITHMETIC = (*_FLOAT_ARITHMETIC, *sorted(BITWISE), BinaryOp.SHIFT_LEFT, BinaryOp.SHIFT_RIGHT)


def random_expression(
    rng: np.random.Generator, kind: int, depth: int, num_clbits: int, variables: Sequence[int]
) -> Expression:
    """Return an expression of type `kind` over clbits and variables.

    Divisions are by numbers other than 0, indices lie within the width, and no Float is cast to an integer.

    Args:
        rng: the source of randomness.
        kind: the type of the value.
        depth: the most levels above the leaves.
        num_clbits: the number of clbits.
        variables: the types of the variables.
    """

    def inner(of_type: int) -> Expression:
        return random_expression(rng, of_type, depth - 1, num_clbits, variables)

    if not depth or rng.random() < 0.2:
        return _leaf(rng, kind, num_clbits, variables)
    width = int(rng.choice(_WIDTHS))
    if kind == BOOL:
        return _random_bool(rng, width, inner)
    return _random_float(rng, width, inner) if kind == FLOAT else _random_integer(rng, kind, width, inner)


def _random_bool(rng: np.random.Generator, width: int, inner: Callable[[int], Expression]) -> Expression:
    match int(rng.integers(6)):
        case 0:
            return Binary(_one_of(rng, EQUALITY | ORDER), inner(width), inner(width))
        case 1:
            return Binary(_one_of(rng, EQUALITY | ORDER), inner(FLOAT), inner(FLOAT))
        case 2:
            return Binary(_one_of(rng, LOGIC | BITWISE | EQUALITY), inner(BOOL), inner(BOOL))
        case 3:
            return Unary(UnaryOp.LOGIC_NOT if rng.random() < 0.5 else UnaryOp.BIT_NOT, inner(BOOL))
        case 4:
            return Cast(BOOL, inner(int(rng.choice([BOOL, FLOAT, width]))))
        case _:
            return Index(inner(width), _number(width, int(rng.integers(min(width, 1 << min(width, 60))))))


def _random_float(rng: np.random.Generator, width: int, inner: Callable[[int], Expression]) -> Expression:
    if rng.random() < 0.3:
        return Unary(UnaryOp.NEGATE, inner(FLOAT))
    if rng.random() < 0.3:
        return Cast(FLOAT, inner(int(rng.choice([BOOL, FLOAT, width]))))
    op = _one_of(rng, _FLOAT_ARITHMETIC)
    return Binary(op, inner(FLOAT), Constant(FLOAT, 1.5) if op is BinaryOp.DIV else inner(FLOAT))


def _random_integer(rng: np.random.Generator, kind: int, width: int, inner: Callable[[int], Expression]) -> Expression:
    if rng.random() < 0.2:
        return Unary(UnaryOp.BIT_NOT, inner(kind))
    if rng.random() < 0.2:
        return Cast(kind, inner(int(rng.choice([BOOL, width]))))
    op = _one_of(rng, _ARITHMETIC)
    if op is BinaryOp.DIV:
        return Binary(op, inner(kind), _number(kind, 1))
    if op in (BinaryOp.SHIFT_LEFT, BinaryOp.SHIFT_RIGHT):
        return Binary(op, inner(kind), inner(width))
    return Binary(op, inner(kind), inner(kind))


def random_place(rng: np.random.Generator, num_clbits: int, variables: Sequence[int]) -> tuple[Expression, int]:
    """Return a random place for a value, and its type.

    There must be a clbit or a variable.
    """
    usable = [at for at, each in enumerate(variables) if each != HIDDEN]
    if usable and (not num_clbits or rng.random() < 0.5):
        at = usable[int(rng.integers(len(usable)))]
        place: Expression = Variable(at)
        kind = variables[at]
    elif rng.random() < 0.3:
        return Bit(int(rng.integers(num_clbits))), BOOL
    else:
        clbits = rng.permutation(num_clbits)[: int(rng.integers(1, num_clbits + 1))].tolist()
        place, kind = Bits(tuple(clbits)), len(clbits)
    if kind > BOOL and rng.random() < 0.3:
        return Index(place, _number(8, int(rng.integers(min(kind, 256))))), BOOL
    return place, kind


def _leaf(rng: np.random.Generator, kind: int, num_clbits: int, variables: Sequence[int]) -> Expression:
    found: list[Expression] = [Variable(at) for at, each in enumerate(variables) if each == kind]
    if kind == FLOAT:
        found.append(Constant(FLOAT, float(rng.uniform(-2, 2))))
    else:
        bits = max(kind, 1)
        found.append(
            Constant(kind, (int.from_bytes(rng.bytes(16), "little") & ((1 << bits) - 1)).to_bytes(16, "little"))
        )
    if num_clbits and kind == BOOL:
        found.append(Bit(int(rng.integers(num_clbits))))
    elif num_clbits and kind > BOOL:
        # A clbit may stand at several places of what is read.
        found.append(Bits(tuple(rng.integers(0, num_clbits, kind).tolist())))
    return found[int(rng.integers(len(found)))]


def _number(kind: int, value: int) -> Constant:
    return Constant(kind, value.to_bytes(16, "little"))


def _one_of(rng: np.random.Generator, ops: frozenset[BinaryOp] | Sequence[BinaryOp]) -> BinaryOp:
    ordered = sorted(ops)
    return ordered[int(rng.integers(len(ordered)))]
