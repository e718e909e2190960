# SPDX-License-Identifier: Apache-2.0
"""Matrices that aren't unitary, among gates: compilers multiply them as they are."""

from __future__ import annotations

import numpy as np
import pytest
from engine_oracle import op, program, statevector
from numpy.typing import NDArray

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation
from qfleet_worker.engines.machine_code.loading import load_if_ready
from qfleet_worker.engines.numpy import compiler as numpy_compiler
from qfleet_worker.engines.numpy.state import State as NumpyState
from qfleet_worker.engines.statevector.compiler.plan import compile_program
from qfleet_worker.engines.statevector.runtime.state import State
from qfleet_worker.engines.threads import ThreadTeam


def operator(rng: np.random.Generator, width: int) -> NDArray[np.complex128]:
    """Return a matrix of one of several kinds that compilers tell apart."""
    side, kind = 1 << width, int(rng.integers(4))
    if kind == 0:
        return np.diag(rng.uniform(0.5, 1, side)).astype(np.complex128)
    if kind == 1:
        return np.diag(rng.normal(size=side) + 1j * rng.normal(size=side))
    if kind == 2:
        return rng.normal(size=(side, side)).astype(np.complex128)
    return rng.normal(size=(side, side)) + 1j * rng.normal(size=(side, side))


def rows(rng: np.random.Generator, num_qubits: int, number: int) -> list[Operation]:
    found = []
    for _ in range(number):
        a, b, c = rng.permutation(num_qubits)[:3].tolist()
        width = int(rng.integers(1, 4))
        found += [
            [op(Op.U, [a], rng.uniform(-3, 3, 3))],
            [op(Op.X, [a], controls=[b])],
            [op(Op.P, [a], [0.3], controls=[b])],
            [op(Op.RZZ, [a, c], [0.7])],
            [op(Op.SWAP, [a, b])],
            [op(Op.UNITARY, [a, b, c][:width], table=operator(rng, width))],
            [op(Op.UNITARY, [a, b, c][:width], table=operator(rng, width))],
        ][int(rng.integers(7))]
    return found


@pytest.mark.parametrize("seed", range(40))
def test_operators_are_multiplied_as_they_are(seed: int) -> None:
    load_if_ready()
    rng, n = np.random.default_rng(seed), 5
    circuit = program(n, 0, rows(rng, n, 30))
    expected = statevector(circuit)
    plan = compile_program(circuit, 2)
    state = State(plan.num_wires, np.dtype(np.complex128), ThreadTeam(1))
    for at in range(len(plan.steps)):
        state.apply(plan.steps, at)
    assert np.linalg.norm(state.statevector(plan, plan.phase) - expected) < 1e-12 * np.linalg.norm(expected)
    numpy_plan = numpy_compiler.compile_program(circuit)
    other = NumpyState(n, np.dtype(np.complex128))
    for at in range(len(numpy_plan.steps)):
        other.apply(numpy_plan.steps, at)
    found = other.statevector(numpy_plan.wires, numpy_plan.phase)
    assert np.linalg.norm(found - expected) < 1e-12 * np.linalg.norm(expected)
