# SPDX-License-Identifier: Apache-2.0
"""Frames have the outcomes of tableaus, on circuits too wide for anything else.

Without noise, the outcomes of a Clifford circuit are an affine space of bits, and so they are with feedback of Paulis
that depend on single bits.
"""

from __future__ import annotations

import numpy as np
import pytest
from clifford_programs import bits_of, gate, noisy_program, random_gate
from noise_oracle import jump_unless, measure

from qfleet.wire.messages.request import Output, Request
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.engines.stabilizer.simulator import StabilizerSimulator

#: Shots that span a space of at most 60 dimensions, but for one chance in 2**40.
SHOTS = 100


def wide_program(rng: np.random.Generator, size: int) -> Program:
    """Return a random circuit with measurements, resets and feedback in between."""
    rows: list[Operation] = []
    num_clbits = size + 8
    for _ in range(6 * size):
        rows.append(random_gate(rng, size))
        if rng.random() < 0.06:
            rows.append(measure(int(rng.integers(size)), size + int(rng.integers(8))))
        if rng.random() < 0.03:
            rows.append(gate(Op.RESET, int(rng.integers(size))))
        if rng.random() < 0.06:
            rows.append(jump_unless(size + int(rng.integers(8)), len(rows) + 3))
            rows += [
                gate((Op.X, Op.Y, Op.Z)[int(rng.integers(3))], qubit) for qubit in rng.permutation(size)[:2].tolist()
            ]
    return noisy_program(size, num_clbits, [*rows, *[measure(qubit, qubit) for qubit in range(size)]])


def reduced(bits: np.ndarray) -> list[int]:
    """Return a basis of the space that shots span, with the first shot as its origin."""
    numbers = [int("".join(map(str, row)), 2) for row in (bits ^ bits[0]).astype(int).tolist()]
    basis: list[int] = []
    for number in numbers:
        rest = remainder(number, basis)
        if rest:
            basis.append(rest)
            basis.sort(reverse=True)
    return basis


def remainder(number: int, basis: list[int]) -> int:
    """Return what is left of a vector; 0 in the space."""
    for vector in basis:
        number = min(number, number ^ vector)
    return number


@pytest.mark.parametrize("size", [2, 5, 12, 25, 40])
@pytest.mark.parametrize("seed", range(3))
def test_outcomes_span_the_same_space(size: int, seed: int) -> None:
    program = wide_program(np.random.default_rng(100 * size + seed), size)
    ours = bits_of(program, SHOTS)
    experiment = Experiment(program, SHOTS, 5, request=Request(Output.BITS, "stabilizer"))
    rows = StabilizerSimulator(frames=False).run(experiment).outcomes
    theirs = np.unpackbits(rows, axis=1, bitorder="little")[:, : program.num_clbits].astype(np.bool_)
    spaces = reduced(ours), reduced(theirs)
    assert len(spaces[0]) == len(spaces[1])
    assert len(spaces[0]) <= 60
    for shot in theirs ^ ours[0]:
        assert remainder(int("".join(map(str, shot.astype(int).tolist())), 2), spaces[0]) == 0
