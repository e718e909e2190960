# SPDX-License-Identifier: Apache-2.0
"""The time and memory of Clifford circuits on tableaux.

Gates change some rows of a tableau, and a measurement may change all. Shots are frames: Paulis by which they differ
from one run, in blocks. A program that jumps, stores or saves has tableaux for its branches instead.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from qfleet.wire.cost.branches import num_operations, passes
from qfleet.wire.cost.constants import TABLEAU
from qfleet.wire.messages.request import tableau_bytes
from qfleet.wire.program.operations import EVENTS, PER_TARGET
from qfleet.wire.program.program import Program

#: Shots of a block of frames.
BLOCK_SHOTS: Final = 1024
#: Tableaux that are held at the peak: one that is run, one for the reference, and copies for branches.
_TABLEAUX: Final = 2
_BRANCHING_TABLEAUX: Final = 4
#: Threads that have frames of their own, as the memory is counted.
_THREADS: Final = 16


def tableau_memory(program: Program, shots: int) -> int:
    """Return the bytes of a program's tableaux and frames at the peak."""
    branching = _runs_branches(program)
    tableaux = (_BRANCHING_TABLEAUX if branching else _TABLEAUX) * tableau_bytes(program.num_qubits)
    if branching:
        # Each state has a bit for each qubit.
        return tableaux + min(shots, _MOST_STATES) * (program.num_qubits // 8 + 1)
    blocks = min(_THREADS, -(-shots // BLOCK_SHOTS))
    return tableaux + blocks * BLOCK_SHOTS // 8 * (2 * program.num_qubits + len(program.clbits))


#: States that the driver holds together.
_MOST_STATES: Final = 1 << 16


def tableau_seconds(program: Program, shots: int, terms: int) -> float:
    """Return the predicted seconds of one thread for some shots.

    Args:
        program: the program.
        shots: its shots.
        terms: Pauli terms that it saves the expectation values of.
    """
    operations, words = num_operations(program), program.num_qubits // 64 + 1
    counts = EVENTS[program.codes]
    events = float(np.where(counts == PER_TARGET, program.num_targets, counts).sum())
    rows = operations * (TABLEAU.seconds_per_operation + TABLEAU.seconds_per_word * words)
    rows += events * TABLEAU.seconds_per_word_of_measurement * program.num_qubits * words
    rows += terms * TABLEAU.seconds_per_word_of_measurement * program.num_qubits * words
    row_bytes = (program.num_clbits + 7) // 8
    found = TABLEAU.seconds_per_circuit + rows + shots * row_bytes * TABLEAU.seconds_per_byte
    if _runs_branches(program):
        branches = passes(program, "stabilizer").of(shots)
        return found + (branches - 1) * operations * TABLEAU.seconds_per_operation_of_branch
    blocks = -(-shots // BLOCK_SHOTS)
    return found + blocks * operations * TABLEAU.seconds_per_operation_of_block


def _runs_branches(program: Program) -> bool:
    """Tell whether frames can't run a program."""
    return bool(len(program.jumps) or len(program.expression_refs) or len(program.saves))
