# SPDX-License-Identifier: Apache-2.0
"""A test for each kernel, set of lanes and precision: coefficients as `kernels` describes them, against numpy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

import numba
import numpy as np
import pytest
from compiled_tables import one_operation
from numpy.typing import NDArray

from qfleet_worker.engines.statevector.compiler import matrix_operations
from qfleet_worker.engines.statevector.compiler.frame import new_frame
from qfleet_worker.engines.statevector.kernels import kinds as kernels
from qfleet_worker.engines.statevector.kernels import layout, runs
from qfleet_worker.engines.statevector.kernels.kinds import Spec
from qfleet_worker.engines.statevector.kernels.stage import NO_SUMS, ONE_STATE, Stage, run_stage

NAMES = ["C", "R", "X", "V", "S", "GR", "GX", "GC", "FLIP", "FLIPM", "FLIPL", "PERM"]
DTYPES = {2: np.dtype(np.complex128), 3: np.dtype(np.complex64)}
TOLERANCES = {2: 1e-13, 3: 3e-6}
#: Bits of a state with high bits that are neither targets nor controls.
BITS = 8
#: What stands around a state, where nothing may be written.
EDGE, EDGE_LENGTH = 7, 32

Vector = NDArray[np.complex128]


def every(*kinds: int) -> list[Any]:
    """Lane bits and spec of each kernel of some kinds."""
    return [
        pytest.param(lane_bits, spec, id=f"{DTYPES[lane_bits]}-{NAMES[spec.kind]}{spec.high}-{spec.lo:0{lane_bits}b}")
        for lane_bits in (2, 3)
        for spec in kernels.specs(lane_bits)
        if spec.kind in kinds
    ]


def lanes_of(lo: int) -> list[int]:
    return [bit for bit in range(3) if lo >> bit & 1]


def places(lane_bits: int, spec: Spec) -> Iterator[tuple[int, list[int], int, int]]:
    """Yield the bits of a state, the high targets among them, and high controls with their values.

    The high targets are at all places; the smallest state has one group of vectors.
    """
    yield lane_bits + spec.high, [*range(lane_bits, lane_bits + spec.high)], 0, 0
    for number, high in enumerate(combinations(range(lane_bits, BITS), spec.high)):
        free = [bit for bit in range(lane_bits, BITS) if bit not in high]
        yield BITS, [*high], 0, 0
        for control in {free[0], free[-1]}:
            yield BITS, [*high], 1 << control, (number & 1) << control


def spread(value: int, bits: list[int]) -> int:
    return sum((value >> at & 1) << bit for at, bit in enumerate(bits))


def apply(state: Vector, matrix: Vector, targets: list[int], controls: int = 0, values: int = 0) -> Vector:
    """Return a matrix on some bits of the index, where the controls have their values."""
    index = np.arange(len(state))
    active = index & controls == values
    moved = [index & ~spread(-1, targets) | spread(column, targets) for column in range(len(matrix))]
    row = sum((index >> bit & 1) << at for at, bit in enumerate(targets))
    total = sum(matrix[row, column] * state[moved[column]] for column in range(len(matrix)))
    return np.where(active, total, state)


def run(
    state: Vector, lane_bits: int, spec: Spec, bits: int, high: list[int], controls: int, values: int,
    coefs: list[float], order: list[int] | None = None,
) -> Vector:  # fmt: skip
    """Apply a kernel to a state, and return the state."""
    dtype = DTYPES[lane_bits]
    real = np.dtype(dtype.type().real.dtype)
    padded = np.full(2 * len(state) + 2 * EDGE_LENGTH, EDGE, real)
    inside = padded[EDGE_LENGTH:-EDGE_LENGTH]
    inside[:] = state.astype(dtype).view(real)
    op = np.zeros(layout.OP_COLUMNS, np.int64)
    all_bits = (1 << bits) - 1
    matrix_operations.begin_op(op, new_frame(all_bits, bits, lane_bits), spread(-1, high) | controls, values)
    op[layout.OP_KERNEL] = kernels.specs(lane_bits).index(spec)
    op[layout.OP_STRIDES : layout.OP_STRIDES + len(high)] = [2 << bit for bit in high]
    operations, numbers = one_operation(op, np.array([*coefs, 0], real), np.array(order or [0]))
    stage = Stage(all_bits, all_bits, 0, 1, bits)
    run_stage(inside, stage, operations, numbers, np.zeros(1, real), ONE_STATE, NO_SUMS, 0, 1)
    assert (padded[:EDGE_LENGTH] == EDGE).all()
    assert (padded[-EDGE_LENGTH:] == EDGE).all()
    return inside.view(dtype).astype(np.complex128)


def random(rng: np.random.Generator, *shape: int) -> Vector:
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / 2


def pairs(values: list[float]) -> list[float]:
    """Return a coefficient of each lane, for its real and its imaginary part."""
    return [value for value in values for _ in range(2)]


def matrix_coefs(matrix: Vector, lane_bits: int, spec: Spec, chosen: list[int]) -> list[float]:
    """Return row, column, shuffle; real then imaginary. On lanes that aren't `chosen` the matrix is the identity."""
    kind, high, lo = spec
    lanes = lanes_of(lo)

    def index(vector: int, lane: int) -> int:
        return sum((lane >> bit & 1) << at for at, bit in enumerate(lanes)) | vector << len(lanes)

    coefs = []
    for row, column, shuffle in product(range(1 << high), range(1 << high), range(1 << len(lanes))):
        shuffled = spread(shuffle, lanes)
        entries = [
            matrix[index(row, lane), index(column, lane ^ shuffled)] if lane in chosen else float(row == column)
            for lane in range(1 << lane_bits)
        ]
        diagonal = row == column and shuffle == 0
        for part in (
            ("real", "imag")
            if kind not in (kernels.R, kernels.X)
            else ("real",)
            if kind == kernels.R or diagonal
            else ("imag",)
        ):
            values = [float(getattr(np.complex128(entry), part)) for entry in entries]
            coefs += values[:1] if lo == 0 and kind != kernels.V else pairs(values)
    return coefs


@pytest.mark.parametrize(("lane_bits", "spec"), every(kernels.C, kernels.R, kernels.X, kernels.V))
def test_matrices(lane_bits: int, spec: Spec) -> None:
    rng = np.random.default_rng(spec)
    lanes = [*range(1 << lane_bits)]
    # A control on each lane bit, and on all of them at once.
    lane_controls = (
        [0, *(1 << bit for bit in range(lane_bits)), (1 << lane_bits) - 1] if spec.kind == kernels.V else [0]
    )
    for bits, high, controls, values in places(lane_bits, spec):
        for on_lanes in lane_controls:
            lane_values = int(rng.integers(1 << lane_bits)) & on_lanes
            matrix = random(rng, *[1 << spec.high + spec.lo.bit_count()] * 2)
            if spec.kind == kernels.R:
                matrix.imag = 0
            elif spec.kind == kernels.X:
                matrix = np.where(np.eye(2, dtype=bool), matrix.real, 1j * matrix.imag)
            chosen = [lane for lane in lanes if lane & on_lanes == lane_values]
            state = random(rng, 1 << bits)
            result = run(
                state, lane_bits, spec, bits, high, controls, values, matrix_coefs(matrix, lane_bits, spec, chosen)
            )
            expected = apply(state, matrix, [*lanes_of(spec.lo), *high], controls | on_lanes, values | lane_values)
            assert np.abs(result - expected).max() < TOLERANCES[lane_bits] * 4


@pytest.mark.parametrize(("lane_bits", "spec"), every(kernels.S))
def test_matrices_whose_first_column_is_thin(lane_bits: int, spec: Spec) -> None:
    rng = np.random.default_rng(1)
    for bits, high, controls, values in places(lane_bits, spec):
        matrix = random(rng, 4, 4)
        matrix[:, 0] = [0.6, 0, 0, 0.8]
        state = random(rng, 1 << bits)
        rest = [float(part) for entry in matrix[:, 1:].reshape(-1) for part in (entry.real, entry.imag)]
        result = run(state, lane_bits, spec, bits, high, controls, values, [0.6, 0.8, *rest])
        assert np.abs(result - apply(state, matrix, high, controls, values)).max() < TOLERANCES[lane_bits] * 4


@pytest.mark.parametrize(("lane_bits", "spec"), every(kernels.GR, kernels.GX, kernels.GC))
def test_groups_of_one_qubit_gates(lane_bits: int, spec: Spec) -> None:
    rng = np.random.default_rng(2)
    lanes = [*range(1 << lane_bits)]
    for bits, high, controls, values in places(lane_bits, spec):
        targets = [*lanes_of(spec.lo), *high]
        matrices, coefs = random(rng, len(targets), 2, 2), []
        if spec.kind == kernels.GR:
            matrices.imag = 0
        elif spec.kind == kernels.GX:
            matrices = np.where(np.eye(2, dtype=bool), matrices.real, 1j * matrices.imag)
        for target, m in zip(targets, matrices, strict=True):
            off = m.imag if spec.kind == kernels.GX else m.real
            if target < lane_bits:
                ones = [lane >> target & 1 for lane in lanes]
                vectors = [[m[b, b].real for b in ones], [off[b, 1 - b] for b in ones]]
                if spec.kind == kernels.GC:
                    vectors[1:1] = [[m[b, b].imag for b in ones]]
                    vectors.append([m[b, 1 - b].imag for b in ones])
                coefs += [value for vector in vectors for value in pairs(vector)]
            elif spec.kind == kernels.GC:
                coefs += [part for entry in m.reshape(-1) for part in (entry.real, entry.imag)]
            else:
                coefs += [m[0, 0].real, off[0, 1], off[1, 0], m[1, 1].real]
        expected = state = random(rng, 1 << bits)
        for target, m in zip(targets, matrices, strict=True):
            expected = apply(expected, m, [target], controls, values)
        result = run(state, lane_bits, spec, bits, high, controls, values, coefs)
        assert np.abs(result - expected).max() < TOLERANCES[lane_bits] * 4 * max(1, np.abs(expected).max())


@pytest.mark.parametrize(("lane_bits", "spec"), every(kernels.FLIP, kernels.FLIPM, kernels.FLIPL))
def test_flips(lane_bits: int, spec: Spec) -> None:
    rng = np.random.default_rng(3)
    flip = np.array([[0, 1], [1, 0]], np.complex128)
    for bits, high, controls, values in places(lane_bits, spec):
        target = [*lanes_of(spec.lo), *high][0]
        others = [bit for bit in range(lane_bits) if bit != target]
        for mask in (
            [0] if spec.kind == kernels.FLIP else [spread(chosen, others) for chosen in range(1 << len(others))]
        ):
            lane_values = int(rng.integers(1 << lane_bits)) & mask
            chosen = pairs([float(lane & mask == lane_values) for lane in range(1 << lane_bits)])
            state = random(rng, 1 << bits).astype(DTYPES[lane_bits]).astype(np.complex128)
            result = run(state, lane_bits, spec, bits, high, controls, values, chosen)
            assert (result == apply(state, flip, [target], controls | mask, values | lane_values)).all()


@pytest.mark.parametrize(("lane_bits", "spec"), every(kernels.PERM))
def test_permutations(lane_bits: int, spec: Spec) -> None:
    rng = np.random.default_rng(4)
    for bits, high, controls, values in places(lane_bits, spec):
        origins = rng.permutation(1 << spec.high).tolist()
        state = random(rng, 1 << bits).astype(DTYPES[lane_bits]).astype(np.complex128)
        order = [2 * spread(origin, high) for origin in origins]
        result = run(state, lane_bits, spec, bits, high, controls, values, [], order)
        matrix = np.eye(1 << spec.high, dtype=np.complex128)[origins]
        assert (result == apply(state, matrix, high, controls, values)).all()


def test_every_kernel_is_tested_above() -> None:
    kinds = [kernels.C, kernels.R, kernels.X, kernels.V, kernels.S, kernels.GR, kernels.GX, kernels.GC]
    kinds += [kernels.FLIP, kernels.FLIPM, kernels.FLIPL, kernels.PERM]
    assert len(every(*kinds)) == sum(len(kernels.specs(lane_bits)) for lane_bits in (2, 3))
    # Dense matrices: every way of 1 to 4 targets to be on lanes and on high bits.
    for lane_bits in (2, 3):
        dense = {(spec.high, spec.lo) for spec in kernels.specs(lane_bits) if spec.kind == kernels.C}
        assert dense == {
            (k - lo.bit_count(), lo) for k in (1, 2, 3, 4) for lo in range(1 << lane_bits) if lo.bit_count() <= k
        }


@numba.njit
def _scale(state: Any, at: int, size: int, factor: complex) -> None:
    runs.scale_row(state, at, size, factor.real, factor.imag)


@numba.njit
def _scale_by(state: Any, at: int, size: int, table: Any, begin: int, factor: complex) -> None:
    runs.scale_row_by(state, at, size, table, begin, factor.real, factor.imag)


@numba.njit
def _copy(target: Any, to: int, source: Any, begin: int, size: int) -> None:
    runs.copy_run(target, to, source, begin, size, source, begin)


@pytest.mark.parametrize("lane_bits", [2, 3])
def test_runs_of_amplitudes(lane_bits: int) -> None:
    """Multiples of a vector, anywhere."""
    rng, dtype = np.random.default_rng(5), DTYPES[lane_bits]
    real = np.dtype(dtype.type().real.dtype)
    for number, at, begin in product((1, 2, 5), (0, 3), (0, 2)):
        size = number << lane_bits
        state, table = random(rng, 64).astype(dtype), random(rng, 64).astype(dtype)
        part, factors = slice(at, at + size), table[begin : begin + size]
        for run_it, product_of in (
            (lambda floats: _scale(floats, 2 * at, 2 * size, 0.6 - 0.7j), 0.6 - 0.7j),  # noqa: B023
            (
                lambda floats: _scale_by(floats, 2 * at, 2 * size, table.view(real), 2 * begin, 0.6 - 0.7j),  # noqa: B023
                (0.6 - 0.7j) * factors,
            ),
        ):
            found = state.copy()
            run_it(found.view(real))
            expected = state.copy()
            expected[part] *= product_of
            assert np.abs(found - expected).max() < TOLERANCES[lane_bits]
        found = state.copy()
        _copy(found.view(real), 2 * at, table.view(real), 2 * begin, 2 * size)
        expected = state.copy()
        expected[part] = factors
        assert (found == expected).all()
