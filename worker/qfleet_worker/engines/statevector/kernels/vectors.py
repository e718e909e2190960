# SPDX-License-Identifier: Apache-2.0
"""Amplitudes in vector registers: their layout, loads, shuffles and products.

A state is a flat array of real numbers, real and imaginary parts in turn, and is worked on in vectors of 8 doubles (4
amplitudes) or 16 floats (8 amplitudes)::

    index bits of an amplitude     [ b-1 ............ 3 | 2 |  1 | 0 ]      complex64: bits 0, 1, 2 lie inside a vector
                                   [ ........ high bits     | lanes  ]      complex128: bits 0, 1

    one vector of 8 doubles        | re im | re im | re im | re im |
                             lane      0       1       2       3            = the lowest bits of the index

Amplitudes that differ in a *high* bit lie in different vectors; those that differ in a *lane* bit lie in one, and are
brought together by a shuffle. Multiplication by i is a shuffle and a change of sign, so that multiplying by a complex
coefficient is two fused multiply-adds.

Only this module and those that are built from it, `kernels`, `runs` and `dots`, know LLVM.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

I64 = ir.IntType(64)
I32 = ir.IntType(32)


class Vectors:
    """A builder of instructions on vectors of one precision."""

    def __init__(self, builder: Any, double: bool) -> None:
        self.builder = builder
        self.element = ir.DoubleType() if double else ir.FloatType()
        self.width = 8 if double else 16
        self.lane_bits = 2 if double else 3
        self.vector = ir.VectorType(self.element, self.width)
        suffix = "f64" if double else "f32"
        self.fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self.vector, [self.vector] * 3), f"llvm.fmuladd.v{self.width}{suffix}"
        )
        self.align = 8 if double else 4

    def shuffle(self, value: Any, places: list[int], other: Any = None) -> Any:
        """Return a vector's elements, or those of two, in another order."""
        mask = ir.Constant(ir.VectorType(I32, len(places)), places)
        return self.builder.shuffle_vector(value, value if other is None else other, mask)

    def load(self, pointer: Any, offset: Any) -> Any:
        """Return the vector at an offset in elements."""
        place = self.builder.bitcast(self.builder.gep(pointer, [offset]), self.vector.as_pointer())
        return self.builder.load(place, align=self.align)

    def store(self, value: Any, pointer: Any, offset: Any) -> None:
        """Put a vector at an offset in elements."""
        place = self.builder.bitcast(self.builder.gep(pointer, [offset]), self.vector.as_pointer())
        self.builder.store(value, place, align=self.align)

    def splat(self, scalar: Any) -> Any:
        """Return a vector of equal elements."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
        return self.builder.shuffle_vector(
            first, undefined, ir.Constant(ir.VectorType(I32, self.width), [0] * self.width)
        )

    def times_i(self, value: Any) -> Any:
        """Return ``i * value``: (re, im) becomes (-im, re)."""
        # Neighbours change places, and the sign bit of each first one: processors do both faster than they take
        # elements of two vectors, which LLVM makes of a shuffle with the negated vector.
        bits = ir.VectorType(ir.IntType(8 * self.align), self.width)
        sign = 1 << (8 * self.align - 1)
        swapped = self.builder.bitcast(self.shuffle(value, [i ^ 1 for i in range(self.width)]), bits)
        signs = ir.Constant(bits, [0 if i % 2 else sign for i in range(self.width)])
        return self.builder.bitcast(self.builder.xor(swapped, signs), self.vector)

    def across(self, value: Any, lanes: int) -> Any:
        """Return a vector with lane l taken from lane ``l ^ lanes``."""
        return self.shuffle(value, [(i // 2 ^ lanes) * 2 + i % 2 for i in range(self.width)]) if lanes else value

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return ``a * b + c``; without `c`, only the product."""
        return self.builder.fmul(a, b) if c is None else self.builder.call(self.fma, [a, b, c])


def data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return the pointer to an array's first element."""
    return context.make_array(kind)(context, builder, value).data


def is_double(kind: Any) -> bool:
    """Tell whether an array is of doubles; else it is of floats."""
    return bool(kind.dtype == types.float64)
