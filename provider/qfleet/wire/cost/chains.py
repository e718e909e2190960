# SPDX-License-Identifier: Apache-2.0
"""The time and memory of circuits on matrix product states.

How wide a bond grows depends on the entanglement, which isn't known in advance. It is at most the product of the ranks
of all gates across it, and at most what the qubits on its smaller side can hold.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.cost.branches import holds_branches, passes
from qfleet.wire.cost.constants import CHAIN
from qfleet.wire.messages.request import LARGEST_BOND, Request
from qfleet.wire.program.operations import IS_UNITARY, JUMPS, Op
from qfleet.wire.program.program import Program

#: Gates on two qubits that have rank 2.
_OF_RANK_2: Final = (Op.RZZ, Op.RXX, Op.RYY, Op.RZX)
#: Matrices of four times a bond's numbers that a decomposition holds.
_MATRICES: Final = 8


def chain_memory(program: Program, request: Request, shots: int) -> int:
    """Return the bytes of a program's chains at the peak."""
    bonds = bounds(program, request)
    tensors = 2.0 * float(bonds[:-1] @ bonds[1:])
    branches = 2 if holds_branches(program, shots, request.method) else 1
    work = _MATRICES * 4 * float(bonds.max(initial=1)) ** 2
    return int((branches * tensors + work) * request.amplitude_bytes)


def chain_seconds(program: Program, request: Request, shots: int, terms: int) -> float:
    """Return the predicted seconds of one thread for some shots.

    Args:
        program: the program.
        request: the request for it.
        shots: its shots.
        terms: Pauli terms that it saves the expectation values of.
    """
    bonds = bounds(program, request)
    squares = bonds[:-1] * bonds[1:]
    firsts, lasts, _ = _gates(program)
    # Each gate takes a decomposition at each cut that it crosses.
    crossed = np.cumsum(_marks(program.num_qubits, firsts, lasts, np.ones(len(firsts))))
    cubes = float(crossed @ bonds[1:] ** 3) if program.num_qubits else 0.0
    run = len(program) * CHAIN.seconds_per_operation + cubes * CHAIN.seconds_per_cube
    number = passes(program, request.method).of(shots)
    found = CHAIN.seconds_per_circuit + number * run
    found += terms * float(squares @ bonds[1:]) * CHAIN.seconds_per_cube
    return found + shots * float(squares.sum()) * CHAIN.seconds_per_number_of_shot


def bounds(program: Program, request: Request) -> NDArray[np.float64]:
    """Return the largest size of each bond.

    Returns:
        Shape (qubits + 1,); the outer two are 1.
    """
    number = program.num_qubits
    cuts = np.arange(number + 1)
    most = np.minimum(cuts, number - cuts).astype(np.float64)
    # A loop may repeat its gates any number of times.
    if not (program.jumps <= np.flatnonzero(JUMPS[program.codes])).any():
        firsts, lasts, ranks = _gates(program)
        grown = np.cumsum(_marks(number, firsts, lasts, ranks))
        most[1:] = np.minimum(most[1:], grown)
    limit = request.bond or LARGEST_BOND
    bounded: NDArray[np.float64] = np.minimum(2.0 ** np.minimum(most, 60), limit)
    return bounded


def _marks(
    number: int, firsts: NDArray[np.int64], lasts: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mark the cuts between two qubits.

    Args:
        number: of qubits.
        firsts: of each gate.
        lasts: of each gate.
        values: of each gate, which count at the cuts from its first to its last qubit.

    Returns:
        Shape (qubits,); a cut has the sum of the marks up to its left qubit.
    """
    marks = np.zeros(number + 1)
    np.add.at(marks, firsts, values)
    np.add.at(marks, lasts, -values)
    return marks[:number]


def _gates(program: Program) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the gates and channels that may entangle qubits.

    A SWAP exchanges the wires of two qubits, as the engine does it where a program isn't cut into stretches.

    Returns:
        The first and the last wire of each, and the binary logarithm of its largest rank.
    """
    widths = program.num_controls.astype(np.int64) + program.num_targets
    ends = np.cumsum(widths)
    wires = np.where(program.operands < 0, ~program.operands, program.operands).astype(np.int64)
    swaps = (program.codes == Op.SWAP) & (program.num_controls == 0)
    if len(program.jumps) or len(program.channel_refs):
        swaps[:] = False
    for end in ends[swaps].tolist():
        one, other = wires[end - 2 : end].tolist()
        later = wires[end:]
        later[(later == one) | (later == other)] = one + other - later[(later == one) | (later == other)]
    acts = IS_UNITARY[program.codes] | (program.codes == Op.INITIALIZE)
    noise = np.flatnonzero(program.codes == Op.NOISE)
    acts[noise] = [bool(program.channels[ref].operators) for ref in program.channel_refs.tolist()]
    rows = np.flatnonzero(acts & (widths > 1) & ~swaps)
    if not len(rows):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    # The places of a row's wires begin at even places of the cuts, and end at odd ones.
    cuts = np.stack([ends[rows] - widths[rows], ends[rows]], axis=1).reshape(-1)
    firsts = np.minimum.reduceat(np.append(wires, 0), cuts)[::2]
    lasts = np.maximum.reduceat(np.append(wires, 0), cuts)[::2]
    of_rank_2 = (program.num_controls[rows] > 0) & (program.num_targets[rows] == 1)
    of_rank_2 |= np.isin(program.codes[rows], _OF_RANK_2) & (program.num_controls[rows] == 0)
    return firsts, lasts, np.where(of_rank_2, 1.0, 2.0 * (widths[rows] // 2))
