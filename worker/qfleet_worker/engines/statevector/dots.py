# SPDX-License-Identifier: Apache-2.0
"""What are products of two rows of amplitudes, summed up or transformed, as vector instructions?

`vectors` says how amplitudes lie in vectors. A row is multiplied by its *partner*: element k of
the row at `a` belongs to element ``k ^ flip`` of the row at `b`, where `flip` leaves the bits inside a vector as they
are, lane l to lane ``l ^ lanes``, and with `imaginary` a real part to an imaginary one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from qfleet_worker.engines.statevector.vectors import I32, I64, Vectors, data, is_double

#: Vectors whose products are added up apart, so that none waits for another.
_APART = 4
#: Elements of a vector, and the fewest of a row, by the bytes of an element.
WIDTH = {8: 8, 4: 16}
MIN_ELEMENTS = {size: _APART * width for size, width in WIDTH.items()}


class _Pairs(Vectors):
    """Builds operations on pairs of vectors of one kind."""

    def each_pattern(self, lanes: Any, imaginary: Any, emit: Callable[[int], None]) -> None:
        """Emit code for each way that the elements of two vectors are paired, and a switch between them."""
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
def dot_row(typingctx, state, a, b, size, flip, lanes, imaginary, signs):  # type: ignore[no-untyped-def]
    """The sum over the elements of the row at `a`, times their partners, times `signs`.

    `size` is a multiple of `MIN_ELEMENTS`.
    """
    index = types.int64
    signature = types.float64(state, index, index, index, index, index, index, signs)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        double = is_double(sig.args[0])
        vectors = _Pairs(builder, double)
        width = vectors.width
        amplitudes, sign_data = (data(context, builder, sig.args[at], args[at]) for at in (0, 7))
        result = cgutils.alloca_once(builder, ir.DoubleType())

        def emit(code: int) -> None:
            sums = [cgutils.alloca_once(builder, vectors.vector) for _ in range(_APART)]
            for total in sums:
                builder.store(ir.Constant(vectors.vector, [0.0] * width), total)
            step = ir.Constant(I64, _APART * width)
            with cgutils.for_range_slice(builder, ir.Constant(I64, 0), args[3], step, intp=I64) as (first, _):
                for place, total in enumerate(sums):
                    at = builder.add(first, ir.Constant(I64, place * width))
                    left = builder.fmul(vectors.load(amplitudes, builder.add(args[1], at)), vectors.load(sign_data, at))
                    right = vectors.load(amplitudes, builder.add(args[2], builder.xor(at, args[4])))
                    right = vectors.shuffle(right, [i ^ code for i in range(width)])
                    builder.store(vectors.multiply_add(left, right, builder.load(total)), total)
            whole = builder.load(sums[0])
            for total in sums[1:]:
                whole = builder.fadd(whole, builder.load(total))
            answer = ir.Constant(ir.DoubleType(), 0.0)
            for lane in range(width):
                each = builder.extract_element(whole, ir.Constant(I32, lane))
                answer = builder.fadd(answer, each if double else builder.fpext(each, ir.DoubleType()))
            builder.store(answer, result)

        vectors.each_pattern(args[5], args[6], emit)
        return builder.load(result)

    return signature, codegen


@intrinsic
def product_row(typingctx, state, a, b, size, flip, lanes, imaginary, out):  # type: ignore[no-untyped-def]
    """The real parts of the amplitudes at `a` times the conjugates of their partners, or the imaginary parts, to `out`;
    there each vector is transformed by Walsh and Hadamard. `size` counts elements of the row, twice those of `out`.
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
    """Transforms ``2**bits`` vectors of `values`, `stride` elements from each other, element by element."""

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
