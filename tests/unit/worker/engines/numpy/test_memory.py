# SPDX-License-Identifier: Apache-2.0
"""The engine keeps to the memory that its states are said to take."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import measure, op
from make_experiments import make_experiment

from qfleet.wire.cost.cost import states_bytes
from qfleet.wire.messages.request import Output, Precision
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation
from qfleet_worker.engines.numpy.simulator import NumpySimulator

N = 21


def peak(
    num_qubits: int, operations: list[Operation], output: Output, precision: Precision, shots: int = 1000
) -> float:
    """Peak of the memory allocated in a run, as a part of what is predicted."""
    program = oracle.program(num_qubits, num_qubits, operations)
    tracemalloc.start()
    try:
        experiment = make_experiment(program, shots, 1, memory=True, output=output, precision=precision)
        NumpySimulator().run(experiment)
        return tracemalloc.get_traced_memory()[1] / states_bytes(num_qubits, experiment.request, "numpy")
    finally:
        tracemalloc.stop()


def layers(num_qubits: int) -> list[Operation]:
    """Return gates that keep all qubits entangled, the axes moving, and tables and controls of every width."""
    rng = np.random.default_rng(2)
    spread = [op(Op.H, [qubit]) for qubit in range(num_qubits)]
    order = rng.permutation(num_qubits).tolist()
    mixed = [
        op(Op.DIAGONAL, order[:12], table=oracle.random_table(rng, Op.DIAGONAL, 12)),
        op(Op.UNITARY, order[3:11], table=oracle.random_table(rng, Op.UNITARY, 8)),
        op(Op.UNITARY, order[4:10], table=oracle.random_table(rng, Op.UNITARY, 6), controls=[order[0]]),
        op(Op.RX, [order[1]], [0.4], controls=[~order[2]]),
    ]
    return [*spread, *mixed, *[op(Op.RXX, [a, b], [0.3]) for a, b in pairwise(order)]]


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("output", ["counts", "statevector"])
def test_gates_and_a_million_shots(output: Output, precision: Precision) -> None:
    operations = [*layers(N), *(measure(qubit, qubit) for qubit in range(N))]
    assert peak(N, operations, output, precision, shots=1_000_000) < 1


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("output", ["counts", "statevector"])
def test_branches(output: Output, precision: Precision) -> None:
    again = [op(Op.RY, [0], [1.0]), op(Op.X, [1], controls=[0]), measure(0, 0)]
    operations = [op(Op.H, [qubit]) for qubit in range(N)] + again * 4 + [op(Op.RESET, [5]), op(Op.H, [5])]
    assert peak(N, operations, output, precision, shots=20) < 1


@pytest.mark.parametrize("precision", ["double", "single"])
def test_tables_over_all_qubits(precision: Precision) -> None:
    size = 1 << N
    everywhere = list(np.random.default_rng(1).permutation(N))
    operations = [
        op(Op.INITIALIZE, everywhere, table=np.full(size, size**-0.5)),
        op(Op.DIAGONAL, everywhere[::-1], table=np.exp(1j * np.arange(size))),
    ]
    assert peak(N, operations, "statevector", precision) < 1


@pytest.mark.parametrize("precision", ["double", "single"])
def test_a_matrix_over_all_qubits(precision: Precision) -> None:
    table = np.zeros((1 << 12, 1 << 12), complex)
    np.fill_diagonal(table[::-1], 1)
    operations = [op(Op.H, [qubit]) for qubit in range(12)] + [op(Op.UNITARY, list(range(12)), table=table)]
    assert peak(12, operations, "statevector", precision) < 0.1


@pytest.mark.parametrize("precision", ["double", "single"])
def test_a_wide_matrix_on_a_large_state(precision: Precision) -> None:
    """Two buffers and little else, whatever precision the matrix comes in."""
    table = np.roll(np.eye(1 << 9, dtype=complex), 1, axis=0)
    operations = [op(Op.H, [qubit]) for qubit in range(22)] + [op(Op.UNITARY, list(range(0, 18, 2)), table=table)]
    assert peak(22, operations, "counts", precision) < 0.7


@pytest.mark.parametrize("precision", ["double", "single"])
def test_unitary(precision: Precision) -> None:
    assert peak(11, layers(11)[11 + 1 :], "unitary", precision) < 1
