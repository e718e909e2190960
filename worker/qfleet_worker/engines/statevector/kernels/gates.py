# SPDX-License-Identifier: Apache-2.0
"""Kernels that apply one gate to a chunk, as vector instructions.

`vectors` draws how amplitudes lie in vectors. A target on a high bit pairs amplitudes of different vectors: a kernel
for h high targets loads 2**h vectors and multiplies each by a splat coefficient. A target on a lane bit pairs
amplitudes of one vector: the kernel shuffles it, and the coefficients are vectors themselves, an entry for each lane.

All kernels visit their vectors in the same way. ``fixed`` are the high bits that the kernel doesn't iterate over, its
targets and its controls; the next index is ``((x | fixed) + 1) & ~fixed`` (with 1 standing for the first high bit), so
controls on high bits cost nothing and save half of the work each. ``pattern`` is or-ed in: the values of the controls.
Controls on lanes are a matter of coefficients; controls outside of the chunk decide whether the kernel runs at all.

`kinds` lists the kernels, `coefficients` where each coefficient of a kernel lies.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from qfleet_worker.engines.statevector.kernels import coefficients
from qfleet_worker.engines.statevector.kernels.kinds import (
    FLIP,
    FLIPL,
    FLIPM,
    GC,
    GR,
    GX,
    PERM,
    C,
    R,
    S,
    Spec,
    V,
    X,
    specs,
)
from qfleet_worker.engines.statevector.kernels.vectors import I64, Vectors, data, is_double

#: Coefficients that stay in registers, of which there are 32.
_KEPT = 16


class Body(Vectors):
    """A builder of one kernel's loop body."""

    def __init__(self, builder: Any, spec: Spec, args: Any, double: bool) -> None:
        super().__init__(builder, double)
        self.spec = spec
        self.state, self.coefs, self.ints = args[0], args[1], args[2]
        self.strides = args[8:12]
        #: coefficients already loaded, by place
        self.loaded: dict[tuple[int, bool], Any] = {}

    def coef(self, place: int, splat: bool) -> Any:
        """Return a coefficient as a vector."""
        known = self.loaded.get((place, splat))
        if known is not None:
            return known
        offset = ir.Constant(I64, place)
        if not splat:
            return self.load(self.coefs, offset)
        return self.splat(self.builder.load(self.builder.gep(self.coefs, [offset]), align=self.align))

    def offsets(self, base: Any) -> list[Any]:
        """Return where the 2**high vectors of a group begin."""
        found = []
        for index in range(1 << self.spec.high):
            offset = base
            for bit in range(self.spec.high):
                if index >> bit & 1:
                    offset = self.builder.add(offset, self.strides[bit])
            found.append(offset)
        return found

    @property
    def unrolled(self) -> bool:
        """Tell whether two groups share the coefficients that are loaded."""
        kind, high, lo = self.spec
        return kind in (C, V) and high <= 2 and (lo != 0 or kind == V)

    def preload(self) -> None:
        """Load coefficients ahead of the loop, as many as registers hold.

        A processor loads as many numbers at a time as it multiplies vectors: with all coefficients loaded where they
        are needed, a matrix on two high bits took a third longer.
        """
        kind, high, lo = self.spec
        if kind in (C, R, X, V, S):
            splat = kind == S or coefficients.is_one_number(kind, lo)
            step = 1 if splat else self.width
            end = coefficients.count(self.spec, self.lane_bits)
            kept = _KEPT if high <= 3 else 0
            if splat or end <= kept * step:
                for place in range(0, min(end, kept * step), step):
                    self.loaded[place, splat] = self.coef(place, splat)
        elif self.spec.kind in (FLIPM, FLIPL):
            self.loaded[0, False] = self.coef(0, False)

    def emit(self, bases: list[Any]) -> None:
        """Emit the work on the groups of vectors that begin at `bases`."""
        kind = self.spec.kind
        if kind in (C, R, X, V):
            self.matrix(bases)
            return
        for base in bases:
            if kind == S:
                self.schmidt(base)
            elif kind in (GR, GX, GC):
                self.group(base)
            elif kind == PERM:
                self.permutation(base)
            else:
                self.flip(base)

    def matrix(self, bases: list[Any]) -> None:
        """Emit a matrix on high bits and lanes."""
        kind, high, lo = self.spec
        size = 1 << high
        shuffles = [s for s in range(1 << self.lane_bits) if s & ~lo == 0]
        offsets = [self.offsets(base) for base in bases]
        plain = [
            [self.across(value, s) for value in [self.load(self.state, o) for o in group] for s in shuffles]
            for group in offsets
        ]
        turned: list[list[Any]] = [[None if kind == R else self.times_i(value) for value in group] for group in plain]
        splat = coefficients.is_one_number(kind, lo)
        outs: list[list[Any]] = [[] for _ in bases]
        for row in range(size):
            sums: list[Any] = [None] * len(bases)
            for column in range(size * len(shuffles)):
                if kind == X:
                    diagonal = row == column if lo == 0 else column == 0
                    parts: tuple[list[list[Any]], ...] = (plain,) if diagonal else (turned,)
                else:
                    parts = (plain,) if kind == R else (plain, turned)
                entry = row, *divmod(column, len(shuffles))
                for part, groups in enumerate(parts):
                    place = coefficients.matrix_place(self.spec, entry, part, len(shuffles), self.width)
                    coef = self.coef(place, splat)
                    for at, values in enumerate(groups):
                        sums[at] = self.multiply_add(coef, values[column], sums[at])
            for at, value in enumerate(sums):
                outs[at].append(value)
        for group, values in zip(offsets, outs, strict=True):
            for offset, value in zip(group, values, strict=True):
                self.store(value, self.state, offset)

    def schmidt(self, base: Any) -> None:
        """Emit a matrix of kind S, on two high bits."""
        offsets = self.offsets(base)
        plain = [self.load(self.state, offset) for offset in offsets]
        turned = [None, *(self.times_i(value) for value in plain[1:])]
        for row, offset in enumerate(offsets):
            total = None
            if row in (0, 3):
                place = coefficients.schmidt_place(row, 0, 0)
                total = self.multiply_add(self.coef(place, True), plain[0], None)
            for column in (1, 2, 3):
                for part, values in enumerate((plain, turned)):
                    place = coefficients.schmidt_place(row, column, part)
                    total = self.multiply_add(self.coef(place, True), values[column], total)
            self.store(total, self.state, offset)

    def group(self, base: Any) -> None:
        """Emit one-qubit gates on several bits."""
        kind, high, lo = self.spec
        offsets = self.offsets(base)
        values = [self.load(self.state, offset) for offset in offsets]
        lanes, parts = self.lane_bits if lo else 0, range(coefficients.num_parts(kind))
        for lane in range(lanes):
            coefs = [
                self.coef(coefficients.group_lane_place(kind, lane, which, part, self.width), False)
                for which in (coefficients.OWN, coefficients.OTHER)
                for part in parts
            ]
            for at, value in enumerate(values):
                other = self.across(value, 1 << lane)
                if kind == GC:
                    total = self.builder.fmul(coefs[0], value)
                    total = self.multiply_add(coefs[1], self.times_i(value), total)
                    total = self.multiply_add(coefs[2], other, total)
                    values[at] = self.multiply_add(coefs[3], self.times_i(other), total)
                else:
                    off = self.builder.fmul(coefs[1], self.times_i(other) if kind == GX else other)
                    values[at] = self.multiply_add(coefs[0], value, off)
        for bit in range(high):
            m = [
                self.coef(coefficients.group_high_place(kind, lanes, bit, entry, part, self.width), True)
                for entry in range(4)
                for part in parts
            ]
            for at in range(len(values)):
                if at >> bit & 1:
                    continue
                a, b = values[at], values[at | 1 << bit]
                if kind == GC:
                    ia, ib = self.times_i(a), self.times_i(b)
                    for row, to in ((0, at), (4, at | 1 << bit)):
                        total = self.builder.fmul(m[row], a)
                        total = self.multiply_add(m[row + 1], ia, total)
                        total = self.multiply_add(m[row + 2], b, total)
                        values[to] = self.multiply_add(m[row + 3], ib, total)
                    continue
                off_a, off_b = (self.times_i(a), self.times_i(b)) if kind == GX else (a, b)
                values[at] = self.multiply_add(m[1], off_b, self.builder.fmul(m[0], a))
                values[at | 1 << bit] = self.multiply_add(m[2], off_a, self.builder.fmul(m[3], b))
        for offset, value in zip(offsets, values, strict=True):
            self.store(value, self.state, offset)

    def permutation(self, base: Any) -> None:
        """Emit a permutation of vectors."""
        offsets = self.offsets(base)
        values = []
        for at in range(len(offsets)):
            shift = self.builder.load(self.builder.gep(self.ints, [ir.Constant(I64, at)]))
            values.append(self.load(self.state, self.builder.add(base, shift)))
        for offset, value in zip(offsets, values, strict=True):
            self.store(value, self.state, offset)

    def flip(self, base: Any) -> None:
        """Emit X on one bit."""
        kind, _, lo = self.spec
        chosen = None
        if kind != FLIP:
            half = ir.Constant(self.vector, [0.5] * self.width)
            chosen = self.builder.fcmp_ordered(">", self.coef(0, False), half)
        if kind == FLIPL:
            value = self.load(self.state, base)
            self.store(self.builder.select(chosen, self.across(value, lo), value), self.state, base)
            return
        low, high = self.offsets(base)
        a, b = self.load(self.state, low), self.load(self.state, high)
        if kind == FLIPM:
            a, b = self.builder.select(chosen, a, b), self.builder.select(chosen, b, a)
        self.store(b, self.state, low)
        self.store(a, self.state, high)


def define(module: Any, spec: Spec, code: int, double: bool) -> Any:
    """Define the function of one kernel, with its loop.

    Its arguments are those of `call_kernel`.
    """
    element = ir.DoubleType() if double else ir.FloatType()
    pointer = element.as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer, pointer, I64.as_pointer(), *[I64] * 9])
    function = ir.Function(module, kind, name=f"qfleet_kernel_{code}_{'f64' if double else 'f32'}")
    function.linkage = "internal"
    function.attributes.add("noinline")
    args = function.args
    offset, count, fixed, pattern, second = args[3:8]
    entry, loop, end = (function.append_basic_block(name) for name in ("entry", "loop", "end"))
    builder = ir.IRBuilder(entry)
    body = Body(builder, spec, args, double)
    body.preload()
    one = ir.Constant(I64, 1)
    if body.unrolled:
        half = builder.lshr(count, one)
        count = builder.select(builder.icmp_unsigned("==", half, ir.Constant(I64, 0)), one, half)
    builder.branch(loop)
    builder.position_at_end(loop)
    index, done = builder.phi(I64), builder.phi(I64)
    index.add_incoming(ir.Constant(I64, 0), entry)
    done.add_incoming(ir.Constant(I64, 0), entry)
    place = builder.or_(index, pattern)
    bases = [builder.add(offset, builder.shl(place, one))]
    if body.unrolled:
        bases.append(builder.add(offset, builder.shl(builder.or_(place, second), one)))
    body.emit(bases)
    following = builder.add(builder.or_(index, fixed), ir.Constant(I64, 1 << body.lane_bits))
    following = builder.and_(following, builder.not_(fixed))
    counted = builder.add(done, one)
    index.add_incoming(following, loop)
    done.add_incoming(counted, loop)
    builder.cbranch(builder.icmp_unsigned("<", counted, count), loop, end)
    builder.position_at_end(end)
    builder.ret_void()
    return function


@intrinsic
def call_kernel(  # type: ignore[no-untyped-def]
    typingctx,
    state,
    coefs,
    ints,
    code,
    coef_at,
    int_at,
    offset,
    count,
    fixed,
    pattern,
    second,
    stride0,
    stride1,
    stride2,
    stride3,
):
    """Run the kernel `code` on a chunk of `state`.

    The chunk begins at element `offset`. `coef_at` and `int_at` are where its coefficients and integers begin; `count`
    is the number of groups of vectors, at least 1; `fixed`, `pattern` and `second` are in amplitudes, `second` being
    the highest bit that isn't fixed (0 if there is none); the strides of the high targets are in elements, in ascending
    order.
    """
    signature = types.void(state, coefs, ints, code, *[types.int64] * 11)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        double = is_double(sig.args[0])
        every = specs(2 if double else 3)
        pointers = [data(context, builder, kind, value) for kind, value in zip(sig.args[:3], args[:3], strict=True)]
        pointers[1] = builder.gep(pointers[1], [args[4]])
        pointers[2] = builder.gep(pointers[2], [args[5]])
        blocks = [builder.append_basic_block(f"kernel{at}") for at in range(len(every))]
        end = builder.append_basic_block("done")
        switch = builder.switch(args[3], end)
        for at, (spec, block) in enumerate(zip(every, blocks, strict=True)):
            switch.add_case(ir.Constant(args[3].type, at), block)
            builder.position_at_end(block)
            builder.call(define(builder.module, spec, at, double), [*pointers, *args[6:]])
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return signature, codegen
