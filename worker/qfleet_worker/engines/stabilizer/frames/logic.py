# SPDX-License-Identifier: Apache-2.0
"""Conditions on clbits, computed for all shots of a block together.

A value is a list of *signals*, the lowest bit first: 0 or 1 in all shots, or a row of bits, or its opposite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from qfleet.wire.program.expressions import (
    BOOL,
    FLOAT,
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
)
from qfleet_worker.engines.stabilizer.kernels.frames import AND, COPY, FILL, XOR

#: A signal is one of these, or twice a row and 1 for its opposite.
ZERO: Final = -2
ONE: Final = -1
#: Rows of intermediate results at most.
MOST_ROWS: Final = 1 << 12


class NotBitwiseError(Exception):
    """An expression isn't computed bit by bit; the text says which."""


class Step(NamedTuple):
    """A step of frames on rows of bits."""

    code: int
    first: int
    second: int


class Logic:
    """Steps that compute conditions.

    Args:
        row_of: the row of each clbit that may be 1.
        spare: the first of the rows for intermediate results.
    """

    def __init__(self, row_of: Mapping[int, int], spare: int) -> None:
        self._row_of = row_of
        self._first = self._next = spare
        #: the number of rows that are needed
        self.num_rows = spare
        self.steps: list[Step] = []

    def take(self) -> list[Step]:
        """Return the steps so far, after which no intermediate result is needed."""
        taken, self.steps, self._next = self.steps, [], self._first
        return taken

    def emit(self, code: int, first: int, second: int) -> None:
        """Add a step."""
        self.steps.append(Step(code, first, second))

    def copied(self, signal: int) -> int:
        """Return a new row with a signal's bits."""
        row, self._next = self._next, self._next + 1
        self.num_rows = max(self.num_rows, self._next)
        if self._next - self._first > MOST_ROWS:
            raise NotBitwiseError("it has too many bits")
        self.give(row, signal)
        return row

    def give(self, row: int, signal: int) -> None:
        """Give a row the bits of a signal."""
        if signal < 0:
            self.emit(FILL, row, signal - ZERO)
        else:
            self.emit(COPY, row, signal)

    def both(self, one: int, other: int) -> int:
        """Return where two signals are 1."""
        if ZERO in (one, other):
            return ZERO
        if one == ONE:
            return other
        if other == ONE:
            return one
        row = self.copied(one)
        self.emit(AND, row, self._plain(other))
        return 2 * row

    def either(self, one: int, other: int) -> int:
        """Return where one of two signals is 1, or both are."""
        return opposite(self.both(opposite(one), opposite(other)))

    def differ(self, one: int, other: int) -> int:
        """Return where two signals differ."""
        if one < 0 or other < 0:
            constant, varied = (one, other) if one < 0 else (other, one)
            return opposite(varied) if constant == ONE else varied
        row = self.copied(one)
        self.emit(XOR, row, other >> 1)
        return 2 * row + (other & 1)

    def _plain(self, signal: int) -> int:
        """Return a row that has a signal's bits."""
        return self.copied(signal) if signal & 1 else signal >> 1

    def condition(self, expression: Expression) -> int:
        """Return the signal of an expression of type BOOL.

        Raises:
            NotBitwiseError: it has arithmetic, variables or numbers that aren't integers.
        """
        (signal,) = self._value(expression)
        return signal

    def _value(self, node: Expression) -> list[int]:
        match node:
            case Bit():
                return [self._clbit(node.clbit)]
            case Bits():
                return [self._clbit(clbit) for clbit in node.clbits]
            case Constant():
                return _constant(node)
            case Unary():
                return self._unary(node)
            case Binary():
                return self._binary(node)
            case Cast():
                return self._cast(node)
            case Index(index=Constant() as index):
                place = sum([1 << bit for bit, signal in enumerate(_constant(index)) if signal == ONE])
                value = self._value(node.target)
                if place < len(value):
                    return [value[place]]
        raise NotBitwiseError("it has an index or a variable that isn't fixed")

    def _clbit(self, clbit: int) -> int:
        return 2 * self._row_of[clbit] if clbit in self._row_of else ZERO

    def _unary(self, node: Unary) -> list[int]:
        if node.op is UnaryOp.NEGATE:
            raise NotBitwiseError("it has arithmetic")
        return [opposite(signal) for signal in self._value(node.operand)]

    def _binary(self, node: Binary) -> list[int]:
        bitwise: dict[BinaryOp, Callable[[int, int], int]] = {
            BinaryOp.BIT_AND: self.both,
            BinaryOp.LOGIC_AND: self.both,
            BinaryOp.BIT_OR: self.either,
            BinaryOp.LOGIC_OR: self.either,
            BinaryOp.BIT_XOR: self.differ,
        }
        if node.op not in bitwise and node.op not in _COMPARISONS:
            raise NotBitwiseError("it has arithmetic")
        left, right = self._value(node.left), self._value(node.right)
        if node.op in bitwise:
            return [bitwise[node.op](one, other) for one, other in zip(left, right, strict=True)]
        exchanged, or_equal, negated = _COMPARISONS[node.op]
        if exchanged:
            left, right = right, left
        signal = self._equal(left, right) if or_equal is None else self._less(left, right, ONE if or_equal else ZERO)
        return [opposite(signal) if negated else signal]

    def _equal(self, left: list[int], right: list[int]) -> int:
        signal = ONE
        for one, other in zip(left, right, strict=True):
            signal = self.both(signal, opposite(self.differ(one, other)))
        return signal

    def _less(self, left: list[int], right: list[int], signal: int) -> int:
        """Return where one value is less than another.

        Where they are equal, it is `signal`.
        """
        for one, other in zip(left, right, strict=True):
            differ = self.differ(one, other)
            signal = self.either(self.both(differ, other), self.both(opposite(differ), signal))
        return signal

    def _cast(self, node: Cast) -> list[int]:
        value = self._value(node.operand)
        if node.kind == FLOAT:
            raise NotBitwiseError("it has numbers that aren't integers")
        if node.kind == BOOL:
            signal = ZERO
            for each in value:
                signal = self.either(signal, each)
            return [signal]
        return [*value[: node.kind], *[ZERO] * (node.kind - len(value))]


#: How each comparison is made: with its operands exchanged, true where they are equal (`None`: an equality), negated.
_COMPARISONS: Final[dict[BinaryOp, tuple[bool, bool | None, bool]]] = {
    BinaryOp.EQUAL: (False, None, False),
    BinaryOp.NOT_EQUAL: (False, None, True),
    BinaryOp.LESS: (False, False, False),
    BinaryOp.LESS_EQUAL: (False, True, False),
    BinaryOp.GREATER: (True, False, False),
    BinaryOp.GREATER_EQUAL: (True, True, False),
}


def opposite(signal: int) -> int:
    """Return where a signal is 0."""
    return ZERO + ONE - signal if signal < 0 else signal ^ 1


def _constant(node: Constant) -> list[int]:
    if node.kind == FLOAT or isinstance(node.value, float):
        raise NotBitwiseError("it has numbers that aren't integers")
    number = int.from_bytes(node.value, "little")
    return [ONE if number >> bit & 1 else ZERO for bit in range(max(node.kind, 1))]
