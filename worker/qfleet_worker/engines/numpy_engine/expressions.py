# SPDX-License-Identifier: Apache-2.0
"""What is the value of a classical expression?

Expressions are made into functions once and called for each branch. A BOOL is 0 or 1, an integer is a Python int, so
that registers may have any width. What OpenQASM leaves open is settled here: integers wrap around, `and` and `or` don't
evaluate what they needn't, a shift by the width or more gives 0; a division by zero, an index beyond the width and a
float that is no integer's value are errors.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from qfleet.wire.expressions import (
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
    Variable,
    type_of,
)
from qfleet_worker.engines.base import EngineError

Value: TypeAlias = int | float


@dataclass(slots=True)
class Memory:
    """What a branch holds that is classical."""

    #: one bit for each clbit
    clbits: int = 0
    variables: list[Value] = field(default_factory=list)


Evaluate: TypeAlias = Callable[[Memory], Value]


class Compiler:
    """Makes functions of the expressions of one program."""

    def __init__(self, num_clbits: int, types: tuple[int, ...]) -> None:
        """`types`: those of the program's variables."""
        self._num_clbits = num_clbits
        self._types = types

    def value(self, expression: Expression) -> Evaluate:
        """The function that gives an expression's value. It may raise `EngineError`."""
        match expression:
            case Constant(kind, raw):
                value = raw if isinstance(raw, float) else int.from_bytes(raw, "little")
                return lambda _: value
            case Bit(clbit):
                return lambda memory: memory.clbits >> clbit & 1
            case Bits(clbits):
                return _bits(clbits)
            case Variable(index):
                return lambda memory: memory.variables[index]
            case Unary(op, operand):
                return _unary(op, self._type(operand), self.value(operand))
            case Binary(op, left, right):
                return _binary(op, self._type(left), self.value(left), self.value(right))
            case Cast(kind, operand):
                return _cast(self._type(operand), kind, self.value(operand))
            case Index(target, position):
                return _index(self._type(target), self.value(target), self.value(position))

    def store(self, place: Expression, value: Expression) -> Callable[[Memory], None]:
        """The function that stores an expression's value. It may raise `EngineError`."""
        evaluate = self.value(value)
        if isinstance(place, Index):
            return self._store_bit(place, evaluate)
        write = _writer(place)
        return lambda memory: write(memory, evaluate(memory))

    def _store_bit(self, place: Index, evaluate: Evaluate) -> Callable[[Memory], None]:
        whole, position, write = self.value(place.target), self.value(place.index), _writer(place.target)
        width = self._type(place.target)

        def store(memory: Memory) -> None:
            at = _checked_index(position(memory), width)
            write(memory, int(whole(memory)) & ~(1 << at) | int(evaluate(memory)) << at)

        return store

    def _type(self, expression: Expression) -> int:
        return type_of(expression, self._num_clbits, self._types)


def _bits(clbits: Sequence[int]) -> Evaluate:
    first = clbits[0]
    if list(clbits) == list(range(first, first + len(clbits))):
        mask = (1 << len(clbits)) - 1
        return lambda memory: memory.clbits >> first & mask
    return lambda memory: sum([(memory.clbits >> clbit & 1) << at for at, clbit in enumerate(clbits)])


def _writer(place: Expression) -> Callable[[Memory, Value], None]:
    match place:
        case Variable(index):

            def write(memory: Memory, value: Value) -> None:
                memory.variables[index] = value

            return write
        case Bit(clbit):
            clbits: tuple[int, ...] = (clbit,)
        case Bits(several):
            clbits = several
        case _:
            raise TypeError(f"nothing can be stored to {place}")

    def write_bits(memory: Memory, value: Value) -> None:
        for at, clbit in enumerate(clbits):
            memory.clbits = memory.clbits & ~(1 << clbit) | (int(value) >> at & 1) << clbit

    return write_bits


def _unary(op: UnaryOp, kind: int, operand: Evaluate) -> Evaluate:
    if op is UnaryOp.NEGATE:
        return lambda memory: -operand(memory)
    mask = (1 << (kind or 1)) - 1
    return lambda memory: int(operand(memory)) ^ mask


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
    mask = (1 << max(kind, 1)) - 1
    if op is BinaryOp.SHIFT_LEFT:
        # An amount beyond the width might take more memory than there is.
        return lambda memory: int(left(memory)) << min(int(right(memory)), kind) & mask
    if op is BinaryOp.DIV:
        return _division(kind, left, right)
    apply = _PLAIN[op]
    if kind > BOOL and op in (BinaryOp.ADD, BinaryOp.SUB, BinaryOp.MUL):
        return lambda memory: int(apply(left(memory), right(memory))) & mask
    return lambda memory: apply(left(memory), right(memory))


def _division(kind: int, left: Evaluate, right: Evaluate) -> Evaluate:
    def divide(memory: Memory) -> Value:
        dividend, divisor = left(memory), right(memory)
        if not divisor:
            raise EngineError("a classical expression divides by zero")
        return dividend / divisor if kind == FLOAT else dividend // divisor

    return divide


def _cast(source: int, target: int, operand: Evaluate) -> Evaluate:
    if target == BOOL:
        return lambda memory: int(operand(memory) != 0)
    if target == FLOAT:
        return lambda memory: _as_float(operand(memory))
    mask = (1 << target) - 1
    if source == FLOAT:
        return lambda memory: _as_integer(float(operand(memory)), target)
    return lambda memory: int(operand(memory)) & mask


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
