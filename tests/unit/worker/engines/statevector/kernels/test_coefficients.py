# SPDX-License-Identifier: Apache-2.0
"""Coefficients lie where both sides look: each kernel reads all places that the compiler writes, and no others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from llvmlite import ir

from qfleet_worker.engines.statevector.compiler import (
    draft,
    emission,
    group_operations,
    matrix_operations,
    schedule,
    shapes,
)
from qfleet_worker.engines.statevector.compiler.frame import Frame, new_frame
from qfleet_worker.engines.statevector.kernels import coefficients, gates, kinds
from qfleet_worker.engines.statevector.kernels.kinds import Spec
from qfleet_worker.engines.statevector.kernels.layout import OP_COLUMNS, OP_KERNEL

BITS = 8
SPECS = [
    pytest.param(lane_bits, spec, id=f"{'double' if lane_bits == 2 else 'single'}-{spec.kind}-{spec.high}-{spec.lo}")
    for lane_bits in (2, 3)
    for spec in kinds.specs(lane_bits)
]
#: Where the coefficients of an operation begin.
BEGIN = 5


def places_read(monkeypatch: pytest.MonkeyPatch, lane_bits: int, spec: Spec) -> set[int]:
    """Return the places that a kernel loads coefficients from."""
    width, places = 2 << lane_bits, set()
    load = gates.Body.coef

    def coef(body: gates.Body, place: int, splat: bool) -> Any:
        places.update([place] if splat else range(place, place + width))
        return load(body, place, splat)

    monkeypatch.setattr(gates.Body, "coef", coef)
    gates.define(ir.Module(), spec, 0, lane_bits == 2)
    return places


def gate_row(target: int, controls: int = 0) -> np.ndarray:
    row = np.zeros(draft.COLUMNS, np.int64)
    row[[draft.KIND, draft.TARGETS, draft.CONTROLS, draft.VALUES]] = draft.FLIP, target, controls, controls
    row[draft.AT] = 3
    return row


def write(spec: Spec, frame: Frame, op: np.ndarray, sources: np.ndarray) -> int:
    """Have the compiler write what a kernel needs; returns where the next coefficients go."""
    targets = [bit for bit in range(frame.lane_bits) if spec.lo >> bit & 1]
    targets += range(frame.lane_bits, frame.lane_bits + spec.high)
    if spec.kind in (kinds.C, kinds.R, kinds.X, kinds.V, kinds.S):
        shape = {kinds.R: shapes.REAL, kinds.X: shapes.MIXED, kinds.S: shapes.SCHMIDT}.get(spec.kind, 0)
        inside = 1 if spec.kind == kinds.V else 0
        matrix = matrix_operations.Matrix(3, shape, np.array(targets), inside, inside)
        return matrix_operations.emit_matrix(matrix, frame, op, sources, BEGIN)
    if spec.kind in (kinds.GR, kinds.GX, kinds.GC):
        kind = [schedule.REAL_GROUP, schedule.MIXED_GROUP, schedule.FULL_GROUP][spec.kind - kinds.GR]
        rows = np.array([gate_row(target) for target in targets])
        return group_operations.emit_group(rows, np.arange(len(targets)), kind, frame, op, sources, BEGIN)
    if spec.kind == kinds.PERM:
        rows = np.array([gate_row(target) for target in targets])
        wires = sum(1 << target for target in targets)
        emission.emit_permutation(rows, np.arange(len(targets)), wires, frame, op, np.zeros(64, np.int64), 0)
        return BEGIN
    return emission.emit_gate(gate_row(targets[0], spec.kind == kinds.FLIPM), frame, op, sources, BEGIN)


@pytest.mark.parametrize(("lane_bits", "spec"), SPECS)
def test_a_kernel_reads_what_the_compiler_writes(monkeypatch: pytest.MonkeyPatch, lane_bits: int, spec: Spec) -> None:
    frame = new_frame((1 << BITS) - 1, BITS, lane_bits)
    op, sources = np.zeros(OP_COLUMNS, np.int64), np.full(BEGIN + coefficients.MAX_COUNT, -1, np.int64)
    end = write(spec, frame, op, sources)
    assert op[OP_KERNEL] == kinds.specs(lane_bits).index(spec)
    count = coefficients.count(spec, lane_bits)
    assert end == BEGIN + count
    assert (np.flatnonzero(sources >= 0) - BEGIN).tolist() == list(range(count))
    assert places_read(monkeypatch, lane_bits, spec) == set(range(count))
