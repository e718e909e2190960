# SPDX-License-Identifier: Apache-2.0
"""Exact outcomes of small noisy programs, by dense density matrices.

It shares nothing with the engines. Jumps may depend on single clbits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import engine_oracle as oracle
import numpy as np
from make_experiments import make_experiment
from numpy.typing import NDArray

from qfleet.wire.program.channels import Branch, Channel
from qfleet.wire.program.expressions import Bit, Expression
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.contract import Simulator

Matrix = NDArray[np.complex128]

#: Ways less probable than this are dropped.
NEGLIGIBLE = 1e-13

_LETTERS = {
    (0, 0): np.eye(2),
    (1, 0): np.array([[0, 1], [1, 0]]),
    (1, 1): np.array([[0, -1j], [1j, 0]]),
    (0, 1): np.diag([1, -1]),
}


def noise(channel: Channel, *targets: int) -> Operation:
    """Return a row of noise."""
    return Operation(Op.NOISE, (), targets, (), None, -1, channel=channel)


def measure(qubit: int, clbit: int, flips: tuple[float, float] = (0.0, 0.0)) -> Operation:
    """Return a measurement with a readout error."""
    return Operation(Op.MEASURE, (), (qubit,), (), None, clbit, flips=flips)


def jump_unless(clbit: int, row: int) -> Operation:
    """Return a jump to a row, unless a clbit is 1."""
    return Operation(Op.JUMP_UNLESS, (), (), (), None, -1, row, (Bit(clbit),))


def depolarizing(probability: float, width: int = 1) -> Channel:
    """Return a channel whose Pauli errors are equally probable."""
    count = 4**width - 1
    masks = [(x, z) for x in range(1 << width) for z in range(1 << width)]
    chances = [1 - probability] + [probability / count] * count
    return Channel.of(width, [Branch(chance, x, z) for chance, (x, z) in zip(chances, masks, strict=True)])


def damping(gamma: float) -> Channel:
    """Return amplitude damping, all of it in Kraus operators."""
    stay, fall = np.diag([1, np.sqrt(1 - gamma)]), np.array([[0, np.sqrt(gamma)], [0, 0]])
    return Channel.of(1, [Branch(0.0), Branch(1.0, operators=np.array([stay, fall], np.complex128))])


def drifting(rng: np.random.Generator, width: int, strength: float) -> Channel:
    """Return a channel that mostly multiplies by the same operator.

    The operator isn't the identity, and isn't diagonal.
    """
    side = 1 << width
    operators = strength * (rng.normal(size=(3, side, side)) + 1j * rng.normal(size=(3, side, side)))
    operators[0] += np.eye(side)
    values, vectors = np.linalg.eigh(np.einsum("kij,kil->jl", operators.conj(), operators))
    operators = operators @ ((vectors / np.sqrt(values)) @ vectors.conj().T)
    return Channel.of(width, [Branch(0.0), Branch(1.0, operators=operators)])


def resetting(stay: float, reset: float, turn: float) -> Channel:
    """Return a channel of two qubits with resets and a unitary."""
    rest = (1 - stay - turn) / 3
    swap = np.eye(4)[[0, 2, 1, 3]].astype(np.complex128)[None]
    branches = [
        Branch(stay),
        Branch(rest * 3 * reset, reset_mask=1),
        Branch(rest * 3 * (1 - reset) / 2, reset_mask=3),
        Branch(rest * 3 * (1 - reset) / 2, x_mask=1, z_mask=1, reset_mask=2),
        Branch(turn, operators=swap),
    ]
    return Channel.of(2, branches)


def random_channel(rng: np.random.Generator, width: int) -> Channel:
    """Return a channel with some branches of all sorts."""
    branches = [Branch(0.0 if rng.random() < 0.1 else float(rng.uniform(0.2, 1)))]
    for _ in range(int(rng.integers(1, 5))):
        chance, kind = float(rng.uniform(0.02, 0.3)), int(rng.integers(4))
        if kind == 0:
            branches.append(Branch(chance, *rng.integers(0, 1 << width, 2).tolist()))
        elif kind == 1:
            reset = int(rng.integers(1, 1 << width))
            x, z = (int(mask) & ~reset for mask in rng.integers(0, 1 << width, 2))
            branches.append(Branch(chance, x, z, reset))
        else:
            branches.append(Branch(chance, operators=_random_operators(rng, width, 1 if kind == 2 else 3)))
    total = sum(branch.probability for branch in branches)
    return Channel.of(width, [branch._replace(probability=branch.probability / total) for branch in branches])


def _random_operators(rng: np.random.Generator, width: int, count: int) -> Matrix:
    side = 1 << width
    tall = rng.normal(size=(count * side, side)) + 1j * rng.normal(size=(count * side, side))
    return np.linalg.qr(tall)[0].reshape(count, side, side)


def program_of(num_qubits: int, num_clbits: int, rows: Sequence[Operation]) -> Program:
    """Return the program that consists of rows of any operation."""
    from random_programs import program_of as whole

    return whole(rows, num_qubits, num_clbits)


def density_matrix(program: Program) -> Matrix:
    """Return the final state, averaged over all that is random."""
    return sum(matrix for _, matrix in _ends(program))  # type: ignore[return-value]


def probabilities(program: Program) -> dict[int, float]:
    """Return the probability of each outcome, read as a number."""
    sums: dict[int, float] = defaultdict(float)
    for clbits, matrix in _ends(program):
        sums[clbits] += float(np.trace(matrix).real)
    return dict(sums)


def chi_square(counts: Mapping[int, int], exact: Mapping[int, float]) -> tuple[float, int]:
    """Return the chi-square of counts, and its degrees of freedom.

    Outcomes with less than five expected counts are taken together.
    """
    shots = sum(counts.values())
    assert {outcome for outcome in counts if exact.get(outcome, 0) < 1e-9} == set()
    rare = [outcome for outcome, chance in exact.items() if chance * shots < 5]
    cells = [(counts.get(outcome, 0), chance * shots) for outcome, chance in exact.items() if chance * shots >= 5]
    rest = sum(exact[outcome] for outcome in rare) * shots
    if rest >= 5:
        cells.append((sum(counts.get(outcome, 0) for outcome in rare), rest))
    return sum((seen - wanted) ** 2 / wanted for seen, wanted in cells), len(cells) - 1


def _ends(program: Program) -> Iterator[tuple[int, Matrix]]:
    """Give the clbits and the matrix at each way's end.

    The trace of a matrix is the way's probability.
    """
    rows, size = list(program), 1 << program.num_qubits
    start = np.zeros((size, size), np.complex128)
    start[0, 0] = 1
    waiting: dict[tuple[int, int], Matrix] = {(0, 0): start}
    while waiting:
        (at, clbits), matrix = waiting.popitem()
        if at == len(rows):
            yield clbits, matrix
            continue
        for row, bits, after in _step(rows[at], at, clbits, matrix, program.num_qubits):
            if np.trace(after).real > NEGLIGIBLE:
                waiting[row, bits] = waiting.get((row, bits), 0) + after


def _step(
    row: Operation, at: int, clbits: int, matrix: Matrix, num_qubits: int
) -> Iterator[tuple[int, int, Matrix]]:  # fmt: skip
    """Give the next row, the clbits and the matrix after a row."""
    if row.code is Op.JUMP:
        yield row.jump, clbits, matrix
    elif row.code is Op.JUMP_UNLESS:
        yield (at + 1 if _holds(row.expressions[0], clbits) else row.jump), clbits, matrix
    elif row.code is Op.NOISE:
        assert row.channel is not None
        yield at + 1, clbits, _after_channel(row.channel, row.targets, matrix, num_qubits)
    elif row.code is Op.MEASURE:
        flips = row.flips or (0.0, 0.0)
        for value in (0, 1):
            part = _kraus([np.diag([1 - value, value])], row.targets, matrix, num_qubits)
            for read in (0, 1):
                chance = flips[value] if read != value else 1 - flips[value]
                yield at + 1, clbits & ~(1 << row.clbit) | read << row.clbit, chance * part
    elif row.code is Op.RESET:
        yield at + 1, clbits, _kraus([np.outer([1, 0], each) for each in np.eye(2)], row.targets, matrix, num_qubits)
    else:
        full = oracle.full_matrix(row, num_qubits)
        yield at + 1, clbits, full @ matrix @ full.conj().T


def _holds(expression: Expression, clbits: int) -> bool:
    assert isinstance(expression, Bit)
    return bool(clbits >> expression.clbit & 1)


def _after_channel(channel: Channel, targets: Sequence[int], matrix: Matrix, num_qubits: int) -> Matrix:
    after = np.zeros_like(matrix)
    for branch in channel.branches():
        part = matrix
        if branch.has_masks:
            for place, target in enumerate(targets):
                letter = _LETTERS[branch.x_mask >> place & 1, branch.z_mask >> place & 1]
                part = _kraus([letter], [target], part, num_qubits)
                if branch.reset_mask >> place & 1:
                    part = _kraus([np.outer([1, 0], each) for each in np.eye(2)], [target], part, num_qubits)
        else:
            part = _kraus(list(branch.operators), targets, part, num_qubits)
        after += branch.probability * part
    return after


def _kraus(operators: Sequence[Matrix], targets: Sequence[int], matrix: Matrix, num_qubits: int) -> Matrix:
    after = np.zeros_like(matrix)
    for operator in operators:
        full = np.zeros_like(matrix)
        mask = sum(1 << target for target in targets)
        for column in range(len(full)):
            inside = sum((column >> target & 1) << place for place, target in enumerate(targets))
            for row in range(len(operator)):
                outside = column & ~mask | sum((row >> place & 1) << target for place, target in enumerate(targets))
                full[outside, column] += operator[row, inside]
        after += full @ matrix @ full.conj().T
    return after


def assert_states_average_to_density(simulator: Simulator, program: Program, shots: int) -> None:
    """Compare the average of the shots' states with the density matrix."""
    size = 1 << program.num_qubits
    mean = np.zeros((size, size), np.complex128)
    for shot in range(shots):
        state = simulator.run(make_experiment(program, 1, 11, shot, output="statevector")).amplitudes
        assert state is not None
        assert abs(np.vdot(state, state) - 1) < 1e-9
        mean += np.outer(state, state.conj()) / shots
    assert np.abs(mean - density_matrix(program)).max() < 3.5 / np.sqrt(shots)
