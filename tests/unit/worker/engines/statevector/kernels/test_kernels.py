# SPDX-License-Identifier: Apache-2.0
"""Every kernel, on every combination of lanes, against plain numpy."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from compiled_tables import one_operation
from numpy.typing import NDArray

from qfleet_worker.engines.statevector.compiler import draft, group_operations, matrix_operations, shapes
from qfleet_worker.engines.statevector.compiler import emission as emit
from qfleet_worker.engines.statevector.compiler.frame import new_frame
from qfleet_worker.engines.statevector.compiler.matrix_operations import Matrix
from qfleet_worker.engines.statevector.compiler.schedule import FULL_GROUP, MIXED_GROUP, REAL_GROUP
from qfleet_worker.engines.statevector.kernels import kinds as kernels
from qfleet_worker.engines.statevector.kernels import layout
from qfleet_worker.engines.statevector.kernels.stage import NO_SUMS, ONE_STATE, Stage, run_stage

TOLERANCES = {2: 1e-13, 3: 2e-6}
BITS = 8
Vector = NDArray[np.complex128]
SHAPES = {"full": 0, "real": shapes.REAL, "mixed": shapes.MIXED, "schmidt": shapes.SCHMIDT}


def apply(state: Vector, matrix: Vector, targets: list[int], controls: int = 0, values: int = 0) -> Vector:
    """Return a matrix on some bits of the index, where the controls have their values."""
    result = state.copy()
    for index in range(len(state)):
        if index & controls != values:
            continue
        row = sum((index >> bit & 1) << at for at, bit in enumerate(targets))
        rest = index & ~sum(1 << bit for bit in targets)
        result[index] = sum(
            matrix[row, column] * state[rest | sum((column >> at & 1) << bit for at, bit in enumerate(targets))]
            for column in range(len(matrix))
        )
    return result


def random_state(rng: np.random.Generator, bits: int = BITS) -> Vector:
    return rng.normal(size=1 << bits) + 1j * rng.normal(size=1 << bits)


def random_matrix(rng: np.random.Generator, kind: str, size: int) -> Vector:
    matrix = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    if kind == "real":
        return matrix.real.astype(np.complex128)
    if kind == "mixed":
        return np.where(np.eye(size, dtype=bool), matrix.real, 1j * matrix.imag)
    if kind == "schmidt":
        matrix[:, 0] = [0.6, 0, 0, 0.8]
    return matrix


class Bench:
    """Runs operations on a state of its own."""

    def __init__(self, lane_bits: int, bits: int = BITS) -> None:
        self.lane_bits, self.bits = lane_bits, bits
        self.frame = new_frame((1 << bits) - 1, bits, lane_bits)
        self.op = np.zeros(layout.OP_COLUMNS, np.int64)
        self.sources = np.zeros(1 << 16, np.int64)
        #: the entries of matrices; 1 first, as in a draft's pool
        self.pool = np.ones(1, np.complex128)
        self.ints = np.zeros(64, np.int64)

    def add(self, matrix: Vector) -> int:
        """Put a matrix into the pool; returns its place."""
        self.pool = np.concatenate([self.pool, matrix.reshape(-1)])
        return len(self.pool) - matrix.size

    def run(self, state: Vector) -> tuple[Vector, int]:
        """Apply the operation to a state, and return the state and the code of its kernel."""
        real = np.float64 if self.lane_bits == 2 else np.float32
        floats = state.astype(np.complex128 if self.lane_bits == 2 else np.complex64).view(real)
        # Around the state nothing may be written.
        padded = np.full(len(floats) + 64, 7, real)
        padded[32:-32] = floats
        every = (1 << self.bits) - 1
        coefs = self.pool.view(np.float64)[self.sources].astype(real)
        operations, values = one_operation(self.op, coefs, self.ints)
        stage = Stage(every, every, 0, 1, self.bits)
        run_stage(padded[32:-32], stage, operations, values, np.zeros(1, real), ONE_STATE, NO_SUMS, 0, 1)
        assert (padded[:32] == 7).all()
        assert (padded[-32:] == 7).all()
        return padded[32:-32].view(np.complex128 if self.lane_bits == 2 else np.complex64), int(
            self.op[layout.OP_KERNEL]
        )


def high_positions(rng: np.random.Generator, lane_bits: int, number: int) -> list[int]:
    return sorted(rng.choice(np.arange(lane_bits, BITS), number, replace=False).tolist())


@pytest.mark.parametrize("lane_bits", [2, 3])
def test_matrices_on_all_lanes(lane_bits: int) -> None:
    rng = np.random.default_rng(lane_bits)
    seen = set()
    for k in range(1, 5):
        for lanes in range(min(k, lane_bits) + 1):
            for low in combinations(range(lane_bits), lanes):
                for kind in ["full", "real", "mixed"] if k == 1 else ["full", "schmidt"] if k == 2 else ["full"]:
                    for controls in range(3):
                        targets = [*low, *high_positions(rng, lane_bits, k - lanes)]
                        rng.shuffle(targets)
                        free = [bit for bit in range(BITS) if bit not in targets]
                        chosen = rng.choice(free, controls, replace=False).tolist()
                        inside = sum(1 << bit for bit in chosen)
                        values = inside & int(rng.integers(1 << BITS))
                        matrix = random_matrix(rng, kind, 1 << k)
                        bench = Bench(lane_bits)
                        placed = Matrix(bench.add(matrix), SHAPES[kind], np.array(targets), inside, values)
                        matrix_operations.emit_matrix(placed, bench.frame, bench.op, bench.sources, 0)
                        state = random_state(rng)
                        result, code = bench.run(state)
                        expected = apply(state, matrix, targets, inside, values)
                        assert np.abs(result - expected).max() < 20 * TOLERANCES[lane_bits], (targets, kind, chosen)
                        seen.add(code)
    # Controls on a lane, for matrices without lane targets.
    for k in range(1, 5):
        for lane in range(lane_bits):
            targets = high_positions(rng, lane_bits, k)
            matrix = random_matrix(rng, "full", 1 << k)
            bench = Bench(lane_bits)
            placed = Matrix(bench.add(matrix), 0, np.array(targets), 1 << lane, 0)
            matrix_operations.emit_matrix(placed, bench.frame, bench.op, bench.sources, 0)
            state = random_state(rng)
            result, code = bench.run(state)
            assert np.abs(result - apply(state, matrix, targets, 1 << lane, 0)).max() < 20 * TOLERANCES[lane_bits]
            seen.add(code)
    kinds = {kernels.C, kernels.R, kernels.X, kernels.V, kernels.S}
    assert seen == {code for code, spec in enumerate(kernels.specs(lane_bits)) if spec.kind in kinds}


def make_gates(rows: list[dict[int, int]]) -> NDArray[np.int64]:
    gates = np.zeros((len(rows), draft.COLUMNS), np.int64)
    for at, row in enumerate(rows):
        for column, value in row.items():
            gates[at, column] = value
    return gates


@pytest.mark.parametrize("lane_bits", [2, 3])
@pytest.mark.parametrize(("kind", "name"), [(REAL_GROUP, "real"), (MIXED_GROUP, "mixed"), (FULL_GROUP, "full")])
def test_groups(lane_bits: int, kind: int, name: str) -> None:
    rng = np.random.default_rng(1)
    seen = set()
    for high in range(4):
        for lanes in range(1 << lane_bits):
            targets = [*(lane for lane in range(lane_bits) if lanes >> lane & 1)]
            targets += high_positions(rng, lane_bits, high)
            if not targets:
                continue
            rng.shuffle(targets)
            matrices = [random_matrix(rng, name, 2) for _ in targets]
            bench = Bench(lane_bits)
            gates = make_gates(
                [
                    {draft.TARGETS: bit, draft.AT: bench.add(matrix)}
                    for bit, matrix in zip(targets, matrices, strict=True)
                ]
            )
            group_operations.emit_group(gates, np.arange(len(targets)), kind, bench.frame, bench.op, bench.sources, 0)
            expected = state = random_state(rng)
            for matrix, target in zip(matrices, targets, strict=True):
                expected = apply(expected, matrix, [target])
            result, code = bench.run(state)
            assert np.abs(result - expected).max() < TOLERANCES[lane_bits] * np.abs(expected).max() * 10
            seen.add(code)
    wanted = {REAL_GROUP: kernels.GR, MIXED_GROUP: kernels.GX, FULL_GROUP: kernels.GC}[kind]
    assert seen == {code for code, spec in enumerate(kernels.specs(lane_bits)) if spec.kind == wanted}


X = np.array([[0, 1], [1, 0]], np.complex128)


@pytest.mark.parametrize("lane_bits", [2, 3])
def test_flips(lane_bits: int) -> None:
    rng = np.random.default_rng(1)
    seen = set()
    for target in range(BITS):
        for controls in range(1 << 6):
            if controls >> target & 1:
                continue
            values = controls & int(rng.integers(1 << BITS))
            gates = make_gates(
                [
                    {
                        draft.KIND: draft.FLIP,
                        draft.TARGETS: target,
                        draft.CHANGES: 1 << target,
                        draft.CONTROLS: controls,
                        draft.VALUES: values,
                    }
                ]
            )
            bench = Bench(lane_bits)
            emit.emit_gate(gates[0], bench.frame, bench.op, bench.sources, 0)
            state = random_state(rng)
            result, code = bench.run(state)
            assert np.abs(result - apply(state, X, [target], controls, values)).max() < TOLERANCES[lane_bits]
            seen.add(code)
    kinds = {kernels.FLIP, kernels.FLIPM, kernels.FLIPL}
    assert seen == {code for code, spec in enumerate(kernels.specs(lane_bits)) if spec.kind in kinds}


@pytest.mark.parametrize("lane_bits", [2, 3])
@pytest.mark.parametrize("k", [2, 3, 4])
def test_permutations(lane_bits: int, k: int) -> None:
    rng = np.random.default_rng(k)
    for _ in range(20):
        wires = high_positions(rng, lane_bits, k)
        rows, expected = [], random_state(rng)
        state = expected
        for _ in range(5):
            target, *controls = rng.permutation(wires)[: int(rng.integers(2, k + 1))].tolist()
            mask = sum(1 << bit for bit in controls)
            values = mask & int(rng.integers(1 << BITS))
            rows.append({draft.TARGETS: target, draft.CONTROLS: mask, draft.VALUES: values})
            expected = apply(expected, X, [target], mask, values)
        bench = Bench(lane_bits)
        mask = sum(1 << bit for bit in wires)
        emit.emit_permutation(make_gates(rows), np.arange(5), mask, bench.frame, bench.op, bench.ints, 0)
        result, code = bench.run(state)
        assert kernels.specs(lane_bits)[code] == (kernels.PERM, k, 0)
        assert np.abs(result - expected).max() < TOLERANCES[lane_bits]


@pytest.mark.parametrize("lane_bits", [2, 3])
@pytest.mark.parametrize("bits", [5, 6, 8])
def test_linear_permutations(lane_bits: int, bits: int) -> None:
    rng = np.random.default_rng(bits)
    for number in (1, 4, 30):
        rows, expected = [], random_state(rng, bits)
        state = expected
        for _ in range(number):
            target, control = rng.permutation(bits)[:2].tolist()
            mask = int(rng.integers(2)) << control
            values = mask & int(rng.integers(1 << BITS))
            rows.append({draft.TARGETS: target, draft.CONTROLS: mask, draft.VALUES: values})
            expected = apply(expected, X, [target], mask, values)
        bench = Bench(lane_bits, bits)
        gates, sequence = make_gates(rows), np.arange(number)
        emit.emit_linear_permutation(gates, sequence, bench.frame, bench.op, bench.ints, 5)
        result, code = bench.run(state)
        assert code == layout.PERMUTATION
        assert np.abs(result - expected).max() < TOLERANCES[lane_bits]


def test_no_kernel_has_two_codes() -> None:
    for lane_bits in (2, 3):
        every = kernels.specs(lane_bits)
        assert len(set(every)) == len(every)
        for code, (kind, high, lo) in enumerate(every):
            assert kernels.CODES[lane_bits - 2, kind, high, lo] == code
