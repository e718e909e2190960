# SPDX-License-Identifier: Apache-2.0
"""Diagonals on so many qubits that their tables have many rows, against one basis state at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import op
from make_experiments import make_experiment

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation
from qfleet_worker.engines.statevector.compiler.plan import compile_program
from qfleet_worker.engines.statevector.kernels.diagonals import ROW_BITS
from qfleet_worker.engines.statevector.kernels.layout import DIAGONAL_SECOND, DIAGONAL_SELECT
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

NUM_QUBITS = 15
LOW = range(ROW_BITS)
#: The high qubits that select the rows of a table's first part, and of its second.
FIRST, SECOND_HALF = range(ROW_BITS, 11), range(11, NUM_QUBITS)
HIGH = [*FIRST, *SECOND_HALF]


def phase(rng: np.random.Generator, *qubits: int) -> Operation:
    """Return a phase where all of the qubits have certain values; that of the last is 1."""
    open_or_not = [int(qubit) if rng.random() < 0.6 else ~int(qubit) for qubit in qubits[:-1]]
    return op(Op.P, [int(qubits[-1])], [float(rng.uniform(-3, 3))], controls=open_or_not)


def pairs(rng: np.random.Generator) -> Iterator[Operation]:
    for high in HIGH:
        low = rng.permutation(LOW)[:2]
        yield phase(rng, low[0], high)
        yield phase(rng, high, low[1])
    yield phase(rng, *rng.permutation(LOW)[:2])
    yield phase(rng, *rng.permutation(HIGH)[:2])


def triples(rng: np.random.Generator) -> Iterator[Operation]:
    yield from pairs(rng)
    for half in (FIRST, SECOND_HALF):
        for _ in range(3):
            yield phase(rng, rng.choice(LOW), *rng.permutation(half)[:2])
            yield phase(rng, *rng.permutation(half)[:2], rng.choice(LOW))
            yield phase(rng, *rng.permutation(LOW)[:2], rng.choice(half))
            yield phase(rng, *rng.permutation(LOW)[:2], *rng.permutation(half)[:2])


def across(rng: np.random.Generator) -> Iterator[Operation]:
    yield from triples(rng)
    yield phase(rng, rng.choice(LOW), rng.choice(FIRST), rng.choice(SECOND_HALF))


def one_each(rng: np.random.Generator) -> Iterator[Operation]:
    """Yield one term for each high bit."""
    for high in HIGH:
        yield phase(rng, 3, high)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("terms", [pairs, triples, across, one_each])
@pytest.mark.parametrize("seed", range(3))
def test_tables_of_many_rows(
    terms: Callable[[np.random.Generator], Iterator[Operation]], seed: int, precision: str
) -> None:
    rng = np.random.default_rng(seed)
    operations = list(terms(rng))
    turns = [op(Op.RY, [qubit], [0.4 + 0.1 * qubit]) for qubit in range(NUM_QUBITS)]
    program = oracle.program(NUM_QUBITS, 0, [*turns, *operations])
    diagonals = compile_program(program, 2).steps[0].tables.operations.diagonals
    selecting = sum(1 << (high - ROW_BITS) for high in HIGH)
    in_second = sum(1 << (high - ROW_BITS) for high in SECOND_HALF)
    assert [int(row[DIAGONAL_SECOND]) for row in diagonals if row[DIAGONAL_SELECT] == selecting] == [
        0 if terms is across else in_second
    ]
    expected = np.ones(1, np.complex128)
    for qubit in range(NUM_QUBITS):
        half = 0.2 + 0.05 * qubit
        expected = np.kron([np.cos(half), np.sin(half)], expected)
    index = np.arange(1 << NUM_QUBITS)
    for each in operations:
        chosen = index >> each.targets[0] & 1 == 1
        for control in each.controls:
            chosen &= index >> max(control, ~control) & 1 == (control >= 0)
        expected[chosen] *= np.exp(1j * each.params[0])
    for threads in (1, 2):
        experiment = make_experiment(program, 1, 1, output="statevector", precision=precision, threads=threads)
        found = StatevectorSimulator().run(experiment).amplitudes
        assert np.abs(found - expected).max() < {"double": 1e-12, "single": 1e-6}[precision]
