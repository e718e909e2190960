# SPDX-License-Identifier: Apache-2.0
"""Rows of 16 words, worked on by vector instructions.

A row has a bit for each shot of a block. It is named by its first word's place in a flat array.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

#: Words of a row.
WORDS = 16
#: Shots of a block.
BLOCK = 64 * WORDS

_I64 = ir.IntType(64)
_ROW = ir.VectorType(_I64, WORDS)


class _Rows:
    """A builder of operations on rows."""

    def __init__(self, context: Any, builder: Any, sig: Any, args: Any) -> None:
        self._context, self._builder, self._sig, self._args = context, builder, sig, args

    def _place(self, array: int, at: Any) -> Any:
        data = self._context.make_array(self._sig.args[array])(self._context, self._builder, self._args[array]).data
        return self._builder.bitcast(self._builder.gep(data, [at]), _ROW.as_pointer())

    def load(self, array: int, at: Any) -> Any:
        """Return the row at a place of an argument."""
        return self._builder.load(self._place(array, at), align=8)

    def store(self, value: Any, array: int, at: Any) -> None:
        """Put a row at a place of an argument."""
        self._builder.store(value, self._place(array, at), align=8)

    def splat(self, word: Any) -> Any:
        """Return a row of equal words."""
        undefined = ir.Constant(_ROW, ir.Undefined)
        first = self._builder.insert_element(undefined, word, ir.Constant(ir.IntType(32), 0))
        return self._builder.shuffle_vector(
            first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), WORDS), [0] * WORDS)
        )

    def rotated(self, value: Any, bits: int) -> Any:
        """Return the words of a row, rotated to the left."""
        left, right = (ir.Constant(_ROW, [number] * WORDS) for number in (bits, 64 - bits))
        return self._builder.or_(self._builder.shl(value, left), self._builder.lshr(value, right))


@intrinsic
def add_row(typingctx, target, to, source, begin):  # type: ignore[no-untyped-def]
    """Add one row to another, modulo 2."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = _Rows(context, builder, sig, args)
        rows.store(builder.xor(rows.load(0, args[1]), rows.load(2, args[3])), 0, args[1])
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64), codegen


@intrinsic
def copy_row(typingctx, target, to, source, begin, flips):  # type: ignore[no-untyped-def]
    """Give a row another's words, all with the same bits flipped."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = _Rows(context, builder, sig, args)
        rows.store(builder.xor(rows.load(2, args[3]), rows.splat(args[4])), 0, args[1])
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64, types.uint64), codegen


@intrinsic
def add_flipped_row(typingctx, target, to, source, begin, flips):  # type: ignore[no-untyped-def]
    """Add one row to another, modulo 2, and flip bits.

    They are the same of each word.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = _Rows(context, builder, sig, args)
        added = builder.xor(rows.load(2, args[3]), rows.splat(args[4]))
        rows.store(builder.xor(rows.load(0, args[1]), added), 0, args[1])
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64, types.uint64), codegen


@intrinsic
def fill_row(typingctx, target, to, word):  # type: ignore[no-untyped-def]
    """Give a row equal words."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = _Rows(context, builder, sig, args)
        rows.store(rows.splat(args[2]), 0, args[1])
        return context.get_dummy_value()

    return types.void(target, types.int64, types.uint64), codegen


@intrinsic
def exchange_rows(typingctx, target, one, other):  # type: ignore[no-untyped-def]
    """Exchange two rows."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = _Rows(context, builder, sig, args)
        first, second = rows.load(0, args[1]), rows.load(0, args[2])
        rows.store(second, 0, args[1])
        rows.store(first, 0, args[2])
        return context.get_dummy_value()

    return types.void(target, types.int64, types.int64), codegen


@intrinsic
def exchange_bits(typingctx, target, low, high, shift, mask):  # type: ignore[no-untyped-def]
    """Exchange bits of two rows.

    They are ``mask << shift`` of the words of one, and `mask` of those of the other.
    """
    index, word = types.int64, types.uint64

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = _Rows(context, builder, sig, args)
        first, second = rows.load(0, args[1]), rows.load(0, args[2])
        by, chosen = rows.splat(args[3]), rows.splat(args[4])
        changed = builder.and_(builder.xor(builder.lshr(first, by), second), chosen)
        rows.store(builder.xor(first, builder.shl(changed, by)), 0, args[1])
        rows.store(builder.xor(second, changed), 0, args[2])
        return context.get_dummy_value()

    return types.void(target, index, index, word, word), codegen


@intrinsic
def draw_row(typingctx, streams, target, to):  # type: ignore[no-untyped-def]
    """Put the next numbers of 16 streams, xoshiro256++, into a row.

    The state is four rows: D. Blackman and S. Vigna, "Scrambled Linear Pseudorandom Number Generators", ACM
    Transactions on Mathematical Software 47, 36 (2021).
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = _Rows(context, builder, sig, args)
        places = [ir.Constant(_I64, WORDS * number) for number in range(4)]
        a, b, c, d = (rows.load(0, place) for place in places)
        rows.store(builder.add(rows.rotated(builder.add(a, d), 23), a), 1, args[2])
        turned = builder.shl(b, ir.Constant(_ROW, [17] * WORDS))
        c, d = builder.xor(c, a), builder.xor(d, b)
        b, a = builder.xor(b, c), builder.xor(a, d)
        for value, place in zip((a, b, builder.xor(c, turned), rows.rotated(d, 45)), places, strict=True):
            rows.store(value, 0, place)
        return context.get_dummy_value()

    return types.void(streams, target, types.int64), codegen


@intrinsic
def leading_zeros(typingctx, word):  # type: ignore[no-untyped-def]
    """Return the number of zeros above a word's highest one."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen
