# SPDX-License-Identifier: Apache-2.0
"""Products of two rows of amplitudes, as vector instructions.

They are summed up or transformed. `vectors` says how amplitudes lie in vectors. A row is multiplied by itself
(`square_row`), or by its *partner*:
element k of the row at `a` belongs to element ``k ^ flip`` of the row at `b`, where `flip` leaves the bits inside a
vector as they are, lane l to lane ``l ^ lanes``, and with `imaginary` a real part to an imaginary one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from qfleet_worker.engines.statevector.kernels.vectors import I32, I64, Vectors, data, is_double

#: Vectors whose products are added up apart, so that none waits for another.
_APART = 4
#: Elements of a vector, and the fewest of a row, by the bytes of an element.
WIDTH = {8: 8, 4: 16}
MIN_ELEMENTS = {size: _APART * width for size, width in WIDTH.items()}
MIN_BYTES = _APART * 64
#: Elements that `square_row` takes at a time.
SQUARED = _APART * 8
#: Masks, and indices, that the signs of `sign_tables` are of.
SIGNS = 32


def sign_tables(dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the signs ``(-1)**popcount(mask & j)``.

    Returns:
        Those for each mask and j below `SIGNS`; and those for each mask and j that is a lane of a vector, twice, for
        both parts of an amplitude.
    """
    numbers = np.arange(SIGNS)
    signs = 1 - 2 * (np.bitwise_count(numbers[:, None] & numbers) & 1).astype(dtype)
    lanes = WIDTH[dtype.itemsize] // 2
    return signs, np.repeat(signs[:lanes, :lanes], 2, axis=1)


class _Pairs(Vectors):
    """A builder of operations on pairs of vectors of one kind."""

    def each_pattern(self, lanes: Any, imaginary: Any, emit: Callable[[int], None]) -> None:
        """Emit code for each pairing of two vectors' elements, and a switch."""
        builder = self.builder
        pattern = builder.or_(builder.shl(lanes, ir.Constant(I64, 1)), imaginary)
        end = builder.append_basic_block("end")
        switch = builder.switch(pattern, end)
        for code in range(self.width):
            block = builder.append_basic_block(f"pattern{code}")
            switch.add_case(ir.Constant(I64, code), block)
            builder.position_at_end(block)
            emit(code)
            builder.branch(end)
        builder.position_at_end(end)


@intrinsic
def dot_row(typingctx, state, a, b, size, gap, flip, lanes, imaginary, signs, lane_signs, z):  # type: ignore[no-untyped-def]
    """Sum a row's products with its partner, with signs.

    Amplitude j of the row at `a` is multiplied by its partner and by ``(-1)**popcount(z & j)``. The products of the
    real parts count with the opposite sign if `imaginary`.

    `size` is how many elements are read, `MIN_ELEMENTS` times at most `SIGNS`. After each `gap` elements, at least
    `MIN_ELEMENTS`, as many are left out; if `gap` is 0, none are. `signs` and `lane_signs` are those of `sign_tables`.
    """
    index = types.int64
    signature = types.float64(state, index, index, index, index, index, index, index, signs, lane_signs, index)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        double = is_double(sig.args[0])
        vectors = _Pairs(builder, double)
        width = vectors.width
        amplitudes, sign_data, lane_data = (data(context, builder, sig.args[at], args[at]) for at in (0, 8, 9))
        result = cgutils.alloca_once(builder, ir.DoubleType())

        def row_of(shift: int, bits: int, length: int) -> Any:
            number = builder.and_(builder.lshr(args[10], ir.Constant(I64, shift)), ir.Constant(I64, (1 << bits) - 1))
            return builder.mul(number, ir.Constant(I64, length))

        def sign(row: Any, at: Any) -> Any:
            return vectors.splat(builder.load(builder.gep(sign_data, [builder.add(row, at)])))

        # The sign of a lane, and of a vector among those that are added up apart, is the same for all sums.
        of_lanes = vectors.load(lane_data, row_of(0, vectors.lane_bits, width))
        apart = row_of(vectors.lane_bits, _APART.bit_length() - 1, SIGNS)
        of_apart = [sign(apart, ir.Constant(I64, place)) for place in range(_APART)]
        row = row_of(vectors.lane_bits + _APART.bit_length() - 1, SIGNS.bit_length() - 1, SIGNS)

        def emit(code: int) -> None:
            sums = [cgutils.alloca_once(builder, vectors.vector) for _ in range(_APART)]
            for total in sums:
                builder.store(ir.Constant(vectors.vector, [0.0] * width), total)
            step = ir.Constant(I64, _APART * width)
            with cgutils.for_range_slice(builder, ir.Constant(I64, 0), args[3], step, intp=I64) as (taken, _):
                first = builder.add(taken, builder.and_(taken, builder.neg(args[4])))
                together = sign(row, builder.lshr(first, ir.Constant(I64, (_APART * width).bit_length() - 1)))
                for place, total in enumerate(sums):
                    at = builder.add(first, ir.Constant(I64, place * width))
                    left = builder.fmul(vectors.load(amplitudes, builder.add(args[1], at)), together)
                    right = vectors.load(amplitudes, builder.add(args[2], builder.xor(at, args[5])))
                    right = vectors.shuffle(right, [i ^ code for i in range(width)])
                    builder.store(vectors.multiply_add(left, right, builder.load(total)), total)
            whole = None
            for total, factor in zip(sums, of_apart, strict=True):
                whole = vectors.multiply_add(builder.load(total), factor, whole)
            whole = builder.fmul(whole, of_lanes)
            answer = ir.Constant(ir.DoubleType(), 0.0)
            for lane in range(width):
                each = builder.extract_element(whole, ir.Constant(I32, lane))
                each = each if double else builder.fpext(each, ir.DoubleType())
                add = builder.fsub if code & 1 and not lane & 1 else builder.fadd
                answer = add(answer, each)
            builder.store(answer, result)

        vectors.each_pattern(args[6], args[7], emit)
        return builder.load(result)

    return signature, codegen


@intrinsic
def square_row(typingctx, state, at, size):  # type: ignore[no-untyped-def]
    """Sum the squares of the elements of a row, in double precision.

    The row begins at `at`; `size` is a multiple of `SQUARED`.
    """
    signature = types.float64(state, types.int64, types.int64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        sums, elements = Vectors(builder, True), Vectors(builder, is_double(sig.args[0]))
        elements.vector = ir.VectorType(elements.element, sums.width)
        row = builder.gep(data(context, builder, sig.args[0], args[0]), [args[1]])
        totals = [cgutils.alloca_once(builder, sums.vector) for _ in range(_APART)]
        for total in totals:
            builder.store(ir.Constant(sums.vector, [0.0] * sums.width), total)
        step = ir.Constant(I64, SQUARED)
        with cgutils.for_range_slice(builder, ir.Constant(I64, 0), args[2], step, intp=I64) as (first, _):
            for place, total in enumerate(totals):
                value = elements.load(row, builder.add(first, ir.Constant(I64, place * sums.width)))
                value = builder.fpext(value, sums.vector) if value.type != sums.vector else value
                builder.store(sums.multiply_add(value, value, builder.load(total)), total)
        a, b, c, d = (builder.load(total) for total in totals)
        whole = builder.fadd(builder.fadd(a, b), builder.fadd(c, d))
        for half in (4, 2, 1):
            whole = builder.fadd(whole, sums.shuffle(whole, [i ^ half for i in range(sums.width)]))
        return builder.extract_element(whole, ir.Constant(I32, 0))

    return signature, codegen


@intrinsic
def product_row(typingctx, state, a, b, size, flip, lanes, imaginary, out):  # type: ignore[no-untyped-def]
    """Write a row's products with its conjugate partner.

    The real or the imaginary parts of the products at `a` go to `out`, where each vector is transformed by Walsh and
    Hadamard. `size` counts elements of the row, twice those of `out`.
    """
    index = types.int64
    signature = types.void(state, index, index, index, index, index, index, out)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vectors = _Pairs(builder, is_double(sig.args[0]))
        width = vectors.width
        amplitudes, out_data = (data(context, builder, sig.args[at], args[at]) for at in (0, 7))

        def emit(code: int) -> None:
            step = ir.Constant(I64, 2 * width)
            with cgutils.for_range_slice(builder, ir.Constant(I64, 0), args[3], step, intp=I64) as (first, _):
                products = []
                for place in (0, width):
                    at = builder.add(first, ir.Constant(I64, place))
                    right = vectors.load(amplitudes, builder.add(args[2], builder.xor(at, args[4])))
                    right = vectors.shuffle(right, [i ^ code for i in range(width)])
                    products.append(builder.fmul(vectors.load(amplitudes, builder.add(args[1], at)), right))
                even, odd = (
                    vectors.shuffle(products[0], [2 * i + part for i in range(width)], products[1]) for part in (0, 1)
                )
                value = builder.fsub(odd, even) if code & 1 else builder.fadd(even, odd)
                half = 1
                while half < width:
                    signs = ir.Constant(vectors.vector, [-1.0 if i & half else 1.0 for i in range(width)])
                    other = vectors.shuffle(value, [i ^ half for i in range(width)])
                    value = vectors.multiply_add(value, signs, other)
                    half *= 2
                vectors.store(value, out_data, builder.lshr(first, ir.Constant(I64, 1)))

        vectors.each_pattern(args[5], args[6], emit)
        return context.get_dummy_value()

    return signature, codegen


def _mixing(bits: int) -> Callable[..., Any]:
    """Return code that transforms ``2**bits`` vectors, element by element.

    The vectors are `stride` elements apart.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vectors = _Pairs(builder, is_double(sig.args[0]))
        whole = data(context, builder, sig.args[0], args[0])
        places = [builder.add(args[1], builder.mul(args[2], ir.Constant(I64, k))) for k in range(1 << bits)]
        values = [vectors.load(whole, place) for place in places]
        for bit in range(bits):
            for at in range(len(values)):
                if not at >> bit & 1:
                    a, b = values[at], values[at | 1 << bit]
                    values[at], values[at | 1 << bit] = builder.fadd(a, b), builder.fsub(a, b)
        for value, place in zip(values, places, strict=True):
            vectors.store(value, whole, place)
        return context.get_dummy_value()

    return codegen


@intrinsic
def mix_two(typingctx, values, at, stride):  # type: ignore[no-untyped-def]
    """Replace two vectors by their sum and their difference."""
    return types.void(values, types.int64, types.int64), _mixing(1)


@intrinsic
def mix_eight(typingctx, values, at, stride):  # type: ignore[no-untyped-def]
    """Transform eight vectors: three bits of their index at once."""
    return types.void(values, types.int64, types.int64), _mixing(3)
