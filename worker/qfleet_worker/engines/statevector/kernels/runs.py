# SPDX-License-Identifier: Apache-2.0
"""Contiguous runs of amplitudes, multiplied and copied by vector instructions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from qfleet_worker.engines.statevector.kernels.vectors import I32, I64, Vectors, data, is_double


def _row_intrinsic(tables: int) -> Callable[..., Any]:
    """Return code that multiplies a row by tables and a number.

    For one table it does ``state[at:at+size] *= (re + i im) * table[from:from+size]``. `tables` is the number of
    tables.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        double = is_double(sig.args[0])
        state = data(context, builder, sig.args[0], args[0])
        vectors = Vectors(builder, double)
        sources = [
            (data(context, builder, sig.args[3 + 2 * at], args[3 + 2 * at]), args[4 + 2 * at]) for at in range(tables)
        ]
        real, imaginary = (
            vectors.splat(value if double else builder.fptrunc(value, vectors.element))
            for value in args[3 + 2 * tables :]
        )

        def times(value: Any, re: Any, im: Any) -> Any:
            return vectors.multiply_add(im, vectors.times_i(value), builder.fmul(re, value))

        with cgutils.for_range_slice(
            builder, ir.Constant(I64, 0), args[2], ir.Constant(I64, vectors.width), intp=I64
        ) as (at, _):
            offset = builder.add(args[1], at)
            value = times(vectors.load(state, offset), real, imaginary)
            for pointer, begin in sources:
                factor = vectors.load(pointer, builder.add(begin, at))
                re = vectors.shuffle(factor, [i // 2 * 2 for i in range(vectors.width)])
                im = vectors.shuffle(factor, [i // 2 * 2 + 1 for i in range(vectors.width)])
                value = times(value, re, im)
            vectors.store(value, state, offset)
        return context.get_dummy_value()

    return codegen


@intrinsic
def scale_row(typingctx, state, at, size, re, im):  # type: ignore[no-untyped-def]
    """Multiply `size` elements of `state` by one complex number."""
    return types.void(state, types.int64, types.int64, types.float64, types.float64), _row_intrinsic(0)


@intrinsic
def scale_row_by(typingctx, state, at, size, table, begin, re, im):  # type: ignore[no-untyped-def]
    """Multiply elements of `state` by a table and a complex number."""
    kinds = (state, types.int64, types.int64, table, types.int64, types.float64, types.float64)
    return types.void(*kinds), _row_intrinsic(1)


@intrinsic
def scale_row_by_two(typingctx, state, at, size, a, begin_a, b, begin_b, re, im):  # type: ignore[no-untyped-def]
    """Multiply elements of `state` by two tables and a complex number."""
    index = types.int64
    return types.void(state, index, index, a, index, b, index, types.float64, types.float64), _row_intrinsic(2)


@intrinsic
def copy_run(typingctx, target, to, source, begin, size, ahead, ahead_at):  # type: ignore[no-untyped-def]
    """Copy `size` elements, and prefetch as many of `ahead`.

    `size` is a whole number of vectors. The places that are copied lie far apart, so the processor doesn't foresee
    them.
    """
    index = types.int64
    signature = types.void(target, index, source, index, index, ahead, index)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        to_data, from_data, ahead_data = (data(context, builder, sig.args[at], args[at]) for at in (0, 2, 5))
        vectors = Vectors(builder, is_double(sig.args[0]))
        byte = ir.IntType(8).as_pointer()
        prefetch = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32]), "llvm.prefetch.p0"
        )
        how = [ir.Constant(I32, value) for value in (0, 3, 1)]  # to be read, and kept, as data
        with cgutils.for_range_slice(
            builder, ir.Constant(I64, 0), args[4], ir.Constant(I64, vectors.width), intp=I64
        ) as (at, _):
            place = builder.bitcast(builder.gep(ahead_data, [builder.add(args[6], at)]), byte)
            builder.call(prefetch, [place, *how])
            value = vectors.load(from_data, builder.add(args[3], at))
            vectors.store(value, to_data, builder.add(args[1], at))
        return context.get_dummy_value()

    return signature, codegen
