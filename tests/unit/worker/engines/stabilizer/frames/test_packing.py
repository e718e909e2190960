# SPDX-License-Identifier: Apache-2.0
"""A shot is the same however shots are cut, shared and collected, and memory doesn't grow with them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from clifford_programs import counts_of, frames, gate, noisy_program, random_rows
from noise_oracle import depolarizing, jump_unless, measure, noise

from qfleet.wire.messages.request import Output
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.stabilizer.kernels.rows import BLOCK


def mixed_program(num_clbits: int = 75) -> Program:
    """Return a program with all kinds of steps, whose clbits fill some bytes."""
    rng = np.random.default_rng(7)
    rows = random_rows(rng, 6, num_clbits, 200)
    rows += [measure(0, 3), jump_unless(3, len(rows) + 4), gate(Op.X, 1), noise(depolarizing(0.5, 2), 1, 4)]
    return noisy_program(6, num_clbits, [*rows, *[measure(qubit, 8 * qubit) for qubit in range(6)]])


@pytest.mark.parametrize("output", [Output.BITS, Output.COUNTS])
@pytest.mark.parametrize(
    ("first", "shots"), [(0, 1), (1, 1023), (5, 3000), (BLOCK, BLOCK), (2 * BLOCK - 1, 2), (4095, 905)]
)
def test_shots_are_those_of_a_longer_run(output: Output, first: int, shots: int) -> None:
    program, seed = mixed_program(), 11
    whole = frames(program, 5000, seed, output=Output.BITS).outcomes
    part = frames(program, shots, seed, first, output=output, memory=output is Output.COUNTS)
    rows = part.outcomes if output is Output.BITS else part.outcomes[part.memory]
    assert (rows == whole[first : first + shots]).all()


def test_seeds_and_blocks_have_shots_of_their_own() -> None:
    program = noisy_program(1, 1, [gate(Op.H, 0), measure(0, 0)])
    one, other = (frames(program, 3 * BLOCK, seed, output=Output.BITS).outcomes.ravel() for seed in (1, 2))
    for a, b in ((one, other), (one[:BLOCK], one[BLOCK : 2 * BLOCK]), (one[: 2 * BLOCK], other[BLOCK:])):
        assert abs((a == b).mean() - 0.5) < 0.06


@pytest.mark.parametrize("outcome_bytes", [1, 1 << 17, 1 << 26])
def test_threads_and_chunks_change_nothing(outcome_bytes: int) -> None:
    program, shots = mixed_program(), 20 * BLOCK + 77
    expected = frames(program, shots, memory=True)
    for threads in (1, 3):
        found = frames(program, shots, memory=True, threads=threads, outcome_bytes=outcome_bytes)
        for one, other in zip(
            (expected.outcomes, expected.counts, expected.memory),
            (found.outcomes, found.counts, found.memory),
            strict=True,
        ):
            assert one is not None
            assert other is not None
            assert (one == other).all()


def test_counts_memory_and_bits_agree() -> None:
    program, shots = mixed_program(), 4000
    bits = frames(program, shots, output=Output.BITS).outcomes
    with_memory, counted = frames(program, shots, memory=True), frames(program, shots)
    assert with_memory.memory is not None
    assert counted.memory is None
    assert (with_memory.outcomes[with_memory.memory] == bits).all()
    assert counts_of(with_memory) == counts_of(counted)
    numbers = [int.from_bytes(row.tobytes(), "little") for row in bits]
    assert counts_of(counted) == {number: numbers.count(number) for number in sorted(set(numbers))}


def test_clbits_far_apart_and_clbits_that_nothing_writes() -> None:
    rows = [gate(Op.X, 0), gate(Op.H, 1), gate(Op.X, 2, controls=[1])]
    rows += [measure(0, 3), measure(1, 1_000_000), measure(2, 70_007)]
    counts = counts_of(frames(noisy_program(3, 1_000_001, rows), 1000))
    assert set(counts) == {1 << 3, 1 << 3 | 1 << 1_000_000 | 1 << 70_007}
    assert counts_of(frames(noisy_program(2, 9, [gate(Op.H, 0)]), 50)) == {0: 50}
    nothing = frames(noisy_program(1, 0, [gate(Op.H, 0)]), 50, memory=True)
    assert nothing.outcomes.shape == (0, 0)


def test_a_clbit_has_its_last_value() -> None:
    rows: list[Operation] = [gate(Op.X, 0), measure(0, 0), gate(Op.X, 0), measure(0, 0, (0.25, 0.0))]
    counts = counts_of(frames(noisy_program(1, 1, rows), 40_000))
    assert abs(counts[1] / 40_000 - 0.25) < 0.01


def test_memory_is_that_of_the_outcomes() -> None:
    flips = depolarizing(0.001)
    rows = [gate(Op.H, 0), *[gate(Op.X, qubit + 1, controls=[qubit]) for qubit in range(9)]]
    rows += [each for qubit in range(10) for each in (noise(flips, qubit), measure(qubit, qubit))]
    program = noisy_program(10, 10, rows)
    frames(program, 10)
    tracemalloc.start()
    outcome = frames(program, 5_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert outcome.counts.sum() == 5_000_000
    assert len(outcome.counts) <= 1024
    # 5 M shots of one word are 40 MB.
    assert peak < 20_000_000


def test_thousand_qubits() -> None:
    size = 1000
    rows = [gate(Op.H, 0), *[gate(Op.X, qubit + 1, controls=[qubit]) for qubit in range(size - 1)]]
    counts = counts_of(frames(noisy_program(size, size, [*rows, *[measure(q, q) for q in range(size)]]), 2000))
    assert set(counts) == {0, (1 << size) - 1}
    assert abs(counts[0] - 1000) < 100


@pytest.mark.usefixtures("nothing_compiles")
def test_what_runs_is_what_was_compiled() -> None:
    for output in (Output.BITS, Output.COUNTS):
        frames(mixed_program(), 3000, output=output, memory=output is Output.COUNTS, threads=2)
