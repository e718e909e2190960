# SPDX-License-Identifier: Apache-2.0
"""Values of classical expressions.

Expressions are made into functions once and called for each branch. A BOOL is 0 or 1, an integer is a Python int, so
that registers may have any width. What OpenQASM leaves open is settled here: integers wrap around, `and` and `or` don't
evaluate what they needn't, a shift by the width or more gives 0; a division by zero, an index beyond the width and a
float without an integer value are errors.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from qfleet.wire.program.expressions import (
    BOOL,
    EQUALITY,
    FLOAT,
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
from qfleet_worker.engines.bits import WIDE, from_bits, to_bits
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.driver.scope import Scope

Value: TypeAlias = int | float


@dataclass(slots=True)
class Memory:
    """Classical values of a branch."""

    #: one bit for each clbit that the scope names
    clbits: int = 0
    #: of those that the scope names
    variables: list[Value] = field(default_factory=list)


Evaluate: TypeAlias = Callable[[Memory], Value]
Write: TypeAlias = Callable[[Memory, Value], None]


class Compiler:
    """A compiler of one program's expressions into functions, one of each.

    Args:
        scope: the clbits and variables that the expressions mention.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        #: each by the id of an expression, which is kept here: rows share expressions
        self._kept: dict[int, tuple[Expression, int, Evaluate]] = {}
        self._writers: dict[int, tuple[Expression, Write]] = {}
        self._names: dict[int, tuple[Expression, frozenset[int]]] = {}

    def value(self, expression: Expression) -> Evaluate:
        """Return the function that gives an expression's value.

        The function may raise `EngineError`.
        """
        return self._once(expression)[1]

    def names(self, expression: Expression) -> frozenset[int]:
        """Return the names that an expression mentions."""
        if id(expression) not in self._names:
            self._names[id(expression)] = expression, self._scope.mentioned(expression)
        return self._names[id(expression)][1]

    def store(self, place: Expression, value: Expression) -> Callable[[Memory], None]:
        """Return the function that stores an expression's value.

        The function may raise `EngineError`.
        """
        evaluate = self.value(value)
        if isinstance(place, Index):
            return self._store_bit(place, evaluate)
        write = self._write(place)
        return lambda memory: write(memory, evaluate(memory))

    def _once(self, expression: Expression) -> tuple[int, Evaluate]:
        if id(expression) not in self._kept:
            self._kept[id(expression)] = expression, *self._typed(expression)
        return self._kept[id(expression)][1:]

    def _typed(self, expression: Expression) -> tuple[int, Evaluate]:
        """Return an expression's type, and the function that gives its value."""
        match expression:
            case Constant(kind, raw):
                value = raw if isinstance(raw, float) else int.from_bytes(raw, "little")
                return kind, lambda _: value
            case Bit(clbit):
                name = self._scope.clbit(clbit)
                return BOOL, lambda memory: memory.clbits >> name & 1
            case Bits(clbits):
                return len(clbits), _bits([self._scope.clbit(clbit) for clbit in clbits])
            case Variable(index):
                place = self._scope.variable(index)
                return self._scope.types[place], lambda memory: memory.variables[place]
            case Unary(op, operand):
                kind, value_of = self._typed(operand)
                return kind, _unary(op, kind, value_of)
            case Binary(op, left, right):
                kind, left_of = self._typed(left)
                return BOOL if op in EQUALITY | ORDER else kind, _binary(op, kind, left_of, self._typed(right)[1])
            case Cast(kind, operand):
                return kind, _cast(*self._typed(operand), kind)
            case Index(target, position):
                return BOOL, _index(*self._typed(target), self._typed(position)[1])

    def _store_bit(self, place: Index, evaluate: Evaluate) -> Callable[[Memory], None]:
        width, whole = self._once(place.target)
        position, write = self._once(place.index)[1], self._write(place.target)

        def store(memory: Memory) -> None:
            at = _checked_index(position(memory), width)
            write(memory, int(whole(memory)) & ~(1 << at) | int(evaluate(memory)) << at)

        return store

    def _write(self, place: Expression) -> Write:
        """Return the function that writes a value to a place."""
        if id(place) not in self._writers:
            self._writers[id(place)] = place, self._writer(place)
        return self._writers[id(place)][1]

    def _writer(self, place: Expression) -> Write:
        match place:
            case Variable(index):
                at = self._scope.variable(index)

                def write(memory: Memory, value: Value) -> None:
                    memory.variables[at] = value

                return write
            case Bit(clbit):
                return _bit_writer([self._scope.clbit(clbit)])
            case Bits(clbits):
                return _bit_writer([self._scope.clbit(clbit) for clbit in clbits])
        raise TypeError(f"nothing can be stored to {place}")


def _bits(names: Sequence[int]) -> Evaluate:
    """Return the function that reads some clbits as a number."""
    first, width = names[0], len(names)
    if list(names) == list(range(first, first + width)):
        return lambda memory: memory.clbits >> first & _ones(width)
    if width <= WIDE:
        return lambda memory: sum([(memory.clbits >> name & 1) << at for at, name in enumerate(names)])
    places = np.array(names, np.int64)
    needed = int(places.max()) + 1
    return lambda memory: from_bits(to_bits(memory.clbits, needed)[places])


def _bit_writer(names: Sequence[int]) -> Write:
    """Return the function that writes a number to some clbits.

    Where a clbit is listed twice, the later bit counts.
    """
    first, width = names[0], len(names)
    if list(names) == list(range(first, first + width)):

        def write_together(memory: Memory, value: Value) -> None:
            memory.clbits = memory.clbits & ~(_ones(width) << first) | (int(value) & _ones(width)) << first

        return write_together
    if width <= WIDE:

        def write_each(memory: Memory, value: Value) -> None:
            for at, name in enumerate(names):
                memory.clbits = memory.clbits & ~(1 << name) | (int(value) >> at & 1) << name

        return write_each
    places = np.array(names, np.int64)
    needed = int(places.max()) + 1

    def write_all(memory: Memory, value: Value) -> None:
        bits = to_bits(memory.clbits, max(needed, memory.clbits.bit_length()))
        bits[places] = to_bits(int(value), width)
        memory.clbits = from_bits(bits)

    return write_all


def _ones(width: int) -> int:
    """Return the largest integer of a width.

    A wide one is made when it is needed, rather than kept.
    """
    return (1 << width) - 1


def _unary(op: UnaryOp, kind: int, operand: Evaluate) -> Evaluate:
    if op is UnaryOp.NEGATE:
        return lambda memory: -operand(memory)
    return lambda memory: int(operand(memory)) ^ _ones(kind or 1)


_PLAIN: dict[BinaryOp, Callable[[Value, Value], Value]] = {
    BinaryOp.BIT_AND: operator.and_,
    BinaryOp.BIT_OR: operator.or_,
    BinaryOp.BIT_XOR: operator.xor,
    BinaryOp.EQUAL: lambda a, b: int(a == b),
    BinaryOp.NOT_EQUAL: lambda a, b: int(a != b),
    BinaryOp.LESS: lambda a, b: int(a < b),
    BinaryOp.LESS_EQUAL: lambda a, b: int(a <= b),
    BinaryOp.GREATER: lambda a, b: int(a > b),
    BinaryOp.GREATER_EQUAL: lambda a, b: int(a >= b),
    BinaryOp.SHIFT_RIGHT: operator.rshift,
    BinaryOp.ADD: operator.add,
    BinaryOp.SUB: operator.sub,
    BinaryOp.MUL: operator.mul,
    BinaryOp.DIV: operator.truediv,
}


def _binary(op: BinaryOp, kind: int, left: Evaluate, right: Evaluate) -> Evaluate:
    if op is BinaryOp.LOGIC_AND:
        return lambda memory: left(memory) and right(memory)
    if op is BinaryOp.LOGIC_OR:
        return lambda memory: left(memory) or right(memory)
    if op is BinaryOp.SHIFT_LEFT:
        # An amount beyond the width might take more memory than there is.
        return lambda memory: int(left(memory)) << min(int(right(memory)), kind) & _ones(kind)
    if op is BinaryOp.DIV:
        return _division(kind, left, right)
    apply = _PLAIN[op]
    if kind > BOOL and op in (BinaryOp.ADD, BinaryOp.SUB, BinaryOp.MUL):
        return lambda memory: int(apply(left(memory), right(memory))) & _ones(kind)
    return lambda memory: apply(left(memory), right(memory))


def _division(kind: int, left: Evaluate, right: Evaluate) -> Evaluate:
    def divide(memory: Memory) -> Value:
        dividend, divisor = left(memory), right(memory)
        if not divisor:
            raise EngineError("a classical expression divides by zero")
        return dividend / divisor if kind == FLOAT else dividend // divisor

    return divide


def _cast(source: int, operand: Evaluate, target: int) -> Evaluate:
    if target == BOOL:
        return lambda memory: int(operand(memory) != 0)
    if target == FLOAT:
        return lambda memory: _as_float(operand(memory))
    if source == FLOAT:
        return lambda memory: _as_integer(float(operand(memory)), target)
    return lambda memory: int(operand(memory)) & _ones(target)


def _as_float(value: Value) -> float:
    try:
        return float(value)
    except OverflowError:
        raise EngineError("a classical expression makes an integer a Float that is too large for it") from None


def _as_integer(value: float, width: int) -> int:
    if not math.isfinite(value) or not 0 <= math.trunc(value) < 1 << width:
        raise EngineError(f"a classical expression makes {value} a Uint({width}), which doesn't hold it")
    return math.trunc(value)


def _index(width: int, target: Evaluate, position: Evaluate) -> Evaluate:
    return lambda memory: int(target(memory)) >> _checked_index(position(memory), width) & 1


def _checked_index(position: Value, width: int) -> int:
    if position >= width:
        raise EngineError(f"a classical expression takes bit {position} of a Uint({width})")
    return int(position)
