# SPDX-License-Identifier: Apache-2.0
"""Linear permutations of a chunk's amplitudes.

Many X with at most one control each are one such permutation: amplitude y comes from the place that is the exclusive or
of a constant and a number for each bit of y that is 1. It is one pass from one chunk to another, however many X there
are. A *block* of `BLOCK` vectors is made of single amplitudes; from block to block, their places change alike.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from qfleet_worker.engines.statevector.kernels.vectors import I64, Vectors, data, is_double

#: Index bits of the vectors in a block, and vectors.
BLOCK_BITS = 2
BLOCK = 1 << BLOCK_BITS


@intrinsic
def permute(typingctx, source, begin, target, to, ints, at, blocks):  # type: ignore[no-untyped-def]
    """Write a chunk's amplitudes in another order to another chunk.

    The chunks begin at the elements `begin` and `to` and have `blocks` blocks, a power of 2. The integers at `at` are
    in elements: the places of the first block's amplitudes, then for each k the change of all places from a block to
    the next one, where the next one's number has k zeros at its end, and one more number that is read but not used.
    """
    index = types.int64
    signature = types.void(source, index, target, index, ints, index, index)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vectors = Vectors(builder, is_double(sig.args[0]))
        from_data, to_data, numbers = (data(context, builder, sig.args[k], args[k]) for k in (0, 2, 4))
        numbers = builder.gep(numbers, [args[5]])
        lanes = vectors.width // 2
        pair = ir.VectorType(vectors.element, 2).as_pointer()
        zeros = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(I64, [I64, ir.IntType(1)]), "llvm.cttz.i64"
        )

        def integer(place: Any) -> Any:
            return builder.load(builder.gep(numbers, [place]))

        def amplitude(number: int, change: Any) -> Any:
            place = builder.xor(change, integer(ir.Constant(I64, number)))
            pointer = builder.gep(from_data, [builder.add(args[1], place)])
            return builder.load(builder.bitcast(pointer, pair), align=vectors.align)

        def joined(parts: list[Any]) -> Any:
            while len(parts) > 1:
                places = list(range(2 * parts[0].type.count))
                parts = [vectors.shuffle(a, places, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
            return parts[0]

        changed = cgutils.alloca_once_value(builder, ir.Constant(I64, 0))
        one = ir.Constant(I64, 1)
        with cgutils.for_range_slice(builder, ir.Constant(I64, 0), args[6], one, intp=I64) as (block, _):
            change = builder.load(changed)
            first = builder.add(args[3], builder.mul(block, ir.Constant(I64, BLOCK * vectors.width)))
            for vector in range(BLOCK):
                parts = [amplitude(vector * lanes + lane, change) for lane in range(lanes)]
                vectors.store(joined(parts), to_data, builder.add(first, ir.Constant(I64, vector * vectors.width)))
            step = builder.call(zeros, [builder.add(block, one), ir.Constant(ir.IntType(1), 1)])
            after = integer(builder.add(step, ir.Constant(I64, BLOCK * lanes)))
            builder.store(builder.xor(change, after), changed)
        return context.get_dummy_value()

    return signature, codegen
